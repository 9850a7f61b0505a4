//! What `install` puts there, what it refuses, and that nothing stays.

use super::*;

fn schema_of(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn uninstalling_leaves_no_trace() {
    let fixture = Fixture::new(
        "CREATE TABLE t (x); CREATE TABLE u (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT x FROM t;
         CREATE TRIGGER changecast_mine AFTER INSERT ON t BEGIN SELECT 1; END;
         PRAGMA user_version = 7; PRAGMA application_id = 9;",
        &[],
    );
    let connection = fixture.connection();
    let before = schema_of(&connection);
    fixture.install(&["t", "u"]);
    connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(uninstall(&fixture.path(), &names(&["t"])).unwrap(), ["t"]);
    assert_eq!(status(&fixture.path()).unwrap().unwrap().tables.len(), 1);
    assert_eq!(uninstall(&fixture.path(), &[]).unwrap(), ["u"]);
    assert_eq!(schema_of(&connection), before);
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("user_version"), pragma("application_id")), (7, 9));
    assert_eq!(uninstall(&fixture.path(), &[]).unwrap(), Vec::<String>::new());
    assert_eq!(status(&fixture.path()).unwrap(), None);
}

#[test]
fn installing_twice_is_as_good_as_once() {
    let fixture = Fixture::new("CREATE TABLE t (x)", &["t"]);
    let before = schema_of(&fixture.connection());
    let again = install(&fixture.path(), &names(&["T"]), None).unwrap();
    assert!(again[0].was_there && again[0].table == "t", "{again:?}");
    assert_eq!(schema_of(&fixture.connection()), before);
}

#[test]
fn what_cannot_be_watched_is_refused_in_words_and_nothing_is_installed() {
    let long = "x".repeat(300);
    let fixture = Fixture::new(
        &format!(
            "CREATE TABLE t (x); CREATE VIEW v AS SELECT 1; CREATE TABLE \"{long}\" (x);
         CREATE TABLE hidden (rowid TEXT, oid TEXT, _rowid_ TEXT); CREATE TABLE \"a\nb\" (x);"
        ),
        &[],
    );
    for (table, said) in [
        ("nowhere", "no table"),
        ("v", "view"),
        ("sqlite_schema", "SQLite's"),
        ("hidden", "row id"),
        (&long, "too long"),
        ("a\nb", "control"),
    ] {
        let error = install(&fixture.path(), &names(&["t", table]), None).unwrap_err();
        assert!(error.to_string().contains(said), "{table}: {error}");
        assert!(error.advice().is_some(), "{table}");
        assert_eq!(status(&fixture.path()).unwrap(), None, "{table}");
    }
    let nowhere = fixture.directory.path().join("nowhere.db");
    let error = install(&nowhere, &names(&["t"]), None).unwrap_err();
    assert!(error.to_string().contains("no file"), "{error}");
    assert!(!nowhere.exists());
}

#[test]
fn status_tells_what_has_changed_since() {
    let problem = |fixture: &Fixture| {
        let status = status(&fixture.path()).unwrap().unwrap();
        status.tables[0].problem.clone().map(|problem| (problem, status.tables[0].is_unseen))
    };
    for (change, said, unseen) in [
        ("ALTER TABLE t ADD COLUMN y", "columns", false),
        ("ALTER TABLE t RENAME COLUMN x TO y", "columns", false),
        ("CREATE UNIQUE INDEX i ON t (x)", "unique", false),
        ("CREATE TRIGGER later AFTER INSERT ON t BEGIN SELECT 1; END", "later", false),
        ("DROP TRIGGER changecast_1_after_update", "triggers are gone", true),
        ("DROP TABLE t", "gone", true),
        ("ALTER TABLE t RENAME TO u", "another name", true),
    ] {
        let fixture = Fixture::new("CREATE TABLE t (x)", &["t"]);
        assert_eq!(problem(&fixture), None);
        fixture.connection().execute_batch(change).unwrap();
        let (found, is_unseen) = problem(&fixture).expect(change);
        assert!(found.contains(said), "{change}: {found}");
        assert_eq!(is_unseen, unseen, "{change}");
    }
}

#[test]
fn the_changelog_is_capped_when_nobody_reads_it() {
    let fixture = Fixture::new("CREATE TABLE t (x)", &[]);
    install(&fixture.path(), &names(&["t"]), Some(100)).unwrap();
    fixture
        .connection()
        .execute_batch(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO t SELECT i FROM n",
        )
        .unwrap();
    let status = status(&fixture.path()).unwrap().unwrap();
    assert!((100..100 + 256).contains(&status.row_count), "{status:?}");
}
