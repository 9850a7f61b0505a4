//! What the index files a value under.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::number::Number;
use super::super::order::rank;
use super::super::tree::Value;

/// Stands for a value that is neither document nor array. Values that are equal to MongoDB have
/// one key; two that are not may share one, which costs an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    /// None for a document, an array or code with a scope.
    pub(super) fn of(value: Value<'_>) -> Option<Self> {
        // The same in every process, and never stored.
        let mut hasher = DefaultHasher::new();
        // A missing value is null to MongoDB, and so is one that is undefined.
        let value = if matches!(value, Value::Undefined) { Value::Null } else { value };
        rank(value).hash(&mut hasher);
        match value {
            Value::Object(_) | Value::Array(_) | Value::CodeWithScope { .. } => return None,
            Value::String(text) | Value::Symbol(text) | Value::Code(text) => text.hash(&mut hasher),
            Value::ObjectId(id) => id.hash(&mut hasher),
            Value::Bool(value) => value.hash(&mut hasher),
            Value::Date(millis) => millis.hash(&mut hasher),
            Value::Timestamp(time) => time.hash(&mut hasher),
            Value::Binary { subtype, payload } => (subtype, payload).hash(&mut hasher),
            Value::Regex { pattern, options } => (pattern, options).hash(&mut hasher),
            Value::DbPointer { namespace, id } => (namespace, id).hash(&mut hasher),
            value => {
                if let Some(number) = Number::of(value) {
                    hash_number(number, &mut hasher);
                }
            }
        }
        Some(Self(hasher.finish()))
    }
}

/// One number hashes alike, whatever type it is written in.
fn hash_number(number: Number, hasher: &mut DefaultHasher) {
    if let Some(integer) = number.as_integer() {
        return integer.hash(hasher);
    }
    if number.is_nan() {
        return hasher.write_u8(0);
    }
    match number {
        Number::Decimal(decimal) => {
            // As a double, if it is one: doubles are far more common, and so must be cheap.
            let double = decimal.nearest_f64();
            if decimal.compare_double(double).is_eq() {
                double.to_bits().hash(hasher);
            } else {
                decimal.hash(hasher);
            }
        }
        Number::Double(double) => double.to_bits().hash(hasher),
        Number::Integer(integer) => integer.hash(hasher),
    }
}
