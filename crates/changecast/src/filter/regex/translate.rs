//! A Perl-compatible pattern in our engine's words.
//!
//! Most of the two languages is one. Different are: `\d`, `\w`, `\s` and `\b` know ASCII only in
//! MongoDB; `$` also matches before a line break that ends the text; in sets our engine gives
//! meaning to `[`, `&&`, `--` and `~~`; blanks that the option `x` ignores are left out here. What
//! is not known to mean the same is refused.

mod set;

use std::iter::Peekable;
use std::str::Chars;

const WORD: &str = "0-9A-Za-z_";
const DIGIT: &str = "0-9";
const SPACE: &str = r"\t-\r\x20";
const BLANK: &str = r"\t\x20\u{a0}\u{1680}\u{180e}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}";
const VERTICAL: &str = r"\n-\r\u{85}\u{2028}\u{2029}";

/// What an escaped letter stands for, in a set and outside.
const CLASSES: [(char, &str); 5] =
    [('d', DIGIT), ('w', WORD), ('s', SPACE), ('h', BLANK), ('v', VERTICAL)];

pub(super) fn translate(pattern: &str, options: &str) -> Result<String, String> {
    let flags = Flags { is_multi_line: options.contains('m'), is_verbose: options.contains('x') };
    let out = String::with_capacity(pattern.len() + 16);
    let mut translator = Translator { rest: pattern.chars().peekable(), out, flags, outer: vec![] };
    translator.run()?;
    Ok(translator.out)
}

#[derive(Clone, Copy)]
struct Flags {
    is_multi_line: bool,
    is_verbose: bool,
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    flags: Flags,
    /// What held before each group that is open.
    outer: Vec<Flags>,
}

fn refuse<T>(what: &str) -> Result<T, String> {
    Err(format!("{what} not supported"))
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(next) = self.rest.next() {
            match next {
                '\0' => return refuse("a NUL character is"),
                '\\' => self.escape()?,
                '[' => self.set()?,
                '(' => self.group()?,
                ')' => {
                    self.flags = self.outer.pop().ok_or("unopened group")?;
                    self.out.push(')');
                }
                '$' if self.flags.is_multi_line => self.out.push('$'),
                '$' => self.out.push_str(r"(?:\z|\n\z)"),
                '{' => self.brace(),
                '}' => self.out.push_str(r"\}"),
                ']' => self.out.push_str(r"\]"),
                '*' | '+' | '?' => self.quantifier(next)?,
                '#' if self.flags.is_verbose => self.skip_to('\n'),
                blank if self.flags.is_verbose && blank.is_ascii_whitespace() => {}
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn skip_to(&mut self, end: char) {
        let _ = self.rest.by_ref().find(|next| *next == end);
    }

    fn skip(&mut self, expected: char) -> bool {
        self.rest.next_if_eq(&expected).is_some()
    }

    fn quantifier(&mut self, quantifier: char) -> Result<(), String> {
        self.out.push(quantifier);
        self.after_quantifier()
    }

    fn after_quantifier(&mut self) -> Result<(), String> {
        if self.rest.peek() == Some(&'+') {
            return refuse("possessive quantifiers are");
        }
        if self.skip('?') {
            self.out.push('?');
        }
        Ok(())
    }

    /// A repetition, or else a brace that stands for itself.
    fn brace(&mut self) {
        let inside: String = self.rest.clone().take_while(|next| *next != '}').collect();
        let is_closed = self.rest.clone().any(|next| next == '}');
        let (from, to) = inside.split_once(',').unwrap_or((&inside, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if is_closed && !from.is_empty() && are_digits(from) && are_digits(to) {
            self.out.push('{');
            self.out.push_str(&inside);
            self.out.push('}');
            self.skip_to('}');
        } else {
            self.out.push_str(r"\{");
        }
    }

    fn group(&mut self) -> Result<(), String> {
        if self.rest.peek() == Some(&'*') {
            return refuse("verbs such as (*ACCEPT) are");
        }
        if !self.skip('?') {
            self.outer.push(self.flags);
            self.out.push('(');
            return Ok(());
        }
        match self.rest.next() {
            Some('#') => self.skip_to(')'),
            Some(':') => self.open("(?:"),
            Some('P') if self.skip('<') => self.name()?,
            Some('P') => return refuse("backreferences and subroutine calls are"),
            Some('<') => match self.rest.peek() {
                Some('=' | '!') => return refuse("lookbehind is"),
                _ => self.name()?,
            },
            Some('\'') => return refuse("names in quotes (use ?<name>) are"),
            Some('=' | '!') => return refuse("lookahead is"),
            Some('>') => return refuse("atomic groups are"),
            Some('|') => return refuse("branch resets are"),
            Some('(') => return refuse("conditional groups are"),
            Some('R' | '&' | '+' | '0'..='9') => return refuse("recursion is"),
            Some('C') => return refuse("callouts are"),
            Some(first) => self.inline_flags(first)?,
            None => return Err("unclosed group".to_owned()),
        }
        Ok(())
    }

    fn open(&mut self, text: &str) {
        self.outer.push(self.flags);
        self.out.push_str(text);
    }

    fn name(&mut self) -> Result<(), String> {
        // Nothing refers to a group, so that its name is only checked.
        let name: String = self.rest.by_ref().take_while(|next| *next != '>').collect();
        let is_name = name.chars().all(|next| next.is_alphanumeric() || next == '_');
        if name.is_empty() || !is_name {
            return Err(format!("\"{name}\" is no name for a group"));
        }
        self.open("(?:");
        Ok(())
    }

    /// `(?im-s)` or `(?i:…)`, from its first letter.
    fn inline_flags(&mut self, first: char) -> Result<(), String> {
        let (mut flags, mut is_on, mut kept) = (self.flags, true, String::new());
        let mut next = Some(first);
        loop {
            match next {
                Some('-') if is_on => {
                    is_on = false;
                    kept.push('-');
                }
                Some('x') => flags.is_verbose = is_on,
                Some(flag @ ('i' | 'm' | 's')) => {
                    if flag == 'm' {
                        flags.is_multi_line = is_on;
                    }
                    kept.push(flag);
                }
                Some(end @ (':' | ')')) => {
                    let kept = kept.trim_end_matches('-');
                    if end == ':' {
                        self.open(&format!("(?{kept}:"));
                    } else if !kept.is_empty() {
                        self.out.push_str(&format!("(?{kept})"));
                    }
                    self.flags = flags;
                    return Ok(());
                }
                Some(other) => return Err(format!("a group cannot begin with \"?{other}\"")),
                None => return Err("unclosed group".to_owned()),
            }
            next = self.rest.next();
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(next) = self.rest.next() else {
            return Err("it ends with a backslash".to_owned());
        };
        match next {
            'b' | 'B' => self.out.push_str(&format!(r"(?-u:\{next})")),
            'A' | 'z' => self.out.extend(['\\', next]),
            'Z' => self.out.push_str(r"(?:\z|\n\z)"),
            'N' if self.is_name() => return refuse(r"\N{…} (use \x{…}) is"),
            'N' => self.out.push_str(r"[^\n]"),
            'R' => self.out.push_str(r"(?:\r\n|[\n-\r\u{85}\u{2028}\u{2029}])"),
            'Q' => self.quoted(),
            'E' => {}
            '1'..='9' | 'g' | 'k' => return refuse("backreferences are"),
            'K' | 'G' | 'X' | 'C' => return refuse(&format!(r"\{next} is")),
            other => self.character_or_class(other, false)?,
        }
        Ok(())
    }

    /// Whether a brace follows that cannot be a repetition.
    fn is_name(&self) -> bool {
        let mut next = self.rest.clone();
        next.next() == Some('{') && !next.next().is_some_and(|next| next.is_ascii_digit())
    }

    fn quoted(&mut self) {
        while let Some(next) = self.rest.next() {
            if next == '\\' && self.skip('E') {
                break;
            }
            self.literal(next);
        }
    }

    fn literal(&mut self, character: char) {
        if !character.is_alphanumeric() && character.is_ascii_graphic() {
            self.out.push('\\');
        }
        self.out.push(character);
    }

    fn code_point(&mut self, code: u32) -> Result<(), String> {
        let character = char::from_u32(code).ok_or("there is no such character")?;
        self.out.push_str(&format!(r"\x{{{:x}}}", u32::from(character)));
        Ok(())
    }

    /// What an escape means in a set as well as outside.
    fn character_or_class(&mut self, next: char, is_in_set: bool) -> Result<(), String> {
        let class = CLASSES.iter().find(|(letter, _)| next.to_ascii_lowercase() == *letter);
        if let Some((letter, class)) = class {
            let negation = if next == *letter { "" } else { "^" };
            match (is_in_set, negation) {
                (true, "") => self.out.push_str(class),
                (true, _) => self.out.push_str(&format!("[{negation}{class}]")),
                // Case folding would add the long s and the Kelvin sign to the letters.
                (false, _) => self.out.push_str(&format!("(?-i:[{negation}{class}])")),
            }
            return Ok(());
        }
        match next {
            'a' => self.code_point(7),
            'e' => self.code_point(27),
            'f' | 'n' | 'r' | 't' => {
                self.out.extend(['\\', next]);
                Ok(())
            }
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_graphic() => {
                    self.code_point(u32::from(letter.to_ascii_uppercase()) ^ 64)
                }
                _ => Err(r"\c wants a letter".to_owned()),
            },
            'x' => self.hexadecimal(),
            '0' | 'o' => refuse(r"octal numbers (use \x{…}) are"),
            'p' | 'P' => self.property(next),
            other if other.is_ascii_alphanumeric() => refuse(&format!(r"\{other} is")),
            other => {
                self.literal(other);
                Ok(())
            }
        }
    }

    fn hexadecimal(&mut self) -> Result<(), String> {
        let digits: String = if self.skip('{') {
            self.rest.by_ref().take_while(|next| *next != '}').collect()
        } else {
            let mut digits = String::new();
            while digits.len() < 2
                && let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit)
            {
                digits.push(digit);
            }
            digits
        };
        let code = u32::from_str_radix(&digits, 16);
        self.code_point(code.map_err(|_| format!("\\x{digits} is no character"))?)
    }

    fn property(&mut self, letter: char) -> Result<(), String> {
        self.out.extend(['\\', letter]);
        if self.skip('{') {
            let name: String = self.rest.by_ref().take_while(|next| *next != '}').collect();
            self.out.push_str(&format!("{{{name}}}"));
        } else {
            self.out.extend(self.rest.next());
        }
        Ok(())
    }
}
