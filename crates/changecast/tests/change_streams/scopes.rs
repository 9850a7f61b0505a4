//! What is watched: a collection, a database, the cluster.

use super::*;

async fn rename(bed: &Bed, from: &str, to: &str) {
    let (from, to) = (format!("{}.{from}", bed.name()), format!("{}.{to}", bed.name()));
    let admin = bed.database.client().database("admin");
    let rename = doc! { "renameCollection": from, "to": to };
    admin.run_command(rename).await.expect("a rename");
}

/// [client, database, watch, isolation]
#[tokio::test]
async fn s2_01_a_collection_a_database_and_the_cluster_are_watched() {
    let (bed, other) = (Bed::new().await, Bed::new().await);
    // The cluster's stream sees other tests' databases, too.
    let cluster = bed.mongo.cluster().expect("a source");
    let ours = [bed.name(), other.name()];
    let ours = serde_json::json!([{ "$match": { "ns.db": { "$in": ours } } }]);
    let mut cluster = cluster.watch(WatchOptions::new().pipeline(ours)).await.expect("a stream");
    let database = bed.mongo.database(bed.name()).expect("a source");
    let mut database = database.watch(WatchOptions::new()).await.expect("a stream");
    let mut collection = bed.watch(WatchOptions::new()).await;

    other.insert(1..2).await;
    let items = bed.database.collection("items.old");
    items.insert_one(doc! { "_id": 2 }).await.expect("an insert");
    bed.insert(3..4).await;

    let topic = |name: &str, collection| format!("{name}.{collection}");
    let mut all = Vec::new();
    for _ in 0..3 {
        let change = next(&mut cluster).await;
        all.push((id(&change), change.topic.as_str().to_owned()));
    }
    assert_eq!(
        all,
        [
            (1, topic(other.name(), "orders")),
            (2, topic(bed.name(), "items.old")),
            (3, topic(bed.name(), "orders")),
        ]
    );
    assert_eq!(ids(&mut database, 2).await, [2, 3]);
    assert_eq!(ids(&mut collection, 1).await, [3]);
}

/// [change_operations, drop, rename, dropDatabase of the specification's files]
#[tokio::test]
async fn s2_01_the_cluster_outlives_a_database() {
    let bed = Bed::new().await;
    let ours = serde_json::json!([{ "$match": { "ns.db": bed.name() } }]);
    let cluster = bed.mongo.cluster().expect("a source");
    let mut stream = cluster.watch(WatchOptions::new().pipeline(ours)).await.expect("a stream");
    bed.insert(1..2).await;
    rename(&bed, "orders", "items").await;
    bed.database.drop().await.expect("a drop");
    bed.insert(2..3).await;
    let expected = ["insert", "rename", "drop", "dropDatabase", "insert"];
    assert_eq!(operations(&mut stream, 5).await, expected, "no invalidate: the cluster goes on");
    let token = stream.resume_token().expect("a token").clone();
    assert!(stream.is_alive());

    // The same place, with less in view.
    bed.insert(3..4).await;
    let mut stream = bed.watch(WatchOptions::new().start_after(token)).await;
    assert_eq!(ids(&mut stream, 1).await, [3]);
}

#[tokio::test]
async fn s2_18_a_collection_that_is_not_there_yet_is_watched() {
    let bed = Bed::new().await;
    let mut stream = bed.watch(WatchOptions::new()).await;
    bed.insert(1..2).await;
    assert_eq!(ids(&mut stream, 1).await, [1]);
}

/// [iterate_more_streams_than_workers] If one had to wait for the others, it would for ten minutes.
#[tokio::test]
async fn s2_19_a_hundred_streams_do_not_wait_for_each_other() {
    let bed = Bed::new().await;
    let mut streams = Vec::new();
    for number in 0..100 {
        let source = bed.mongo.collection(bed.name(), &format!("c{number}")).expect("a source");
        let options = WatchOptions::new().max_await_time(Duration::from_secs(600));
        streams.push(source.watch(options).await.expect("a stream"));
    }
    for number in (0..100).rev() {
        let collection = bed.database.collection(&format!("c{number}"));
        collection.insert_one(doc! { "_id": number }).await.expect("an insert");
    }
    for (number, stream) in (0..).zip(&mut streams) {
        assert_eq!(ids(stream, 1).await, [number]);
    }
}
