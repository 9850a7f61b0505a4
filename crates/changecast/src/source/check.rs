//! What of a source works, in the words of its driver: for `changecast check` and `/sources`.
//!
//! A check asks and changes nothing. It is for people: nothing depends on what it finds.

use std::fmt;

use serde::Serialize;

use super::SourceError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works now, and may not always.
    Warning,
    /// It does not work until somebody mends it.
    Problem,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, in a word.
    pub about: &'static str,
    /// What was found. Holds no secret, and no user's name.
    pub detail: String,
    /// The command that mends it, or what to do where no command can. For the operator: it may name
    /// a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    #[must_use]
    pub fn ok(about: &'static str, detail: impl Into<String>) -> Self {
        Self { level: Level::Ok, about, detail: detail.into(), mend: None }
    }

    /// Something that may fail one day, and what prevents it.
    #[must_use]
    pub fn warning(
        about: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, about, detail: detail.into(), mend: Some(mend.into()) }
    }

    /// Something that does not work, and what mends it.
    #[must_use]
    pub fn problem(
        about: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Problem, about, detail: detail.into(), mend: Some(mend.into()) }
    }

    /// What failed, with the error's own advice.
    #[must_use]
    pub fn failed(about: &'static str, error: &SourceError) -> Self {
        Self {
            level: Level::Problem,
            about,
            detail: error.to_string(),
            mend: error.advice().map(ToOwned::to_owned),
        }
    }
}
