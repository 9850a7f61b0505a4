//! Rows of SQLite databases of somebody else's, over `/documents`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::lists::{catch_up_by, list_by};
use crate::sqlite_files::ORDERS;
use crate::support::{NdjsonClient, SqliteDatabase, Subscriber, TestServer};

async fn opened(database: &SqliteDatabase, mode: &str) -> TestServer {
    database.install(&["orders"]).await;
    TestServer::start_with(&[&database.source("?name=shop"), "--documents", mode]).await
}

async fn status(server: &TestServer, method: Method, path: &str) -> StatusCode {
    let request = server.request(method, path).json(&json!({"note": "new"}));
    request.send().await.expect("an answer").status()
}

#[tokio::test]
async fn s3_06_rows_are_closed_unless_they_are_opened() {
    let database = SqliteDatabase::new(ORDERS);
    database.execute("INSERT INTO orders VALUES (1, 9.5, 'it''s')");
    let one = "/documents/shop/orders/1";
    let server = opened(&database, "off").await;
    assert_eq!(status(&server, Method::GET, one).await, StatusCode::FORBIDDEN);
    let server = opened(&database, "read").await;
    assert_eq!(server.get_json(one).await, json!({"id": 1, "total": 9.5, "note": "it's"}));
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        assert_eq!(status(&server, method, one).await, StatusCode::FORBIDDEN);
    }
    let server = opened(&database, "write").await;
    let mut client = NdjsonClient::follow(&server, "").await;
    client.hello().await;
    let two = "/documents/shop/orders/2";
    for (method, path, expected, operation) in [
        (Method::PATCH, one, 204, "update"),
        (Method::PUT, two, 201, "insert"),
        (Method::DELETE, two, 204, "delete"),
        (Method::POST, two, 204, "insert"),
    ] {
        assert_eq!(status(&server, method, path).await.as_u16(), expected);
        assert_eq!(client.change().await.change.0["operationType"], operation);
    }
    assert_eq!(server.get_json(one).await, json!({"id": 1, "total": 9.5, "note": "new"}));
}

#[tokio::test]
async fn g2_g5_state_and_stream_join_without_a_hole_while_others_write() {
    let database = SqliteDatabase::new("CREATE TABLE orders (id INTEGER PRIMARY KEY, n)");
    for id in 0..60 {
        database.execute(&format!("INSERT INTO orders VALUES ({id}, 0)"));
    }
    let server = opened(&database, "read").await;
    let enough = Arc::new(AtomicBool::new(false));
    let write = |seed: u64| {
        let (connection, enough) = (database.connection(), Arc::clone(&enough));
        std::thread::spawn(move || {
            let mut random = seed;
            while !enough.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                let id = (random >> 33) % 80;
                let sql = match random >> 62 {
                    0 => format!("DELETE FROM orders WHERE id = {id}"),
                    1 => format!("REPLACE INTO orders VALUES ({id}, {})", random >> 40),
                    _ => format!(
                        "INSERT INTO orders VALUES ({id}, {n}) ON CONFLICT DO UPDATE SET n = {n}",
                        n = random >> 40
                    ),
                };
                connection.execute_batch(&sql).expect("a write");
            }
        })
    };
    let writers = [write(1), write(99)];
    let mut joined = Vec::new();
    for limit in [1, 7, 100] {
        joined.push(list_by("id", &server, "/documents/shop/orders", limit).await);
    }
    enough.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("it writes");
    }
    database.execute("INSERT INTO orders VALUES (-1, 0)");
    let (_, expected) = list_by("id", &server, "/documents/shop/orders", 1000).await;
    for (position, mut state) in joined {
        let end = json!(-1);
        catch_up_by("id", &end, &server, "shop.orders", &position, &mut state).await;
        assert_eq!(state, expected);
    }
}

#[tokio::test]
async fn g9_a_locked_file_answers_503_until_it_is_free() {
    let database = SqliteDatabase::new(ORDERS);
    let server = opened(&database, "write").await;
    let other = database.connection();
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let one = "/documents/shop/orders/1";
    assert_eq!(status(&server, Method::PUT, one).await, StatusCode::SERVICE_UNAVAILABLE);
    other.execute_batch("ROLLBACK").expect("no lock");
    assert_eq!(status(&server, Method::PUT, one).await, StatusCode::CREATED);
}
