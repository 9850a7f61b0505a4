//! A database that is not there yet, or not of the kind that has change streams.

use serde_json::{Value, json};

use super::{TestDatabase, news_of};
use crate::support::{Mongod, SseClient, Subscriber, TestServer, WsClient};

/// What `/sources` tells of the only source.
async fn source(server: &TestServer) -> Value {
    server.get_json("/sources").await["sources"][0].clone()
}

#[tokio::test]
async fn s0_29_without_mongod_it_serves_and_goes_live_once_there_is_one() {
    let mut mongod = Mongod::absent();
    let database = TestDatabase::on(&mongod).await;
    let server = database.watched_in_vain(&mongod.uri()).await;

    s0_13_serves_but_is_not_ready(&server).await;
    let mut sse = SseClient::follow(&server, "").await;
    let mut ws = WsClient::follow(&server, "").await;
    assert_eq!(sse.hello().await["waiting"], json!([database.name()]));
    assert_eq!(ws.hello().await["waiting"], json!([database.name()]));
    let news = news_of(&mut sse, "connecting").await;
    let error = news["error"].as_str().expect("it says why");
    assert!(error.contains(&mongod.address()), "{news}");

    mongod.start_again().await;
    for news in [news_of(&mut sse, "live").await, news_of(&mut ws, "live").await] {
        assert_eq!(news["source"], database.name());
        assert_eq!(news["error"], Value::Null, "{news}");
    }
    database.insert_numbers(1..3).await;
    assert_eq!(sse.change().await.change.document()["n"], 1);
    assert_eq!(ws.change().await.change.document()["n"], 1);
    assert_eq!(sse.change().await.change.document()["n"], 2);
    assert_eq!(server.get("/readyz").await.status(), 200);
    assert_eq!(server.get_json("/readyz").await["status"], "ok");
    let mut late = SseClient::follow(&server, "").await;
    assert_eq!(late.hello().await["waiting"], json!([]));
}

async fn s0_13_serves_but_is_not_ready(server: &TestServer) {
    for path in ["/", "/healthz", "/sources", "/topics", "/metrics"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.expect("JSON");
    assert_eq!(ready["status"], "unavailable", "{ready}");
    assert_eq!(ready["sources"][0]["positioned"], false, "{ready}");
}

/// From a standalone server to a replica set, all with the same changecast.
async fn check_standalone(mut mongod: Mongod, uri: &str) {
    let database = TestDatabase::of(mongod.client().await, mongod.uri());
    let mut server = database.watched_in_vain(uri).await;
    let mut sse = SseClient::follow(&server, "").await;
    sse.hello().await;
    let news = news_of(&mut sse, "failed").await;
    let error = news["error"].as_str().expect("it says why");
    assert!(error.contains("standalone") && error.contains(&mongod.address()), "{news}");
    check_remedy(&news);
    let listed = source(&server).await;
    assert_eq!((&listed["state"], &listed["error"]), (&json!("failed"), &news["error"]));
    assert_eq!(listed["remedy"], news["remedy"]);
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 503);
    let log = server.process().stderr_with("rs.initiate()").await;
    assert!(log.contains("standalone"), "{log}");

    mongod.start_again_uninitiated().await;
    loop {
        let news = news_of(&mut sse, "failed").await;
        if news["error"].as_str().is_some_and(|error| error.contains("not initiated")) {
            check_remedy(&news);
            break;
        }
    }
    mongod.initiate().await;
    let news = news_of(&mut sse, "live").await;
    assert_eq!((&news["error"], &news["remedy"]), (&Value::Null, &Value::Null));
    database.insert_numbers(1..2).await;
    assert_eq!(sse.change().await.change.document()["n"], 1);
    assert_eq!(server.get_json("/readyz").await["status"], "ok");
}

fn check_remedy(news: &Value) {
    let remedy = news["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("rs.initiate()"), "{news}");
}

#[tokio::test]
async fn s0_32_g9_a_standalone_mongod_is_told_what_it_lacks_and_followed_once_it_has_it() {
    let mongod = Mongod::standalone().await;
    let uri = mongod.plain_uri();
    check_standalone(mongod, &uri).await;
}

#[tokio::test]
async fn s0_32_g9_the_same_where_the_connection_string_names_the_replica_set() {
    let mongod = Mongod::standalone().await;
    let uri = mongod.uri();
    check_standalone(mongod, &uri).await;
}

#[tokio::test]
async fn two_databases_of_which_one_is_absent_do_not_wait_for_each_other() {
    let mut mongod = Mongod::absent();
    let late = TestDatabase::on(&mongod).await;
    let present = TestDatabase::new().await;
    let sources = [&late, &present].map(|database| {
        let (base, options) = database.uri.split_once('?').expect("options");
        format!("{base}{}?{options}&collection=items", database.name())
    });
    let arguments = ["--source", &sources[0], "--source", &sources[1]];
    let server = TestServer::start_unready(&arguments, &[]).await;
    let topic = format!("topic={}.*", present.name());
    let mut client = SseClient::follow(&server, &topic).await;
    if client.hello().await["waiting"] != json!([]) {
        news_of(&mut client, "live").await;
    }
    present.insert_numbers(1..2).await;
    assert_eq!(client.change().await.change.document()["n"], 1);
    assert_eq!(server.get("/readyz").await.status(), 503);

    let mut all = SseClient::follow(&server, "").await;
    assert_eq!(all.hello().await["waiting"], json!([late.name()]));
    mongod.start_again().await;
    assert_eq!(news_of(&mut all, "live").await["source"], late.name());
    late.insert_numbers(2..3).await;
    assert_eq!(all.change().await.change.document()["n"], 2);
}

#[tokio::test]
async fn g9_a_replica_set_of_another_name_is_told() {
    let mongod = Mongod::start().await;
    let database = TestDatabase::on(&mongod).await;
    let uri = mongod.uri().replace("rs0", "rs1");
    let server = database.watched_in_vain(&uri).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let news = news_of(&mut client, "failed").await;
    let error = news["error"].as_str().expect("it says why");
    assert!(error.contains("rs0") && error.contains("rs1"), "{news}");
    assert!(news["remedy"].as_str().is_some_and(|remedy| remedy.contains("replicaSet")), "{news}");
    assert_eq!(source(&server).await["state"], "failed");
}
