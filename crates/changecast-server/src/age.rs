//! A length of time as people write it: `7d`, `12h`, `30m`, `90s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// A whole number of days, hours, minutes or seconds; never nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Age(pub(crate) Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is no age: write 7d, 12h, 30m or 90s");
        let digits = text.trim_end_matches(|last: char| last.is_ascii_lowercase());
        let seconds_per_unit = match text.strip_prefix(digits) {
            Some("d") => 86_400,
            Some("h") => 3_600,
            Some("m") => 60,
            Some("s") => 1,
            _ => return Err(expected()),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count: u64 = if is_number { digits.parse().ok() } else { None }.ok_or_else(expected)?;
        let seconds = count.checked_mul(seconds_per_unit).filter(|seconds| *seconds > 0);
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(expected)
    }
}

impl fmt::Display for Age {
    /// In the largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
        let whole = units.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
        let (unit, length) = whole.unwrap_or(("s", 1));
        write!(f, "{}{unit}", seconds / length)
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_in_each_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("30m", 1_800), ("90s", 90)] {
            assert_eq!(text.parse(), Ok(Age(Duration::from_secs(seconds))));
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_age_is_refused_with_an_example() {
        for text in [
            "",
            "d",
            "7",
            "0s",
            "-1d",
            "+1d",
            "1.5h",
            "7 d",
            "7D",
            "7dd",
            "1w",
            "99999999999999999999d",
            "999999999999999999d",
        ] {
            let error = text.parse::<Age>().unwrap_err();
            assert!(error.contains(&format!("{text:?}")) && error.contains("7d, 12h"), "{error}");
        }
    }
}
