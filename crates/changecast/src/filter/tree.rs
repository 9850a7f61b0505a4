//! A JSON text in relaxed Extended JSON as a flat list of typed nodes.
//!
//! Events are read once and asked by many filters; operands of filters are kept the same way, so
//! that both sides of a comparison are one type. Texts are borrowed from the input unless they hold
//! escapes. The module must not know what is compared, or what an event is.
//!
//! | invariant | what it buys | test |
//! |---|---|---|
//! | reading is linear and keeps no stack of calls, whatever the nesting | no event can exhaust the stack | `deep_nesting_costs_no_stack` |
//! | a container's node is followed by those of its content, up to its `end` | a sibling is one step away | `a_tree_says_what_the_text_says` |
//! | what has the form of an Extended JSON value but not its content stays a document | odd documents can be asked, too | `malformed_extended_json_stays_a_document` |

mod date;
mod extended;
mod json;
mod value;

use std::borrow::Cow;

pub(super) use date::parse_date;
pub(super) use value::{At, Fields, Value};

/// A place in the tree.
pub(super) type Index = u32;

/// The nodes of one text, the outermost first.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree<'a> {
    text: Cow<'a, str>,
    nodes: Vec<Node>,
    /// What strings with escapes say.
    unescaped: String,
    /// What binary values hold.
    binary: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The name in the object around it; empty in an array.
    key: Span,
    raw: Raw,
}

/// A part of the text, of the unescaped strings, or of the binary values.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
    is_unescaped: bool,
}

/// A value as the tree keeps it. Composite ones say where the node after their content is.
#[derive(Debug, Clone, Copy)]
enum Raw {
    Null,
    Undefined,
    MinKey,
    MaxKey,
    Bool(bool),
    /// Written as a plain integer or as `$numberInt`.
    Int(i64),
    /// Written as `$numberLong`.
    Long(i64),
    Double(f64),
    Decimal(Span),
    String(Span),
    Symbol(Span),
    Code(Span),
    ObjectId([u8; 12]),
    /// Milliseconds since 1970.
    Date(i64),
    /// Seconds in the upper half, the ordinal in the lower one: the order of timestamps.
    Timestamp(u64),
    Binary {
        subtype: u8,
        payload: Span,
    },
    Object {
        end: Index,
    },
    Array {
        end: Index,
    },
    /// Followed by the pattern and the options.
    Regex {
        end: Index,
    },
    /// Followed by the namespace and the id.
    DbPointer {
        end: Index,
    },
    /// Followed by the code and the scope.
    CodeWithScope {
        end: Index,
    },
}

impl<'a> Tree<'a> {
    /// Reads one JSON value; none if the text is anything else.
    pub(super) fn parse(text: impl Into<Cow<'a, str>>) -> Option<Self> {
        json::parse(text.into())
    }

    /// The outermost value.
    pub(super) fn root(&self) -> Value<'_> {
        self.at(0).value()
    }

    /// The value at a place that [`At::index`] told.
    pub(super) fn at(&self, index: Index) -> At<'_> {
        At::new(self, index)
    }

    fn node(&self, index: Index) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    fn text(&self, span: Span) -> &str {
        let text = if span.is_unescaped { self.unescaped.as_str() } else { &*self.text };
        text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn binary(&self, span: Span) -> &[u8] {
        self.binary.get(span.start as usize..span.end as usize).unwrap_or(&[])
    }
}

impl Node {
    /// Where the next sibling is, for the node at `index`.
    fn next(&self, index: Index) -> Index {
        match self.raw {
            Raw::Object { end }
            | Raw::Array { end }
            | Raw::Regex { end }
            | Raw::DbPointer { end }
            | Raw::CodeWithScope { end } => end,
            _ => index + 1,
        }
    }
}
