//! A database that lets in only whom it knows.

use mongodb::bson::{Document, doc};
use serde_json::Value;

use super::{TestDatabase, news_of};
use crate::support::{Mongod, SseClient, Subscriber, TestServer, soon};

pub(super) const PASSWORD: &str = "s3cret-of-ada";
const WRONG: &str = "wr0ng-s3cret";

/// Its administrator, and the user `ada` with these roles.
pub(super) async fn users(mongod: &Mongod, password: &str, roles: &[Document]) -> mongodb::Client {
    let root = doc! { "createUser": "root", "pwd": "root", "roles": ["root"] };
    let stranger = mongod.client().await;
    soon("the first user", stranger.database("admin").run_command(root).into_future())
        .await
        .expect("a user");
    let uri = format!("{}&directConnection=true", mongod.uri_for("root", "root"));
    let client = mongodb::Client::with_uri_str(uri).await.expect("a client");
    let ada = doc! { "createUser": "ada", "pwd": password, "roles": roles };
    client.database("admin").run_command(ada).await.expect("a second user");
    client
}

/// A changecast that logs in as ada, and its page's view of it.
async fn watched_by_ada(
    mongod: &Mongod,
    database: &TestDatabase,
    password: &str,
) -> (TestServer, SseClient) {
    let server = database.watched_in_vain(&mongod.uri_for("ada", password)).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    (server, client)
}

async fn failure(client: &mut SseClient, error: &str, remedy: &str) {
    let news = news_of(client, "failed").await;
    let says = |field: &str, text| news[field].as_str().is_some_and(|said| said.contains(text));
    assert!(says("error", error) && says("remedy", remedy), "{news}");
}

/// Nothing that leaves the server holds the password.
async fn check_silence(server: &mut TestServer, client: SseClient, password: &str) {
    drop(client);
    for path in ["/sources", "/readyz", "/metrics", "/"] {
        let text = server.get(path).await.text().await.expect("text");
        assert!(!text.contains(password), "{path}: {text}");
    }
    server.terminate().await;
    let said = server.process().stdout() + &server.process().stderr();
    assert!(said.contains("source failed"), "{said}");
    assert!(!said.contains(password), "{said}");
}

#[tokio::test]
async fn s0_02_a_wrong_password_is_told_without_the_password_and_mended_without_a_restart() {
    let mongod = Mongod::guarded().await;
    let root =
        users(&mongod, PASSWORD, &[doc! { "role": "readWriteAnyDatabase", "db": "admin" }]).await;
    let database = TestDatabase::of(root.clone(), mongod.uri());
    let (mut server, mut client) = watched_by_ada(&mongod, &database, WRONG).await;
    failure(&mut client, "does not let the user in", "password").await;
    let listing = server.get_json("/sources").await;
    assert_eq!(listing["sources"][0]["state"], "failed");
    assert_eq!(server.get("/readyz").await.status(), 503);

    let update = doc! { "updateUser": "ada", "pwd": WRONG };
    root.database("admin").run_command(update).await.expect("a new password");
    let news = news_of(&mut client, "live").await;
    assert_eq!(news["error"], Value::Null);
    database.insert_numbers(1..2).await;
    assert_eq!(client.change().await.change.document()["n"], 1);
    check_silence(&mut server, client, WRONG).await;
}

#[tokio::test]
async fn a_missing_right_is_told_and_mended_without_a_restart() {
    let mongod = Mongod::guarded().await;
    let root = users(&mongod, PASSWORD, &[]).await;
    let database = TestDatabase::of(root.clone(), mongod.uri());
    let (mut server, mut client) = watched_by_ada(&mongod, &database, PASSWORD).await;
    failure(&mut client, "does not permit it", "read").await;

    let role = doc! { "role": "read", "db": database.name() };
    let grant = doc! { "grantRolesToUser": "ada", "roles": [role] };
    root.database("admin").run_command(grant).await.expect("a right");
    news_of(&mut client, "live").await;
    database.insert_numbers(1..2).await;
    assert_eq!(client.change().await.change.document()["n"], 1);
    check_silence(&mut server, client, PASSWORD).await;
}
