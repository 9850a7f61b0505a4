//! `random`, tornadose's example.

use super::support::Example;

#[tokio::test]
async fn s1_24_a_random_number_comes_at_once_and_then_each_second() {
    let example = Example::start_at("random", "localhost:9000").await;
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
}

#[test]
fn s1_24_the_documents_show_the_example_as_it_is() {
    let source = include_str!("../../examples/random.rs");
    let (_, program) = source.split_once("\n\n").unwrap();
    let documents = include_str!("../../../../docs/LIBRARY.md");
    assert!(documents.contains(program), "docs/LIBRARY.md shows another program");
}
