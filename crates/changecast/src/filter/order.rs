//! The order of BSON values: by type first, then by content.

use std::cmp::Ordering;

use super::number::Number;
use super::tree::{Fields, Value};

/// In the payload's length, MongoDB counts the length that subtype 2 repeats.
const SUBTYPE_OLD: u8 = 2;
const OLD_LENGTH_BYTES: usize = 4;

/// The place of undefined values, and of missing ones, among the types.
pub(super) const RANK_MISSING: i8 = 0;

/// The place of null among the types.
pub(super) const RANK_NULL: i8 = 5;

/// The place of a value's type. Types of one rank, such as all numbers, compare by content.
#[inline]
pub(super) fn rank(value: Value<'_>) -> i8 {
    match value {
        Value::MinKey => -1,
        Value::Undefined => RANK_MISSING,
        Value::Null => RANK_NULL,
        Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Decimal(_) => 10,
        Value::String(_) | Value::Symbol(_) => 15,
        Value::Object(_) => 20,
        Value::Array(_) => 25,
        Value::Binary { .. } => 30,
        Value::ObjectId(_) => 35,
        Value::Bool(_) => 40,
        Value::Date(_) => 45,
        Value::Timestamp(_) => 47,
        Value::Regex { .. } => 50,
        Value::DbPointer { .. } => 55,
        Value::Code(_) => 60,
        Value::CodeWithScope { .. } => 65,
        Value::MaxKey => 127,
    }
}

/// Compares any two values. Goes as deep as the shallower of the two.
pub(super) fn compare(one: Value<'_>, two: Value<'_>) -> Ordering {
    let by_type = rank(one).cmp(&rank(two));
    if by_type.is_ne() { by_type } else { compare_content(one, two) }
}

/// Compares two values of one rank.
#[inline]
pub(super) fn compare_content(one: Value<'_>, two: Value<'_>) -> Ordering {
    match (one, two) {
        (
            Value::String(one) | Value::Symbol(one) | Value::Code(one),
            Value::String(two) | Value::Symbol(two) | Value::Code(two),
        ) => one.cmp(two),
        (Value::Bool(one), Value::Bool(two)) => one.cmp(&two),
        (Value::Date(one), Value::Date(two)) => one.cmp(&two),
        (Value::Timestamp(one), Value::Timestamp(two)) => one.cmp(&two),
        (Value::ObjectId(one), Value::ObjectId(two)) => one.cmp(&two),
        (Value::Object(one), Value::Object(two)) => compare_fields(one, two),
        (Value::Array(one), Value::Array(two)) => compare_items(one, two),
        _ => compare_others(one, two),
    }
}

fn compare_others(one: Value<'_>, two: Value<'_>) -> Ordering {
    if let (Some(one), Some(two)) = (Number::of(one), Number::of(two)) {
        return one.compare(two);
    }
    match (one, two) {
        (
            Value::Binary { subtype: one_type, payload: one },
            Value::Binary { subtype: two_type, payload: two },
        ) => binary(one_type, one).cmp(&binary(two_type, two)),
        (
            Value::Regex { pattern: one, options: one_options },
            Value::Regex { pattern: two, options: two_options },
        ) => (one, one_options).cmp(&(two, two_options)),
        (
            Value::DbPointer { namespace: one, id: one_id },
            Value::DbPointer { namespace: two, id: two_id },
        ) => (one.len(), one, one_id).cmp(&(two.len(), two, two_id)),
        (
            Value::CodeWithScope { code: one, scope: one_scope },
            Value::CodeWithScope { code: two, scope: two_scope },
        ) => one.cmp(two).then_with(|| compare_fields(one_scope, two_scope)),
        // Null, undefined, MinKey and MaxKey have no content.
        _ => Ordering::Equal,
    }
}

fn binary(subtype: u8, payload: &[u8]) -> (usize, u8, &[u8]) {
    let repeated = if subtype == SUBTYPE_OLD { OLD_LENGTH_BYTES } else { 0 };
    (payload.len() + repeated, subtype, payload)
}

/// Field by field: the type, then the name, then the content. The order of fields counts.
fn compare_fields(one: Fields<'_>, two: Fields<'_>) -> Ordering {
    pairwise(one, two, |one, two| {
        let by_type = rank(one.value()).cmp(&rank(two.value()));
        let by_name = by_type.then_with(|| one.key().cmp(two.key()));
        by_name.then_with(|| compare_content(one.value(), two.value()))
    })
}

fn compare_items(one: Fields<'_>, two: Fields<'_>) -> Ordering {
    pairwise(one, two, |one, two| compare(one.value(), two.value()))
}

fn pairwise<T>(
    mut one: impl Iterator<Item = T>,
    mut two: impl Iterator<Item = T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    loop {
        match (one.next(), two.next()) {
            (Some(one), Some(two)) => match compare(&one, &two) {
                Ordering::Equal => {}
                differs => return differs,
            },
            (one, two) => return one.is_some().cmp(&two.is_some()),
        }
    }
}
