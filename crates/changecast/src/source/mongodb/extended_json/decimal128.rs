//! The text of a decimal128: IEEE 754-2008 with a binary integer significand.
//!
//! Follows "To String Representation" of MongoDB's BSON Decimal128 specification: no sign and no
//! `s` before NaN, and a significand of more than 34 digits, which no encoder may write, is zero.
//! Invariant: every 16 bytes have a text, of at most 43 characters, without JSON specials.

const EXPONENT_BIAS: i32 = 6_176;
const SIGNIFICAND_MAX: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
/// Smaller adjusted exponents are written with an `E`.
const PLAIN_EXPONENT_MIN: i32 = -6;

/// Appends the text of the value that `bytes` (little-endian, as in BSON) encode.
pub(super) fn write_decimal128(bytes: [u8; 16], out: &mut Vec<u8>) {
    let bits = u128::from_le_bytes(bytes);
    let negative = bits >> 127 == 1;
    let combination = bits >> 122 & 0b1_1111;
    if combination == 0b1_1111 {
        return out.extend_from_slice(b"NaN");
    }
    if negative {
        out.push(b'-');
    }
    if combination == 0b1_1110 {
        return out.extend_from_slice(b"Infinity");
    }
    let (significand, exponent) = finite(bits);
    let mut digits = itoa::Buffer::new();
    write_finite(digits.format(significand).as_bytes(), exponent, out);
}

/// Significand and exponent of a number that is neither NaN nor infinite.
fn finite(bits: u128) -> (u128, i32) {
    // A combination field starting with 11 announces a significand of 2^113 or more, which is
    // beyond 34 digits and therefore zero; only the exponent, two bits further down, remains.
    let large = bits >> 125 & 0b11 == 0b11;
    let (shift, significand) = if large { (111, 0) } else { (113, bits & ((1 << 113) - 1)) };
    let exponent = (bits >> shift & 0x3fff) as i32 - EXPONENT_BIAS;
    (if significand > SIGNIFICAND_MAX { 0 } else { significand }, exponent)
}

fn write_finite(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let count = digits.len() as i32;
    let adjusted = exponent + count - 1;
    if exponent > 0 || adjusted < PLAIN_EXPONENT_MIN {
        return write_scientific(digits, adjusted, out);
    }
    // How many digits stand before the point; with none, zeros fill the gap after "0.".
    let whole = usize::try_from(count + exponent).unwrap_or(0);
    let (before, after) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
    out.extend_from_slice(if before.is_empty() { b"0" } else { before });
    if !after.is_empty() {
        out.push(b'.');
        let zeros = usize::try_from(-(count + exponent)).unwrap_or(0);
        out.extend(std::iter::repeat_n(b'0', zeros));
        out.extend_from_slice(after);
    }
}

fn write_scientific(digits: &[u8], adjusted: i32, out: &mut Vec<u8>) {
    let (first, others) = digits.split_at_checked(1).unwrap_or((digits, &[]));
    out.extend_from_slice(first);
    if !others.is_empty() {
        out.push(b'.');
        out.extend_from_slice(others);
    }
    out.push(b'E');
    if adjusted >= 0 {
        out.push(b'+');
    }
    out.extend_from_slice(itoa::Buffer::new().format(adjusted).as_bytes());
}
