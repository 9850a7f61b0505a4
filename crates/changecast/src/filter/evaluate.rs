//! Evaluating conditions. Nothing here allocates, save where a double meets a decimal.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | Kleene's laws hold | a filter and its rewritten form agree | `kleene_laws_hold` |
//! | about a plain document, nothing is undecidable | MongoDB is a judge of it | `matches_what_mongodb_matches` |

use std::cmp::Ordering;

use super::condition::{Comparison, Condition, List, Test};
use super::number::Number;
use super::order::{RANK_MISSING, RANK_NULL, compare, compare_content, rank};
use super::path::{Found, Path};
use super::tree::{Fields, Tree, Value};
use super::truth::Truth;

/// What conditions are about.
pub(super) trait Subject {
    /// Whether any value at `path` passes `test`, which finds its operands in `operands`.
    fn ask(&self, path: &Path, test: &Test, operands: &Tree<'_>) -> Truth;
}

/// A document all of which is known.
pub(super) struct Document<'t> {
    pub(super) fields: Fields<'t>,
}

/// An array in which a condition looks for its fields: their names are 0, 1, 2, ….
struct ArrayDocument<'t> {
    items: Fields<'t>,
}

impl Subject for Document<'_> {
    #[inline]
    fn ask(&self, path: &Path, test: &Test, operands: &Tree<'_>) -> Truth {
        let mut passes = |found: Found<'_>| test.passes(found, operands);
        test.walk(path.parts()).any_in_document(self.fields, &mut passes).into()
    }
}

impl Subject for ArrayDocument<'_> {
    fn ask(&self, path: &Path, test: &Test, operands: &Tree<'_>) -> Truth {
        let mut passes = |found: Found<'_>| test.passes(found, operands);
        test.walk(path.parts()).any_in_array(self.items, &mut passes).into()
    }
}

impl Condition {
    pub(super) fn evaluate(&self, subject: &impl Subject, operands: &Tree<'_>) -> Truth {
        match self {
            Self::All(conditions) => {
                Truth::all(conditions.iter().map(|one| one.evaluate(subject, operands)))
            }
            Self::Any(conditions) => {
                Truth::any(conditions.iter().map(|one| one.evaluate(subject, operands)))
            }
            Self::Not(condition) => !condition.evaluate(subject, operands),
            Self::Never => Truth::False,
            Self::Field(path, test) => subject.ask(path, test, operands),
        }
    }
}

impl Test {
    /// Whether one value passes, or "missing" does.
    pub(super) fn passes(&self, found: Found<'_>, operands: &Tree<'_>) -> bool {
        match self {
            Self::Compare(comparison, operand) => {
                comparison.holds(found, operands.at(*operand).value())
            }
            Self::In(list) => list.contains(found, operands),
            Self::Exists => found.is_some(),
            Self::Type(types) => found.is_some_and(|value| types.contains(value)),
            Self::Regex(pattern) => found.is_some_and(|value| pattern.matches(value)),
            Self::Modulo { divisor, remainder } => {
                let whole = found.and_then(Number::of).and_then(Number::truncate);
                whole.is_some_and(|whole| whole.checked_rem(*divisor).unwrap_or(0) == *remainder)
            }
            Self::Size(size) => {
                items(found).is_some_and(|items| u64::try_from(items.count()) == Ok(*size))
            }
            Self::AnyDocument(condition) => items(found).is_some_and(|mut items| {
                items.any(|item| is_met_inside(condition, item.value(), operands))
            }),
            Self::AnyValue(tests) => items(found).is_some_and(|mut items| {
                items.any(|item| all_pass(tests, Some(item.value()), operands))
            }),
            Self::Not(tests) => !all_pass(tests, found, operands),
            Self::Every(tests) => all_pass(tests, found, operands),
            Self::Nothing => false,
        }
    }
}

fn all_pass(tests: &[Test], found: Found<'_>, operands: &Tree<'_>) -> bool {
    tests.iter().all(|test| test.passes(found, operands))
}

fn items(found: Found<'_>) -> Option<Fields<'_>> {
    match found {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    }
}

fn is_met_inside(condition: &Condition, value: Value<'_>, operands: &Tree<'_>) -> bool {
    let truth = match value {
        Value::Object(fields) => condition.evaluate(&Document { fields }, operands),
        Value::Array(items) => condition.evaluate(&ArrayDocument { items }, operands),
        _ => Truth::False,
    };
    truth == Truth::True
}

impl Comparison {
    /// Values of different types do not compare, except that null, undefined and missing are
    /// equal, and that everything lies between MinKey and MaxKey.
    #[inline]
    fn holds(self, found: Found<'_>, operand: Value<'_>) -> bool {
        let found_rank = found.map_or(RANK_MISSING, rank);
        let Some(value) = found.filter(|_| found_rank == rank(operand)) else {
            return self.holds_across(found_rank, operand);
        };
        let is_nan = |value| Number::of(value).is_some_and(Number::is_nan);
        // NaN is equal to itself, and neither less nor greater than any number.
        let is_unordered = matches!(self, Self::Less | Self::Greater)
            || (self != Self::Equal && is_nan(value) != is_nan(operand));
        if is_unordered && (is_nan(value) || is_nan(operand)) {
            return false;
        }
        self.allows(compare_content(value, operand))
    }

    fn holds_across(self, found: i8, operand: Value<'_>) -> bool {
        match operand {
            Value::MinKey => matches!(self, Self::Greater | Self::GreaterOrEqual),
            Value::MaxKey => matches!(self, Self::Less | Self::LessOrEqual),
            _ => {
                let are_nothing = [found, rank(operand)] == [RANK_MISSING, RANK_NULL];
                are_nothing && self.allows(Ordering::Equal)
            }
        }
    }

    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl List {
    fn contains(&self, found: Found<'_>, operands: &Tree<'_>) -> bool {
        let value = match found {
            None | Some(Value::Undefined) => return self.has_null,
            Some(value) => value,
        };
        let order = |listed: &u32| compare(operands.at(*listed).value(), value);
        self.values.binary_search_by(order).is_ok()
            || self.patterns.iter().any(|pattern| pattern.matches(value))
    }
}
