//! Decimal numbers of 34 digits, as far as comparing them takes.
//!
//! Invariant: equal numbers have equal fields, however they were written.

use std::cmp::Ordering;

/// What a Decimal128 holds. More digits are rounded, half to even, as MongoDB does.
const DIGITS_MAX: usize = 34;

/// Digits that the exact value of a double can have.
const DOUBLE_DIGITS_MAX: usize = 767;

/// The power of ten of the first digit, at most.
const EXPONENT_MAX: i64 = 6144;

/// The power of ten of the last digit, at least.
const EXPONENT_MIN: i64 = -6176;

/// A number of up to 34 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Decimal {
    Nan,
    Infinite { is_negative: bool },
    Finite(Finite),
}

/// `coefficient` × 10^`exponent`; the coefficient does not end in a zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Finite {
    is_negative: bool,
    coefficient: u128,
    exponent: i32,
}

const ZERO: Finite = Finite { is_negative: false, coefficient: 0, exponent: 0 };

impl Decimal {
    /// Reads what MongoDB accepts as a Decimal128.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..)?),
            [b'+', ..] => (false, text.get(1..)?),
            _ => (false, text),
        };
        if rest.eq_ignore_ascii_case("nan") {
            return Some(Self::Nan);
        }
        if rest.eq_ignore_ascii_case("infinity") || rest.eq_ignore_ascii_case("inf") {
            return Some(Self::Infinite { is_negative });
        }
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (rest.get(..at)?, read_exponent(rest.get(at + 1..)?)?),
            None => (rest, 0),
        };
        Self::read(is_negative, mantissa, exponent)
    }

    fn read(is_negative: bool, mantissa: &str, exponent: i64) -> Option<Self> {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = Digits::default();
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits.push(byte)?;
        }
        (!whole.is_empty() || !fraction.is_empty()).then_some(())?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.saturating_sub(fraction).saturating_add(digits.dropped);
        Some(Self::new(is_negative, digits.rounded(), exponent))
    }

    fn new(is_negative: bool, mut coefficient: u128, mut exponent: i64) -> Self {
        if coefficient == 0 {
            return Self::Finite(ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        let first = exponent.saturating_add(i64::from(coefficient.ilog10()));
        match i32::try_from(exponent) {
            _ if first > EXPONENT_MAX => Self::Infinite { is_negative },
            Ok(exponent) if first >= EXPONENT_MIN => {
                Self::Finite(Finite { is_negative, coefficient, exponent })
            }
            _ => Self::Finite(ZERO),
        }
    }

    pub(super) fn from_i64(number: i64) -> Self {
        Self::new(number < 0, number.unsigned_abs().into(), 0)
    }

    /// Compares with the exact value of a double.
    pub(super) fn compare_double(self, double: f64) -> Ordering {
        if !double.is_finite() {
            let other = Self::Infinite { is_negative: double < 0.0 };
            return self.compare(if double.is_nan() { Self::Nan } else { other });
        }
        let text = format!("{:.*e}", DOUBLE_DIGITS_MAX - 1, double.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (kept, dropped) = mantissa.split_at_checked(DIGITS_MAX + 1).unwrap_or((mantissa, ""));
        let is_cut = dropped.bytes().any(|digit| digit != b'0');
        let sign = if double < 0.0 { "-" } else { "" };
        let other = Self::parse(&format!("{sign}{kept}e{exponent}")).unwrap_or(Self::Nan);
        // What was cut off makes the double larger, but by less than one in its last digit.
        let by_rest = match (is_cut, double < 0.0) {
            (false, _) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (true, true) => Ordering::Greater,
        };
        self.compare(other).then(by_rest)
    }

    /// The double that is nearest.
    pub(super) fn nearest_f64(self) -> f64 {
        match self {
            Self::Nan => f64::NAN,
            Self::Infinite { is_negative: true } => f64::NEG_INFINITY,
            Self::Infinite { is_negative: false } => f64::INFINITY,
            Self::Finite(Finite { is_negative, coefficient, exponent }) => {
                let sign = if is_negative { "-" } else { "" };
                format!("{sign}{coefficient}e{exponent}").parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// The whole part, if 64 bits hold it.
    pub(super) fn truncate(self) -> Option<i64> {
        let Self::Finite(Finite { is_negative, coefficient, exponent }) = self else { return None };
        let power = 10_u128.checked_pow(exponent.unsigned_abs());
        let whole = match power {
            Some(power) if exponent >= 0 => coefficient.checked_mul(power)?,
            Some(power) => coefficient / power,
            None if exponent >= 0 => return None,
            None => 0,
        };
        let whole = i128::try_from(whole).ok()?;
        i64::try_from(if is_negative { -whole } else { whole }).ok()
    }

    /// Whether it has no fraction.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Finite(Finite { exponent, .. }) if exponent >= 0)
    }

    /// NaN comes before all others.
    pub(super) fn compare(self, other: Self) -> Ordering {
        let rank = |number| match number {
            Self::Nan => 0,
            Self::Infinite { is_negative: true } => 1,
            Self::Finite(_) => 2,
            Self::Infinite { is_negative: false } => 3,
        };
        match (self, other) {
            (Self::Finite(one), Self::Finite(two)) => one.compare(two),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl Finite {
    fn sign(self) -> i8 {
        match (self.coefficient, self.is_negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    fn compare(self, other: Self) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign.is_ne() || self.coefficient == 0 {
            return by_sign;
        }
        let by_size = self.compare_size(other);
        if self.is_negative { by_size.reverse() } else { by_size }
    }

    /// Both have a first digit. Of equal power, they are written with equally many digits.
    fn compare_size(self, other: Self) -> Ordering {
        let first =
            |number: Self| i64::from(number.exponent) + i64::from(number.coefficient.ilog10());
        let align = |number: Self| {
            let missing = DIGITS_MAX as u32 - 1 - number.coefficient.ilog10().min(33);
            number.coefficient * 10_u128.pow(missing)
        };
        first(self).cmp(&first(other)).then_with(|| align(self).cmp(&align(other)))
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(())?;
    // What 64 bits do not hold is out of range all the same.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4);
    Some(if text.starts_with('-') { -size } else { size })
}

/// Collects digits, and of those beyond the cap what rounding needs to know.
#[derive(Default)]
struct Digits {
    coefficient: u128,
    count: usize,
    /// Digits after the last that counts.
    dropped: i64,
    first_dropped: u8,
    is_more_dropped: bool,
}

impl Digits {
    fn push(&mut self, byte: u8) -> Option<()> {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        if self.count < DIGITS_MAX {
            self.coefficient = self.coefficient * 10 + u128::from(digit);
            self.count += usize::from(self.coefficient != 0);
        } else {
            match self.dropped {
                0 => self.first_dropped = digit,
                _ => self.is_more_dropped |= digit != 0,
            }
            self.dropped += 1;
        }
        Some(())
    }

    fn rounded(&self) -> u128 {
        let is_up = match self.first_dropped.cmp(&5) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => self.is_more_dropped || !self.coefficient.is_multiple_of(2),
        };
        self.coefficient + u128::from(is_up)
    }
}
