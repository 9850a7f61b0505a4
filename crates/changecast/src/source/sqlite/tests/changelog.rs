//! What each kind of statement of any program leaves in the changelog.

use super::*;

const ONE: &str = r#"INSERT INTO document VALUES ('c', '1', '{"n":1}')"#;

/// After `before`, `statements` must leave `expected`, one line a row: op, document, images.
#[track_caller]
fn check(before: &str, statements: &str, expected: &[&str]) {
    check_with("", before, statements, expected);
}

#[track_caller]
fn check_with(settings: &str, before: &str, statements: &str, expected: &[&str]) {
    let fixture = Fixture::new();
    fixture.connection().execute_batch(before).unwrap();
    let already = changelog(&fixture.connection()).len();
    let connection = fixture.connection();
    connection.execute_batch(settings).unwrap();
    connection.execute_batch(statements).unwrap();
    let lines: Vec<String> = changelog(&fixture.connection())
        .into_iter()
        .skip(already)
        .map(|(op, document, before, after)| {
            let image = |image: Option<String>| image.unwrap_or_else(|| "-".into());
            format!("{op} {document} {} {}", image(before), image(after))
        })
        .collect();
    assert_eq!(lines, expected, "{statements}");
}

#[test]
fn insert_update_delete() {
    check("", ONE, &[r#"insert c/1 - {"n":1}"#]);
    check(ONE, r#"UPDATE document SET body = '{"n":2}'"#, &[r#"update c/1 {"n":1} {"n":2}"#]);
    check(ONE, "DELETE FROM document", &[r#"delete c/1 {"n":1} -"#]);
}

#[test]
fn replace_is_one_event() {
    for verb in ["INSERT OR REPLACE INTO", "REPLACE INTO"] {
        let again = format!(r#"{verb} document VALUES ('c', '1', '{{"n":2}}')"#);
        check(ONE, &again, &[r#"replace c/1 {"n":1} {"n":2}"#]);
        check("", &again, &[r#"insert c/1 - {"n":2}"#]);
    }
    check(
        ONE,
        r#"REPLACE INTO document VALUES ('c', '1', '{"n":2}'), ('c', '2', '{}'), ('c', '1', '{"n":3}')"#,
        &[r#"replace c/1 {"n":1} {"n":2}"#, "insert c/2 - {}", r#"replace c/1 {"n":2} {"n":3}"#],
    );
}

#[test]
fn with_recursive_triggers_replace_is_delete_and_insert() {
    check_with(
        "PRAGMA recursive_triggers = ON",
        ONE,
        r#"REPLACE INTO document VALUES ('c', '1', '{"n":2}')"#,
        &[r#"delete c/1 {"n":1} -"#, r#"insert c/1 - {"n":2}"#],
    );
}

#[test]
fn upsert_is_an_update() {
    check(
        ONE,
        r#"INSERT INTO document VALUES ('c', '1', '{"n":2}')
           ON CONFLICT DO UPDATE SET body = excluded.body"#,
        &[r#"update c/1 {"n":1} {"n":2}"#],
    );
}

#[test]
fn what_changes_nothing_leaves_nothing() {
    for statement in [
        "INSERT OR IGNORE INTO document VALUES ('c', '1', '{}')",
        "INSERT INTO document VALUES ('c', '1', '{}') ON CONFLICT DO NOTHING",
        "INSERT INTO document VALUES ('c', '1', '{}') ON CONFLICT DO UPDATE SET body = '{}' WHERE false",
        "UPDATE document SET body = body",
        "UPDATE document SET id = '1', collection = 'c'",
        r#"REPLACE INTO document VALUES ('c', '1', '{"n":1}')"#,
        "DELETE FROM document WHERE id = 'other'",
        "BEGIN; DELETE FROM document; ROLLBACK",
        "BEGIN; SAVEPOINT s; DELETE FROM document; ROLLBACK TO s; COMMIT",
    ] {
        check(ONE, statement, &[]);
    }
}

#[test]
fn what_or_ignore_left_pending_is_never_used() {
    let ignore = "INSERT OR IGNORE INTO document VALUES ('c', '1', '{}');";
    check(
        ONE,
        &format!(
            r#"{ignore} DELETE FROM document; INSERT INTO document VALUES ('c', '1', '{{"n":3}}')"#
        ),
        &[r#"delete c/1 {"n":1} -"#, r#"insert c/1 - {"n":3}"#],
    );
    check(
        ONE,
        &format!(
            r#"UPDATE document SET id = '2'; {ignore} {ignore} UPDATE document SET id = '3' WHERE id = '1'"#
        ),
        &[
            r#"delete c/1 {"n":1} -"#,
            r#"insert c/2 - {"n":1}"#,
            "insert c/1 - {}",
            "delete c/1 {} -",
            "insert c/3 - {}",
        ],
    );
}

#[test]
fn a_new_key_is_delete_and_insert() {
    check(
        ONE,
        r#"UPDATE document SET id = '2', body = '{"n":2}'"#,
        &[r#"delete c/1 {"n":1} -"#, r#"insert c/2 - {"n":2}"#],
    );
    check(
        ONE,
        "UPDATE document SET collection = 'd'",
        &[r#"delete c/1 {"n":1} -"#, r#"insert d/1 - {"n":1}"#],
    );
}

#[test]
fn a_key_that_overwrites_another_document_tells_of_it() {
    let two = format!("{ONE}; INSERT INTO document VALUES ('c', '2', '{{}}')");
    let statement = "UPDATE OR REPLACE document SET id = '2' WHERE id = '1'";
    check(&two, statement, &[r#"delete c/1 {"n":1} -"#, r#"replace c/2 {} {"n":1}"#]);
    check_with(
        "PRAGMA recursive_triggers = ON",
        &two,
        statement,
        &["delete c/2 {} -", r#"delete c/1 {"n":1} -"#, r#"insert c/2 - {"n":1}"#],
    );
    check(&two, "UPDATE OR IGNORE document SET id = '2' WHERE id = '1'", &[]);
}

#[test]
fn bulk_statements_are_told_row_by_row() {
    check(
        "INSERT INTO document SELECT 'c', value, '{}' FROM json_each('[1,2,3]')",
        "DELETE FROM document",
        &["delete c/1 {} -", "delete c/2 {} -", "delete c/3 {} -"],
    );
}

#[test]
fn the_file_refuses_what_is_no_document() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    let long = "x".repeat(1025);
    for values in [
        "('c', '1', 'text')",
        "('c', '1', '[]')",
        "('c', '1', '{a:1}')",
        "('c', '1', NULL)",
        "('c', '1', x'7b7d')",
        "('', '1', '{}')",
        "('c', '', '{}')",
        "(NULL, '1', '{}')",
        "('c', x'31', '{}')",
        "('c' || char(10), '1', '{}')",
        "('c' || char(0) || 'd', '1', '{}')",
        "('c', '1' || char(133), '{}')",
        &format!("('c', '{long}', '{{}}')"),
    ] {
        let outcome = connection.execute_batch(&format!("INSERT INTO document VALUES {values}"));
        let error = outcome.expect_err(values).to_string();
        assert!(error.contains(" must be ") || error.contains("NOT NULL"), "{values}: {error}");
    }
    connection.execute_batch("INSERT INTO document VALUES ('c.d é]', 5, ' { } ')").unwrap();
    assert_eq!(changelog(&connection).len(), 1);
}

#[test]
fn or_fail_leaves_no_hole_and_uses_no_id_twice() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    let half = "INSERT OR FAIL INTO document SELECT 'c', value || ?1, iif(value = 3, 'bad', '{}')
                FROM json_each('[1,2,3,4]')";
    connection.execute(half, ["a"]).unwrap_err();
    fixture.connection().execute(half, ["b"]).unwrap_err();
    let ids: String = connection
        .query_row("SELECT group_concat(id) FROM changelog", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, "1,2,3,4");
}

#[test]
fn the_changelog_is_capped_when_nobody_reads_it() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    connection.execute_batch("UPDATE changelog_state SET rows_max = 100").unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO document SELECT 'c', i, '{}' FROM n",
        )
        .unwrap();
    let (count, newest): (i64, i64) = connection
        .query_row("SELECT count(*), max(id) FROM changelog", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert!((100..100 + 256).contains(&count), "{count}");
    assert_eq!(newest, 2000);
}

#[test]
fn times_are_milliseconds_of_now() {
    let fixture = Fixture::new();
    let connection = fixture.connection();
    let before = now();
    connection.execute_batch(ONE).unwrap();
    let time: i64 =
        connection.query_row("SELECT time FROM changelog", [], |row| row.get(0)).unwrap();
    assert!((before..=now()).contains(&time), "{before} {time}");
}

fn now() -> i64 {
    crate::model::Timestamp::from(std::time::SystemTime::now()).0.cast_signed()
}
