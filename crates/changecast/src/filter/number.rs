//! Numbers of different types, compared by their exact values.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::tree::Value;

/// 2^63: the first double above every 64-bit integer.
const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

/// A number of any type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    #[inline]
    pub(super) fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(number) | Value::Long(number) => Some(Self::Integer(number)),
            Value::Double(number) => Some(Self::Double(number)),
            Value::Decimal(text) => Decimal::parse(text).map(Self::Decimal),
            _ => None,
        }
    }

    pub(super) fn is_nan(self) -> bool {
        match self {
            Self::Integer(_) => false,
            Self::Double(number) => number.is_nan(),
            Self::Decimal(number) => number == Decimal::Nan,
        }
    }

    /// The whole part, if 64 bits hold it.
    pub(super) fn truncate(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Double(number) => integer(number.trunc()),
            Self::Decimal(number) => number.truncate(),
        }
    }

    /// The integer it is, if it is one of 64 bits.
    pub(super) fn as_integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Double(number) => integer(number),
            Self::Decimal(number) => number.is_whole().then(|| number.truncate())?,
        }
    }

    /// NaN equals itself and comes before all other numbers.
    #[inline]
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => one.cmp(&two),
            (Self::Double(one), Self::Double(two)) => compare_doubles(one, two),
            (Self::Integer(one), Self::Double(two)) => compare_mixed(one, two),
            (Self::Double(one), Self::Integer(two)) => compare_mixed(two, one).reverse(),
            (Self::Decimal(one), Self::Decimal(two)) => one.compare(two),
            (Self::Decimal(one), Self::Integer(two)) => one.compare(Decimal::from_i64(two)),
            (Self::Integer(one), Self::Decimal(two)) => Decimal::from_i64(one).compare(two),
            (Self::Decimal(one), Self::Double(two)) => one.compare_double(two),
            (Self::Double(one), Self::Decimal(two)) => two.compare_double(one).reverse(),
        }
    }
}

/// The integer that a double is.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn integer(number: f64) -> Option<i64> {
    let is_integer = number.trunc() == number;
    let fits = (-BEYOND_INTEGERS..BEYOND_INTEGERS).contains(&number);
    (is_integer && fits).then_some(number as i64)
}

fn compare_doubles(one: f64, two: f64) -> Ordering {
    one.partial_cmp(&two).unwrap_or_else(|| two.is_nan().cmp(&one.is_nan()))
}

/// Turning either into the other would lose digits.
fn compare_mixed(one: i64, two: f64) -> Ordering {
    if two.is_nan() || two < -BEYOND_INTEGERS {
        return Ordering::Greater;
    }
    let whole = two.trunc();
    match integer(whole) {
        Some(integer) => one.cmp(&integer).then_with(|| compare_doubles(whole, two)),
        None => Ordering::Less,
    }
}
