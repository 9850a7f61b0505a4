//! The types that `$type` speaks of.
//!
//! Relaxed Extended JSON writes 32-bit and 64-bit integers alike: a plain integer counts as `int`
//! if 32 bits hold it, else as `long`.

use super::condition::Types;
use super::tree::Value;

/// Name and number of every type that can be asked for.
const NAMES: [(&str, i64); 21] = [
    ("double", 1),
    ("string", 2),
    ("object", 3),
    ("array", 4),
    ("binData", 5),
    ("undefined", 6),
    ("objectId", 7),
    ("bool", 8),
    ("date", 9),
    ("null", 10),
    ("regex", 11),
    ("dbPointer", 12),
    ("javascript", 13),
    ("symbol", 14),
    ("javascriptWithScope", 15),
    ("int", 16),
    ("timestamp", 17),
    ("long", 18),
    ("decimal", 19),
    ("minKey", -1),
    ("maxKey", 127),
];

/// What `"number"` means.
const NUMBERS: [i64; 4] = [1, 16, 18, 19];

impl Types {
    /// The types of that name; `number` is several.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == "number" {
            return Some(NUMBERS.into_iter().filter_map(Self::numbered).fold(Self(0), Self::with));
        }
        let (_, number) = NAMES.iter().find(|(known, _)| *known == name)?;
        Self::numbered(*number)
    }

    pub(super) fn numbered(number: i64) -> Option<Self> {
        let bit = NAMES.iter().position(|(_, known)| *known == number)?;
        Some(Self(1 << bit))
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn contains(self, value: Value<'_>) -> bool {
        Self::numbered(number(value)).is_some_and(|of_value| self.0 & of_value.0 != 0)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name).chain(["number"])
    }
}

fn number(value: Value<'_>) -> i64 {
    match value {
        Value::Double(_) => 1,
        Value::String(_) => 2,
        Value::Object(_) => 3,
        Value::Array(_) => 4,
        Value::Binary { .. } => 5,
        Value::Undefined => 6,
        Value::ObjectId(_) => 7,
        Value::Bool(_) => 8,
        Value::Date(_) => 9,
        Value::Null => 10,
        Value::Regex { .. } => 11,
        Value::DbPointer { .. } => 12,
        Value::Code(_) => 13,
        Value::Symbol(_) => 14,
        Value::CodeWithScope { .. } => 15,
        Value::Int(number) if i32::try_from(number).is_ok() => 16,
        Value::Timestamp(_) => 17,
        Value::Int(_) | Value::Long(_) => 18,
        Value::Decimal(_) => 19,
        Value::MinKey => -1,
        Value::MaxKey => 127,
    }
}
