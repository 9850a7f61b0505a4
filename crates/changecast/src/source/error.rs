//! What can go wrong with a source, and the one place that decides what follows from it.

/// Why a source cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The database cannot be reached, or answered something that passes.
    #[error("{0}")]
    Unavailable(String),

    /// The database no longer has the history after the position.
    #[error("history lost: {0}")]
    HistoryLost(String),

    /// Somebody has to mend it: a wrong password, a missing right, a standalone server.
    #[error("{problem}")]
    Operator {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },

    /// What the source is asked for cannot be had from it.
    #[error("{0}")]
    Unsupported(String),
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again soon, for ever.
    Retry,
    /// Say so, and look again now and then: only an operator can mend it.
    Operator,
    /// Write a gap, and start from now.
    Gap,
}

impl SourceError {
    /// What follows from this error.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unavailable(_) => Remedy::Retry,
            Self::HistoryLost(_) => Remedy::Gap,
            Self::Operator { .. } | Self::Unsupported(_) => Remedy::Operator,
        }
    }

    /// What somebody can do about it, in words.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        match self {
            Self::Operator { remedy, .. } => Some(remedy),
            Self::Unavailable(_) => {
                Some("see that it runs and can be reached from here; it is tried again")
            }
            Self::HistoryLost(_) | Self::Unsupported(_) => None,
        }
    }
}
