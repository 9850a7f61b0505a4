//! `changecast check` on a real Redis.

use super::{source, watched};
use crate::check::{checked, finding};
use crate::support::{RedisServer, mend};

#[tokio::test]
async fn a_sound_redis_is_ok_and_what_its_streams_keep_is_told() {
    let redis = RedisServer::start().await;
    redis.add_all("orders", 0..10).await;
    redis.run(&["XTRIM", "orders", "MAXLEN", "4"]).await;
    let url = source(&redis.url(), "stream=orders");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    for about in ["reachable", "version"] {
        assert_eq!(finding(&report, about)["level"], "ok", "{report}");
    }
    let told = finding(&report, "stream")["detail"].as_str().expect("words");
    assert!(told.starts_with("\"orders\" has 4 of 10 entries"), "{told}");
    let (server, _client) = watched(&redis).await;
    let sources = server.get_json("/sources").await;
    assert_eq!(sources["sources"][0]["check"]["level"], "ok", "{sources}");
}

#[tokio::test]
async fn what_is_no_stream_comes_with_the_command_that_moves_it_away() {
    let redis = RedisServer::start().await;
    redis.run(&["SET", "it's here", "1"]).await;
    let url = source(&redis.url(), "stream=orders&stream=it's here");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    let findings = report["sources"][0]["findings"].as_array().expect("findings");
    let levels = findings.iter().filter(|found| found["about"] == "stream");
    let levels: Vec<_> = levels.map(|found| &found["level"]).collect();
    assert_eq!(levels, ["ok", "problem"], "one that is not there yet is no problem: {report}");
    mend(findings.last().expect("one"), "redis-cli");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    let moved = redis.run(&["GET", "it's here.old"]).await;
    assert_eq!(redis::from_redis_value::<String>(moved).expect("a text"), "1");
}

#[tokio::test]
async fn a_redis_that_does_not_tell_of_keys_comes_with_the_command_that_lets_it() {
    let redis = RedisServer::start().await;
    let url = source(&redis.url(), "keyspace=orders:*");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!(outcome.code, Some(1), "{report}");
    mend(finding(&report, "notify"), "redis-cli");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
}

#[tokio::test]
async fn a_user_who_may_do_just_what_watching_takes_passes_the_check() {
    let redis = RedisServer::start().await;
    redis.add("orders", 0).await;
    let rights = ["+@read", "+@connection", "+multi", "+exec", "~orders"];
    let user = [&["ACL", "SETUSER", "ada", "on", ">s3cret"], &rights[..]].concat();
    redis.run(&user).await;
    let url = source(&redis.url_for("ada", "s3cret"), "stream=orders");
    let (report, outcome) = checked(&["--source", &url]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &"ok".into()), "{report}");
    redis.run(&["ACL", "SETUSER", "ada", "-exec"]).await;
    let (report, outcome) = checked(&["--source", &url]).await;
    let found = finding(&report, "stream");
    assert_eq!((outcome.code, &found["level"]), (Some(1), &"problem".into()), "{report}");
    assert!(found["mend"].as_str().expect("words").contains("ACL SETUSER"), "{found}");
    assert!(!format!("{outcome:?}").contains("s3cret"));
}
