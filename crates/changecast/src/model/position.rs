//! Where a source goes on.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// A source's own resume point (resume token, LSN, entry id, rowid, ETag), with the identity of
/// what it belongs to. Only its driver can read it; everybody else stores it and hands it back.
///
/// It is text, in UTF-8, so that it can be kept anywhere: [`Display`](std::fmt::Display) writes it,
/// [`FromStr`] reads it back.
#[derive(Clone, PartialEq, Eq)]
pub struct Position(Bytes);

impl Position {
    /// Wraps what the driver wrote, which is text.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// What the driver wrote.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl FromStr for Position {
    type Err = Infallible;

    /// Takes any text: the driver says what it is worth.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text.to_owned()))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({})", String::from_utf8_lossy(&self.0))
    }
}
