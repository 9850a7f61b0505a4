//! What of a source works, in the words of its driver: for `changecast check` and `/sources`.
//!
//! A check asks and changes nothing. It is for people: nothing depends on what it finds.

use std::fmt;

use serde::Serialize;

use super::SourceError;

/// A text as one word for the shell, so that a command can be pasted whatever a name holds.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

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
    /// Whether everybody who sees what was found may see the command, too.
    #[serde(skip)]
    pub is_mend_public: bool,
}

impl Finding {
    /// Something that is as it should be.
    #[must_use]
    pub fn ok(about: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Ok, about, detail.into(), None)
    }

    /// Something that may fail one day, and what prevents it.
    #[must_use]
    pub fn warning(
        about: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Level::Warning, about, detail.into(), Some(mend.into()))
    }

    /// Something that does not work, and what mends it.
    #[must_use]
    pub fn problem(
        about: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Level::Problem, about, detail.into(), Some(mend.into()))
    }

    /// What failed, with the error's own advice.
    #[must_use]
    pub fn failed(about: &'static str, error: &SourceError) -> Self {
        let mend = error.advice().map(ToOwned::to_owned);
        Self::new(Level::Problem, about, error.to_string(), mend)
    }

    /// The same, with a command that everybody may see: it names no user.
    #[must_use]
    pub fn with_public_mend(self) -> Self {
        Self { is_mend_public: true, ..self }
    }

    fn new(level: Level, about: &'static str, detail: String, mend: Option<String>) -> Self {
        Self { level, about, detail, mend, is_mend_public: false }
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn names_cannot_break_out_of_a_command() {
        assert_eq!(shell_word("db1.example:80/a-b_c"), "db1.example:80/a-b_c");
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("$(x)"), "'$(x)'");
    }
}
