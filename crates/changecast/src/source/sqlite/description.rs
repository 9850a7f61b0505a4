//! `updateDescription`: what an update changed, by comparing the body before and after.
//!
//! Objects are entered and their fields named by dotted paths; arrays and values that changed
//! their type are reported whole. Where a path would be ambiguous, the object around it is
//! reported whole instead. Knows neither rows nor events.

use std::collections::{HashMap, HashSet};

use super::object::{Object, join, quote};
use crate::limits;

/// Why there is no description.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undescribed {
    /// A field whose path would be ambiguous changed at the top, where nothing encloses it.
    Ambiguous,
    /// The paths would outgrow [`limits::DESCRIPTION_BYTES_MAX`].
    TooLarge,
}

/// The value of `updateDescription`. Both objects must be minified, so that equal values are
/// equal texts.
pub(super) fn describe(before: &Object<'_>, after: &Object<'_>) -> Result<String, Undescribed> {
    let mut description = Description::default();
    description.compare("", before, after)?;
    let updated = description.updated.iter().map(|(path, value)| (&**path, *value));
    let removed: Vec<String> = description.removed.iter().map(|path| quote(path)).collect();
    Ok(format!(
        r#"{{"updatedFields":{},"removedFields":[{}],"truncatedArrays":[]}}"#,
        join(updated),
        removed.join(",")
    ))
}

#[derive(Default)]
struct Description<'a> {
    updated: Vec<(String, &'a str)>,
    removed: Vec<String>,
    /// What it took to write all paths: long keys deep inside would multiply.
    bytes: usize,
}

impl<'a> Description<'a> {
    fn compare(
        &mut self,
        parent: &str,
        before: &Object<'a>,
        after: &Object<'a>,
    ) -> Result<(), Undescribed> {
        let old: HashMap<&str, &'a str> =
            before.members().iter().map(|(key, value)| (&**key, *value)).collect();
        for (key, value) in after.members() {
            let old = old.get(&**key).copied();
            if old != Some(*value) {
                let path = self.path(parent, key)?;
                self.changed(path, old, value)?;
            }
        }
        let kept: HashSet<&str> = after.members().iter().map(|(key, _)| &**key).collect();
        for (key, _) in before.members() {
            if !kept.contains(&**key) {
                let path = self.path(parent, key)?;
                self.removed.push(path);
            }
        }
        Ok(())
    }

    fn changed(
        &mut self,
        path: String,
        old: Option<&'a str>,
        new: &'a str,
    ) -> Result<(), Undescribed> {
        let objects = old.and_then(|old| Some((object(old)?, object(new)?)));
        if let Some((old, new)) = objects {
            let (updated, removed) = (self.updated.len(), self.removed.len());
            match self.compare(&path, &old, &new) {
                Err(Undescribed::Ambiguous) => {
                    self.updated.truncate(updated);
                    self.removed.truncate(removed);
                }
                outcome => return outcome,
            }
        }
        self.updated.push((path, new));
        Ok(())
    }

    fn path(&mut self, parent: &str, key: &str) -> Result<String, Undescribed> {
        if key.is_empty() || key.starts_with('$') || key.contains('.') {
            return Err(Undescribed::Ambiguous);
        }
        self.bytes += parent.len() + key.len() + 1;
        if self.bytes > limits::DESCRIPTION_BYTES_MAX {
            return Err(Undescribed::TooLarge);
        }
        Ok(if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") })
    }
}

fn object(text: &str) -> Option<Object<'_>> {
    text.starts_with('{').then(|| Object::parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, updated: &str, removed: &str) {
        let described = describe(&Object::parse(before).unwrap(), &Object::parse(after).unwrap());
        let expected = format!(
            r#"{{"updatedFields":{updated},"removedFields":{removed},"truncatedArrays":[]}}"#
        );
        assert_eq!(described, Ok(expected), "{before} {after}");
    }

    #[test]
    fn fields_come_and_change_and_go() {
        check(r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":4,"d":5}"#, r#"{"b":4,"d":5}"#, r#"["c"]"#);
        check(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, "{}", "[]");
    }

    #[test]
    fn objects_are_entered() {
        check(
            r#"{"a":{"b":{"c":1,"d":2},"e":3}}"#,
            r#"{"a":{"b":{"c":9},"e":3,"f":{"g":1}}}"#,
            r#"{"a.b.c":9,"a.f":{"g":1}}"#,
            r#"["a.b.d"]"#,
        );
    }

    #[test]
    fn arrays_and_changes_of_type_are_whole() {
        check(r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1,{"b":3}]}"#, r#"{"a":[1,{"b":3}]}"#, "[]");
        check(r#"{"a":{"b":2}}"#, r#"{"a":[2]}"#, r#"{"a":[2]}"#, "[]");
        check(r#"{"a":1}"#, r#"{"a":{"b":2}}"#, r#"{"a":{"b":2}}"#, "[]");
        check(r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":null}"#, "[]");
    }

    #[test]
    fn around_an_ambiguous_path_the_object_is_whole() {
        check(
            r#"{"z":1,"a":{"b":1,"c.d":1,"e":1}}"#,
            r#"{"z":2,"a":{"b":2,"c.d":2}}"#,
            r#"{"z":2,"a":{"b":2,"c.d":2}}"#,
            "[]",
        );
        check(
            r#"{"a":{"$numberLong":"9007199254740993"}}"#,
            r#"{"a":{"$numberLong":"9007199254740995"}}"#,
            r#"{"a":{"$numberLong":"9007199254740995"}}"#,
            "[]",
        );
        check(r#"{"a":{"x":{"":1}}}"#, r#"{"a":{"x":{}}}"#, r#"{"a.x":{}}"#, "[]");
    }

    #[test]
    fn an_ambiguous_key_that_did_not_change_is_in_nobodys_way() {
        check(
            r#"{"$schema":"x","a.b":1,"c":1}"#,
            r#"{"$schema":"x","a.b":1,"c":2}"#,
            r#"{"c":2}"#,
            "[]",
        );
    }

    #[test]
    fn at_the_top_there_is_nothing_to_report_whole() {
        let described =
            describe(&Object::parse(r#"{"a.b":1}"#).unwrap(), &Object::parse("{}").unwrap());
        assert_eq!(described, Err(Undescribed::Ambiguous));
    }

    #[test]
    fn long_paths_that_multiply_are_given_up() {
        let body = |value: u32| {
            let fields: Vec<String> = (0..10_000).map(|n| format!(r#""f{n}":{value}"#)).collect();
            format!(r#"{{"{}":{{{}}}}}"#, "k".repeat(100_000), fields.join(","))
        };
        let (before, after) = (body(1), body(2));
        let described = describe(&Object::parse(&before).unwrap(), &Object::parse(&after).unwrap());
        assert_eq!(described, Err(Undescribed::TooLarge));
    }
}
