//! Milliseconds since 1970 as RFC 3339 text.
//!
//! Knows the calendar and nothing of BSON or JSON. Invariant: every `i64` has an answer.

/// 9999-12-31T23:59:59.999Z, the last millisecond with a four-digit year.
const MILLIS_MAX: u64 = 253_402_300_799_999;
const MILLIS_PER_DAY: u64 = 86_400_000;

/// Appends the UTC time, with as many decimals of a second as it needs (none to three).
///
/// Returns false and appends nothing outside 1970 to 9999, where Extended JSON wants a number.
pub(super) fn write_rfc3339(millis: i64, out: &mut Vec<u8>) -> bool {
    let Some(millis) = u64::try_from(millis).ok().filter(|millis| *millis <= MILLIS_MAX) else {
        return false;
    };
    let (year, month, day) = civil_from_days(millis / MILLIS_PER_DAY);
    let of_day = millis % MILLIS_PER_DAY;
    let (of_hour, hour) = (of_day % 3_600_000, of_day / 3_600_000);
    let (of_minute, minute) = (of_hour % 60_000, of_hour / 60_000);
    let (of_second, second) = (of_minute % 1_000, of_minute / 1_000);

    let [c, d] = [two(year / 100), two(year % 100)];
    let [m, n] = [two(month), two(day)];
    let [h, i, s] = [two(hour), two(minute), two(second)];
    out.extend_from_slice(&[c[0], c[1], d[0], d[1], b'-', m[0], m[1], b'-', n[0], n[1], b'T']);
    out.extend_from_slice(&[h[0], h[1], b':', i[0], i[1], b':', s[0], s[1]]);
    write_fraction(of_second, out);
    out.push(b'Z');
    true
}

/// The Gregorian date `days` after 1970-01-01 as (year, month, day).
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), here for days that are not negative.
/// A year starts in March there, so that the leap day is its last; eras are 400 years.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let since_march_0000 = days + 719_468;
    let era = since_march_0000 / 146_097;
    let day_of_era = since_march_0000 % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// `.1`, `.12` or `.123`; nothing for a whole second.
fn write_fraction(millis: u64, out: &mut Vec<u8>) {
    if millis == 0 {
        return;
    }
    let [tens, ones] = two(millis % 100);
    out.extend_from_slice(&[b'.', digit(millis / 100)]);
    match (tens, ones) {
        (b'0', b'0') => {}
        (_, b'0') => out.push(tens),
        _ => out.extend_from_slice(&[tens, ones]),
    }
}

fn two(value: u64) -> [u8; 2] {
    [digit(value / 10), digit(value)]
}

/// The last decimal digit of `value`.
fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}
