//! JSON Merge Patch (RFC 7396) on texts: what a patch does not name keeps every digit.

use std::collections::HashMap;

use super::object::{Object, join};

/// `target` with `patch` applied; a target of `None` is one that is not there.
///
/// Recursion follows the patch only: the caller caps its depth.
pub(super) fn merge(target: Option<&str>, patch: &str) -> String {
    let Ok(patch) = Object::parse(patch) else {
        return patch.trim().to_owned();
    };
    let target = target.and_then(|text| Object::parse(text).ok());
    let known = target.as_ref().map_or(&[][..], Object::members);
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut merged: Vec<Option<(&str, String)>> = Vec::new();
    for (key, value) in known {
        places.insert(key, merged.len());
        merged.push(Some((key, (*value).to_owned())));
    }
    for (key, change) in patch.members() {
        let place = places.get(&**key).and_then(|place| merged.get_mut(*place));
        match (place, *change) {
            (Some(member), "null") => *member = None,
            (Some(member), change) => {
                let old = member.take();
                *member = Some((key, merge(old.as_ref().map(|(_, value)| &**value), change)));
            }
            (None, "null") => {}
            (None, change) => merged.push(Some((key, merge(None, change)))),
        }
    }
    join(merged.iter().flatten().map(|(key, value)| (*key, &**value)))
}

#[cfg(test)]
mod tests {
    use super::merge;

    /// RFC 7396, appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        for (target, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r"{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merge(Some(target), patch), expected, "{target} {patch}");
        }
    }

    #[test]
    fn what_the_patch_does_not_name_keeps_its_text() {
        let target = r#"{"n":9007199254740993.10,"o":{"x":1e400,"y":2}}"#;
        let expected = r#"{"n":9007199254740993.10,"o":{"x":1e400,"y":3.0}}"#;
        assert_eq!(merge(Some(target), r#"{ "o" : { "y" : 3.0 } }"#), expected);
    }
}
