//! Streams: complete, resumable, honest about what is lost, and mended by what they advise.

use tokio::time::timeout;

use super::*;

#[track_caller]
fn assert_lost(error: &SourceError, reason: &str) {
    assert!(
        matches!(error, SourceError::HistoryLost(found) if found.contains(reason)),
        "{error:?}"
    );
}

#[track_caller]
fn assert_operator(error: &SourceError, said: &str, advised: &str) {
    assert!(matches!(error, SourceError::Operator { .. }), "{error:?}");
    assert!(error.to_string().contains(said), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains(advised)), "{error:?}");
}

fn insert(connection: &Connection, range: std::ops::Range<i64>) {
    for id in range {
        connection.execute("INSERT INTO t VALUES (?)", [id]).unwrap();
    }
}

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY)";

#[tokio::test]
async fn a_stream_goes_on_after_every_position() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let mut stream = fixture.watch().await;
    let mut positions = vec![stream.resume_token().unwrap().clone()];
    insert(&fixture.connection(), 1..20);
    let mut events = Vec::new();
    for _ in 1..20 {
        let delivery = next(&mut stream).await.unwrap();
        events.push(delivery.change.unwrap());
        positions.push(delivery.position.unwrap());
    }
    drop(stream);
    for (index, position) in positions.iter().enumerate() {
        let mut stream = fixture.watch_after(position).await.unwrap();
        for event in &events[index..] {
            assert_eq!(&next_change(&mut stream).await, event);
        }
    }
}

#[tokio::test]
async fn g2_what_was_pruned_or_belongs_to_another_file_is_lost_history() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let position = fixture.watch().await.resume_token().unwrap().clone();
    insert(&fixture.connection(), 1..5);
    let other = Fixture::new(TABLE, &["t"]);
    assert_lost(&other.watch_after(&position).await.unwrap_err(), "another database");
    fixture.connection().execute_batch("DELETE FROM changecast_changelog WHERE id < 3").unwrap();
    assert_lost(&fixture.watch_after(&position).await.unwrap_err(), "no longer has");
}

#[tokio::test]
async fn only_the_tables_that_are_wanted_come() {
    let fixture = Fixture::new("CREATE TABLE t (x); CREATE TABLE u (x)", &["t", "u"]);
    let mut stream = fixture.source(&["u"]).watch(WatchOptions::new()).await.unwrap();
    fixture
        .connection()
        .execute_batch("INSERT INTO t VALUES (1); INSERT INTO u VALUES (2)")
        .unwrap();
    assert_eq!(next_event(&mut stream).await["ns"]["coll"], "u");
}

#[tokio::test]
async fn what_is_not_installed_is_said_with_the_command() {
    let fixture = Fixture::new(TABLE, &[]);
    let watch = async |tables: &[&str]| {
        fixture.source(tables).watch(WatchOptions::new()).await.unwrap_err()
    };
    let path = fixture.path().display().to_string();
    let command = format!("changecast sqlite install {path} --table t");
    assert_operator(&watch(&["t"]).await, "yet", &command);
    fixture.install(&["t"]);
    assert_operator(&watch(&["t", "it's"]).await, "it's", r"--table 'it'\''s'");
    assert_operator(&watch(&["T"]).await, "is called \"t\"", "table=t");
    fixture.source(&["t"]).watch(WatchOptions::new()).await.unwrap();
    let gone = Fixture::new(TABLE, &["t"]);
    let source = gone.source(&[]);
    std::fs::remove_file(gone.path()).unwrap();
    assert_operator(&source.watch(WatchOptions::new()).await.unwrap_err(), "no file", "looked for");
    source.probe().await.unwrap_err();
    std::fs::write(gone.path(), "no database at all, but long enough to look".repeat(100)).unwrap();
    assert_operator(
        &source.watch(WatchOptions::new()).await.unwrap_err(),
        "not a database",
        "copy",
    );
}

#[tokio::test]
async fn g2_a_table_that_goes_stops_the_stream_and_coming_back_is_a_gap() {
    for statement in ["DROP TABLE t", "DROP TRIGGER changecast_1_after_insert"] {
        let fixture = Fixture::new(TABLE, &["t"]);
        let mut stream = fixture.watch().await;
        insert(&fixture.connection(), 1..3);
        fixture.connection().execute_batch(statement).unwrap();
        let error = end(&mut stream).await;
        assert_operator(&error, "go by unseen", "sqlite install");
        let position = stream.resume_token().unwrap().clone();
        fixture
            .connection()
            .execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
            .unwrap();
        assert_operator(&fixture.watch_after(&position).await.unwrap_err(), "unseen", "install");
        fixture.install(&["t"]);
        let mut again = fixture.watch_after(&position).await.unwrap();
        assert_lost(&end(&mut again).await, "installed anew");
        let mut live = fixture.watch().await;
        insert(&fixture.connection(), 10..11);
        assert_eq!(next_event(&mut live).await["documentKey"]["id"], 10);
    }
}

#[tokio::test]
async fn a_new_column_is_not_seen_until_the_table_is_installed_anew() {
    let fixture = Fixture::new("CREATE TABLE t (a)", &["t"]);
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection.execute_batch("ALTER TABLE t ADD COLUMN b; INSERT INTO t VALUES (1, 2)").unwrap();
    assert_eq!(next_event(&mut stream).await["fullDocument"], serde_json::json!({"a": 1}));
    fixture.install(&["t"]);
    assert_lost(&end(&mut stream).await, "installed anew");
    let mut stream = fixture.watch().await;
    connection.execute_batch("INSERT INTO t VALUES (3, 4)").unwrap();
    assert_eq!(next_event(&mut stream).await["fullDocument"], serde_json::json!({"a": 3, "b": 4}));
}

#[tokio::test]
async fn uninstalling_under_a_stream_is_said() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let mut stream = fixture.watch().await;
    uninstall(&fixture.path(), &[]).unwrap();
    assert_operator(&end(&mut stream).await, "yet", "sqlite install");
}

#[tokio::test]
async fn g9_a_file_that_is_replaced_is_opened_again() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let mut stream = fixture.watch().await;
    let away = fixture.directory.path().join("away");
    std::fs::rename(fixture.path(), &away).unwrap();
    assert!(matches!(end(&mut stream).await, SourceError::Unavailable(_)));
    let position = stream.resume_token().unwrap().clone();
    std::fs::rename(&away, fixture.path()).unwrap();
    let mut stream = fixture.watch_after(&position).await.unwrap();
    insert(&fixture.connection(), 1..2);
    assert_eq!(next_event(&mut stream).await["documentKey"]["id"], 1);
}

#[tokio::test]
async fn poison_does_not_stop_the_stream() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let mut stream = fixture.watch().await;
    fixture
        .connection()
        .execute_batch(
            "INSERT INTO changecast_changelog (time, op, layout, after) VALUES ('noon', 5, 1, 'garbage'),
                (-1, 'insert', 1, x'ff'), (1, 'insert', 1, '1,2');",
        )
        .unwrap();
    insert(&fixture.connection(), 9..10);
    for _ in 0..3 {
        let event = next_event(&mut stream).await;
        assert_eq!(event["unavailable"], serde_json::json!(["fullDocument"]));
    }
    assert_eq!(next_event(&mut stream).await["documentKey"]["id"], 9);
}

#[tokio::test]
async fn what_is_acknowledged_is_pruned_save_the_newest() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let source = fixture.source(&[]);
    let mut stream = source.watch(WatchOptions::new()).await.unwrap();
    let connection = fixture.connection();
    connection.execute_batch("BEGIN").unwrap();
    insert(&connection, 1..3501);
    connection.execute_batch("COMMIT").unwrap();
    let mut position = None;
    for _ in 1..3501 {
        position = next(&mut stream).await.unwrap().position;
    }
    source.acknowledge(&position.unwrap()).await;
    let pruned = async {
        while status(&fixture.path()).unwrap().unwrap().row_count != 1_000 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), pruned).await.expect("it is pruned");
}

#[tokio::test]
async fn a_database_without_a_write_ahead_log_is_watched_too() {
    let fixture = Fixture::new(TABLE, &["t"]);
    let connection = fixture.connection();
    connection.pragma_update(None, "journal_mode", "delete").unwrap();
    let mut stream = fixture.watch().await;
    for id in 1..50 {
        insert(&connection, id..id + 1);
        assert_eq!(next_event(&mut stream).await["documentKey"]["id"], id);
    }
    assert_eq!(status(&fixture.path()).unwrap().unwrap().journal_mode, "delete");
}

#[tokio::test]
async fn triggers_of_the_program_itself_are_told_in_their_order() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, at INT);
        CREATE TRIGGER touch AFTER INSERT ON t BEGIN UPDATE t SET at = 7 WHERE id = NEW.id; END;
        CREATE TABLE child (id INTEGER PRIMARY KEY, t INT REFERENCES t ON DELETE CASCADE);";
    let fixture = Fixture::new(schema, &["t", "child"]);
    let mut stream = fixture.watch().await;
    let connection = fixture.connection();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; INSERT INTO t (id) VALUES (1);
             INSERT INTO child VALUES (5, 1); DELETE FROM t",
        )
        .unwrap();
    let mut found = Vec::new();
    for _ in 0..5 {
        let event = next_event(&mut stream).await;
        found.push(format!("{} {}", event["ns"]["coll"].as_str().unwrap(), summary(&event)));
    }
    // In which order a cascade and what it follows are told is SQLite's affair.
    found[3..].sort();
    assert_eq!(
        found,
        [
            r#"t insert {"id":1} - {"at":null,"id":1}"#,
            r#"t update {"id":1} {"at":null,"id":1} {"at":7,"id":1}"#,
            r#"child insert {"id":5} - {"id":5,"t":1}"#,
            r#"child delete {"id":5} {"id":5,"t":1} -"#,
            r#"t delete {"id":1} {"at":7,"id":1} -"#,
        ]
    );
}
