//! Random statements over random tables: the events, replayed, are the rows.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;

const TABLES: [&str; 5] = [
    "CREATE TABLE t (k INTEGER PRIMARY KEY, u INT UNIQUE, v)",
    "CREATE TABLE t (k INT PRIMARY KEY, u INT, v, UNIQUE (u)) WITHOUT ROWID",
    "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, u INT, v, UNIQUE (u, v))",
    "CREATE TABLE t (k INT, u TEXT UNIQUE COLLATE NOCASE, v)",
    "CREATE TABLE t (k INT, u INT, v INT, PRIMARY KEY (u, k)) WITHOUT ROWID",
];

const STATEMENTS: [&str; 13] = [
    "INSERT INTO t VALUES (?1, ?2, ?3)",
    "INSERT OR IGNORE INTO t VALUES (?1, ?2, ?3)",
    "INSERT OR FAIL INTO t VALUES (?3, ?1, ?2), (?1, ?2, ?3)",
    "INSERT OR ROLLBACK INTO t VALUES (?3, ?1, ?2), (?1, ?2, ?3)",
    "REPLACE INTO t VALUES (?1, ?2, ?3)",
    "REPLACE INTO t VALUES (?1, ?2, ?3), (?2, ?3, ?1), (?1, ?3, ?2)",
    "REPLACE INTO t (u, k) SELECT v, u FROM t",
    "INSERT INTO t VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET v = ?2",
    "INSERT INTO t VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET k = ?2, u = ?3",
    "UPDATE t SET v = ?3 WHERE u = ?2",
    "UPDATE OR REPLACE t SET u = ?1, k = ?2 WHERE v = ?3 OR k = ?3",
    "UPDATE OR IGNORE t SET u = ?2, v = ?1",
    "DELETE FROM t WHERE u = ?2 OR k = ?1",
];

fn run(random: &mut Rng, connection: &Connection) {
    let sql = STATEMENTS[random.usize(..STATEMENTS.len())];
    let mut statement = connection.prepare_cached(sql).unwrap();
    for index in 1..=statement.parameter_count() {
        let letter = ["a", "A", "b", "B", "c"][random.usize(..5)];
        if random.u8(..3) == 0 {
            statement.raw_bind_parameter(index, letter).unwrap();
        } else {
            statement.raw_bind_parameter(index, random.i64(-1..5)).unwrap();
        }
    }
    // Conflicts are part of the game.
    let _ = statement.raw_execute();
}

fn rows(connection: &Connection, key: &str) -> BTreeMap<String, String> {
    let sql = format!("SELECT {key}, json_object('k', k, 'u', u, 'v', v) FROM t");
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn replay(state: &mut BTreeMap<String, String>, event: &Value, context: &str) {
    let key = event["documentKey"].to_string();
    let image = |name: &str| event.get(name).map(ToString::to_string);
    let (before, after) = (image("fullDocumentBeforeChange"), image("fullDocument"));
    let op = event["operationType"].as_str().unwrap();
    let known = match after {
        Some(after) => state.insert(key, after),
        None => state.remove(&key),
    };
    assert_eq!(known, before, "{context}: {event}");
    assert_eq!(known.is_none(), op == "insert", "{context}: {event}");
}

#[tokio::test]
async fn the_events_tell_every_change_in_order() {
    for seed in 0..60 {
        let random = &mut Rng::with_seed(seed);
        let table = TABLES[seed as usize % TABLES.len()];
        let fixture = Fixture::new(&format!("{table}; CREATE TABLE fence (x)"), &["t", "fence"]);
        let mut stream = fixture.watch().await;
        let connections = [fixture.connection(), fixture.connection()];
        connections[1].pragma_update(None, "recursive_triggers", true).unwrap();
        for _ in 0..60 {
            let connection = &connections[random.usize(..2)];
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..random.u8(1..6) {
                run(random, connection);
            }
            if !connection.is_autocommit() {
                let end = if random.u8(..4) == 0 { "ROLLBACK" } else { "COMMIT" };
                connection.execute_batch(end).unwrap();
            }
        }
        connections[0].execute_batch("INSERT INTO fence VALUES (1)").unwrap();
        let mut state = BTreeMap::new();
        loop {
            let event = next_event(&mut stream).await;
            if event["ns"]["coll"] == "fence" {
                break;
            }
            replay(&mut state, &event, &format!("seed {seed}, {table}"));
        }
        let key = match seed as usize % TABLES.len() {
            3 => "json_object('rowid', rowid)",
            4 => "json_object('k', k, 'u', u)",
            _ => "json_object('k', k)",
        };
        assert_eq!(state, rows(&connections[0], key), "seed {seed}, {table}");
    }
}
