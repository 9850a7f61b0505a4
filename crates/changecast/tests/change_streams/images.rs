//! Which documents come with a change.

use changecast::source::{FullDocument, FullDocumentBeforeChange, Remedy};

use super::*;

fn with(images: FullDocument) -> WatchOptions {
    WatchOptions::new().full_document(images)
}

async fn update(bed: &Bed, count: i32) {
    let update = doc! { "$set": { "count": count } };
    bed.orders().update_one(doc! { "_id": 1 }, update).await.expect("an update");
}

/// [unknown_full_document, pre_and_post_images of the specification's files]
#[tokio::test]
async fn s2_03_the_document_comes_as_it_is_asked_for() {
    let bed = Bed::new().await;
    bed.create_with_images().await;
    bed.insert(1..2).await;
    let mut plain = bed.watch(WatchOptions::new()).await;
    let mut lookup = bed.watch(with(FullDocument::UpdateLookup)).await;
    let mut available = bed.watch(with(FullDocument::WhenAvailable)).await;
    let mut required = bed.watch(with(FullDocument::Required)).await;
    update(&bed, 1).await;
    assert!(event(&mut plain).await.get("fullDocument").is_none());
    for stream in [&mut lookup, &mut available, &mut required] {
        assert_eq!(event(stream).await["fullDocument"]["count"], 1);
    }
    // Looked up once it is gone, it is null; as it was kept, it is what it was.
    update(&bed, 2).await;
    bed.orders().delete_one(doc! {}).await.expect("a delete");
    let token = plain.resume_token().expect("a token").clone();
    let options = |images| with(images).start_after(token.clone());
    let late = event(&mut bed.watch(options(FullDocument::UpdateLookup)).await).await;
    assert!(late.get("fullDocument").is_some_and(Value::is_null), "{late}");
    let late = event(&mut bed.watch(options(FullDocument::Required)).await).await;
    assert_eq!(late["fullDocument"]["count"], 2);
}

#[tokio::test]
async fn s2_03_a_required_document_that_is_not_kept_is_said_with_its_remedy() {
    let bed = Bed::new().await;
    bed.insert(1..2).await;
    let mut required = bed.watch(with(FullDocument::Required)).await;
    let mut available = bed.watch(with(FullDocument::WhenAvailable)).await;
    update(&bed, 1).await;
    let error = error(&mut required).await;
    assert_eq!(error.remedy(), Remedy::Operator, "{error}");
    assert!(event(&mut available).await["fullDocument"].is_null());
    let error = FullDocument::parse("everything").expect_err("no such word");
    assert!(error.to_string().contains("updateLookup, whenAvailable, required"), "{error}");
}

#[tokio::test]
async fn s2_04_the_document_before_the_change_comes_as_it_is_asked_for() {
    let bed = Bed::new().await;
    bed.create_with_images().await;
    bed.insert(1..2).await;
    let images = FullDocumentBeforeChange::Required;
    let mut required = bed.watch(WatchOptions::new().full_document_before_change(images)).await;
    update(&bed, 1).await;
    bed.orders().delete_one(doc! {}).await.expect("a delete");
    assert_eq!(event(&mut required).await["fullDocumentBeforeChange"], doc_json(r#"{"_id":1}"#));
    let delete = event(&mut required).await;
    assert_eq!(delete["fullDocumentBeforeChange"]["count"], 1, "{delete}");
}

fn doc_json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn s2_04_without_images_required_says_how_to_have_them() {
    let bed = Bed::new().await;
    bed.insert(1..2).await;
    let before = |images| WatchOptions::new().full_document_before_change(images);
    let mut required = bed.watch(before(FullDocumentBeforeChange::Required)).await;
    let mut available = bed.watch(before(FullDocumentBeforeChange::WhenAvailable)).await;
    update(&bed, 1).await;
    let error = error(&mut required).await;
    assert!(
        error.advice().is_some_and(|advice| advice.contains("changeStreamPreAndPostImages")),
        "{error:?}"
    );
    assert!(event(&mut available).await["fullDocumentBeforeChange"].is_null());
}

/// The embedded store always sends both, whatever is asked for.
#[tokio::test]
async fn s2_03_s2_04_the_embedded_store_always_has_both() {
    let store = Store::new();
    let options = WatchOptions::new()
        .full_document(FullDocument::Required)
        .full_document_before_change(FullDocumentBeforeChange::Required);
    let mut stream = store.watch(options).await;
    store.insert(1..2).await;
    let put = Write::Put(r#"{"count":1}"#.into());
    store.store.write("orders", "1", put).await.expect("a write");
    event(&mut stream).await;
    let change = event(&mut stream).await;
    assert_eq!(change["fullDocument"]["count"], 1, "{change}");
    assert!(change["fullDocumentBeforeChange"].is_object(), "{change}");
}
