//! The checker on good and on bad snippets.

use super::rules::File;

fn offences(path: &str, text: &str) -> Vec<String> {
    let text = format!("//! What it is for.\n{text}\n");
    let found = File { path, text: &text }.check();
    found.into_iter().map(|offence| format!("{}: {}", offence.line, offence.what)).collect()
}

#[track_caller]
fn accepts(path: &str, text: &str) {
    assert_eq!(offences(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[track_caller]
fn refuses(path: &str, text: &str, what: &str) {
    let found = offences(path, text);
    assert!(found.iter().any(|offence| offence.contains(what)), "{path}: {text}: {found:?}");
}

#[test]
fn lower_levels_and_the_own_module_may_be_imported() {
    accepts("log/sqlite/mod.rs", "use crate::limits;\nuse crate::model::{Seq, Topic};");
    accepts("log/sqlite/read.rs", "use crate::log::recent::PageBuilder;\nuse super::storage;");
    accepts("hub/mod.rs", "use crate::{board::Board, log::{self, Log}, telemetry::Telemetry};");
    accepts("model/topic.rs", "use crate::limits;\nuse super::Change;");
    accepts("server.rs", "use crate::source::sqlite::Store;\nuse crate::transport::serve;");
    accepts(
        "telemetry/mod.rs",
        "use crate::log::LogSize;\nfn f(e: &crate::source::SourceError) {}",
    );
    accepts("lib.rs", "pub use crate::server::Server;");
}

#[test]
fn an_upward_import_is_refused_however_it_is_written() {
    for text in [
        "use crate::hub::Hub;",
        "use crate::{limits, hub::{self, Hub}};",
        "use crate::{\n    limits,\n    model::{Seq, Topic},\n    hub::Hub,\n};",
        "use crate::{limits as caps, hub as h};",
        "fn f(hub: &crate::hub::Hub) {}",
        "use super::super::hub::Hub;",
        "pub(crate) use crate::transport;",
    ] {
        refuses("log/memory.rs", text, "higher level");
    }
    refuses("board.rs", "use super::hub::Hub;", "higher level");
    refuses("model/topic.rs", "use crate::log::Log;", "higher level");
    refuses("hub/mod.rs", "use crate::transport::sse;", "higher level");
    refuses("transport/mod.rs", "use crate::server::Server;", "higher level");
    refuses("transport/mod.rs", "use crate::handlers::EventSource;", "higher level");
    refuses("stores/feed.rs", "use crate::transport::head;", "higher level");
}

#[test]
fn an_offence_names_its_line() {
    let found = offences("log/memory.rs", "\nuse crate::limits;\nuse crate::hub::Hub;");
    assert_eq!(found, ["4: imports hub::Hub: that is a higher level"]);
}

#[test]
fn source_and_hub_never_meet() {
    refuses("source/runner.rs", "use crate::hub::Hub;", "same level");
    refuses("hub/mod.rs", "use crate::source::Source;", "same level");
    refuses("log/mod.rs", "use crate::board::Board;", "same level");
}

#[test]
fn drivers_are_kept_to_themselves() {
    refuses("transport/router.rs", "use crate::source::mongodb::Mongo;", "a driver");
    refuses("transport/router.rs", "use crate::source::{self, sqlite::Store};", "a driver");
    refuses("source/mongodb/mod.rs", "use crate::source::sqlite::Store;", "a driver");
    refuses("source/mongodb/mod.rs", "use super::sqlite::Store;", "a driver");
    refuses("source/runner.rs", "use super::sqlite::Store;", "a driver");
    refuses("source/sqlite/stream.rs", "use crate::log::Log;", "neither the log");
    refuses("stores/queue.rs", "use crate::source::redis::RedisSource;", "a driver");
    refuses("stores/redis.rs", "use crate::source::sqlite::Store;", "a driver");
    accepts("stores/redis.rs", "use crate::source::redis::RedisSource;");
    accepts("source/sqlite/stream.rs", "use crate::source::sqlite::events;\nuse super::events;");
    accepts("source/sqlite/stream.rs", "use crate::source::{ChangeStream, SourceError};");
    accepts("transport/documents.rs", "use crate::source::{Documents, Source};");
}

#[test]
fn telemetry_and_testing_stand_beside_the_levels() {
    refuses("model/topic.rs", "use crate::telemetry::Telemetry;", "tells nobody");
    refuses("telemetry/mod.rs", "use crate::hub::Hub;", "calls nobody");
    refuses("telemetry/mod.rs", "use crate::source::Source;", "calls nobody");
    refuses("server.rs", "use crate::testing::TestServer;", "for tests only");
    accepts("testing/mod.rs", "use crate::server::Server;");
    accepts("hub/tests/follow.rs", "use crate::testing::TestServer;");
    accepts("log/sqlite/write.rs", "use crate::failpoint;");
    refuses("model/topic.rs", "use crate::failpoint;", "no level");
}

#[test]
fn fuzz_targets_see_everything_and_are_seen_by_nobody() {
    accepts("fuzzing.rs", "pub use crate::source::mongodb::fuzzing::bson_to_json;");
    accepts("fuzzing/stage.rs", "use crate::hub::Hub;");
    accepts("transport/fuzzing.rs", "use crate::fuzzing::stage::Stage;\nuse super::request;");
    refuses("transport/router.rs", "use crate::fuzzing::stage::Stage;", "for fuzzing only");
    refuses("transport/router.rs", "use super::fuzzing::request;", "for fuzzing only");
    refuses("server.rs", "use crate::source::mongodb::fuzzing;", "for fuzzing only");
}

#[test]
fn every_module_needs_a_level() {
    refuses("hub/mod.rs", "use crate::brand_new::Thing;", "no level");
    refuses("brand_new.rs", "use crate::model::Seq;", "no level");
}

#[test]
fn each_file_says_what_it_is_for() {
    for text in ["", "use crate::limits;\n", "// What it is for.\n", "#![allow(x)]\n//! Late.\n"] {
        let found = File { path: "log/mod.rs", text }.check();
        assert!(found.iter().any(|offence| offence.what.contains("//!")), "{text:?}");
    }
    accepts("log/mod.rs", "");
}

#[test]
fn leftovers_are_found_also_in_tests() {
    for macro_name in ["dbg", "todo", "unimplemented"] {
        let text = format!("    {macro_name}!(x);");
        refuses("log/mod.rs", &text, "left over");
        refuses("log/tests/mod.rs", &text, "left over");
        refuses("log/mod.rs", &format!("#[cfg(test)]\nmod tests {{\n{text}\n}}"), "left over");
    }
    accepts("log/mod.rs", "my_todo!(x); // todo!() is what we do not write");
}

#[test]
fn the_lowest_level_does_no_io_and_knows_no_runtime() {
    for text in ["use tokio::sync::watch;", "std::fs::read(path)", "use std::net::IpAddr;"] {
        refuses("model/topic.rs", text, "the lowest level");
        refuses("limits.rs", text, "the lowest level");
        refuses("filter/mod.rs", text, "the lowest level");
        accepts("log/mod.rs", text);
    }
    accepts("model/topic.rs", "use std::time::Duration; // as tokio has it\nlet my_tokio = 1;");
}

#[test]
fn tests_import_what_they_need() {
    accepts("model/topic.rs", "#[cfg(test)]\nmod tests {\n    use crate::hub::Hub;\n}");
    accepts("source/scripted.rs", "use crate::hub::Hub;");
    accepts("source/runner/tests/faults.rs", "use crate::hub::Hub;");
    refuses("model/topic.rs", "#[cfg(test)]\nmod tests;\nuse crate::hub::Hub;", "higher level");
}

#[test]
fn comments_are_not_code() {
    accepts("log/mod.rs", "/// See [`crate::hub::Hub`].\n// use crate::hub::Hub;");
    refuses("log/mod.rs", "let url = \"http://x\"; use crate::hub::Hub;", "higher level");
}
