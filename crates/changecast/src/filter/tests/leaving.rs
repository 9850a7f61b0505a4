//! Documents that leave a subscriber's view.

use super::*;

const OPEN: &str = r#"{"fullDocument.status":"open"}"#;

fn event(op: &str, before: Option<&str>, after: Option<&str>) -> String {
    let image = |name: &str, status: Option<&str>| {
        status.map_or(String::new(), |status| format!(r#","{name}":{{"status":"{status}"}}"#))
    };
    let before = image("fullDocumentBeforeChange", before);
    let after = image("fullDocument", after);
    format!(r#"{{"operationType":"{op}","documentKey":{{"_id":1}}{after}{before}}}"#)
}

#[test]
fn an_update_tells_whether_its_document_came_stayed_or_left() {
    for (before, after, verdict) in [
        (Some("new"), Some("open"), Verdict::Deliver),
        (Some("open"), Some("open"), Verdict::Deliver),
        (Some("open"), Some("closed"), Verdict::Leave),
        (Some("new"), Some("closed"), Verdict::Drop),
        (None, Some("closed"), Verdict::Drop),
        (Some("open"), None, Verdict::Deliver),
        (Some("new"), None, Verdict::Deliver),
    ] {
        for op in ["update", "replace"] {
            assert_eq!(
                judge(OPEN, &event(op, before, after)),
                verdict,
                "{op} {before:?} {after:?}"
            );
        }
    }
}

#[test]
fn a_deleted_document_left_if_it_was_there() {
    assert_eq!(judge(OPEN, &event("delete", Some("open"), None)), Verdict::Leave);
    assert_eq!(judge(OPEN, &event("delete", Some("new"), None)), Verdict::Drop);
    assert_eq!(judge(OPEN, &event("delete", None, None)), Verdict::Deliver);
    let other = r#"{"fullDocument.status":"open","documentKey._id":2}"#;
    assert_eq!(judge(other, &event("delete", None, None)), Verdict::Drop);
    assert_eq!(judge(other, &event("delete", Some("open"), None)), Verdict::Drop);
}

#[test]
fn who_asks_for_the_event_itself_gets_it_as_it_is() {
    let deleted = event("delete", Some("open"), None);
    assert_eq!(judge(r#"{"operationType":"delete"}"#, &deleted), Verdict::Deliver);
    assert_eq!(judge(r#"{"documentKey._id":1}"#, &deleted), Verdict::Deliver);
    assert_eq!(judge(r#"{"fullDocumentBeforeChange.status":"open"}"#, &deleted), Verdict::Deliver);
    assert_eq!(judge(r#"{"operationType":"insert"}"#, &deleted), Verdict::Drop);
}

#[test]
fn g2_a_former_state_that_could_not_be_sent_may_have_matched() {
    let event = r#"{"operationType":"update","fullDocument":{"status":"closed"},"unavailable":["fullDocumentBeforeChange"]}"#;
    assert_eq!(judge(OPEN, event), Verdict::Deliver);
    assert_eq!(
        judge(r#"{"fullDocument.status":"open","operationType":"insert"}"#, event),
        Verdict::Drop
    );
    let event = r#"{"operationType":"delete","unavailable":["fullDocumentBeforeChange"]}"#;
    assert_eq!(judge(OPEN, event), Verdict::Deliver);
    let partly = r#"{"operationType":"update","fullDocument":{"status":"closed"},"fullDocumentBeforeChange":{"x":1},"unavailable":["fullDocumentBeforeChange.status"]}"#;
    assert_eq!(judge(OPEN, partly), Verdict::Deliver);
}

#[test]
fn a_leave_has_the_events_order_and_bytes_and_nothing_of_the_document() {
    let event = r#"{"wallTime": {"$date":"2024-01-01T00:00:00Z"},"_id":{"_data":"8265\u0041"},"fullDocument":{"secret":1},"fullDocumentBeforeChange":{"secret":2},"operationType":"update","clusterTime":{"$timestamp":{"t":1,"i":2}},"ns":{"db":"shop","coll":"orders"},"updateDescription":{"updatedFields":{"secret":1}},"documentKey":{ "_id" : 1.50 },"lsid":1,"documentKey":"again"}"#;
    let leave = Event::parse(event.as_bytes()).leave();
    let expected = r#"{"wallTime":{"$date":"2024-01-01T00:00:00Z"},"_id":{"_data":"8265\u0041"},"operationType":"leave","clusterTime":{"$timestamp":{"t":1,"i":2}},"ns":{"db":"shop","coll":"orders"},"documentKey":{ "_id" : 1.50 }}"#;
    assert_eq!(std::str::from_utf8(&leave).unwrap(), expected);
    let bare = Event::parse(br#"{"_id":1}"#).leave();
    assert_eq!(&bare[..], br#"{"_id":1,"operationType":"leave"}"#);
    let none = Event::parse(b"nonsense").leave();
    assert_eq!(&none[..], br#"{"operationType":"leave"}"#);
}
