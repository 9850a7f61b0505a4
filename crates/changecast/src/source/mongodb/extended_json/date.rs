//! Milliseconds since 1970 as RFC 3339 text.
//!
//! Knows nothing of BSON or JSON. Invariant: every `i64` has an answer.

use crate::model::civil_from_days;

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
