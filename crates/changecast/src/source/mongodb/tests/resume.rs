//! Going on after an interruption.

use super::*;

#[tokio::test]
async fn resuming_loses_nothing_and_repeats_nothing() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    bed.insert_orders(0..10).await;
    assert_eq!(stream.ids(4).await, [0, 1, 2, 3]);
    let position = stream.position();
    drop(stream);
    bed.insert_orders(10..300).await;

    // A new source: a position outlives the process.
    let mut stream = follow(&bed.source(orders()), position).await;
    bed.insert_orders(300..301).await;
    assert_eq!(stream.ids(297).await, (4..301).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_first_position_covers_what_came_before_it_only() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    bed.insert_orders(0..1).await;
    let position = follow(&source, None).await.position();
    bed.insert_orders(1..3).await;
    assert_eq!(follow(&source, position).await.ids(2).await, [1, 2]);
}

#[tokio::test]
async fn a_place_in_time_is_a_position_too() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    bed.insert_orders(0..1).await;
    let hello = bed.database.run_command(doc! { "hello": 1 }).await.unwrap();
    let done = hello.get_timestamp("operationTime").unwrap();
    let time = mongodb::bson::Timestamp { increment: done.increment + 1, ..done };
    let positions = super::super::Positions::new(&source.watched, None);
    bed.insert_orders(1..3).await;
    let position = positions.at(&super::super::position::Place::At(time));
    assert_eq!(follow(&source, position).await.ids(2).await, [1, 2]);
}

#[tokio::test]
async fn after_a_drop_the_collection_lives_on() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    bed.insert_orders(1..2).await;
    bed.orders().drop().await.unwrap();
    bed.insert_orders(2..3).await;
    let ops: Vec<Op> = stream.changes(3).await.iter().map(|change| change.op).collect();
    assert_eq!(ops, [Op::Insert, Op::Drop, Op::Invalidate]);
    let invalidated = stream.position();
    assert_eq!(stream.ids(1).await, [2]);

    let mut resumed = follow(&source, invalidated).await;
    assert_eq!(resumed.ids(1).await, [2], "a stored invalidate token is a position as well");
}

#[tokio::test]
async fn a_renamed_collection_makes_room_for_another() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders()), None).await;
    bed.insert_orders(1..2).await;
    rename(&bed, "orders", "old").await;
    bed.insert_orders(2..3).await;
    let ops: Vec<Op> = stream.changes(4).await.iter().map(|change| change.op).collect();
    assert_eq!(ops, [Op::Insert, Op::Rename, Op::Invalidate, Op::Insert]);
}

pub(super) async fn rename(bed: &Bed, from: &str, to: &str) {
    let database = bed.database.name();
    let (from, to) = (format!("{database}.{from}"), format!("{database}.{to}"));
    let rename = doc! { "renameCollection": from, "to": to };
    bed.database.client().database("admin").run_command(rename).await.unwrap();
}

#[tokio::test]
async fn the_position_moves_although_nothing_changes() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    let mut seen = stream.position();
    for round in 0..3 {
        bed.items().insert_one(doc! { "_id": round }).await.unwrap();
        let delivery = stream.delivery().await.unwrap();
        assert!(delivery.change.is_none(), "nobody touched orders");
        assert_ne!(delivery.position, seen);
        seen = delivery.position;
    }
    bed.insert_orders(1..2).await;
    assert_eq!(follow(&source, seen).await.ids(1).await, [1]);
}

#[tokio::test]
async fn a_stream_that_lags_loses_nothing() {
    let bed = Bed::new().await;
    let mut stream = follow(&bed.source(orders()), None).await;
    let count = crate::limits::DELIVERIES_MAX as i32 * 3;
    for start in (0..count).step_by(1024) {
        bed.insert_orders(start..start + 1024).await;
    }
    assert_eq!(stream.ids(count as usize).await, (0..i64::from(count)).collect::<Vec<_>>());
}

/// The position, as a version that knew of no deployments would have written it.
fn without_deployment(position: &Position) -> Position {
    let mut stored = json(position.as_bytes());
    let deployment = stored.as_object_mut().unwrap().remove("deployment");
    assert_eq!(deployment.unwrap().as_str().unwrap().len(), 24, "the id of the replica set");
    Position::new(stored.to_string())
}

#[tokio::test]
async fn a_position_without_a_deployment_stays_valid() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let mut stream = follow(&source, None).await;
    let first = without_deployment(&stream.position().unwrap());
    bed.insert_orders(1..3).await;
    assert_eq!(stream.ids(1).await, [1]);
    let second = without_deployment(&stream.position().unwrap());

    let mut stream = follow(&source, Some(first)).await;
    assert_eq!(stream.ids(2).await, [1, 2]);
    without_deployment(&stream.position().unwrap());
    let mut stream = follow(&source, Some(second)).await;
    assert_eq!(stream.ids(1).await, [2]);
}

#[tokio::test]
async fn g2_a_position_of_another_deployment_is_lost_history() {
    let bed = Bed::new().await;
    let source = bed.source(orders());
    let position = follow(&source, None).await.position().unwrap();
    let mut stored = json(position.as_bytes());
    stored["deployment"] = "0123456789abcdef01234567".into();
    let error = watch_error(&source, Some(Position::new(stored.to_string()))).await;
    assert_eq!(error.remedy(), crate::source::Remedy::Gap);
    assert!(error.to_string().contains("the database was replaced"), "{error}");
}
