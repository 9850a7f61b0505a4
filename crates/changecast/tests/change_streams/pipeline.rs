//! The database chooses and shapes what it sends.

use changecast::source::Remedy;
use serde_json::json;

use super::*;

fn with(pipeline: impl serde::Serialize) -> WatchOptions {
    WatchOptions::new().pipeline(pipeline)
}

/// [watch: a dict is no pipeline; full_pipeline's refusals]
#[tokio::test]
async fn s2_02_a_pipeline_that_cannot_be_is_refused_in_words() {
    let bed = Bed::new().await;
    for (pipeline, words) in [
        (json!({}), "pipeline must be a list of stages"),
        (json!("[]"), "pipeline must be a list of stages"),
        (json!([{}]), "pipeline, stage 1: a stage has one name"),
        (json!([{ "$match": {} }, { "$group": { "_id": 1 } }]), "stage 2: $group cannot be used"),
        (json!([{ "$mtach": {} }]), "stage 1: $mtach cannot be used on change streams"),
        (json!([5]), "not Extended JSON"),
    ] {
        let error = bed.watch_error(with(pipeline)).await;
        assert_eq!(error.remedy(), Remedy::Operator);
        assert!(error.to_string().contains(words), "{error}");
    }
    // What only the server knows, it says.
    let error = bed.watch_error(with(json!([{ "$match": { "$no": 1 } }]))).await;
    assert_eq!(error.remedy(), Remedy::Operator, "{error}");
    assert!(error.to_string().contains("unknown top level operator: $no"), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("pipeline")), "{error:?}");
}

/// [full_pipeline, project of the specification's files]
#[tokio::test]
async fn s2_02_a_pipeline_chooses_and_shapes() {
    let bed = Bed::new().await;
    // BSON documents are as good as JSON.
    let stages = [
        doc! { "$match": { "fullDocument.kind": "tea" } },
        doc! { "$project": { "fullDocument.kind": 1, "documentKey": 1 } },
        doc! { "$addFields": { "seen": true } },
    ];
    let mut stream = bed.watch(with(stages)).await;
    for (id, kind) in [(1, "rice"), (2, "tea"), (3, "bread")] {
        bed.orders().insert_one(doc! { "_id": id, "kind": kind }).await.expect("an insert");
    }
    let change = next(&mut stream).await;
    assert_eq!(change.topic.as_str(), format!("{}.orders", bed.name()));
    let event = json(&change);
    assert_eq!(event["fullDocument"], json!({ "kind": "tea" }));
    assert_eq!((&event["seen"], &event["documentKey"]["_id"]), (&json!(true), &json!(2)));
    assert!(event.get("operationType").is_none(), "{event}");
}

#[tokio::test]
async fn s2_02_the_order_of_fields_in_a_pipeline_is_kept() {
    let bed = Bed::new().await;
    let wanted = doc! { "$match": { "fullDocument.at": { "y": 1, "x": 2 } } };
    let mut stream = bed.watch(with([wanted])).await;
    for (id, at) in [(1, doc! { "x": 2, "y": 1 }), (2, doc! { "y": 1, "x": 2 })] {
        bed.orders().insert_one(doc! { "_id": id, "at": at }).await.expect("an insert");
    }
    assert_eq!(ids(&mut stream, 1).await, [2]);
}

/// [missing_id, raises_error_on_missing_id]
#[tokio::test]
async fn s2_17_a_pipeline_that_takes_the_id_away_is_refused() {
    let bed = Bed::new().await;
    for stage in [
        json!({ "$project": { "_id": 0 } }),
        json!({ "$project": { "_id": false, "ns": 1 } }),
        json!({ "$unset": "_id" }),
        json!({ "$unset": ["ns", "_id"] }),
        json!({ "$set": { "_id": 1 } }),
    ] {
        let error = bed.watch_error(with([stage])).await;
        assert!(error.to_string().contains("leave _id as it is"), "{error}");
    }
    // Not seen before there is a change.
    let replace = json!([{ "$replaceRoot": { "newRoot": "$fullDocument" } }]);
    let mut stream = bed.watch(with(replace)).await;
    let token = stream.resume_token().cloned();
    bed.insert(1..2).await;
    let error = error(&mut stream).await;
    assert_eq!(error.remedy(), Remedy::Operator, "{error}");
    assert!(error.to_string().contains("removes or changes _id"), "{error}");
    assert!(!stream.is_alive());
    assert!(soon("the end", stream.next()).await.is_none());

    // Nothing is lost over it.
    assert_eq!(stream.resume_token(), token.as_ref());
    let options = WatchOptions::new().start_after(token.expect("a token"));
    assert_eq!(ids(&mut bed.watch(options).await, 1).await, [1]);
}

#[tokio::test]
async fn g2_g3_another_pipeline_goes_on_without_gap_or_repetition() {
    let bed = Bed::new().await;
    let even = json!([{ "$match": { "documentKey._id": { "$mod": [2, 0] } } }]);
    let mut stream = bed.watch(with(&even)).await;
    // One transaction: all its changes have the same time, and only their tokens differ.
    bed.insert(0..1).await;
    let mut session = bed.database.client().start_session().await.expect("a session");
    session.start_transaction().await.expect("a transaction");
    for id in 1..7 {
        let insert = bed.orders();
        let document = doc! { "_id": id };
        insert.insert_one(document).session(&mut session).await.expect("an insert");
    }
    session.commit_transaction().await.expect("a commit");
    assert_eq!(ids(&mut stream, 3).await, [0, 2, 4]);
    let token = stream.resume_token().expect("a token").clone();

    let all = WatchOptions::new().start_after(token.clone());
    assert_eq!(ids(&mut bed.watch(all.clone()).await, 2).await, [5, 6]);
    let odd = json!([{ "$match": { "documentKey._id": { "$mod": [2, 1] } } }]);
    let mut stream = bed.watch(all.clone().pipeline(odd)).await;
    assert_eq!(ids(&mut stream, 1).await, [5]);
    let between = WatchOptions::new().start_after(stream.resume_token().expect("a token").clone());
    assert_eq!(ids(&mut bed.watch(between).await, 1).await, [6]);
    assert_eq!(ids(&mut bed.watch(all.pipeline(even)).await, 1).await, [6]);
}
