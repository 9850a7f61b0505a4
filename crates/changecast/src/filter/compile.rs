//! From a filter's tree to conditions, refusing what cannot be evaluated faithfully.
//!
//! Invariants: recursion is bounded by the depth of the tree, which is checked before; what is
//! accepted costs no more per event than the caps in `limits` say.

mod fields;
mod operators;

use super::condition::{Condition, Test};
use super::error::{FilterError, nearest};
use super::path::Path;
use super::tree::{Fields, Tree, Value};
use crate::limits;

/// Operators that combine whole documents of conditions.
const LOGICAL: [&str; 3] = ["$and", "$or", "$nor"];

/// Names of Extended JSON. Where one is left in a tree, what it holds is malformed.
const VALUES: [&str; 16] = [
    "$oid",
    "$date",
    "$numberInt",
    "$numberLong",
    "$numberDouble",
    "$numberDecimal",
    "$binary",
    "$uuid",
    "$timestamp",
    "$regularExpression",
    "$minKey",
    "$maxKey",
    "$symbol",
    "$code",
    "$dbPointer",
    "$undefined",
];

/// What a filter's paths start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subjects {
    Events,
    Documents,
}

/// Compiles a whole filter.
pub(super) fn compile(tree: &Tree<'_>, subjects: Subjects) -> Result<Condition, FilterError> {
    let Value::Object(fields) = tree.root() else { return Err(FilterError::NotAnObject) };
    check_values(fields, "", limits::FILTER_DEPTH_MAX - 1)?;
    Compiler::default().document(fields, Some(subjects))
}

/// Checks how deep documents and arrays are nested, and that none was meant to be a value: a
/// misspelled one would be a document that never matches.
fn check_values(mut fields: Fields<'_>, path: &str, left: usize) -> Result<(), FilterError> {
    fields.try_for_each(|field| {
        let (name, value) = (field.key(), field.value());
        if VALUES.contains(&name) {
            return Err(FilterError::Literal { name: name.to_owned(), path: path.to_owned() });
        }
        let path = if name.is_empty() || name.starts_with('$') { path } else { name };
        match value {
            Value::Object(content) | Value::Array(content) => {
                let left = left.checked_sub(1);
                let left = left.ok_or_else(|| too_large("levels", limits::FILTER_DEPTH_MAX))?;
                check_values(content, path, left)
            }
            Value::CodeWithScope { scope, .. } => check_values(scope, path, left),
            _ => Ok(()),
        }
    })
}

fn too_large(what: &'static str, max: usize) -> FilterError {
    FilterError::TooLarge { what, max }
}

/// Counts what it makes.
#[derive(Default)]
struct Compiler {
    conditions: usize,
    patterns: usize,
    /// Numbers in the paths that lead to here, those around `$elemMatch` included.
    places: usize,
}

impl Compiler {
    /// A document of conditions, all of which must hold. `subjects` is none inside `$elemMatch`,
    /// where any path may stand.
    fn document(
        &mut self,
        fields: Fields<'_>,
        subjects: Option<Subjects>,
    ) -> Result<Condition, FilterError> {
        let mut all = Vec::new();
        for field in fields {
            self.count_condition()?;
            let (name, value) = (field.key(), field.value());
            if name.starts_with('$') {
                all.push(self.logical(name, value, subjects)?);
            } else {
                let path = fields::path(name, subjects)?;
                let places = self.places;
                self.places += path.parts().iter().filter(|part| part.is_place()).count();
                if self.places > limits::FILTER_PATH_PLACES_MAX {
                    return Err(too_large("numbers in a path", limits::FILTER_PATH_PLACES_MAX));
                }
                let tests = self.tests(&path, field)?;
                self.places = places;
                all.push(Test::all_at(tests.into(), &path));
            }
        }
        Ok(Condition::All(all.into()))
    }

    fn logical(
        &mut self,
        name: &str,
        value: Value<'_>,
        subjects: Option<Subjects>,
    ) -> Result<Condition, FilterError> {
        if !LOGICAL.contains(&name) {
            return Err(unknown_operator(name, "", &LOGICAL));
        }
        let needs = || operand(name, "", "needs an array of at least one document of conditions");
        let Value::Array(items) = value else { return Err(needs()) };
        let mut conditions = Vec::new();
        for item in items {
            let Value::Object(fields) = item.value() else { return Err(needs()) };
            conditions.push(self.document(fields, subjects)?);
        }
        match name {
            _ if conditions.is_empty() => Err(needs()),
            "$and" => Ok(Condition::All(conditions.into())),
            "$or" => Ok(Condition::Any(conditions.into())),
            _ => Ok(Condition::Not(Box::new(Condition::Any(conditions.into())))),
        }
    }

    fn count_condition(&mut self) -> Result<(), FilterError> {
        self.conditions += 1;
        if self.conditions > limits::FILTER_CONDITIONS_MAX {
            return Err(too_large("conditions", limits::FILTER_CONDITIONS_MAX));
        }
        Ok(())
    }
}

fn unknown_operator(operator: &str, path: &str, supported: &[&'static str]) -> FilterError {
    FilterError::UnknownOperator {
        operator: operator.to_owned(),
        path: path.to_owned(),
        nearest: nearest(operator, supported.iter().copied())
            .and_then(|near| supported.iter().find(|known| **known == near).copied()),
        supported: supported.join(", "),
    }
}

fn operand(operator: &str, path: impl ToString, problem: impl Into<String>) -> FilterError {
    FilterError::Operand {
        operator: operator.to_owned(),
        path: path.to_string(),
        problem: problem.into(),
    }
}

/// Checks what the path may be made of.
fn check_path(path: &Path, name: &str) -> Result<(), FilterError> {
    if path.parts().len() > limits::FILTER_PATH_PARTS_MAX {
        return Err(too_large("names in a path", limits::FILTER_PATH_PARTS_MAX));
    }
    if name.contains('\0') {
        return Err(operand("$match", name.replace('\0', "\\0"), "cannot have a NUL in a name"));
    }
    Ok(())
}
