//! What each kind of statement becomes, for each kind of table.

use super::*;

const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, n);
    INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2);";

#[tokio::test]
async fn insert_update_delete() {
    check(
        ROWS,
        "INSERT INTO t (a) VALUES ('z')",
        &[r#"insert {"id":3} - {"a":"z","id":3,"n":null}"#],
    )
    .await;
    check(
        ROWS,
        "UPDATE t SET n = n + 1 WHERE id = 1; UPDATE t SET n = n",
        &[r#"update {"id":1} {"a":"x","id":1,"n":1} {"a":"x","id":1,"n":2}"#],
    )
    .await;
    check(
        ROWS,
        "DELETE FROM t",
        &[
            r#"delete {"id":1} {"a":"x","id":1,"n":1} -"#,
            r#"delete {"id":2} {"a":"y","id":2,"n":2} -"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn replace_tells_of_every_row_that_it_removes() {
    let same = r#"replace {"id":1} {"a":"x","id":1,"n":1} {"a":"x","id":1,"n":9}"#;
    check(ROWS, "REPLACE INTO t VALUES (1, 'x', 9)", &[same]).await;
    check(
        ROWS,
        "REPLACE INTO t VALUES (1, 'y', 9)",
        &[
            r#"delete {"id":2} {"a":"y","id":2,"n":2} -"#,
            r#"replace {"id":1} {"a":"x","id":1,"n":1} {"a":"y","id":1,"n":9}"#,
        ],
    )
    .await;
    check(
        ROWS,
        "INSERT OR REPLACE INTO t (a, n) VALUES ('y', 9)",
        &[
            r#"delete {"id":2} {"a":"y","id":2,"n":2} -"#,
            r#"insert {"id":3} - {"a":"y","id":3,"n":9}"#,
        ],
    )
    .await;
    check(
        ROWS,
        "UPDATE OR REPLACE t SET a = 'y' WHERE id = 1",
        &[
            r#"delete {"id":2} {"a":"y","id":2,"n":2} -"#,
            r#"update {"id":1} {"a":"x","id":1,"n":1} {"a":"y","id":1,"n":1}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_row_that_is_only_looked_at_is_not_taken_for_replaced() {
    // Before an insert, SQLite shows the id of a row that has none yet as -1.
    let with_minus_one = format!("{ROWS} INSERT INTO t VALUES (-1, 'm', 0);");
    check(
        &with_minus_one,
        "INSERT INTO t (a) VALUES ('z')",
        &[r#"insert {"id":3} - {"a":"z","id":3,"n":null}"#],
    )
    .await;
    check(ROWS, "INSERT OR IGNORE INTO t VALUES (5, 'x', 1); DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (5, 'x', 1)",
        &[r#"delete {"id":1} {"a":"x","id":1,"n":1} -"#, r#"insert {"id":5} - {"a":"x","id":5,"n":1}"#]).await;
}

#[tokio::test]
async fn upsert_is_an_update() {
    check(
        ROWS,
        "INSERT INTO t VALUES (1, 'q', 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        &[r#"update {"id":1} {"a":"x","id":1,"n":1} {"a":"x","id":1,"n":5}"#],
    )
    .await;
}

#[tokio::test]
async fn replace_under_recursive_triggers_is_delete_and_insert() {
    check(
        ROWS,
        "PRAGMA recursive_triggers = ON; REPLACE INTO t VALUES (1, 'q', 5)",
        &[
            r#"delete {"id":1} {"a":"x","id":1,"n":1} -"#,
            r#"insert {"id":1} - {"a":"q","id":1,"n":5}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_new_key_is_delete_and_insert() {
    check(
        ROWS,
        "UPDATE t SET id = 7 WHERE id = 1",
        &[
            r#"delete {"id":1} {"a":"x","id":1,"n":1} -"#,
            r#"insert {"id":7} - {"a":"x","id":7,"n":1}"#,
        ],
    )
    .await;
    check(
        ROWS,
        "UPDATE OR REPLACE t SET id = 2 WHERE id = 1",
        &[
            r#"delete {"id":1} {"a":"x","id":1,"n":1} -"#,
            r#"replace {"id":2} {"a":"y","id":2,"n":2} {"a":"x","id":2,"n":1}"#,
        ],
    )
    .await;
    let nocase = "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;
        INSERT INTO t VALUES ('a');";
    check(
        nocase,
        "UPDATE t SET k = 'A'; REPLACE INTO t VALUES ('a')",
        &[
            r#"delete {"k":"a"} {"k":"a"} -"#,
            r#"insert {"k":"A"} - {"k":"A"}"#,
            r#"delete {"k":"A"} {"k":"A"} -"#,
            r#"insert {"k":"a"} - {"k":"a"}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn tables_without_row_id_and_without_key() {
    let without = "CREATE TABLE t (a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID;
        INSERT INTO t VALUES (1, 2, 3);";
    check(
        without,
        "REPLACE INTO t VALUES (1, 5, 3); DELETE FROM t",
        &[
            r#"replace {"a":1,"c":3} {"a":1,"b":2,"c":3} {"a":1,"b":5,"c":3}"#,
            r#"delete {"a":1,"c":3} {"a":1,"b":5,"c":3} -"#,
        ],
    )
    .await;
    check(
        "CREATE TABLE t (a, rowid TEXT)",
        "INSERT INTO t VALUES (1, 'mine'); UPDATE t SET _rowid_ = 9; UPDATE t SET a = 2",
        &[
            r#"insert {"rowid":1} - {"a":1,"rowid":"mine"}"#,
            r#"delete {"rowid":1} {"a":1,"rowid":"mine"} -"#,
            r#"insert {"rowid":9} - {"a":1,"rowid":"mine"}"#,
            r#"update {"rowid":9} {"a":1,"rowid":"mine"} {"a":2,"rowid":"mine"}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn values_keep_their_types_and_their_bytes() {
    let fixture = Fixture::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", &["t"]);
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    for (sql, expected) in [
        ("9007199254740993", r#"{"$numberLong":"9007199254740993"}"#),
        ("-9223372036854775808", r#"{"$numberLong":"-9223372036854775808"}"#),
        ("9007199254740992", "9007199254740992"),
        ("1.5", "1.5"),
        ("5.0", "5.0"),
        ("0.1", "0.1"),
        ("5e-324", "5e-324"),
        ("1e999", r#"{"$numberDouble":"Infinity"}"#),
        ("-1e999", r#"{"$numberDouble":"-Infinity"}"#),
        ("1e999 - 1e999", "null"),
        ("NULL", "null"),
        ("x'00ff'", r#"{"$binary":{"base64":"AP8=","subType":"00"}}"#),
        ("x''", r#"{"$binary":{"base64":"","subType":"00"}}"#),
        ("''", r#""""#),
        ("'it''s, é 😀' || char(10)", r#""it's, é 😀\n""#),
        ("'a' || char(0) || 'b'", r#""a\u0000b""#),
        ("CAST(x'61ff62' AS TEXT)", "\"a\u{fffd}b\""),
        ("CAST(x'6100ff' AS TEXT)", "\"a\\u0000\u{fffd}\""),
    ] {
        connection.execute_batch(&format!("INSERT INTO t (v) VALUES ({sql})")).unwrap();
        let change = next_change(&mut stream).await;
        let text = String::from_utf8(change.event.to_vec()).unwrap();
        assert!(text.contains(&format!(r#","v":{expected}}},"ns""#)), "{sql}: {text}");
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_named_and_the_rest_comes() {
    let fixture = Fixture::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)", &["t"]);
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection.execute_batch("INSERT INTO t VALUES (1, zeroblob(16777217), 5)").unwrap();
    let event = next_event(&mut stream).await;
    assert_eq!(event["fullDocument"], serde_json::json!({"id": 1, "w": 5}));
    assert_eq!(event["unavailable"], serde_json::json!(["fullDocument.v"]));
    connection.execute_batch("UPDATE t SET w = 6").unwrap();
    let event = next_event(&mut stream).await;
    let missing = event["unavailable"].as_array().unwrap();
    assert!(missing.contains(&"updateDescription".into()), "{event}");
    connection.execute_batch("UPDATE t SET v = 1; UPDATE t SET v = 2").unwrap();
    next_event(&mut stream).await;
    let event = next_event(&mut stream).await;
    assert_eq!(event["updateDescription"]["updatedFields"], serde_json::json!({"v": 2}));
}

#[tokio::test]
async fn odd_names_are_names() {
    let schema = r#"CREATE TABLE "t" ("a ""b'; DROP TABLE t; --" TEXT PRIMARY KEY, "select" INT, "é.x" INT, "" INT);
        CREATE UNIQUE INDEX "odd "" index" ON t ("select");"#;
    check(
        schema,
        r#"INSERT INTO t VALUES ('k', 1, 2, 3); REPLACE INTO t VALUES ('l', 1, 2, 3)"#,
        &[
            r#"insert {"a \"b'; DROP TABLE t; --":"k"} - {"":3,"a \"b'; DROP TABLE t; --":"k","select":1,"é.x":2}"#,
            r#"delete {"a \"b'; DROP TABLE t; --":"k"} {"":3,"a \"b'; DROP TABLE t; --":"k","select":1,"é.x":2} -"#,
            r#"insert {"a \"b'; DROP TABLE t; --":"l"} - {"":3,"a \"b'; DROP TABLE t; --":"l","select":1,"é.x":2}"#,
        ],
    )
    .await;
    let table = r#"we"ird ' table"#;
    let fixture = Fixture::new(r#"CREATE TABLE "we""ird ' table" (x)"#, &[table]);
    let mut stream = fixture.watch().await;
    fixture.connection().execute_batch(r#"INSERT INTO "we""ird ' table" VALUES (1)"#).unwrap();
    assert_eq!(next_event(&mut stream).await["ns"]["coll"], table);
}

#[tokio::test]
async fn generated_columns_are_columns() {
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n, twice AS (n * 2) STORED, next AS (n + 1))",
        "INSERT INTO t (n) VALUES (4); UPDATE t SET n = 5",
        &[
            r#"insert {"id":1} - {"id":1,"n":4,"next":5,"twice":8}"#,
            r#"update {"id":1} {"id":1,"n":4,"next":5,"twice":8} {"id":1,"n":5,"next":6,"twice":10}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_table_of_many_columns_is_watched_whole() {
    let columns: Vec<String> = (0..1900).map(|n| format!("c{n} INT")).collect();
    let fixture = Fixture::new(&format!("CREATE TABLE t ({})", columns.join(",")), &["t"]);
    let mut stream = fixture.watch().await;
    fixture.connection().execute_batch("INSERT INTO t (c7, c1899) VALUES (1, 2)").unwrap();
    let event = next_event(&mut stream).await;
    assert_eq!(event["fullDocument"].as_object().unwrap().len(), 1900);
    assert_eq!(event["fullDocument"]["c1899"], 2);
}

#[tokio::test]
async fn columns_come_in_their_order_and_updates_are_described() {
    let fixture = Fixture::new("CREATE TABLE t (z, a, id INTEGER PRIMARY KEY)", &["t"]);
    let mut stream = fixture.watch().await;
    fixture
        .connection()
        .execute_batch("INSERT INTO t VALUES (1, 2, 3); UPDATE t SET a = 9")
        .unwrap();
    let text = next_change(&mut stream).await;
    let text = std::str::from_utf8(&text.event).unwrap().to_owned();
    assert!(text.contains(r#""fullDocument":{"z":1,"a":2,"id":3}"#), "{text}");
    assert!(text.contains(r#""ns":{"db":"app","coll":"t"}"#), "{text}");
    let event = next_event(&mut stream).await;
    assert_eq!(event["updateDescription"]["updatedFields"], serde_json::json!({"a": 9}));
}
