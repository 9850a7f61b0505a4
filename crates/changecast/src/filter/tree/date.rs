//! Dates as Extended JSON writes them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970 of an RFC 3339 text.
pub(in super::super) fn parse_date(text: &str) -> Option<i64> {
    usual_form(text).or_else(|| any_form(text))
}

/// `2024-02-29T12:30:00Z`, or with milliseconds: what sources write, read without the generality
/// that takes most of the time.
fn usual_form(text: &str) -> Option<i64> {
    let bytes: &[u8] = text.as_bytes();
    let (seconds, rest) = bytes.split_at_checked(19)?;
    let millis = match rest {
        [b'Z'] => 0,
        [b'.', fraction @ .., b'Z'] if fraction.len() == 3 => number(fraction)?,
        _ => return None,
    };
    let [date, time] = [seconds.get(..10)?, seconds.get(11..)?];
    let [year, month, day] =
        [number(date.get(..4)?)?, number(date.get(5..7)?)?, number(date.get(8..)?)?];
    let [hour, minute, second] =
        [number(time.get(..2)?)?, number(time.get(3..5)?)?, number(time.get(6..)?)?];
    let marks = [date.get(4)?, date.get(7)?, seconds.get(10)?, time.get(2)?, time.get(5)?];
    // What may be no date at all is left to the general form to refuse.
    let is_sure = marks == [&b'-', &b'-', &b'T', &b':', &b':']
        && (1..=12).contains(&month)
        && (1..=28).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    is_sure.then(|| {
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        seconds * 1_000 + millis
    })
}

fn any_form(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Days from 1970 to a date of the Gregorian calendar. Years begin in March here, so that the
/// leap day ends them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
