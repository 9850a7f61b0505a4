//! JSON to nodes, in one pass and without recursion.

use std::borrow::Cow;

use super::{Index, Node, Raw, Span, Tree, extended};

/// Bytes of text for one node: a guess that fits most events, so that the list rarely grows.
const BYTES_PER_NODE: usize = 16;

/// Bytes judged at once: one vector register on every processor we run on.
const BLOCK_BYTES: usize = 16;

/// Containers that are open at once in most events.
const USUAL_DEPTH: usize = 8;

pub(super) fn parse(text: Cow<'_, str>) -> Option<Tree<'_>> {
    // A span is 32 bits; entries are far smaller.
    u32::try_from(text.len()).ok()?;
    let nodes = Vec::with_capacity(text.len() / BYTES_PER_NODE + 1);
    let tree = Tree { text: Cow::Borrowed(&*text), nodes, ..Tree::default() };
    let mut parser = Parser { text: &text, at: 0, tree, open: Vec::with_capacity(USUAL_DEPTH) };
    parser.run()?;
    let Tree { nodes, unescaped, binary, .. } = parser.tree;
    Some(Tree { text, nodes, unescaped, binary })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    tree: Tree<'t>,
    /// Containers that have not ended yet.
    open: Vec<Index>,
}

/// What comes next.
enum Step {
    /// A value, of this name.
    Value(Span),
    /// What follows a value.
    After,
    End,
}

impl Parser<'_> {
    fn run(&mut self) -> Option<()> {
        let mut step = Step::Value(Span::default());
        loop {
            self.blanks();
            step = match step {
                Step::Value(key) => self.value(key)?,
                Step::After => self.after_value()?,
                Step::End => return (self.at == self.text.len()).then_some(()),
            }
        }
    }

    fn value(&mut self, key: Span) -> Option<Step> {
        let raw = match self.peek()? {
            b'"' => Raw::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' => return self.open(key, Raw::Object { end: 0 }, b'}'),
            b'[' => return self.open(key, Raw::Array { end: 0 }, b']'),
            b't' => self.word("true", Raw::Bool(true))?,
            b'f' => self.word("false", Raw::Bool(false))?,
            b'n' => self.word("null", Raw::Null)?,
            _ => return None,
        };
        self.tree.nodes.push(Node { key, raw });
        Some(Step::After)
    }

    fn open(&mut self, key: Span, raw: Raw, close: u8) -> Option<Step> {
        self.at += 1;
        self.open.push(Index::try_from(self.tree.nodes.len()).ok()?);
        self.tree.nodes.push(Node { key, raw });
        self.blanks();
        if self.peek()? == close {
            return Some(Step::After);
        }
        match raw {
            Raw::Object { .. } => self.key(),
            _ => Some(Step::Value(Span::default())),
        }
    }

    fn after_value(&mut self) -> Option<Step> {
        let Some(&container) = self.open.last() else { return Some(Step::End) };
        let is_object = matches!(self.tree.node(container)?.raw, Raw::Object { .. });
        let byte = self.peek()?;
        self.at += 1;
        match (byte, is_object) {
            (b',', true) => {
                self.blanks();
                self.key()
            }
            (b',', false) => Some(Step::Value(Span::default())),
            (b'}', true) | (b']', false) => self.close(container, is_object),
            _ => None,
        }
    }

    fn close(&mut self, container: Index, is_object: bool) -> Option<Step> {
        self.open.pop();
        let end = Index::try_from(self.tree.nodes.len()).ok()?;
        let node = self.tree.nodes.get_mut(container as usize)?;
        node.raw = if is_object { Raw::Object { end } } else { Raw::Array { end } };
        if is_object {
            extended::collapse(&mut self.tree, container);
        }
        Some(Step::After)
    }

    fn key(&mut self) -> Option<Step> {
        let key = self.string()?;
        self.blanks();
        (self.peek()? == b':').then_some(())?;
        self.at += 1;
        Some(Step::Value(key))
    }

    #[inline]
    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or(&[])
    }

    fn word(&mut self, word: &str, raw: Raw) -> Option<Raw> {
        self.rest().starts_with(word.as_bytes()).then_some(())?;
        self.at += word.len();
        Some(raw)
    }

    fn number(&mut self) -> Option<Raw> {
        let rest = self.rest();
        let is_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = rest.iter().position(|byte| !is_number(byte)).unwrap_or(rest.len());
        let token = self.text.get(self.at..self.at + length)?;
        let span = self.span(self.at, self.at + length)?;
        self.at += length;
        if let Ok(integer) = token.parse::<i64>() {
            return Some(Raw::Int(integer));
        }
        if token.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return token.parse().ok().map(Raw::Double);
        }
        let digits = token.strip_prefix('-').unwrap_or(token);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_integer.then_some(Raw::Decimal(span))
    }

    fn string(&mut self) -> Option<Span> {
        (self.peek()? == b'"').then_some(())?;
        self.at += 1;
        let start = self.at;
        let length = self.plain_length()?;
        self.at += length;
        if self.peek()? == b'"' {
            self.at += 1;
            return self.span(start, self.at - 1);
        }
        self.escaped_string(start)
    }

    /// How far the string goes without anything special in it.
    fn plain_length(&self) -> Option<usize> {
        let rest = self.rest();
        let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        // Whole blocks without a branch per byte, which the compiler turns into vector
        // instructions.
        let is_plain =
            |block: &&[u8]| !block.iter().fold(false, |found, byte| found | is_special(byte));
        let skipped = rest.chunks_exact(BLOCK_BYTES).take_while(is_plain).count() * BLOCK_BYTES;
        Some(skipped + rest.get(skipped..)?.iter().position(is_special)?)
    }

    /// The rest of a string that holds escapes; `self.at` stands at the first.
    fn escaped_string(&mut self, start: usize) -> Option<Span> {
        let from = self.tree.unescaped.len();
        self.tree.unescaped.push_str(self.text.get(start..self.at)?);
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let character = self.escape()?;
                    self.tree.unescaped.push(character);
                }
                _ => return None,
            }
            let length = self.plain_length()?;
            self.tree.unescaped.push_str(self.text.get(self.at..self.at + length)?);
            self.at += length;
        }
        let mut span = self.span(from, self.tree.unescaped.len())?;
        span.is_unescaped = true;
        Some(span)
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                char::from_u32(first).or_else(|| self.surrogate(first))?
            }
            _ => return None,
        })
    }

    /// The character of a surrogate pair. One alone stands for nothing: U+FFFD.
    fn surrogate(&mut self, first: u32) -> Option<char> {
        let before = self.at;
        if first < 0xdc00 && self.rest().starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn span(&self, start: usize, end: usize) -> Option<Span> {
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        Some(Span { start, end, is_unescaped: false })
    }
}
