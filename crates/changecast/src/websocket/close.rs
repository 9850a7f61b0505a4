//! What a close frame holds.

use super::Violation;

/// Reads a close frame's payload: nothing, or a code and a reason.
pub(super) fn read(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::ShortClose) };
    };
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode);
    }
    Ok(Some((code, reason.to_owned())))
}

/// The codes that IANA lists, without those that only stand for what did not come over the wire
/// (1005, 1006, 1015), and the ranges of libraries and of applications.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
