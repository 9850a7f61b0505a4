//! Random statements from several connections: the changelog, replayed, is the documents.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;

const STATEMENTS: [&str; 14] = [
    "INSERT INTO document VALUES (?1, ?2, ?3)",
    "INSERT OR IGNORE INTO document VALUES (?1, ?2, ?3)",
    "INSERT OR FAIL INTO document VALUES (?1, ?4, ?3), (?1, ?2, ?3)",
    "INSERT OR ROLLBACK INTO document VALUES (?1, ?4, ?3), (?1, ?2, ?3)",
    "INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3)",
    "REPLACE INTO document VALUES (?1, ?4, ?3), (?1, ?2, ?3)",
    "INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = ?3",
    "INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET id = ?4",
    "UPDATE document SET body = ?3 WHERE collection = ?1",
    "UPDATE document SET id = ?4 WHERE collection = ?1 AND id = ?2",
    "UPDATE OR REPLACE document SET id = ?4, body = ?3 WHERE id = ?2",
    "UPDATE OR IGNORE document SET collection = ?1 WHERE id = ?2",
    "UPDATE OR FAIL document SET collection = ?1, id = ?4",
    "DELETE FROM document WHERE id = ?2",
];

fn run(random: &mut Rng, connection: &Connection) {
    let collection = ["a", "b"][random.usize(..2)];
    let (id, other) = (random.u8(..4).to_string(), random.u8(..4).to_string());
    let body = format!(r#"{{"n":{}}}"#, random.u8(..4));
    let sql = STATEMENTS[random.usize(..STATEMENTS.len())];
    let mut statement = connection.prepare_cached(sql).unwrap();
    let wanted = statement.parameter_count();
    for (index, value) in [collection, &id, &body, &other].iter().enumerate().take(wanted) {
        statement.raw_bind_parameter(index + 1, value).unwrap();
    }
    // Conflicts are part of the game.
    let _ = statement.raw_execute();
}

fn run_transaction(random: &mut Rng, connection: &Connection) {
    let undo = random.u8(..4) == 0;
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..random.u8(1..6) {
        let savepoint = random.bool() && !connection.is_autocommit();
        if savepoint {
            connection.execute_batch("SAVEPOINT s").unwrap();
        }
        run(random, connection);
        if savepoint && !connection.is_autocommit() {
            let end = if random.bool() { "ROLLBACK TO s; RELEASE s" } else { "RELEASE s" };
            connection.execute_batch(end).unwrap();
        }
    }
    if !connection.is_autocommit() {
        connection.execute_batch(if undo { "ROLLBACK" } else { "COMMIT" }).unwrap();
    }
}

fn replay(connection: &Connection) -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    for (op, document, before, after) in changelog(connection) {
        let known = match after {
            Some(body) => documents.insert(document.clone(), body),
            None => documents.remove(&document),
        };
        assert_eq!(known, before, "{op} {document}");
        assert_eq!(known.is_none(), op == "insert", "{op} {document}");
    }
    documents
}

#[test]
fn the_changelog_tells_every_change_in_order() {
    for seed in 0..40 {
        let random = &mut Rng::with_seed(seed);
        let fixture = Fixture::new();
        let connections = [fixture.connection(), fixture.connection(), fixture.connection()];
        connections[2].pragma_update(None, "recursive_triggers", true).unwrap();
        for _ in 0..100 {
            let connection = &connections[random.usize(..3)];
            run_transaction(random, connection);
        }
        let connection = fixture.connection();
        let mut statement =
            connection.prepare("SELECT collection || '/' || id, body FROM document").unwrap();
        let documents = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<BTreeMap<String, String>, _>>()
            .unwrap();
        assert_eq!(replay(&connection), documents, "seed {seed}");
        let holes: bool = connection
            .query_row("SELECT count(*) <> max(id) FROM changelog", [], |row| row.get(0))
            .unwrap();
        assert!(!holes, "seed {seed}");
    }
}
