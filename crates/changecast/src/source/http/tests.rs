//! What can be shown without a server: addresses, pointers, comparison.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::address::is_public;
use super::config::HttpConfig;
use super::document::{Document, NoDocument};
use super::fault::parse_retry_after;
use super::position::Place;

#[test]
fn addresses_of_private_networks_are_known_in_every_spelling() {
    for private in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001::1",
        "::127.0.0.1",
    ] {
        assert!(!is_public(private.parse::<IpAddr>().expect(private)), "{private}");
    }
    for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
        assert!(is_public(public.parse::<IpAddr>().expect(public)), "{public}");
    }
}

#[track_caller]
fn json_at(body: &str, pointer: &str) -> Result<String, NoDocument> {
    Document::read(body.as_bytes(), pointer).map(|document| document.json)
}

#[test]
fn a_pointer_finds_its_part() {
    let body = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "o": {"1": {"x": 1.50}}}"#;
    for (pointer, found) in [
        ("/foo", r#"["bar","baz"]"#),
        ("/foo/1", r#""baz""#),
        ("/", "0"),
        ("/a~1b", "1"),
        ("/m~0n", "8"),
        ("/o/1", r#"{"x":1.50}"#),
    ] {
        assert_eq!(json_at(body, pointer).as_deref(), Ok(found), "{pointer}");
    }
    for pointer in ["/bar", "/foo/2", "/foo/01", "/foo/-", "/foo/+1", "/foo/0/x", "/a/b"] {
        assert_eq!(json_at(body, pointer), Err(NoDocument::Nothing(pointer.to_owned())));
    }
}

#[test]
fn what_is_no_json_is_refused() {
    assert!(matches!(json_at("<html>", ""), Err(NoDocument::NotJson(_))));
    assert!(matches!(json_at("", ""), Err(NoDocument::NotJson(_))));
    assert!(matches!(Document::read(b"\"\xff\"", ""), Err(NoDocument::NotJson(_))));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(json_at(&deep, ""), Err(NoDocument::TooDeep));
    assert_eq!(json_at("\u{feff}1", "").as_deref(), Ok("1"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,3}", inner, 0..4)
                .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
        ]
    })
}

/// Another way to write the same.
fn rewritten(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let texts =
                members.iter().rev().map(|(k, v)| format!("\n{} :{}", json!(k), rewritten(v)));
            format!("{{{}}}", texts.collect::<Vec<_>>().join(" ,"))
        }
        Value::Array(items) => {
            format!("[ {} ]", items.iter().map(rewritten).collect::<Vec<_>>().join("\t,"))
        }
        Value::String(text) => {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn values_are_equal_if_and_only_if_their_hashes_are(one in any_json(), other in any_json()) {
        let hash = |text: &str| Document::read(text.as_bytes(), "").expect("JSON").hash;
        prop_assert_eq!(hash(&one.to_string()), hash(&rewritten(&one)));
        prop_assert_eq!(one == other, hash(&one.to_string()) == hash(&other.to_string()));
    }

    #[test]
    fn no_answer_can_stop_the_reader(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Document::read(&body, "/a/0");
    }
}

fn config(url: &str) -> HttpConfig {
    HttpConfig::from_url(url).expect(url)
}

#[test]
fn our_options_are_taken_out_and_the_rest_stays_as_it_was_written() {
    let config = config("https://a.org/b?q=%20+x&every=5m&&flag&pointer=%2Fa%20b&name=w#part");
    assert_eq!(config.url.as_str(), "https://a.org/b?q=%20+x&flag");
    assert_eq!((&*config.name, &*config.topic, &*config.pointer), ("w", "current", "/a b"));
    assert_eq!(config.every.as_secs(), 300);
    assert!(!config.allow_private);
}

#[test]
fn a_position_of_another_address_is_no_proof_of_anything() {
    let (old, new) = (config("https://a.org/b"), config("https://a.org/c"));
    let mut place = Place::new(&old);
    place.count = 3;
    place.validators.etag = Some("x".into());
    let position = place.to_position();
    assert_eq!(Place::read(&position, &old).expect("it is ours"), place);
    let moved = Place::read(&position, &new).expect("it is ours");
    assert_eq!((moved.count, moved.validators.etag), (3, None));
    assert!(Place::read(&"{}".parse().expect("text"), &old).is_err());
}

#[test]
fn a_time_to_wait_is_read_as_seconds_or_as_a_date() {
    assert_eq!(parse_retry_after("120").map(|wait| wait.as_secs()), Some(120));
    assert_eq!(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT").map(|w| w.as_secs()), Some(0));
    let future = parse_retry_after("Fri, 01 Jan 2100 00:00:00 GMT").expect("a date");
    assert!(future.as_secs() > 1_000_000);
    assert_eq!(parse_retry_after("soon"), None);
}
