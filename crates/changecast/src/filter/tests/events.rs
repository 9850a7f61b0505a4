//! What cannot be decided, and why it is delivered.

use super::*;

const OPEN: &str = r#"{"fullDocument.status":"open"}"#;

#[test]
fn a_known_document_decides() {
    let event =
        |status| format!(r#"{{"operationType":"insert","fullDocument":{{"status":"{status}"}}}}"#);
    assert_eq!(judge(OPEN, &event("open")), Verdict::Deliver);
    assert_eq!(judge(OPEN, &event("closed")), Verdict::Drop);
}

#[test]
fn g2_what_cannot_be_decided_is_delivered() {
    let filters = [
        OPEN,
        r#"{"fullDocument.status":{"$ne":"open"}}"#,
        r#"{"fullDocument":null}"#,
        r#"{"fullDocument.a.b":{"$exists":false}}"#,
        r#"{"operationType":{"$ne":"insert"},"fullDocument.status":"open"}"#,
        r#"{"$or":[{"operationType":"insert"},{"fullDocument.status":"open"}]}"#,
        r#"{"$nor":[{"fullDocument.status":"open"}]}"#,
        r#"{"fullDocumentBeforeChange.status":"open"}"#,
    ];
    let events = [
        r#"{"operationType":"update","documentKey":{"_id":1}}"#,
        r#"{"operationType":"update","fullDocument":null,"fullDocumentBeforeChange":null}"#,
        r#"{"operationType":"delete","documentKey":{"_id":1}}"#,
        r#"{"operationType":"drop"}"#,
        r#"{"operationType":"invalidate"}"#,
    ];
    for (filter, event) in filters.iter().flat_map(|filter| events.map(|event| (filter, event))) {
        assert_eq!(judge(filter, event), Verdict::Deliver, "{filter} on {event}");
    }
}

#[test]
fn what_does_not_matter_need_not_be_known() {
    let event = r#"{"operationType":"update","documentKey":{"_id":1}}"#;
    for dropped in [
        r#"{"operationType":"insert","fullDocument.status":"open"}"#,
        r#"{"fullDocument.status":"open","documentKey._id":2}"#,
        r#"{"$nor":[{"operationType":"update"},{"fullDocument.status":"open"}]}"#,
        r#"{"$and":[{"$or":[{"fullDocument.a":1},{"fullDocument.b":1}]},{"documentKey._id":{"$gt":1}}]}"#,
    ] {
        assert_eq!(judge(dropped, event), Verdict::Drop, "{dropped}");
    }
    let sure = r#"{"$or":[{"fullDocument.status":"open"},{"operationType":"update"}]}"#;
    assert_eq!(judge(sure, event), Verdict::Deliver);
}

#[test]
fn g2_values_that_the_source_could_not_send_are_undecidable() {
    let event = |unavailable: &str| {
        format!(
            r#"{{"operationType":"update","fullDocument":{{"status":"x","a":[{{"b":1}}]}},"unavailable":{unavailable}}}"#
        )
    };
    // At, beneath and above it; relative to the event or to the document.
    for (text, listed) in [
        (r#"{"fullDocument.photo":"x"}"#, r#"["fullDocument.photo"]"#),
        (r#"{"fullDocument.photo":"x"}"#, r#"["photo"]"#),
        (r#"{"fullDocument.photo.width":5}"#, r#"["photo"]"#),
        (r#"{"fullDocument":{"status":"y"}}"#, r#"["fullDocument.photo"]"#),
        (r#"{"fullDocument.a.b":2}"#, r#"["fullDocument.a.0.b"]"#),
        (r#"{"fullDocument.a.0.b":2}"#, r#"["a"]"#),
        (r#"{"updateDescription.updatedFields.x":2}"#, r#"["updateDescription"]"#),
        (r#"{"updateDescription.updatedFields.x":2}"#, r#"["*"]"#),
        // What the document was before may be among what is lost.
        (OPEN, r#"["*"]"#),
        (r#"{"fullDocument.photo":"x"}"#, r#"[5]"#),
        (r#"{"fullDocument.photo":"x"}"#, "true"),
    ] {
        assert_eq!(judge(text, &event(listed)), Verdict::Deliver, "{text}, {listed}");
    }
    for (text, listed) in [
        (OPEN, r#"["fullDocument.photo"]"#),
        (OPEN, "[]"),
        (r#"{"fullDocument.status.photo":1}"#, r#"["fullDocument.photo"]"#),
    ] {
        assert_eq!(judge(text, &event(listed)), Verdict::Drop, "{text}, {listed}");
    }
}

#[test]
fn g2_what_is_no_event_is_delivered() {
    for text in ["", "[]", "5", "{", "{\"a\":1}x", "\u{feff}{}"] {
        assert_eq!(judge(OPEN, text), Verdict::Deliver, "{text:?}");
        assert_eq!(Event::parse(text.as_bytes()).keys(&Path::parse("a")), Keys::All);
    }
    assert_eq!(filter(OPEN).judge(&Event::parse(b"{\"a\":\"\xff\"}")), Verdict::Deliver);
}

#[test]
fn a_published_value_need_not_be_a_document() {
    let event = r#"{"operationType":"insert","fullDocument":[5,"x"]}"#;
    assert_eq!(judge(r#"{"fullDocument":"x"}"#, event), Verdict::Deliver);
    assert_eq!(judge(r#"{"fullDocument":6}"#, event), Verdict::Drop);
    assert_eq!(judge(r#"{"fullDocument.0":5}"#, event), Verdict::Deliver);
}

#[test]
fn equal_filters_are_one() {
    let one = filter(r#"{ "operationType": "insert", "fullDocument.a": 1 }"#);
    let two = filter(r#"{"fullDocument.a":1,"operationType":"insert"}"#);
    assert_eq!(one, two);
    assert_eq!(one.to_string(), r#"{"fullDocument.a":1,"operationType":"insert"}"#);
    assert_eq!(one.to_string().parse::<Filter>().unwrap(), one);
    assert_ne!(one, filter(r#"{"fullDocument.a":2,"operationType":"insert"}"#));
    // Inside a value, order means something.
    assert_ne!(filter(r#"{"ns":{"db":1,"coll":2}}"#), filter(r#"{"ns":{"coll":2,"db":1}}"#));
    assert_eq!(filter("{}").judge(&Event::parse(b"{}")), Verdict::Deliver);
}
