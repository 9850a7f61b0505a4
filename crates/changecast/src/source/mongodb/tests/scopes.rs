//! One collection, several, all of a database, and changing one's mind.

use super::resume::rename;
use super::*;

fn expected(operations: &[(Op, &str)]) -> Vec<(Op, String)> {
    operations.iter().map(|(op, topic)| (*op, (*topic).to_owned())).collect()
}

#[tokio::test]
async fn several_collections_share_one_stream() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders_and_items()), None).await;
    for (collection, id) in [("orders", 1), ("other", 2), ("items", 3), ("orders", 4)] {
        let collection = bed.database.collection(collection);
        collection.insert_one(doc! { "_id": id }).await.unwrap();
    }
    rename(&bed, "other", "more").await;
    rename(&bed, "items", "things").await;
    rename(&bed, "more", "items").await;
    bed.items().insert_one(doc! { "_id": 5 }).await.unwrap();
    assert_eq!(
        stream.operations(6).await,
        expected(&[
            (Op::Insert, "shop.orders"),
            (Op::Insert, "shop.items"),
            (Op::Insert, "shop.orders"),
            (Op::Rename, "shop.items"),
            (Op::Rename, "shop.items"),
            (Op::Insert, "shop.items"),
        ])
    );
}

#[tokio::test]
async fn a_list_of_collections_outlives_its_database() {
    let bed = Bed::new().await;
    let source = bed.source(orders_and_items());
    let mut stream = follow(&source, None).await;
    bed.insert_orders(1..2).await;
    bed.database.drop().await.unwrap();
    bed.insert_orders(2..3).await;
    let operations = stream.operations(5).await;
    assert_eq!(
        operations,
        expected(&[
            (Op::Insert, "shop.orders"),
            (Op::Drop, "shop.orders"),
            (Op::Other, "shop.$database"),
            (Op::Invalidate, "shop.$database"),
            (Op::Insert, "shop.orders"),
        ])
    );
    for (_, topic) in operations {
        assert!(source.topics().matches(&crate::model::Topic::parse(&topic).unwrap()), "{topic}");
    }
}

#[tokio::test]
async fn a_database_tells_of_all_its_collections() {
    let bed = Bed::new().await;
    let source = bed.source(Scope::Database);
    assert_eq!(source.topics().to_string(), "shop.*");
    let mut stream = follow(&source, None).await;
    bed.insert_orders(1..2).await;
    bed.database.collection("a.b\tc").insert_one(doc! { "_id": 2 }).await.unwrap();
    bed.database.drop().await.unwrap();
    bed.items().insert_one(doc! { "_id": 3 }).await.unwrap();
    let mut operations = stream.operations(7).await;
    // The two drops come in no certain order.
    operations[2..4].sort_by(|one, two| two.1.cmp(&one.1));
    assert_eq!(
        operations,
        expected(&[
            (Op::Insert, "shop.orders"),
            (Op::Insert, "shop.a.b\u{FFFD}c"),
            (Op::Drop, "shop.orders"),
            (Op::Drop, "shop.a.b\u{FFFD}c"),
            (Op::Other, "shop.$database"),
            (Op::Invalidate, "shop.$database"),
            (Op::Insert, "shop.items"),
        ])
    );
}

#[tokio::test]
async fn another_scope_goes_on_without_gap_or_repetition() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders()), None).await;
    // One transaction: all its changes have the same time, and only their tokens differ.
    let mut session = bed.database.client().start_session().await.unwrap();
    bed.items().insert_one(doc! { "_id": 1000 }).await.unwrap();
    bed.orders().insert_one(doc! { "_id": 0 }).await.unwrap();
    session.start_transaction().await.unwrap();
    for id in 1..5 {
        bed.orders().insert_one(doc! { "_id": id }).session(&mut session).await.unwrap();
        bed.items().insert_one(doc! { "_id": id + 100 }).session(&mut session).await.unwrap();
    }
    session.commit_transaction().await.unwrap();
    assert_eq!(stream.ids(3).await, [0, 1, 2]);
    let position = stream.position();
    drop(stream);

    for scope in [Scope::Database, orders_and_items()] {
        let source = bed.source(scope);
        let mut stream = follow(&source, position.clone()).await;
        assert_eq!(stream.ids(1).await, [102], "what follows the position, and nothing before it");
        let between = stream.position();
        assert_eq!(stream.ids(4).await, [3, 103, 4, 104]);
        assert_eq!(follow(&source, between).await.ids(2).await, [3, 103]);
    }
}

#[tokio::test]
async fn another_scope_keeps_its_position_while_nothing_is_new() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders()), None).await;
    bed.insert_orders(1..3).await;
    assert_eq!(stream.ids(2).await, [1, 2]);
    let position = stream.position();
    drop(stream);

    let wider = bed.source(Scope::Database);
    let opened = follow(&wider, position).await.position();
    let mut stream = follow(&wider, opened).await;
    bed.insert_orders(3..4).await;
    assert_eq!(stream.ids(1).await, [3]);
}
