//! What only an operator can mend: told in words, and mended without a restart.

use super::{becomes, check_numbers, fails, only_source, source, watched_in_vain};
use crate::support::{RedisServer, Subscriber, TestServer, run};

const PASSWORD: &str = "s3cret-of-ada";

/// Nothing that leaves the server holds the password.
async fn check_silence(server: &mut TestServer) {
    for path in ["/sources", "/readyz", "/metrics", "/"] {
        let text = server.get(path).await.text().await.expect("text");
        assert!(!text.contains(PASSWORD), "{path}: {text}");
    }
    server.terminate().await;
    let said = server.process().stdout() + &server.process().stderr();
    assert!(said.contains("source failed") && !said.contains(PASSWORD), "{said}");
}

#[tokio::test]
async fn s0_02_a_wrong_password_is_told_without_the_password_and_mended_without_a_restart() {
    let redis = RedisServer::start().await;
    redis.run(&["ACL", "SETUSER", "ada", "on", ">other", "~*", "+@all"]).await;
    let (mut server, mut client) =
        watched_in_vain(&redis.url_for("ada", PASSWORD), "stream=orders").await;
    fails(&mut client, "does not let the user in", "password").await;
    assert_eq!(server.get("/readyz").await.status(), 503);
    redis.run(&["ACL", "SETUSER", "ada", &format!(">{PASSWORD}")]).await;
    becomes(&mut client, "live").await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
    drop(client);
    check_silence(&mut server).await;
}

#[tokio::test]
async fn a_missing_right_is_told_and_mended_without_a_restart() {
    let redis = RedisServer::start().await;
    let secret = format!(">{PASSWORD}");
    redis.run(&["ACL", "SETUSER", "ada", "on", &secret, "~audit", "+@connection"]).await;
    let (mut server, mut client) =
        watched_in_vain(&redis.url_for("ada", PASSWORD), "stream=orders").await;
    fails(&mut client, "does not permit it", "ACL SETUSER").await;
    // What the remedy names is all that it takes: INFO is not among it.
    redis.run(&["ACL", "SETUSER", "ada", "~orders", "+@read", "+multi", "+exec"]).await;
    becomes(&mut client, "live").await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
    drop(client);
    check_silence(&mut server).await;
}

#[tokio::test]
async fn a_key_of_another_type_is_told_and_mended_without_a_restart() {
    let redis = RedisServer::start().await;
    redis.run(&["HSET", "orders", "a", "1"]).await;
    let (_server, mut client) = watched_in_vain(&redis.url(), "stream=orders").await;
    fails(&mut client, "not a stream", "XADD").await;
    redis.run(&["DEL", "orders"]).await;
    becomes(&mut client, "live").await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn s0_02_a_wrong_requirepass_is_told_and_mended_without_a_restart() {
    let redis = RedisServer::start().await;
    redis.run(&["CONFIG", "SET", "requirepass", "other"]).await;
    let (_stranger, mut without) = watched_in_vain(&redis.url(), "stream=orders").await;
    fails(&mut without, "does not let the user in", "password").await;
    let url = redis.url().replace("redis://", &format!("redis://:{PASSWORD}@"));
    let (mut server, mut client) = watched_in_vain(&url, "stream=orders").await;
    fails(&mut client, "does not let the user in", "password").await;
    redis.run_as("default", "other", &["CONFIG", "SET", "requirepass", PASSWORD]).await;
    becomes(&mut client, "live").await;
    redis.run_as("default", PASSWORD, &["XADD", "orders", "*", "n", "0"]).await;
    check_numbers(&client.changes(1).await, 0..1);
    drop(client);
    check_silence(&mut server).await;
}

#[tokio::test]
async fn g9_a_right_that_is_taken_away_while_it_follows_is_told_and_nothing_is_lost() {
    let redis = RedisServer::start().await;
    let secret = format!(">{PASSWORD}");
    let rights = ["~orders", "+@read", "+@connection", "+multi", "+exec"];
    redis.run(&[&["ACL", "SETUSER", "ada", "on", &secret][..], &rights].concat()).await;
    let url = redis.url_for("ada", PASSWORD);
    let (server, mut client) = super::watched_as(&url, "stream=orders").await;
    redis.add_all("orders", 0..2).await;
    check_numbers(&client.changes(2).await, 0..2);
    redis.run(&["ACL", "SETUSER", "ada", "-xread"]).await;
    fails(&mut client, "does not permit it", "ACL SETUSER").await;
    redis.add_all("orders", 2..5).await;
    redis.run(&["ACL", "SETUSER", "ada", "+xread"]).await;
    check_numbers(&client.changes(3).await, 2..5);
    assert_eq!(only_source(&server).await["gap_count"], 0);
}

#[tokio::test]
async fn g2_a_stream_that_becomes_another_type_while_it_is_followed_is_told_and_is_a_gap() {
    let redis = RedisServer::start().await;
    let (server, mut client) = super::watched(&redis).await;
    redis.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
    let script = "redis.call('DEL', 'orders') redis.call('SET', 'orders', 'x')";
    redis.run(&["EVAL", script, "0"]).await;
    fails(&mut client, "not a stream", "XADD").await;
    redis.run(&["DEL", "orders"]).await;
    super::losses::check_gap(&redis, &server, &mut client, "deleted").await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let redis = RedisServer::start().await;
    let url = redis.url().replace("/0", "/99");
    let (_server, mut client) = watched_in_vain(&url, "stream=orders").await;
    fails(&mut client, "no database of that number", "URL").await;
}

#[tokio::test]
async fn g9_another_source_goes_on() {
    let good = RedisServer::start().await;
    let bad = RedisServer::absent(&[]);
    let (first, second) = (source(&good.url(), "stream=orders"), bad.url() + "?name=bad&stream=x");
    let server = TestServer::start_unready(&["--source", &first, "--source", &second], &[]).await;
    let mut client = super::follow(&server).await;
    crate::support::until("a live source", async || only_source(&server).await["state"] == "live")
        .await;
    good.add("orders", 0).await;
    check_numbers(&client.changes(1).await, 0..1);
}

#[tokio::test]
async fn what_a_url_gets_wrong_is_told_at_the_start() {
    for (url, words) in [
        ("redis://localhost", "nothing is named to watch"),
        ("redis://localhost?stream=", "stream= is empty"),
        ("redis://localhost?streem=a", "no option \"streem\""),
        ("redis://localhost?stream=a&channel=b", "make them two sources"),
        ("redis://localhost?stream=a&name=a.b", "must not contain a dot"),
        ("redis://localhost?stream=a%00b", "control character"),
        ("redis://ada:s3cret@local host?stream=a", "source URL"),
        ("redis://ada:s3cret@localhost/x?stream=a", "source URL"),
    ] {
        let outcome = run(&["--source", url]).await;
        assert_eq!(outcome.code, Some(3), "{url}: {outcome:?}");
        assert!(outcome.stderr.contains(words), "{url}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
    }
}
