//! Tables in pages, and how state and stream join.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::lists::{catch_up_by, list_by};
use crate::support::{NdjsonClient, Postgres, PostgresDatabase, Subscriber, TestServer, until};

async fn opened(database: &PostgresDatabase) -> TestServer {
    let source = database.source_with("");
    let source = source.trim_end_matches('?');
    TestServer::start_with(&["--source", source, "--documents", "read"]).await
}

/// Where a table is listed.
fn path(database: &PostgresDatabase, table: &str) -> String {
    format!("/documents/{}/{table}", database.name)
}

/// Writes rows of `items` in transactions of their own, from a connection of its own.
fn writes(seed: u32) -> String {
    format!(
        "DO $$ DECLARE k bigint; BEGIN
            FOR i IN 1..100 LOOP
                k := (i * {seed} * 7919 + extract(microseconds FROM clock_timestamp())::bigint) % 80;
                IF i % 3 = 0 THEN DELETE FROM items WHERE id = k;
                ELSE INSERT INTO items VALUES (k, i) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n;
                END IF;
                COMMIT;
            END LOOP;
        END $$"
    )
}

#[tokio::test]
async fn g2_g5_state_and_stream_join_without_a_hole_while_others_write() {
    let database = PostgresDatabase::new().await;
    database.insert_numbers_at_once(0..60).await;
    let server = opened(&database).await;
    let (all, topic) = (path(&database, "items"), format!("{}.items", database.name));
    let enough = AtomicBool::new(false);
    let url = database.source_with("");
    let write = async |seed| {
        while !enough.load(Ordering::Relaxed) {
            database.run_in_other(url.trim_end_matches('?'), &writes(seed)).await;
        }
    };
    let read = async {
        let mut joined = Vec::new();
        for limit in [1, 7, 100, 3, 10] {
            joined.push(list_by("id", &server, &all, limit).await);
        }
        enough.store(true, Ordering::Relaxed);
        joined
    };
    let (joined, (), (), ()) = tokio::join!(read, write(1), write(2), write(3));
    database.run("INSERT INTO items VALUES (-1, 0)").await;
    let (_, expected) = list_by("id", &server, &all, 1000).await;
    assert!(expected.len() > 1, "{expected:?}");
    for (position, mut state) in joined {
        let end = json!(-1);
        catch_up_by("id", &end, &server, &topic, &position, &mut state).await;
        assert_eq!(state, expected);
    }
}

/// A commit that waits for a standby is in the WAL, and so in the log, long before other sessions
/// see it: a list that did not wait would say that it covers what it does not show.
#[tokio::test]
async fn g2_g5_a_list_waits_for_what_was_told_and_nobody_sees_yet() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    let server = opened(&database).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    database.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    database.run("SELECT pg_reload_conf()").await;
    let database = Arc::new(database);
    let mut count = 0;
    // The server's processes read the setting each in its own time: until then nothing waits.
    until("a commit that waits", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        if database.ask(waiting).await.as_deref() != Some("0") {
            return true;
        }
        count += 1;
        let (database, sql) =
            (Arc::clone(&database), format!("INSERT INTO items VALUES ({count})"));
        tokio::spawn(async move {
            let url = database.source_with("");
            database.run_in_other(url.trim_end_matches('?'), &sql).await;
        });
        false
    })
    .await;
    client.changes(count).await;
    let seen = database.ask("SELECT count(*) FROM items").await.and_then(|text| text.parse().ok());
    assert!(seen < Some(count), "{seen:?} of {count} are told before they can be seen");
    let all = path(&database, "items");
    let release = async {
        // Not before the list has asked what it can see, or has been read without asking.
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
             AND (query LIKE '%pg_current_snapshot%' OR query LIKE '%LATERAL%')";
        until("a list that looks", async || database.ask(asked).await.as_deref() != Some("0"))
            .await;
        database.run("ALTER SYSTEM RESET synchronous_standby_names").await;
        database.run("SELECT pg_reload_conf()").await;
    };
    let (listed, ()) = tokio::join!(server.get(&all), release);
    let listed: Value = listed.json().await.expect("JSON");
    assert_eq!(listed["documents"].as_array().map(Vec::len), Some(count), "{listed}");
}

#[tokio::test]
async fn a_list_goes_over_keys_of_many_types_once_and_in_order() {
    let database = PostgresDatabase::new().await;
    database
        .run(
            "CREATE SCHEMA audit;
             CREATE TABLE texts (k text PRIMARY KEY);
             INSERT INTO texts VALUES ('a,b'), (''), ('{\"k\":1}'), ('[\"x\"]'), ('é'), ('A'), ('a');
             CREATE TABLE pairs (v int, b text, a numeric, PRIMARY KEY (a, b));
             INSERT INTO pairs VALUES (1, 'x,y', 1.50), (2, 'x', 'NaN'), (3, 'z', 1.5), (4, '', -1);
             CREATE TABLE audit.times (at timestamptz PRIMARY KEY, raw bytea, f float8);
             INSERT INTO audit.times VALUES ('infinity', NULL, NULL), ('2026-11-21 07:50:50.123456+00', 'x', 0.1),
                 ('1200-01-01 BC', NULL, 'NaN');
             CREATE TABLE bytes (k bytea PRIMARY KEY); INSERT INTO bytes VALUES ('\\x00ff'), ('\\x');
             CREATE TABLE docs (k jsonb PRIMARY KEY); INSERT INTO docs VALUES ('\"x\"'), ('[1]'), ('7');
             CREATE TABLE parts (k int PRIMARY KEY, v int) PARTITION BY RANGE (k);
             CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
             CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
             INSERT INTO parts SELECT n, n FROM generate_series(0, 19) n;
             CREATE TABLE no_key (x int);
             ALTER TABLE no_key REPLICA IDENTITY FULL",
        )
        .await;
    let server = opened(&database).await;
    for (table, count) in
        [("texts", 7), ("pairs", 4), ("audit.times", 3), ("bytes", 2), ("docs", 3), ("parts", 20)]
    {
        let path = path(&database, table);
        let all = server.get_json(&path).await;
        assert_eq!(all["documents"].as_array().map(Vec::len), Some(count), "{all}");
        assert_eq!(all["next"], Value::Null, "nothing follows");
        for limit in [1, 2, 3] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let page = server.get_json(&format!("{path}?limit={limit}{after}")).await;
                found.extend(page["documents"].as_array().expect("a list").iter().cloned());
                let Some(next) = page["next"].as_str() else { break };
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                after = format!("&after={next}");
            }
            assert_eq!(Value::Array(found), all["documents"], "{table} {limit}");
        }
    }
    // An event's documentKey is an id, and may hold commas.
    let key = r#"{"a":1.5,"b":"x,y"}"#;
    let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    assert_eq!(server.get_json(&path(&database, &format!("pairs/{key}"))).await["v"], 1);
    for (rest, status, said) in [
        ("no_key", 400, "primary key"),
        ("nowhere", 404, "nowhere"),
        ("texts?after=x", 400, "next"),
        ("pairs?after=%5B%221%22%5D", 400, "next"),
        ("items?after=%5B%22seven%22%5D", 400, "bigint"),
    ] {
        let response = server.get(&path(&database, rest)).await;
        assert_eq!(response.status().as_u16(), status, "{rest}");
        let problem: Value = response.json().await.expect("JSON");
        assert!(problem["detail"].as_str().is_some_and(|words| words.contains(said)), "{problem}");
    }
}

#[tokio::test]
async fn g10_a_page_ends_where_it_would_be_too_large_and_a_huge_row_is_its_key() {
    let database = PostgresDatabase::new().await;
    database
        .run(
            "CREATE TABLE large (k int PRIMARY KEY, v text);
             INSERT INTO large SELECT n, repeat('x', 3000000) FROM generate_series(1, 5) n;
             INSERT INTO large VALUES (6, repeat('x', 9000000))",
        )
        .await;
    let server = opened(&database).await;
    let page = server.get_json(&path(&database, "large")).await;
    assert_eq!(page["documents"].as_array().map(Vec::len), Some(3));
    let next = page["next"].as_str().expect("more");
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let page = server.get_json(&path(&database, &format!("large?after={next}"))).await;
    assert_eq!(page["documents"][2], json!({"k": 6, "$unavailable": ["v"]}));
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn s3_05_rows_are_refused_while_postgresql_is_away_and_come_back_by_themselves() {
    let postgres = Postgres::start().await;
    let database = PostgresDatabase::on(&postgres).await;
    database.insert_numbers(0..3).await;
    let server = opened(&database).await;
    postgres.kill().await;
    let (all, one) = (path(&database, "items"), path(&database, "items/1"));
    for path in [&all, &one] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let text = response.text().await.expect("text");
        assert!(text.contains("does not answer") && !text.contains("127.0.0.1"), "{text}");
    }
    postgres.start_again().await;
    until("rows again", async || server.get(&one).await.status() == StatusCode::OK).await;
    assert_eq!(server.get_json(&all).await["documents"][2]["id"], 2);
}
