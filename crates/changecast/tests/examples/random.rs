//! `random`, and tornadose's example beside it.

use super::support::Example;

#[tokio::test]
async fn s1_24_a_random_number_comes_at_once_and_then_each_second() {
    let example = Example::start("random").await;
    let mut stream = example.open("/").await;
    assert!(stream.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", stream.head);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let number: f64 = stream.data().await.parse().unwrap();
        assert!((0.0..1.0).contains(&number), "{number}");
        numbers.push(number);
    }
    assert_ne!(numbers[1], numbers[2], "another one each time");
    example.interrupt().await;
}

#[tokio::test]
async fn s1_24_without_a_port_it_is_tornadoses() {
    let source = include_str!("../../examples/random.rs");
    assert!(source.contains(r#"unwrap_or("9000".into())"#));
}
