//! An image's literals, as relaxed Extended JSON.
//!
//! Any program may have written what is read here: what cannot be read is said to be unreadable,
//! never guessed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::source::sqlite::object::quote;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Json(String),
    /// Too large to be sent.
    Unavailable,
}

/// The values of an image; none if it is not one.
pub(super) fn read(image: &str) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    let mut rest = image;
    loop {
        let (literal, after) = split(rest)?;
        values.push(value(literal)?);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(values),
        }
    }
}

/// The literal that `text` starts with.
fn split(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('\'') {
        return Some(text.split_at(text.find(',').unwrap_or(text.len())));
    }
    let mut from = 1;
    loop {
        let end = from + text.get(from..)?.find('\'')?;
        if text.as_bytes().get(end + 1) != Some(&b'\'') {
            return text.split_at_checked(end + 1);
        }
        from = end + 2;
    }
}

fn value(literal: &str) -> Option<Value> {
    let json = match literal.as_bytes().first()? {
        b'!' => return (literal == "!").then_some(Value::Unavailable),
        b'\'' => {
            let text = literal.get(1..literal.len().checked_sub(1)?)?;
            quote(&text.replace("''", "'"))
        }
        b't' => quote(&String::from_utf8_lossy(&bytes(literal.get(1..)?)?)),
        b'X' => {
            let hex = literal.strip_prefix("X'")?.strip_suffix('\'')?;
            blob(&bytes(hex)?)
        }
        b'N' => return (literal == "NULL").then(|| Value::Json("null".into())),
        _ => number(literal)?,
    };
    Some(Value::Json(json))
}

fn number(literal: &str) -> Option<String> {
    if let Ok(number) = literal.parse() {
        return Some(integer(number));
    }
    let looks_so =
        literal.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            || literal.trim_start_matches('-') == "Inf";
    literal.parse().ok().filter(|_| looks_so).map(real)
}

/// An integer that a browser would round is spelled out.
pub(super) fn integer(number: i64) -> String {
    const EXACT_MAX: u64 = 1 << 53;
    if number.unsigned_abs() <= EXACT_MAX {
        number.to_string()
    } else {
        format!(r#"{{"$numberLong":"{number}"}}"#)
    }
}

pub(super) fn real(number: f64) -> String {
    match number {
        number if number.is_nan() => r#"{"$numberDouble":"NaN"}"#.into(),
        number if number.is_infinite() => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!(r#"{{"$numberDouble":"{sign}Infinity"}}"#)
        }
        number => serde_json::to_string(&number).expect("a finite number is JSON"),
    }
}

pub(super) fn blob(bytes: &[u8]) -> String {
    format!(r#"{{"$binary":{{"base64":"{}","subType":"00"}}}}"#, STANDARD.encode(bytes))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(image: &str, expected: &[&str]) {
        let values = read(image).expect(image);
        let texts: Vec<&str> = values
            .iter()
            .map(|value| match value {
                Value::Json(text) => &**text,
                Value::Unavailable => "!",
            })
            .collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn every_literal_becomes_json() {
        check("1,-2.5,'a,''b''\n',NULL", &["1", "-2.5", r#""a,'b'\n""#, "null"]);
        check("9007199254740993,5.0", &[r#"{"$numberLong":"9007199254740993"}"#, "5.0"]);
        check(
            "9.0e+999,-Inf",
            &[r#"{"$numberDouble":"Infinity"}"#, r#"{"$numberDouble":"-Infinity"}"#],
        );
        check(
            "X'00ff',X''",
            &[
                r#"{"$binary":{"base64":"AP8=","subType":"00"}}"#,
                r#"{"$binary":{"base64":"","subType":"00"}}"#,
            ],
        );
        check("t610062,!,''", &[r#""a\u0000b""#, "!", r#""""#]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_json(image in "[0-9eE.+,!tXN'a-fé\\x00-]{0,24}") {
            for value in read(&image).unwrap_or_default() {
                if let Value::Json(text) = value {
                    let json: Result<serde_json::Value, _> = serde_json::from_str(&text);
                    proptest::prop_assert!(json.is_ok(), "{image}: {text}");
                }
            }
        }

        #[test]
        fn what_sqlite_quotes_is_read_as_it_was(text in ".{0,40}", number: i64, real: f64) {
            let connection = rusqlite::Connection::open_in_memory().unwrap();
            let text = text.replace('\0', "");
            let image: String = connection
                .query_row(
                    "SELECT quote(?1) || ',' || quote(?2) || ',' || quote(?3)",
                    (&text, number, real),
                    |row| row.get(0),
                )
                .unwrap();
            let values = read(&image).unwrap();
            proptest::prop_assert_eq!(&values[0], &Value::Json(quote(&text)));
            let Value::Json(found) = &values[1] else { panic!("{image}") };
            proptest::prop_assert!(found.contains(&number.to_string()));
            if real.is_finite() {
                let Value::Json(found) = &values[2] else { panic!("{image}") };
                proptest::prop_assert_eq!(found.parse::<f64>().unwrap(), real);
            }
        }
    }

    #[test]
    fn what_is_no_image_is_not_read() {
        for image in ["", "1,", "'", "'a", "X'0", "X'0g'", "nan", "inf", "NULLs", "1 2", "t6", "é"]
        {
            assert_eq!(read(image), None, "{image}");
        }
    }
}
