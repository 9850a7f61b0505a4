//! The database goes away for longer than any wait between two attempts.
//!
//! How long it is away is the point, so here, and only here, a test lets time pass.

use changecast::limits;

use super::watched;
use crate::mongodb::told_until;
use crate::support::{NdjsonClient, Postgres, PostgresDatabase, Subscriber, until};

#[tokio::test]
async fn g2_g3_g9_a_postgresql_that_is_away_for_longer_than_the_longest_wait_costs_nothing() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let (server, mut client) = watched(&database).await;
    database.insert_numbers(0..10).await;
    postgres.kill().await;
    let source = async || server.get_json("/sources").await["sources"][0].clone();
    until("a source that says why", async || {
        let source = source().await;
        source["state"] == "connecting"
            && source["error"].as_str().is_some_and(|error| error.contains("no connection"))
            && source["remedy"].as_str().is_some_and(|remedy| remedy.contains("that it runs"))
    })
    .await;
    tokio::time::sleep(2 * limits::BACKOFF_MAX).await;
    assert_eq!(server.get("/readyz").await.status(), 200, "it still serves");
    postgres.start_again().await;
    database.insert_numbers(10..20).await;
    let told = told_until(&mut client, 19).await;
    assert_eq!(told.numbers(), (0..20).collect::<Vec<_>>(), "nothing lost, nothing twice");
    until("a source that is live", async || source().await["state"] == "live").await;
    let source = source().await;
    assert!(source["gap_count"] == 0 && source["error"].is_null(), "{source}");
    let mut late = NdjsonClient::follow(&server, "since=earliest").await;
    late.hello().await;
    assert_eq!(told_until(&mut late, 19).await.numbers(), (0..20).collect::<Vec<_>>());
}
