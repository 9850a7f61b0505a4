//! Opening: what is created, and what is refused.

use super::*;

#[test]
fn a_file_that_is_not_ours_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, sql: &str, expected: &str| {
        let path = directory.path().join(name);
        drop(SqliteStore::open(&path, "test").unwrap());
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = SqliteStore::open(&path, "test").err().expect(name);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.advice().is_some());
    };
    check("newer", "PRAGMA user_version = 2", "written by a newer changecast (format 2");
    check("other", "PRAGMA application_id = 7", "is not a document store");
    let path = directory.path().join("text");
    std::fs::write(&path, "no database at all, but long enough to look".repeat(100)).unwrap();
    let error = SqliteStore::open(&path, "test").err().unwrap();
    assert!(error.advice().is_some(), "{error}");
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| SqliteStore::open(&path, "test").unwrap());
        }
    });
}

#[test]
fn a_name_that_is_no_part_of_a_topic_is_refused() {
    let fixture = Fixture::new();
    for name in ["", "a.b", "a\n", &"x".repeat(65)] {
        assert!(SqliteStore::open(&fixture.path(), name).is_err(), "{name:?}");
    }
}
