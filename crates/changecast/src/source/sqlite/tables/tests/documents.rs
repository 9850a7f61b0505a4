//! Rows as documents: what events say of them, documents say, too.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Fixture, next_event};
use crate::limits;
use crate::source::{Documents, DocumentsError, ListPage, Source as _, Write, Written};

const KEYS: &str = "CREATE TABLE t (k, v TEXT, PRIMARY KEY (k)) WITHOUT ROWID";

fn documents(fixture: &Fixture) -> Arc<dyn Documents> {
    fixture.source(&[]).documents().expect("it has documents")
}

async fn get(documents: &Arc<dyn Documents>, id: &str) -> Option<Value> {
    let found = documents.get("t", id).await.unwrap();
    found.map(|text| serde_json::from_str(&text).expect(&text))
}

async fn put(
    documents: &Arc<dyn Documents>,
    id: &str,
    body: &Value,
) -> Result<Written, DocumentsError> {
    documents.write("t", id, Write::Put(body.to_string())).await
}

/// Every document, read in pages of this many.
async fn list(documents: &Arc<dyn Documents>, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let listed = documents.list("t", ListPage { after, limit }).await.unwrap();
        assert!(listed.documents.len() <= limit);
        all.extend(
            listed.documents.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()),
        );
        after = listed.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn s3_06_a_row_is_what_its_event_says() {
    for schema in [
        "CREATE TABLE t (k INTEGER PRIMARY KEY, a, b TEXT, c REAL, g AS (a || b))",
        "CREATE TABLE t (a, k TEXT, b TEXT, c REAL, n INTEGER, PRIMARY KEY (k, n)) WITHOUT ROWID",
        "CREATE TABLE t (k BLOB PRIMARY KEY, a BLOB, b ANY, c)",
        "CREATE TABLE \"t\" (k INTEGER PRIMARY KEY, a ANY, b ANY, c REAL) STRICT",
    ] {
        let fixture = Fixture::new(schema, &["t"]);
        let mut stream = fixture.watch().await;
        let documents = documents(&fixture);
        let has_n = schema.contains("n INTEGER");
        let (column, place) = if has_n { (", n", ", 5") } else { ("", "") };
        for (number, value) in [
            "9007199254740993",
            "-9223372036854775808",
            "0.1",
            "5.0",
            "9e999",
            "NULL",
            "''",
            "'it''s ,{\"'",
            "x'00ff'",
            "char(97,0,98)",
            "CAST(x'ff61' AS TEXT)",
        ]
        .iter()
        .enumerate()
        {
            let sql = format!(
                "INSERT INTO t (k, a, b, c{column}) VALUES ({number}, {value}, 'é', 1e300{place})"
            );
            fixture.connection().execute_batch(&sql).unwrap();
            let event = next_event(&mut stream).await;
            let id = event["documentKey"].to_string();
            assert_eq!(get(&documents, &id).await.as_ref(), Some(&event["fullDocument"]), "{sql}");
        }
        assert_eq!(list(&documents, 3).await.len(), 11, "{schema}");
    }
}

#[tokio::test]
async fn an_id_is_the_keys_text_or_a_document_key() {
    let fixture = Fixture::new(
        "CREATE TABLE t (n INTEGER, s TEXT, v, PRIMARY KEY (s, n)) WITHOUT ROWID;
         INSERT INTO t VALUES (7, 'north', 1), (9007199254740993, 'a,b', 2)",
        &["t"],
    );
    let documents = documents(&fixture);
    for (id, found) in [
        ("north,7", json!(1)),
        (r#"{"n":7,"s":"north"}"#, json!(1)),
        (r#"{"s":"a,b","n":{"$numberLong":"9007199254740993"}}"#, json!(2)),
        (r#"{"s":"a,b","n":9007199254740993}"#, json!(2)),
    ] {
        assert_eq!(get(&documents, id).await.expect(id)["v"], found, "{id}");
    }
    for id in ["north", "a,b,9007199254740993", r#"{"n":7}"#] {
        let refused = documents.get("t", id).await;
        assert!(matches!(&refused, Err(DocumentsError::Invalid(words)) if words.contains("s, n")));
    }
    assert_eq!(get(&documents, "north,8").await, None);
    let blobs =
        Fixture::new("CREATE TABLE t (k BLOB PRIMARY KEY); INSERT INTO t VALUES (x'00ff')", &["t"]);
    let id = r#"{"k":{"$binary":{"base64":"AP8=","subType":"00"}}}"#;
    assert!(get(&self::documents(&blobs), id).await.is_some());
}

#[tokio::test]
async fn a_list_goes_over_keys_of_every_type_once_and_in_order() {
    let values = "(NULL), (-9223372036854775808), (-1.5), (9007199254740992), (9007199254740993),
         (9e999), (''), ('a'), ('a,b'), ('{\"k\":1}'), (char(97,0,98)), (CAST(x'ff' AS TEXT)),
         (CAST(x'ff61' AS TEXT)), (x''), (x'00')";
    let schema = format!("CREATE TABLE t (k PRIMARY KEY); INSERT INTO t VALUES {values}");
    let fixture = Fixture::new(&schema, &["t"]);
    let documents = documents(&fixture);
    let all = list(&documents, 100).await;
    assert_eq!(
        (all.len(), &all[0], &all[14]["k"]["$binary"]["base64"]),
        (15, &json!({"k": null}), &json!("AA=="))
    );
    for limit in [1, 2, 3, 14, 15] {
        assert_eq!(list(&documents, limit).await, all, "{limit}");
    }
    let wanted = ListPage { after: None, limit: 15 };
    assert_eq!(documents.list("t", wanted).await.unwrap().next, None, "nothing follows");
}

#[tokio::test]
async fn a_list_goes_over_composite_keys_with_nulls_in_them() {
    let fixture = Fixture::new(
        "CREATE TABLE t (a, b, c, PRIMARY KEY (a, b, c)); INSERT INTO t VALUES
         (NULL, 1, 1), (NULL, 1, 2), (NULL, 2, NULL), (1, NULL, 1), (1, NULL, 2), (1, 1, NULL),
         (1, 1, 1), (2, NULL, NULL), (2, 2, 2)",
        &["t"],
    );
    let documents = documents(&fixture);
    let all = list(&documents, 100).await;
    assert_eq!(all.len(), 9);
    for limit in [1, 2, 4] {
        assert_eq!(list(&documents, limit).await, all, "{limit}");
    }
}

#[tokio::test]
async fn a_table_without_a_key_goes_by_its_row_id() {
    let fixture = Fixture::new("CREATE TABLE t (v); INSERT INTO t VALUES ('a'), ('b')", &["t"]);
    let documents = documents(&fixture);
    let expected = [json!({"rowid": 1, "v": "a"}), json!({"rowid": 2, "v": "b"})];
    assert_eq!(list(&documents, 1).await, expected);
    assert_eq!(get(&documents, "2").await, Some(expected[1].clone()));
    assert_eq!(
        put(&documents, "9", &json!({"rowid": 9, "v": "c"})).await.unwrap(),
        Written::Inserted
    );
    assert_eq!(get(&documents, r#"{"rowid":9}"#).await, Some(json!({"rowid": 9, "v": "c"})));
    let hidden = Fixture::new("CREATE TABLE t (rowid, v)", &["t"]);
    let wanted = ListPage { after: None, limit: 1 };
    let refused = self::documents(&hidden).list("t", wanted).await;
    assert!(matches!(refused, Err(DocumentsError::Invalid(words)) if words.contains("rowid")));
}

#[tokio::test]
async fn s3_06_what_was_read_can_be_written_back_and_a_patch_leaves_the_rest() {
    let fixture = Fixture::new(
        "CREATE TABLE t (k INTEGER PRIMARY KEY, a, b TEXT DEFAULT 'it''s', c DEFAULT (1 + 1))",
        &["t"],
    );
    let mut stream = fixture.watch().await;
    let documents = documents(&fixture);
    let long = json!({"$numberLong": "9007199254740993"});
    let blob = json!({"$binary": {"base64": "AP8=", "subType": "00"}});
    assert_eq!(
        put(&documents, "7", &json!({"a": long, "c": blob})).await.unwrap(),
        Written::Inserted
    );
    let row = json!({"k": 7, "a": long, "b": "it's", "c": blob});
    assert_eq!(get(&documents, "7").await, Some(row.clone()));
    assert_eq!(next_event(&mut stream).await["fullDocument"], row);
    assert_eq!(put(&documents, "7", &row).await.unwrap(), Written::Updated);
    assert_eq!(get(&documents, "7").await, Some(row));
    let patch = Write::Patch(r#"{"b":null}"#.into());
    assert_eq!(documents.write("t", "7", patch).await.unwrap(), Written::Updated);
    assert_eq!(get(&documents, "7").await, Some(json!({"k": 7, "a": long, "b": null, "c": blob})));
    let event = next_event(&mut stream).await;
    assert_eq!(event["updateDescription"]["updatedFields"], json!({"b": null}), "{event}");
    assert_eq!(put(&documents, "7", &json!({"a": true})).await.unwrap(), Written::Updated);
    assert_eq!(get(&documents, "7").await, Some(json!({"k": 7, "a": 1, "b": "it's", "c": 2})));
    assert_eq!(documents.write("t", "7", Write::Delete).await.unwrap(), Written::Deleted);
    for write in [Write::Delete, Write::Patch("{}".into())] {
        assert_eq!(documents.write("t", "7", write).await.unwrap(), Written::Missing);
    }
}

#[tokio::test]
async fn what_a_table_refuses_is_said_and_writes_nothing() {
    let fixture = Fixture::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
         CREATE TABLE t (k INTEGER PRIMARY KEY, u TEXT UNIQUE, n NOT NULL DEFAULT 0,
             c CHECK (c > 0), p REFERENCES p, g AS (k + 1));
         INSERT INTO t (k, u) VALUES (1, 'one')",
        &["t"],
    );
    let documents = documents(&fixture);
    let before = list(&documents, 10).await;
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for (id, body, said) in [
        ("2", r#"{"u":"one"}"#, "t.u"),
        ("2", r#"{"n":null}"#, "NOT NULL"),
        ("2", r#"{"c":0}"#, "CHECK"),
        ("2", r#"{"p":2}"#, "FOREIGN KEY"),
        ("2", r#"{"g":3}"#, "computes"),
        ("2", r#"{"k":3}"#, "address"),
        ("2", r#"{"colour":1}"#, "colour"),
        ("2", r#"{"u":[1]}"#, "list"),
        ("2", r#"{"u":{"a":1}}"#, "object"),
        ("2", r#"{"u":{"$text":"AA=="}}"#, "object"),
        ("2", r#"{"u":99999999999999999999}"#, "rounded"),
        ("2", r#"{"u":1e999}"#, "beyond"),
        ("2", r#"{"u":{"$numberDouble":"NaN"}}"#, "NaN"),
        ("2", "[]", "object"),
        ("2", "{", "object"),
        ("2", &deep, "object"),
        ("two", "{}", "mismatch"),
        (r#"{"k":null}"#, "{}", "null"),
    ] {
        let refused = documents.write("t", id, Write::Put(body.into())).await;
        let words = match refused {
            Err(DocumentsError::Conflict(words)) if said == "t.u" => words,
            Err(DocumentsError::Invalid(words)) if said != "t.u" => words,
            other => panic!("{body}: {other:?}"),
        };
        assert!(words.contains(said), "{body}: {words}");
    }
    assert_eq!(list(&documents, 10).await, before);
}

#[tokio::test]
async fn s3_06_no_key_and_no_table_is_ever_run() {
    let fixture = Fixture::new(
        "CREATE TABLE \"t\" (\"a\"\"; DROP TABLE o; --\" TEXT PRIMARY KEY, v);
         CREATE TABLE o (k PRIMARY KEY); INSERT INTO o VALUES (1);
         INSERT INTO t VALUES ('x', 1)",
        &["t"],
    );
    let documents = documents(&fixture);
    for evil in ["x' OR '1'='1", "' ; DROP TABLE o; --", "?1", "1 OR 1=1", "\" OR 1=1 --"] {
        assert_eq!(get(&documents, evil).await, None, "{evil}");
        assert_eq!(documents.write("t", evil, Write::Delete).await.unwrap(), Written::Missing);
        assert_eq!(put(&documents, evil, &json!({"v": evil})).await.unwrap(), Written::Inserted);
        assert_eq!(get(&documents, evil).await.unwrap()["v"], evil);
        for table in [evil, "o", "t; DROP TABLE o", "changecast_state", "sqlite_schema", "T"] {
            let refused = documents.get(table, "x").await;
            assert!(matches!(refused, Err(DocumentsError::Missing(_))), "{table}: {refused:?}");
            let wanted = ListPage { after: None, limit: 1 };
            assert!(documents.list(table, wanted).await.is_err(), "{table}");
        }
        let wanted = ListPage { after: Some(evil.into()), limit: 1 };
        assert!(matches!(documents.list("t", wanted).await, Err(DocumentsError::Invalid(_))));
    }
    assert_eq!(list(&documents, 2).await.len(), 6);
    let count: i64 =
        fixture.connection().query_row("SELECT count(*) FROM o", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn g10_what_is_too_large_for_a_document_is_left_out_and_named() {
    let fixture = Fixture::new("CREATE TABLE t (k INTEGER PRIMARY KEY, a, b, c)", &["t"]);
    let huge = limits::COLUMN_BYTES_MAX + 1;
    let sql = format!("INSERT INTO t VALUES (1, 'x', zeroblob({huge}), 'y')");
    fixture.connection().execute_batch(&sql).unwrap();
    let expected = json!({"k": 1, "a": "x", "c": "y", "$unavailable": ["b"]});
    assert_eq!(get(&documents(&fixture), "1").await, Some(expected));
}

#[tokio::test]
async fn g9_a_locked_file_is_unavailable_until_it_is_free() {
    let fixture = Fixture::new(KEYS, &["t"]);
    let documents = documents(&fixture);
    let other = fixture.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = put(&documents, "1", &json!({})).await;
    assert!(matches!(refused, Err(DocumentsError::Unavailable(_))), "{refused:?}");
    assert_eq!(get(&documents, "1").await, None, "readers wait for nobody");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(put(&documents, "1", &json!({})).await.unwrap(), Written::Inserted);
    std::fs::rename(fixture.path(), fixture.directory.path().join("away")).unwrap();
    let gone = documents.get("t", "1").await;
    assert!(matches!(gone, Err(DocumentsError::Unavailable(_))), "{gone:?}");
}
