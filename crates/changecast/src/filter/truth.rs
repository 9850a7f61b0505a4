//! Three truth values, after Kleene: what is not known may still not matter.

/// The outcome of a condition, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    False,
    /// It depends on what the source did not send.
    Undecidable,
    True,
}

impl Truth {
    /// The weakest, `True` of none; nothing is asked after the first `False`.
    pub(super) fn all(mut outcomes: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::True;
        while all != Self::False
            && let Some(next) = outcomes.next()
        {
            all = all.min(next);
        }
        all
    }

    /// The strongest, `False` of none; nothing is asked after the first `True`.
    pub(super) fn any(outcomes: impl Iterator<Item = Self>) -> Self {
        !Self::all(outcomes.map(|outcome| !outcome))
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Undecidable => Self::Undecidable,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(outcome: bool) -> Self {
        if outcome { Self::True } else { Self::False }
    }
}
