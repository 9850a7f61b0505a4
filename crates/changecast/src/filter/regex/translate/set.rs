//! Sets such as `[^a-z\d]`.
//!
//! In ours, `[`, `&&`, `--` and `~~` mean something: whatever is not plainly a range is escaped.

use super::{Translator, refuse};

/// What stands before a place in a set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Character,
    Dash,
}

impl Translator<'_> {
    pub(super) fn set(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.skip('^') {
            self.out.push('^');
        }
        // A bracket that comes first stands for itself.
        if self.skip(']') {
            self.out.push_str(r"\]");
        }
        // What a dash would make a range with.
        let mut before = Before::Nothing;
        loop {
            let Some(next) = self.rest.next() else { return Err("unclosed set".to_owned()) };
            let is_dash = next == '-' && before == Before::Character && !self.is_next(']');
            match next {
                ']' => break,
                '[' if self.is_next(':') => self.posix_class()?,
                '-' if is_dash => self.out.push('-'),
                '\0' => return refuse("a NUL character is"),
                '\\' => self.escape_in_set()?,
                other => self.literal(other),
            }
            before = match before {
                _ if is_dash => Before::Dash,
                Before::Dash => Before::Nothing,
                _ => Before::Character,
            };
        }
        self.out.push(']');
        Ok(())
    }

    fn is_next(&mut self, expected: char) -> bool {
        self.rest.peek() == Some(&expected)
    }

    fn escape_in_set(&mut self) -> Result<(), String> {
        match self.rest.next() {
            Some('b') => self.code_point(8),
            Some('1'..='9') => refuse(r"octal numbers (use \x{…}) are"),
            Some('Q' | 'E') => refuse(r"\Q…\E in a set is"),
            Some(other) => self.character_or_class(other, true),
            None => Err("it ends with a backslash".to_owned()),
        }
    }

    fn posix_class(&mut self) -> Result<(), String> {
        let inside: String = self.rest.clone().take_while(|next| *next != ']').collect();
        let name = inside.strip_prefix(':').and_then(|inside| inside.strip_suffix(':'));
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'^');
        let Some(name) = name.filter(|name| is_name(name)) else {
            self.out.push_str(r"\[");
            return Ok(());
        };
        self.out.push_str(&format!("[:{name}:]"));
        self.skip_to(']');
        Ok(())
    }
}
