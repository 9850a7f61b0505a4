//! SQLite databases of somebody else's, from `changecast sqlite` to the subscriber.

mod faults;

use serde_json::{Value, json};

use crate::check::{checked, finding};
use crate::support::{
    NdjsonClient, SqliteDatabase as Database, SseClient, Subscriber, TestServer, run, soon,
};

pub(crate) const ORDERS: &str =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL, note TEXT)";

/// What `/sources` says of the only source.
async fn source(server: &TestServer) -> Value {
    server.get_json("/sources").await["sources"][0].clone()
}

#[tokio::test]
async fn a_table_is_watched_from_install_to_uninstall() {
    let database = Database::new(ORDERS);
    let installed = database.sqlite("install", &["--table", "orders"]).await;
    assert_eq!((installed.code, &*installed.stdout), (Some(0), "orders: installed\n"));
    let server = TestServer::start_with(&[&database.source("?table=orders&name=shop")]).await;
    let mut client = SseClient::follow(&server, "topic=shop.orders").await;
    client.hello().await;
    database.execute("INSERT INTO orders (total, note) VALUES (9.5, 'it''s')");
    let inserted = client.change().await.change.0;
    assert_eq!(inserted["operationType"], "insert");
    assert_eq!(inserted["fullDocument"], json!({"id": 1, "total": 9.5, "note": "it's"}));
    assert_eq!(inserted["documentKey"], json!({"id": 1}));
    database.execute("UPDATE orders SET total = 10");
    let updated = client.change().await.change.0;
    assert_eq!(updated["updateDescription"]["updatedFields"], json!({"total": 10.0}));
    assert_eq!(updated["fullDocumentBeforeChange"]["total"], 9.5);
    database.execute("DELETE FROM orders");
    assert_eq!(client.change().await.change.0["operationType"], "delete");
    let source = source(&server).await;
    assert_eq!((&source["kind"], &source["state"]), (&json!("sqlite"), &json!("live")));
    assert_eq!(source["topics"], json!(["shop.orders"]));

    let status = database.sqlite("status", &[]).await;
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.starts_with("orders: ok\n"), "{status:?}");
    drop(server);
    let removed = database.sqlite("uninstall", &[]).await;
    assert_eq!((removed.code, &*removed.stdout), (Some(0), "orders: taken out\n"));
    let left: i64 = database
        .connection()
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name <> 'orders'", [], |row| {
            row.get(0)
        })
        .expect("a count");
    assert_eq!(left, 0);
    assert_eq!(database.sqlite("status", &[]).await.stdout, "nothing is installed\n");
}

#[tokio::test]
async fn the_shells_own_sqlite_is_seen() {
    let database = Database::new(ORDERS);
    database.install(&["orders"]).await;
    let server = TestServer::start_with(&[&database.source("")]).await;
    let mut client = NdjsonClient::follow(&server, "topic=app.*").await;
    client.hello().await;
    let sql = "REPLACE INTO orders VALUES (1, 2, 'a'); REPLACE INTO orders VALUES (1, 3, 'a')";
    let status = std::process::Command::new("sqlite3").arg(database.path()).arg(sql).status();
    assert!(status.expect("sqlite3 runs").success());
    let changes = client.changes(2).await;
    let ops: Vec<_> = changes.iter().map(|entry| &entry.change.0["operationType"]).collect();
    assert_eq!(ops, ["insert", "replace"]);
}

#[tokio::test]
async fn a_toml_file_names_tables() {
    let database = Database::new("CREATE TABLE a (x); CREATE TABLE b (x)");
    database.install(&["a", "b"]).await;
    let config = database.directory().join("changecast.toml");
    let text = format!(
        "[[source]]\nurl = \"sqlite://{}\"\nname = \"mine\"\ntable = [\"b\"]\n",
        database.text()
    );
    std::fs::write(&config, text).expect("written");
    let server = TestServer::start_with(&["--config", config.to_str().expect("UTF-8")]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    database.execute("INSERT INTO a VALUES (1); INSERT INTO b VALUES (2)");
    assert_eq!(client.change().await.change.topic(), "mine.b");
}

#[tokio::test]
async fn g3_g5_g7_killed_in_the_midst_of_writes_it_loses_and_repeats_nothing() {
    const ROWS: i64 = 2_000;
    let database = Database::new("CREATE TABLE t (n INTEGER PRIMARY KEY)");
    database.install(&["t"]).await;
    let mut server = TestServer::start_restartable_with(&[&database.source("")]).await;
    let connection = database.connection();
    let writer = std::thread::spawn(move || {
        for n in 0..ROWS {
            connection.execute("INSERT INTO t VALUES (?)", [n]).expect("inserted");
        }
    });
    for round in 1..=5 {
        let mut reader = NdjsonClient::follow(&server, "since=earliest").await;
        reader.hello().await;
        reader.changes(round * 100).await;
        server.kill().await;
        server.start_again().await;
    }
    writer.join().expect("it writes");
    let mut reader = NdjsonClient::follow(&server, "since=earliest").await;
    reader.hello().await;
    let entries = reader.changes(ROWS as usize).await;
    let found: Vec<_> =
        entries.iter().map(|entry| entry.change.document()["n"].as_i64().expect("n")).collect();
    assert_eq!(found, (0..ROWS).collect::<Vec<_>>());
}

#[tokio::test]
async fn g2_what_was_pruned_while_it_was_away_is_a_gap() {
    let database = Database::new(ORDERS);
    database.install(&["orders"]).await;
    let mut server = TestServer::start_restartable_with(&[&database.source("")]).await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    database.execute("INSERT INTO orders (id) VALUES (1)");
    client.change().await;
    server.terminate().await;
    database.execute(
        "INSERT INTO orders (id) VALUES (2), (3); DELETE FROM changecast_changelog WHERE id = 2",
    );
    server.start_again().await;
    let mut client = client.come_back(&server).await;
    client.hello().await;
    assert_eq!(client.gap().await["scope"], "source");
    database.execute("INSERT INTO orders (id) VALUES (4)");
    assert_eq!(client.change().await.change.0["documentKey"]["id"], 4);
}

#[tokio::test]
async fn g9_what_is_missing_is_said_with_its_remedy_and_heals_by_itself() {
    let database = Database::new(ORDERS);
    let embedded_lives = "--publish";
    let server =
        TestServer::start_unready(&[&database.source("?table=orders"), embedded_lives], &[]).await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    let says = async |client: &mut SseClient, state: &str| loop {
        let news = client.control("source").await.data;
        if news["state"] == state {
            return news;
        }
    };
    let news = says(&mut client, "failed").await;
    let command = format!("changecast sqlite install {} --table orders", database.text());
    assert!(news["remedy"].as_str().expect("a remedy").contains(&command), "{news}");
    assert!(source(&server).await["remedy"].as_str().expect("a remedy").contains(&command));
    database.install(&["orders"]).await;
    says(&mut client, "live").await;
    database.execute("INSERT INTO orders (id) VALUES (1)");
    assert_eq!(client.change().await.change.0["documentKey"]["id"], 1);

    let away = database.directory().join("away.db");
    std::fs::rename(database.path(), &away).expect("renamed");
    says(&mut client, "failed").await;
    std::fs::rename(&away, database.path()).expect("renamed");
    database.execute("INSERT INTO orders (id) VALUES (2)");
    assert_eq!(client.change().await.change.0["documentKey"]["id"], 2);
}

#[tokio::test]
async fn the_command_says_what_is_wrong_in_one_line() {
    let database = Database::new("CREATE TABLE t (x); CREATE VIEW v AS SELECT 1");
    for (verb, more, code, said) in [
        ("install", &["--table", "nowhere"][..], 3, "there is no table \"nowhere\""),
        ("install", &["--table", "v"], 3, "is view"),
        ("install", &[], 2, "--table"),
        ("install", &["--table", "t", "--keep", "0"], 2, "--keep"),
        ("uninstall", &["--table", "t"], 3, "t was not installed"),
    ] {
        let outcome = database.sqlite(verb, more).await;
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
    let outcome = run(&["sqlite", "status", "/nowhere/app.db"]).await;
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.stderr.contains("there is no file /nowhere/app.db"), "{outcome:?}");
    database.install(&["t"]).await;
    database.execute("ALTER TABLE t ADD COLUMN y");
    let outcome = database.sqlite("status", &[]).await;
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("columns"), "{outcome:?}");
    assert!(outcome.stderr.contains("changecast sqlite install"), "{outcome:?}");
    for url in ["sqlite://", "sqlite:///a.db?tables=x", "sqlite:///a.b.db?name=a.b"] {
        let outcome = soon("an end", run(&["--source", url])).await;
        assert_eq!(outcome.code, Some(3), "{url}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_table_that_has_changed_since_is_a_warning_with_the_command_that_mends_it() {
    let database = Database::new(ORDERS);
    database.install(&["orders"]).await;
    database.execute("ALTER TABLE orders ADD COLUMN paid");
    let server = TestServer::start_with(&[&database.source("")]).await;
    let live = source(&server).await;
    assert_eq!((&live["state"], &live["check"]["level"]), (&json!("live"), &json!("warning")));
    let found = &live["check"]["findings"][0];
    assert_eq!(found["about"], "schema", "{live}");
    assert!(found["detail"].as_str().is_some_and(|said| said.contains("columns")), "{live}");
    let command = format!("run: changecast sqlite install {} --table orders", database.text());
    assert_eq!(found["mend"], json!(command));
    let (report, outcome) = checked(&[&database.source("")]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &json!("warning")), "{report}");
    assert_eq!(&finding(&report, "schema")["mend"], &json!(command));

    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    database.execute("INSERT INTO orders (paid) VALUES (1)");
    assert_eq!(client.change().await.change.document().get("paid"), None);
    database.install(&["orders"]).await;
    assert_eq!(client.gap().await["scope"], "source");
    database.execute("INSERT INTO orders (paid) VALUES (2)");
    assert_eq!(client.change().await.change.document()["paid"], 2);
    let (report, outcome) = checked(&[&database.source("")]).await;
    assert_eq!((outcome.code, &report["level"]), (Some(0), &json!("ok")), "{report}");
}
