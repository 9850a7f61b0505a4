//! Whether it lives, whether it serves, what it watches, and what it counts.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    NdjsonClient, RedisServer, SqliteDatabase, SseClient, Subscriber, TestServer, WsClient, soon,
};

/// A port that nobody listens on.
const NOBODY: &str = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200";

async fn without_its_database() -> TestServer {
    TestServer::start_unready(&["--mongo", NOBODY, "--ns", "shop.orders"], &[]).await
}

#[tokio::test]
async fn an_embedded_server_is_alive_and_ready() {
    let server = TestServer::start().await;
    let alive = server.get("/healthz").await;
    assert_eq!(alive.status(), StatusCode::OK);
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::OK);
    let ready: Value = ready.json().await.expect("JSON");
    assert_eq!(ready["status"], "ok", "{ready}");
    assert_eq!(ready["log"]["status"], "ok", "{ready}");
    assert_eq!(ready["sources"][0]["name"], "test", "{ready}");
    assert_eq!(ready["sources"][0]["probe"]["status"], "ok", "{ready}");
    assert!(ready["sources"][0]["probe"]["latency_ms"].is_number(), "{ready}");
}

#[tokio::test]
async fn s0_13_s0_29_without_its_database_it_serves_at_once_and_says_what_is_wrong() {
    let server = without_its_database().await;
    assert_eq!(server.get("/").await.status(), StatusCode::OK);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);

    let mut client = SseClient::follow(&server, "").await;
    assert_eq!(client.hello().await["waiting"], json!(["shop"]));
    let news = client.control("source").await.data;
    assert_eq!((&news["source"], &news["state"]), (&json!("shop"), &json!("connecting")));
    assert!(news["error"].as_str().is_some_and(|error| error.contains("127.0.0.1:1")), "{news}");

    let response = server.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = response.json().await.expect("JSON");
    assert_eq!(ready["status"], "unavailable", "{ready}");
    let source = &ready["sources"][0];
    assert_eq!((&source["name"], &source["positioned"]), (&json!("shop"), &json!(false)));
    assert_eq!(source["probe"]["status"], "failing", "{ready}");
    for error in [&source["error"], &source["probe"]["error"]] {
        assert!(error.as_str().is_some_and(|error| !error.is_empty()), "{ready}");
    }

    let sources = server.get_json("/sources").await;
    let source = &sources["sources"][0];
    assert_eq!(source["state"], "connecting", "{sources}");
    assert_eq!(source["topics"], json!(["shop.orders"]), "{sources}");
    assert_eq!((&source["position"], &source["documents"]), (&Value::Null, &json!("off")));
    assert!(source["error"].is_string(), "{sources}");
}

#[tokio::test]
async fn s3_13_each_source_is_probed_by_itself_and_said_with_its_latency() {
    let redis = RedisServer::start().await;
    let database = SqliteDatabase::new("CREATE TABLE t (x)");
    database.install(&["t"]).await;
    let of_redis = format!("{}?name=stream&stream=orders", redis.url());
    let of_file = database.source("?name=file");
    let arguments = ["--source", &of_redis, &of_file, "--source", "mongodb://127.0.0.1:1/shop"];
    let server = TestServer::start_unready(&arguments, &[]).await;
    let live = async {
        let status = |sources: &Value, name: &str| {
            let sources = sources["sources"].as_array().expect("a list");
            sources.iter().find(|source| source["name"] == name).expect(name)["state"].clone()
        };
        loop {
            let sources = server.get_json("/sources").await;
            if status(&sources, "stream") == "live" && status(&sources, "file") == "live" {
                break;
            }
        }
    };
    soon("two of three", live).await;
    let response = server.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = response.json().await.expect("JSON, whatever fails");
    let probes: Vec<_> = ready["sources"].as_array().expect("a list").iter().collect();
    assert_eq!(probes.len(), 3, "{ready}");
    for source in probes {
        let expected = if source["name"] == "shop" { "failing" } else { "ok" };
        assert_eq!(source["probe"]["status"], expected, "{ready}");
        assert!(source["probe"]["latency_ms"].is_number(), "{ready}");
    }
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK, "it lives all the same");
}

#[tokio::test]
async fn hello_waits_for_nobody_and_names_only_sources_of_its_topics() {
    let server = without_its_database().await;
    for (query, expected) in [
        ("topic=shop.orders", json!(["shop"])),
        ("topic=shop.*", json!(["shop"])),
        ("topic=shop.customers", json!([])),
        ("topic=elsewhere.*", json!([])),
    ] {
        let hello = SseClient::follow(&server, query).await.hello().await;
        assert_eq!(hello["waiting"], expected, "{query}");
        assert_eq!(WsClient::follow(&server, query).await.hello().await["waiting"], expected);
        assert_eq!(NdjsonClient::follow(&server, query).await.hello().await["waiting"], expected);
    }
}

#[tokio::test]
async fn s0_02_a_password_is_nowhere_to_be_read() {
    let uri = "mongodb://user:sesame@127.0.0.1:1/?serverSelectionTimeoutMS=200";
    let arguments = ["--mongo", uri, "--ns", "shop.orders", "--logging=debug"];
    let mut server = TestServer::start_unready(&arguments, &[]).await;
    server.process().stderr_with("source down").await;
    let mut said = NdjsonClient::follow(&server, "").await.hello().await.to_string();
    for path in ["/readyz", "/sources", "/metrics", "/topics", "/"] {
        said.push_str(&server.get(path).await.text().await.expect("text"));
    }
    assert!(server.terminate().await.success());
    said.push_str(&server.process().stdout());
    said.push_str(&server.process().stderr());
    assert!(!said.contains("sesame"), "{said}");
    assert!(said.contains("shop"), "{said}");
}

#[tokio::test]
async fn s0_02_nor_where_it_comes_by_the_environment() {
    let uri = "mongodb://user:sesame@127.0.0.1:1/shop?serverSelectionTimeoutMS=200";
    let variables = [("CHANGECAST_SOURCE", uri)];
    let mut server = TestServer::start_unready(&["--logging=debug"], &variables).await;
    server.process().stderr_with("source down").await;
    assert!(server.terminate().await.success());
    let said = server.process().stdout() + &server.process().stderr();
    assert!(!said.contains("sesame"), "{said}");

    let help = ["--help".to_owned()];
    let mut help = crate::support::Process::start(&help, &variables);
    help.exit().await;
    assert!(!help.stdout().contains("sesame"), "{}", help.stdout());
}

#[tokio::test]
async fn the_documents_of_an_external_database_are_closed() {
    let server = without_its_database().await;
    let path = "/documents/shop/orders/1";
    let response = server.get(path).await;
    assert!(response.status().is_client_error(), "{}", response.status());
    let problem: Value = response.json().await.expect("JSON");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("shop")), "{problem}");
}

#[tokio::test]
async fn topics_lists_what_has_been_written() {
    let server = TestServer::start().await;
    assert_eq!(server.get_json("/topics").await, json!({"topics": []}));
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    server.put_in("orders", "1", &json!({})).await;
    server.put_in("customers", "1", &json!({})).await;
    client.changes(2).await;
    let topics = server.get_json("/topics").await;
    let names: Vec<_> = topics["topics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|topic| (topic["topic"].as_str().expect("a name"), topic["last_seq"].clone()))
        .collect();
    assert_eq!(names, [("test.customers", json!(2)), ("test.orders", json!(1))]);
}

#[tokio::test]
async fn sources_shows_position_state_and_the_last_change() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers([1]).await;
    client.change().await;
    let sources = server.get_json("/sources").await;
    let source = &sources["sources"][0];
    assert_eq!(source["kind"], "embedded", "{sources}");
    assert_eq!(source["state"], "live", "{sources}");
    assert_eq!(source["documents"], "write", "{sources}");
    assert_eq!(source["gap_count"], 0, "{sources}");
    assert!(source["position"].is_object(), "{sources}");
}

/// `name{label="value",…} number`, as OpenMetrics wants it.
fn is_sample(line: &str) -> bool {
    let Some((name, value)) = line.rsplit_once(' ') else {
        return false;
    };
    let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
    let labels_end = labels.ends_with('}');
    let pairs = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
    let mut pairs = pairs.map(|pair| pair.split_once('='));
    let is_quoted = |text: &str| text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    labels_end
        && name.starts_with("changecast_")
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && pairs.all(|pair| pair.is_some_and(|(_, value)| is_quoted(value)))
        && value.parse::<f64>().is_ok()
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let server = TestServer::start().await;
    let mut client = SseClient::follow(&server, "").await;
    client.hello().await;
    server.insert_numbers(1..=3).await;
    client.changes(3).await;
    let response = server.get("/metrics").await;
    let content_type = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
    let text = response.text().await.expect("text");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines() {
        let is_comment =
            ["# HELP changecast_", "# TYPE changecast_", "# UNIT changecast_", "# EOF"]
                .iter()
                .any(|start| line.starts_with(start));
        assert!(is_comment || is_sample(line), "{line}");
    }
    server.metric_becomes("changecast_source_changes_total{source=\"test\"}", 3).await;
    server.metric_becomes("changecast_frames_delivered_total{transport=\"sse\"}", 3).await;
    server.metric_becomes("changecast_log_entries", 3).await;
    server.metric_becomes("changecast_source_up{source=\"test\"}", 1).await;
}

#[tokio::test]
async fn s1_16_a_subscriber_that_leaves_is_noticed_without_a_change() {
    let server = TestServer::start().await;
    let gauge = |transport: &str| format!("changecast_subscribers{{transport=\"{transport}\"}}");
    server.metric_becomes(&gauge("sse"), 0).await;
    let sse = SseClient::follow(&server, "").await;
    let another = SseClient::follow(&server, "topic=test.x").await;
    let ndjson = NdjsonClient::follow(&server, "").await;
    let ws = WsClient::follow(&server, "").await;
    let socket = WsClient::connect(&server, "/socket", &[]).await;
    server.metric_becomes(&gauge("sse"), 2).await;
    for transport in ["ndjson", "websocket", "socket"] {
        server.metric_becomes(&gauge(transport), 1).await;
    }
    drop((sse, ndjson, ws, socket));
    server.metric_becomes(&gauge("sse"), 1).await;
    drop(another);
    for transport in ["sse", "ndjson", "websocket", "socket"] {
        server.metric_becomes(&gauge(transport), 0).await;
    }
}
