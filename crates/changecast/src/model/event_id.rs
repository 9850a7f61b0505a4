//! The log's own order, and the id that a client resumes from.

use std::fmt;
use std::str::FromStr;

/// An entry's place in the log. The first entry has 1; 0 is "before everything".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The place right after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The incarnation of a log: new only when the log itself is new, or has lost its tail.
///
/// Eight characters of `a`–`z` and `2`–`7` (the alphabet of RFC 4648 base32, in lower case), so
/// that an [`EventId`] needs no escaping in a header, a URL or a CORS-safelisted request header.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; Self::LENGTH]);

impl Epoch {
    const LENGTH: usize = 8;
    const ALPHABET: &'static [u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

    /// The epoch that the low 40 bits of `random` spell.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut rest = random;
        Self(std::array::from_fn(|_| {
            let digit = Self::ALPHABET.get((rest & 31) as usize).copied();
            rest >>= 5;
            digit.expect("five bits index an alphabet of 32")
        }))
    }

    /// The eight characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an epoch holds ASCII only")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl FromStr for Epoch {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidEventId)?;
        bytes
            .iter()
            .all(|byte| Self::ALPHABET.contains(byte))
            .then_some(Self(bytes))
            .ok_or(InvalidEventId)
    }
}

/// What a client resumes from: `<epoch>-<seq>`, at most 29 bytes, all of them CORS-safe.
///
/// The id says "everything up to here has been served", so resuming is always *strictly after* it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The log that the place belongs to.
    pub epoch: Epoch,
    /// The place.
    pub seq: Seq,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// The text is no event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id: expected <epoch>-<number>, such as abcdefgh-42")]
pub struct InvalidEventId;

impl FromStr for EventId {
    type Err = InvalidEventId;

    /// Accepts exactly what [`EventId`]'s `Display` writes: no sign, no leading zero, no blank.
    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (epoch, digits) = text.split_once('-').ok_or(InvalidEventId)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits == "0" || !digits.starts_with('0');
        if !plain || !canonical {
            return Err(InvalidEventId);
        }
        let seq = digits.parse().map_err(|_| InvalidEventId)?;
        Ok(Self { epoch: epoch.parse()?, seq: Seq(seq) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_round_trip() {
        let id = EventId { epoch: Epoch::from_random(u64::MAX), seq: Seq(42) };
        assert_eq!(id.to_string(), "77777777-42");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "42",
            "abcdefgh",
            "abcdefgh-",
            "abcdefgh--1",
            "abcdefgh-+1",
            "abcdefgh-01",
            "abcdefgh-1 ",
            " abcdefgh-1",
            "abcdefg1-1",
            "ABCDEFGH-1",
            "abcdefghi-1",
            "abcdefgh-18446744073709551616",
            "abcdefgh-\u{661}",
            "abcdefgé-1",
            "\0",
        ] {
            assert_eq!(text.parse::<EventId>(), Err(InvalidEventId), "{text:?}");
        }
    }
}
