//! What holds for every filter and every event.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::strategies::{document, event, filter};
use super::*;
use crate::filter::event::{Image, Scene};

fn truth(filter: &Json, event: &Json) -> Option<Truth> {
    let filter = Filter::parse(&filter.to_string()).ok()?;
    let text = event.to_string();
    let event = Event::parse(text.as_bytes());
    let scene = Scene { event: &event, image: Image::After };
    Some(filter.parts.condition.evaluate(&scene, &filter.parts.tree))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn kleene_laws_hold(one in filter(), two in filter(), event in event()) {
        let ask = |filter: Json| truth(&filter, &event);
        let (Some(first), Some(second)) = (ask(one.clone()), ask(two.clone())) else {
            return Ok(());
        };
        prop_assert_eq!(ask(json!({ "$nor": [one] })), Some(!first));
        prop_assert_eq!(ask(json!({ "$nor": [{ "$nor": [one] }] })), Some(first));
        prop_assert_eq!(ask(json!({ "$and": [one, two] })), Some(first.min(second)));
        prop_assert_eq!(ask(json!({ "$or": [two, one] })), Some(first.max(second)));
        let apart = json!({ "$and": [{ "$nor": [one] }, { "$nor": [two] }] });
        prop_assert_eq!(ask(json!({ "$nor": [one, two] })), ask(apart));
    }

    /// What is decided without a document stays decided, whatever the document may be.
    #[test]
    fn g2_a_decision_never_depends_on_what_was_not_sent(
        filter in filter(),
        mut event in event(),
        after in document(),
        before in document(),
    ) {
        let Some(decided) = truth(&filter, &event) else { return Ok(()) };
        if decided == Truth::Undecidable || event.get("unavailable").is_some() {
            return Ok(());
        }
        for (name, image) in [("fullDocument", after), ("fullDocumentBeforeChange", before)] {
            if event.get(name).is_none_or(Json::is_null) {
                event[name] = image;
            }
        }
        prop_assert_eq!(truth(&filter, &event), Some(decided));
    }

    #[test]
    fn g2_the_index_changes_no_verdict(
        texts in prop::collection::vec(filter(), 1..12),
        event in event(),
    ) {
        let filters: Vec<Filter> =
            texts.iter().filter_map(|text| Filter::parse(&text.to_string()).ok()).collect();
        let mut index = Index::default();
        for (id, filter) in filters.iter().enumerate() {
            index.insert(filter, id);
        }
        let text = event.to_string();
        let event = Event::parse(text.as_bytes());
        let mut named = vec![];
        index.candidates(&event, &mut named);
        prop_assert!(named.is_sorted_by(|one, two| one < two));
        for (id, filter) in filters.iter().enumerate() {
            if !named.contains(&id) {
                prop_assert_eq!(filter.judge(&event), Verdict::Drop, "{} on {}", filter, text);
            }
        }
    }

    #[test]
    fn a_filter_is_equal_to_what_it_prints(text in filter(), event in event()) {
        let Ok(filter) = Filter::parse(&text.to_string()) else { return Ok(()) };
        let again = Filter::parse(&filter.to_string());
        prop_assert_eq!(again.as_ref().ok(), Some(&filter));
        prop_assert_eq!(truth(&text, &event), truth(&filter.to_string().parse().unwrap(), &event));
    }

    #[test]
    fn no_text_panics(text in r#"[\[\]{}:,"$.0-9a-eE+\\u\n -]{0,40}"#, event in event()) {
        let _ = Filter::parse(&text);
        let judged = Event::parse(text.as_bytes());
        let _ = filter_of_all().judge(&judged);
        let _ = (judged.leave(), judged.keys(&Path::parse("fullDocument.a")));
        let cut: String = event.to_string().chars().take(text.len() * 5).collect();
        let _ = filter_of_all().judge(&Event::parse(cut.as_bytes()));
    }

    #[test]
    fn no_operand_panics(
        name in "\\$(eq|in|nin|type|regex|mod|size|all|elemMatch|not|options|exists|lt|or|oid|date)",
        operand in super::strategies::value(),
        event in event(),
    ) {
        for text in [json!({ "fullDocument.a": { &name: &operand } }), json!({ &name: &operand })] {
            if let Ok(filter) = Filter::parse(&text.to_string()) {
                let _ = filter.judge(&Event::parse(event.to_string().as_bytes()));
            }
        }
    }

    #[test]
    fn no_pattern_panics(pattern in r"[\[\]{}()?:,^$.*+|\\a-eA-EpPxQ0-9<>=!#&~ -]{0,16}", text in ".{0,8}") {
        let filter = json!({ "a": { "$regex": pattern, "$options": "x" } }).to_string();
        if let Ok(filter) = Filter::for_documents(&filter) {
            let _ = filter.matches(json!({ "a": text }).to_string().as_bytes());
        }
    }
}

fn filter_of_all() -> Filter {
    super::filter(
        r#"{"$or":[{"fullDocument.a.0":{"$in":[1,"a",null]}},{"fullDocument.b":{"$elemMatch":{"a":{"$lt":{"a":1}}}}},{"fullDocument.a":{"$mod":[2,0]}},{"fullDocument.1":{"$gt":{"$numberDecimal":"1"}}}]}"#,
    )
}

/// The worst that a path can do: every name a number, every value an array of documents.
#[test]
fn g10_numbers_in_a_path_do_not_multiply_without_bound() {
    let depth = 200;
    let event =
        format!(r#"{{"fullDocument":{}1{}}}"#, r#"{"0":["#.repeat(depth), "]}".repeat(depth));
    let zeros = ".0".repeat(limits::FILTER_PATH_PLACES_MAX);
    let text = format!(r#"{{"fullDocument{zeros}":7}}"#);
    assert_eq!(judge(&text, &event), Verdict::Drop);
}
