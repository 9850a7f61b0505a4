//! What the events of all kinds of changes hold.

use serde_json::json;

use super::{change, watched, watched_with};
use crate::support::{PostgresDatabase, Subscriber};

#[tokio::test]
async fn an_insert_an_update_and_a_delete_are_told_with_their_key() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched(&database).await;
    database.run("INSERT INTO items VALUES (1, 5)").await;
    database.run("UPDATE items SET n = 6").await;
    database.run("DELETE FROM items").await;
    let document = json!({"id": 1, "n": 5});
    let insert = client.change().await.change.0;
    assert_eq!(insert["operationType"], "insert");
    assert_eq!(insert["ns"], json!({"db": database.name, "coll": "items"}));
    assert_eq!((&insert["fullDocument"], &insert["documentKey"]), (&document, &json!({"id": 1})));
    assert!(insert["wallTime"]["$date"].as_str().is_some_and(|time| time.ends_with('Z')));
    let document = json!({"id": 1, "n": 6});
    let expected =
        json!({"operationType": "update", "fullDocument": document, "documentKey": {"id": 1}});
    assert_eq!(change(&mut client).await, expected, "what is not known is not told");
    let expected = json!({"operationType": "delete", "documentKey": {"id": 1}});
    assert_eq!(change(&mut client).await, expected);
}

#[tokio::test]
async fn g4_changes_tell_their_place_in_the_transaction() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched(&database).await;
    database.insert_numbers_at_once(0..3).await;
    database.insert_numbers(3..4).await;
    let entries = client.changes(4).await;
    let txn = |at: usize| &entries[at].change.0["txn"];
    for (at, (index, last)) in [(0, false), (1, false), (2, true), (0, true)].iter().enumerate() {
        assert_eq!((&txn(at)["index"], &txn(at)["last"]), (&json!(index), &json!(last)), "{at}");
    }
    assert_eq!(txn(0)["id"], txn(2)["id"]);
    assert_ne!(txn(2)["id"], txn(3)["id"]);
    let commit = |at: usize| entries[at].change.change_id().split_once('-').map(|(lsn, _)| lsn);
    assert_eq!(commit(0), commit(2));
    assert!(commit(2) < commit(3), "ids of later commits are later in the alphabet");
}

#[tokio::test]
async fn with_the_old_row_known_its_differences_are_told() {
    let database = PostgresDatabase::new().await;
    database.run("ALTER TABLE items REPLICA IDENTITY FULL").await;
    let (_server, mut client) = watched(&database).await;
    database.run("INSERT INTO items VALUES (1, 5); UPDATE items SET n = 6").await;
    database.run("DELETE FROM items").await;
    change(&mut client).await;
    let update = change(&mut client).await;
    let expected = json!({"updatedFields": {"n": 6}, "removedFields": [], "truncatedArrays": []});
    assert_eq!(update["updateDescription"], expected);
    assert_eq!(update["fullDocumentBeforeChange"], json!({"id": 1, "n": 5}));
    assert_eq!(update["documentKey"], json!({"id": 1}), "the key, not all of the row");
    let delete = change(&mut client).await;
    assert_eq!(delete["fullDocumentBeforeChange"], json!({"id": 1, "n": 6}));
    assert_eq!(delete["documentKey"], json!({"id": 1}));
}

/// Longer than what fits into a row, and of no use to a compressor.
const LONG: &str = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i)";

#[tokio::test]
async fn g2_an_unchanged_value_that_was_not_sent_is_unavailable_and_never_null() {
    let database = PostgresDatabase::new().await;
    database.run("ALTER TABLE items ADD note text").await;
    database.run(&format!("INSERT INTO items VALUES (1, 5, {LONG})")).await;
    let (_server, mut client) = watched(&database).await;
    database.run("UPDATE items SET n = 6").await;
    let update = change(&mut client).await;
    assert_eq!(update["fullDocument"], json!({"id": 1, "n": 6}));
    assert_eq!(update["unavailable"], json!(["fullDocument.note"]));

    database.run("ALTER TABLE items REPLICA IDENTITY FULL").await;
    database.run("UPDATE items SET n = 7").await;
    let update = change(&mut client).await;
    let note = update["fullDocument"]["note"].as_str().expect("taken from the old row");
    assert_eq!((note.len(), update.get("unavailable")), (16_000, None));
    assert_eq!(update["updateDescription"]["updatedFields"], json!({"n": 7}));
}

#[tokio::test]
async fn a_new_primary_key_is_a_delete_and_an_insert() {
    let database = PostgresDatabase::new().await;
    let (_server, mut client) = watched(&database).await;
    database.run("INSERT INTO items VALUES (1, 5); UPDATE items SET id = 2").await;
    change(&mut client).await;
    let entries = client.changes(2).await;
    let events: Vec<_> = entries.iter().map(|entry| &entry.change.0).collect();
    assert_eq!(events[0]["operationType"], "delete");
    assert_eq!(events[0]["documentKey"], json!({"id": 1}));
    assert_eq!(events[1]["operationType"], "insert");
    assert_eq!(events[1]["fullDocument"], json!({"id": 2, "n": 5}));
    assert_eq!(
        (&events[0]["txn"]["last"], &events[1]["txn"]["last"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn a_truncate_is_told_for_each_table() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TABLE others (id int PRIMARY KEY)").await;
    let (_server, mut client) = watched_with(&database.source("&table=others")).await;
    database.run("TRUNCATE items, others").await;
    let entries = client.changes(2).await;
    let mut tables: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry.change.0["operationType"], "truncate");
            entry.change.0["ns"]["coll"].as_str().expect("a table").to_owned()
        })
        .collect();
    tables.sort();
    assert_eq!(tables, ["items", "others"]);
}

#[tokio::test]
async fn values_of_all_types_are_carried_and_nothing_is_rounded() {
    let database = PostgresDatabase::new().await;
    database.run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN cents AS bigint").await;
    database.run("CREATE TABLE kinds (id int PRIMARY KEY, value text)").await;
    let (_server, mut client) = watched_with(&database.source("&table=kinds")).await;
    for (kind, literal, expected) in [
        ("boolean", "true", json!(true)),
        ("smallint", "-3", json!(-3)),
        ("bigint", "9007199254740993", json!({"$numberLong": "9007199254740993"})),
        ("cents", "9007199254740993", json!({"$numberLong": "9007199254740993"})),
        ("numeric", "1.5", json!(1.5)),
        ("numeric", "0.12345678901234567890", json!({"$numberDecimal": "0.12345678901234567890"})),
        ("numeric", "'NaN'", json!({"$numberDouble": "NaN"})),
        ("float8", "'-Infinity'", json!({"$numberDouble": "-Infinity"})),
        ("real", "0.1", json!(0.1)),
        ("text", "E'\\n\"é\\\\'", json!("\n\"é\\")),
        (
            "uuid",
            "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'",
            json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("bytea", "'\\x00ff'", json!({"$binary": {"base64": "AP8=", "subType": "00"}})),
        ("timestamptz", "'2026-01-02 03:04:05.5+02'", json!("2026-01-02T01:04:05.500000Z")),
        ("timestamp", "'2026-01-02 03:04:05'", json!("2026-01-02T03:04:05.000000")),
        ("timestamptz", "'infinity'", json!("infinity")),
        ("timestamp", "'-infinity'", json!("-infinity")),
        ("date", "'-infinity'", json!("-infinity")),
        ("date", "'infinity'", json!("infinity")),
        ("date", "'0044-03-15 BC'", json!("0044-03-15 BC")),
        ("float8", "'NaN'", json!({"$numberDouble": "NaN"})),
        ("real", "'Infinity'", json!({"$numberDouble": "Infinity"})),
        ("date", "'2026-01-02'", json!("2026-01-02")),
        ("interval", "'1 day 2 hours'", json!("P1DT2H")),
        ("jsonb", r#"'{"a": [1, {"b": null}]}'"#, json!({"a": [1, {"b": null}]})),
        ("int[]", "'{{1,NULL},{3,4}}'", json!([[1, null], [3, 4]])),
        ("text[]", r#"'{"a b",NULL,"NULL","q\"x,{}"}'"#, json!(["a b", null, "NULL", "q\"x,{}"])),
        ("text[]", "'{}'", json!([])),
        ("mood", "'ok'", json!("ok")),
        ("mood[]", "'{sad,ok}'", json!(["sad", "ok"])),
        ("cents[]", "'{1,2}'", json!([1, 2])),
        ("inet", "'10.0.0.1'", json!("10.0.0.1")),
    ] {
        // Each as a change of the table's shape, too.
        database.run("DELETE FROM kinds; ALTER TABLE kinds DROP value").await;
        database.run(&format!("ALTER TABLE kinds ADD value {kind}")).await;
        database.run(&format!("INSERT INTO kinds VALUES (1, {literal})")).await;
        let entries =
            client.changes_until(|entry| entry.change.0["operationType"] == "insert").await;
        let insert = entries.last().expect("one");
        assert_eq!(insert.change.document()["value"], expected, "{kind} {literal}");
    }
}
