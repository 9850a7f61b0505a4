//! A standby takes over on the address of the server that was watched.

use super::{failure, watched};
use crate::mongodb::told_until;
use crate::support::{Postgres, PostgresDatabase, SseClient, Subscriber, TestServer, until};

/// A primary whose changes up to the fifth are told, and a standby that has them, too.
async fn pair() -> (Postgres, Postgres, PostgresDatabase, TestServer, SseClient) {
    let primary = Postgres::start().await;
    let database = PostgresDatabase::on(&primary).await;
    let (server, mut client) = watched(&database).await;
    let standby = primary.standby().await;
    database.insert_numbers(0..6).await;
    told_until(&mut client, 5).await;
    until("a copy", async || database.is_copied(&standby, 5).await).await;
    (primary, standby, database, server, client)
}

/// Puts the standby in the primary's place: what has to be done is said, and nothing else is,
/// before that is done.
async fn promote(primary: &Postgres, standby: &mut Postgres, client: &mut SseClient) {
    primary.kill().await;
    standby.kill().await;
    standby.take_over(primary).await;
    failure(client, "is a standby", "SELECT pg_promote();").await;
    standby.run("SELECT pg_promote()").await;
}

async fn told_of_a_gap(client: &mut SseClient, word: &str) {
    let gap = client.gap().await;
    assert!(gap["reason"].as_str().is_some_and(|reason| reason.contains(word)), "{gap}");
}

async fn goes_on(database: &PostgresDatabase, server: &TestServer, client: &mut SseClient) {
    database.insert_numbers(10..12).await;
    assert_eq!(told_until(client, 11).await.numbers(), [10, 11]);
    let source = server.get_json("/sources").await["sources"][0].clone();
    assert!(source["state"] == "live" && source["gap_count"] == 1, "{source}");
}

#[tokio::test]
async fn g2_a_standby_that_takes_over_without_the_slot_is_a_gap_and_followed_on() {
    let (primary, mut standby, database, server, mut client) = pair().await;
    promote(&primary, &mut standby, &mut client).await;
    told_of_a_gap(&mut client, "slot").await;
    goes_on(&database, &server, &mut client).await;
}

#[tokio::test]
async fn g2_a_standby_that_takes_over_behind_the_position_is_a_gap_and_followed_on() {
    let (primary, mut standby, database, server, mut client) = pair().await;
    standby.kill().await;
    // Told, and lost with the primary.
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7]);
    promote(&primary, &mut standby, &mut client).await;
    told_of_a_gap(&mut client, "took over").await;
    goes_on(&database, &server, &mut client).await;
}

#[tokio::test]
async fn a_standby_in_place_of_the_primary_for_a_while_costs_nothing() {
    let (primary, mut standby, database, server, mut client) = pair().await;
    primary.kill().await;
    standby.kill().await;
    standby.take_over(&primary).await;
    failure(&mut client, "is a standby", "name the primary").await;
    standby.kill().await;
    primary.start_again().await;
    database.insert_numbers(6..8).await;
    assert_eq!(told_until(&mut client, 7).await.numbers(), [6, 7], "no gap");
    assert_eq!(server.get_json("/sources").await["sources"][0]["gap_count"], 0);
}
