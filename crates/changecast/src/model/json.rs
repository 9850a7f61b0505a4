//! Plain JSON made safe for a browser: compact, and with no number that a double would change.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The text is not one JSON value.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct InvalidJson(#[from] serde_json::Error);

/// Rewrites a JSON text without whitespace, and as relaxed Extended JSON where a browser's
/// `JSON.parse` would round in silence: integers beyond ±2^53 become `{"$numberLong": "…"}` (or
/// `$numberDecimal` beyond 64 bits), decimals that a double would change `{"$numberDecimal": "…"}`.
///
/// # Errors
/// When the text is not exactly one JSON value. Nesting has no cap here, and costs no stack.
pub fn extend_json(text: &str) -> Result<String, InvalidJson> {
    let _: &RawValue = serde_json::from_str(text)?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let token = match first {
            b'"' => string_token(rest),
            b'-' | b'0'..=b'9' => number_token(rest),
            _ => rest.get(..1).unwrap_or(rest),
        };
        match first {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'-' | b'0'..=b'9' => out.push_str(&extend_number(token)),
            _ => out.push_str(token),
        }
        rest = rest.get(token.len()..).unwrap_or("");
    }
    Ok(out)
}

/// The string that `text` starts with, quotes included.
fn string_token(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.and_then(|end| text.get(..end + 2)).unwrap_or(text)
}

/// The number that `text` starts with.
fn number_token(text: &str) -> &str {
    let end = text
        .bytes()
        .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

fn extend_number(token: &str) -> Cow<'_, str> {
    const EXACT_MAX: u64 = 1 << 53;
    let is_integer = !token.contains(['.', 'e', 'E']);
    if is_integer {
        return match token.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= EXACT_MAX => Cow::Borrowed(token),
            Ok(number) => Cow::Owned(format!(r#"{{"$numberLong":"{number}"}}"#)),
            Err(_) => Cow::Owned(format!(r#"{{"$numberDecimal":"{token}"}}"#)),
        };
    }
    let nearest = token.parse::<f64>().unwrap_or(f64::INFINITY);
    if nearest.is_finite() && Decimal::read(token) == Decimal::read(&format!("{nearest:e}")) {
        return Cow::Borrowed(token);
    }
    Cow::Owned(format!(r#"{{"$numberDecimal":"{token}"}}"#))
}

/// A number's significant digits, without leading or trailing zeros, and the power of ten of the
/// first one. Two spellings of one number are equal.
#[derive(PartialEq, Eq)]
struct Decimal {
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn read(token: &str) -> Self {
        let token = token.trim_start_matches('-');
        let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading_zeros = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Self { digits, exponent: 0 };
        }
        let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
        Self { digits, exponent: exponent + whole.len() as i64 - leading_zeros as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::extend_json;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(extend_json(text).expect(text), expected);
    }

    #[test]
    fn blanks_go_and_strings_stay() {
        check(
            " { \"a b\" : [ 1 , \"x \\\" y \\\\\" ] ,\n\"é\":null}\n",
            r#"{"a b":[1,"x \" y \\"],"é":null}"#,
        );
    }

    #[test]
    fn numbers_that_a_double_holds_stay_as_they_were_written() {
        for text in [
            "0",
            "-0",
            "-0.0",
            "1.0",
            "1.50",
            "1e3",
            "1E-7",
            "0.1",
            "9007199254740992",
            "-9007199254740992",
            "123.456e2",
            "1e308",
            "5e-324",
            "0.0e99999",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn numbers_that_a_double_would_change_are_wrapped() {
        check("9007199254740993", r#"{"$numberLong":"9007199254740993"}"#);
        check("-9223372036854775808", r#"{"$numberLong":"-9223372036854775808"}"#);
        check("9223372036854775808", r#"{"$numberDecimal":"9223372036854775808"}"#);
        check("[0.12345678901234567890]", r#"[{"$numberDecimal":"0.12345678901234567890"}]"#);
        check("1e999", r#"{"$numberDecimal":"1e999"}"#);
        check("1e-999", r#"{"$numberDecimal":"1e-999"}"#);
        check("1e99999999999999999999", r#"{"$numberDecimal":"1e99999999999999999999"}"#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{} {}", "nul", "01", "\"\n\"", "NaN", "[[["] {
            assert!(extend_json(text).is_err(), "{text:?}");
        }
    }
}
