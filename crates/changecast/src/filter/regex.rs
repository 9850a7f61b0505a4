//! MongoDB's regular expressions, run by an engine that is linear in the text.
//!
//! MongoDB's engine backtracks, and so a short pattern can keep it busy for ever. Ours cannot; in
//! exchange it has no lookaround and no backreferences, and refuses them by name.

mod translate;

use regex::{Regex, RegexBuilder};

use super::tree::Value;
use crate::limits;

/// A pattern with its options.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// As in the filter: a regular expression that is stored in a document matches the same one.
    pattern: Box<str>,
    options: Box<str>,
}

impl Pattern {
    /// Compiles a pattern with the options `imsx`. The error says what is wrong with it.
    pub(super) fn compile(pattern: &str, options: &str) -> Result<Self, String> {
        if pattern.len() > limits::FILTER_REGEX_BYTES_MAX {
            return Err(format!("it is longer than {} bytes", limits::FILTER_REGEX_BYTES_MAX));
        }
        let mut sorted: Vec<char> = options.chars().collect();
        sorted.sort_unstable();
        if let Some(unknown) = sorted.iter().find(|option| !"imsx".contains(**option)) {
            return Err(format!("there is no option \"{unknown}\", only i, m, s and x"));
        }
        let translated = translate::translate(pattern, options)?;
        let regex = RegexBuilder::new(&translated)
            .case_insensitive(options.contains('i'))
            .multi_line(options.contains('m'))
            .dot_matches_new_line(options.contains('s'))
            .size_limit(limits::FILTER_REGEX_PROGRAM_BYTES_MAX)
            .dfa_size_limit(limits::FILTER_REGEX_PROGRAM_BYTES_MAX)
            .build()
            .map_err(|error| explain(&error))?;
        Ok(Self { regex, pattern: pattern.into(), options: sorted.into_iter().collect() })
    }

    pub(super) fn matches(&self, value: Value<'_>) -> bool {
        match value {
            Value::String(text) | Value::Symbol(text) => self.regex.is_match(text),
            Value::Regex { pattern, options } => {
                *pattern == *self.pattern && *options == *self.options
            }
            _ => false,
        }
    }
}

/// The engine's last line; those before show the translated pattern, which the user did not write.
fn explain(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => {
            format!("compiled, it takes more than {bytes} bytes")
        }
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}
