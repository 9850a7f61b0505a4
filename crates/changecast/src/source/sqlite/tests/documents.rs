//! Documents by key: what is written, refused and read back.

use super::*;
use crate::limits;
use crate::source::{Documents as _, DocumentsError, Write, Written};

async fn write(store: &SqliteStore, id: &str, write: Write) -> Result<Written, DocumentsError> {
    store.write("c", id, write).await
}

async fn put(store: &SqliteStore, id: &str, body: &str) -> Written {
    write(store, id, Write::Put(body.into())).await.unwrap()
}

async fn patch(store: &SqliteStore, id: &str, body: &str) -> Written {
    write(store, id, Write::Patch(body.into())).await.unwrap()
}

async fn get(store: &SqliteStore, id: &str) -> Option<String> {
    store.get("c", id).await.unwrap()
}

#[tokio::test]
async fn put_patch_delete_and_their_events() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let mut stream = fixture.watch().await;
    assert_eq!(get(store, "1").await, None);
    assert_eq!(patch(store, "1", "{}").await, Written::Missing);
    assert_eq!(write(store, "1", Write::Delete).await.unwrap(), Written::Missing);
    assert_eq!(put(store, "1", r#"{"n":1,"x":2}"#).await, Written::Inserted);
    assert_eq!(put(store, "1", r#"{"n":2,"x":2}"#).await, Written::Updated);
    assert_eq!(patch(store, "1", r#"{"x":null,"y":{"z":1}}"#).await, Written::Updated);
    assert_eq!(get(store, "1").await.as_deref(), Some(r#"{"_id":"1","n":2,"y":{"z":1}}"#));
    assert_eq!(write(store, "1", Write::Delete).await.unwrap(), Written::Deleted);
    assert_eq!(get(store, "1").await, None);
    for op in ["insert", "replace", "update", "delete"] {
        assert_eq!(next_change(&mut stream).await.op.name(), op);
    }
}

#[tokio::test]
async fn what_changes_nothing_succeeds_without_an_event() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let mut stream = fixture.watch().await;
    put(store, "1", r#"{"n":1}"#).await;
    assert_eq!(put(store, "1", "{ \"n\" : 1 }").await, Written::Updated);
    assert_eq!(put(store, "1", r#"{"_id":"1","n":1}"#).await, Written::Updated);
    assert_eq!(patch(store, "1", "{}").await, Written::Updated);
    put(store, "2", "{}").await;
    assert_eq!(next_change(&mut stream).await.key, r#"{"_id":"1"}"#);
    assert_eq!(next_change(&mut stream).await.key, r#"{"_id":"2"}"#);
}

#[tokio::test]
async fn every_digit_survives() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    put(store, "1", r#"{"n":9007199254740993,"d":0.10000000000000000001,"o":{"k":1}}"#).await;
    patch(store, "1", r#"{"o":{"l":2}}"#).await;
    let stored: String =
        fixture.connection().query_row("SELECT body FROM document", [], |row| row.get(0)).unwrap();
    let expected = r#"{"n":9007199254740993,"d":0.10000000000000000001,"o":{"k":1,"l":2}}"#;
    assert_eq!(stored, expected);
    assert_eq!(
        get(store, "1").await.unwrap(),
        r#"{"_id":"1","n":{"$numberLong":"9007199254740993"},"d":{"$numberDecimal":"0.10000000000000000001"},"o":{"k":1,"l":2}}"#
    );
}

#[tokio::test]
async fn a_bad_body_is_refused_in_words() {
    let fixture = Fixture::new();
    put(&fixture.store, "1", "{}").await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::DOCUMENT_BYTES_MAX));
    for (body, expected) in [
        ("", "must be a JSON object"),
        ("[1]", "must be a JSON object"),
        ("{\"a\":1} x", "must be a JSON object"),
        (r#"{"_id":"2"}"#, r#"the address says "1": leave _id out"#),
        (r#"{"_id":1}"#, "leave _id out"),
        (r#"{"_id":null}"#, "leave _id out"),
        (&deep, "nests deeper than 100 levels"),
        (&large, "larger than 1048576 bytes"),
    ] {
        for write in [Write::Put(body.to_owned()), Write::Patch(body.to_owned())] {
            match fixture.store.write("c", "1", write).await {
                Err(DocumentsError::Invalid(reason)) => {
                    assert!(reason.contains(expected), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_patch_cannot_grow_a_document_past_the_cap() {
    let fixture = Fixture::new();
    let half = "x".repeat(limits::DOCUMENT_BYTES_MAX / 2);
    put(&fixture.store, "1", &format!(r#"{{"a":"{half}"}}"#)).await;
    let grown = Write::Patch(format!(r#"{{"b":"{half}"}}"#));
    let outcome = write(&fixture.store, "1", grown).await;
    assert!(matches!(outcome, Err(DocumentsError::Invalid(_))), "{outcome:?}");
    assert_eq!(patch(&fixture.store, "1", r#"{"a":1}"#).await, Written::Updated);
}

#[tokio::test]
async fn a_bad_name_is_refused_in_words() {
    let store = &Fixture::new().store;
    let (collection, id) = ("c".repeat(256), "i".repeat(1025));
    for (collection, id, expected) in [
        ("", "1", "the collection is empty"),
        ("c", "", "the id is empty"),
        (&*collection, "1", "longer than 255 bytes"),
        ("c", &*id, "longer than 1024 bytes"),
        ("c\n", "1", "control character"),
        ("c", "\0", "control character"),
    ] {
        let written = store.write(collection, id, Write::Put("{}".into())).await.map(|_| ());
        let read = store.get(collection, id).await.map(|_| ());
        for outcome in [written, read] {
            match outcome {
                Err(DocumentsError::Invalid(reason)) => assert!(reason.contains(expected)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_longest_names_and_odd_ones_work() {
    let fixture = Fixture::new();
    let mut stream = fixture.watch().await;
    let (collection, id) = ("c".repeat(255), "i".repeat(1024));
    for (collection, id) in
        [(&*collection, &*id), ("a.b c", "'; DROP TABLE document --"), ("é", "💚\"\\")]
    {
        fixture.store.write(collection, id, Write::Put("{}".into())).await.unwrap();
        let body = fixture.store.get(collection, id).await.unwrap().unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, serde_json::json!({ "_id": id }));
        let change = next_change(&mut stream).await;
        assert_eq!(change.topic.as_str(), format!("test.{collection}"));
        assert_eq!(event(&change)["documentKey"]["_id"], id);
    }
}

#[tokio::test]
async fn one_failing_write_does_not_fail_the_others() {
    let fixture = Fixture::new();
    fixture
        .connection()
        .execute_batch(
            "CREATE TRIGGER veto BEFORE INSERT ON document WHEN NEW.id = 'bad'
             BEGIN SELECT raise(ABORT, 'vetoed'); END",
        )
        .unwrap();
    // Held back by another program's transaction, all of them become one.
    let blocker = fixture.connection();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes = ["1", "bad", "2", "bad", "3"].map(|id| {
        let store = fixture.store.clone();
        tokio::spawn(async move { write(&store, id, Write::Put("{}".into())).await })
    });
    tokio::task::yield_now().await;
    blocker.execute_batch("COMMIT").unwrap();
    let mut outcomes = Vec::new();
    for write in writes {
        outcomes.push(write.await.unwrap());
    }
    assert!(
        matches!(&outcomes[1], Err(DocumentsError::Invalid(reason)) if reason.contains("vetoed"))
    );
    assert!(outcomes[3].is_err());
    for index in [0, 2, 4] {
        assert_eq!(*outcomes[index].as_ref().unwrap(), Written::Inserted);
    }
}

#[tokio::test]
async fn what_an_outsider_wrote_badly_is_read_as_far_as_it_goes() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    connection
        .execute_batch(
            r#"PRAGMA ignore_check_constraints = ON;
               INSERT INTO document VALUES ('c', '1', 'garbage');
               INSERT INTO document VALUES ('c', '2', ' {"_id":"other","n":1} ');
               INSERT INTO document VALUES ('c', '3', CAST(x'7b2273223a22ff227d' AS TEXT))"#,
        )
        .unwrap();
    let store = &fixture.store;
    assert!(matches!(store.get("c", "1").await, Err(DocumentsError::Unavailable(_))));
    let patched = write(store, "1", Write::Patch("{}".into())).await;
    assert!(matches!(patched, Err(DocumentsError::Invalid(_))), "{patched:?}");
    assert_eq!(put(store, "1", "{}").await, Written::Updated);
    assert_eq!(get(store, "2").await.unwrap(), r#"{"_id":"2","n":1}"#);
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    connection.execute("INSERT INTO document VALUES ('c', '4', ?)", [&deep]).unwrap();
    assert_eq!(get(store, "4").await.unwrap(), format!(r#"{{"_id":"4",{}"#, &deep[1..]));
    assert_eq!(get(store, "3").await.unwrap(), "{\"_id\":\"3\",\"s\":\"\u{fffd}\"}");
}

#[tokio::test]
async fn a_store_that_answers_is_probed_well() {
    Fixture::new().store.probe().await.unwrap();
}
