//! `change_stream`: the original's page and socket, over a real MongoDB.

use futures_util::StreamExt as _;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Example, soon};

#[tokio::test]
async fn s0_18_the_change_stream_example_shows_what_changes() {
    let uri = std::env::var("CHANGECAST_TEST_MONGO").expect(
        "CHANGECAST_TEST_MONGO is set: run `scripts/services up`, then `source .services/env`",
    );
    let database = format!("example_{:016x}", fastrand::u64(..));
    let collection = Client::with_uri_str(&uri).await.unwrap().database(&database);
    let collection = collection.collection::<Document>("a.b");
    let (mongo, namespace) = (format!("--mongo={uri}"), format!("{database}.a.b"));
    let example = Example::start_with("change_stream", &[&mongo, "--ns", &namespace], &[]).await;

    let page = example.open("/").await.text().await;
    assert!(page.contains("id=\"changes\"") && page.contains("/socket?since=last:5"), "{page}");
    // What is written from here on comes: the source has its place.
    let mut events = example.open("/events?since=earliest").await;
    while !events.block().await.contains(r#""state":"live""#) {}
    for number in 0..3 {
        collection.insert_one(doc! { "number": number, "text": "<b>" }).await.unwrap();
    }
    for number in 0..3 {
        let change: Value = serde_json::from_str(&events.data().await).unwrap();
        assert_eq!(change["fullDocument"]["number"], number);
    }
    let stream = TcpStream::connect(example.address).await.unwrap();
    let url = format!("ws://{}/socket?since=last:2", example.address);
    let connecting = tokio_tungstenite::client_async(url, stream);
    let (mut socket, _) = soon("handshake", connecting).await.unwrap();
    for number in 1..3 {
        let message = soon("message", socket.next()).await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!(frame["fullDocument"]["number"], number);
        let html = frame["html"].as_str().unwrap();
        let id = frame["html_id"].as_str().unwrap();
        assert!(html.starts_with(&format!("<div id=\"change-{id}\"><pre>")), "{html}");
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
    }
    example.interrupt().await;
}

#[test]
fn the_change_stream_example_is_shorter_than_its_original() {
    let example = include_str!("../../examples/change_stream.rs");
    assert!(example.lines().count() < 100, "the original has some two hundred lines");
}
