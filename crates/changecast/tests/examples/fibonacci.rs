//! `fibonacci`: a page, and the stream that it shows.

use super::support::Example;

#[tokio::test]
async fn s1_25_the_page_shows_the_numbers_and_who_comes_later_begins_with_the_newest() {
    let example = Example::start_with("fibonacci", &["--port", "0"], &[("PORT", "1")]).await;
    let page = example.open("/").await.text().await;
    assert!(
        page.contains(r#"new EventSource("/fibonacci")"#) && page.contains("prepend"),
        "{page}"
    );
    let mut stream = example.open("/fibonacci").await;
    let mut numbers: Vec<u128> = Vec::new();
    while numbers.len() < 4 {
        numbers.push(stream.data().await.parse().unwrap());
    }
    assert_eq!(numbers[0] + numbers[1], numbers[2]);
    assert_eq!(numbers[1] + numbers[2], numbers[3]);
    let later: u128 = example.open("/fibonacci").await.data().await.parse().unwrap();
    assert!(later >= numbers[3], "{later} after {numbers:?}");
    example.interrupt().await;
}
