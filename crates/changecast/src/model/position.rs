//! Where a source goes on.

use bytes::Bytes;

/// A source's own resume point (resume token, LSN, entry id, rowid, ETag), with the identity of
/// what it belongs to. Only its driver can read it; everybody else stores it and hands it back.
#[derive(Clone, PartialEq, Eq)]
pub struct Position(Bytes);

impl Position {
    /// Wraps what the driver wrote.
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

impl std::fmt::Debug for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Position({})", String::from_utf8_lossy(&self.0))
    }
}
