//! A filter as it is evaluated: what the compiler makes of its text.
//!
//! Operands are places in the filter's own tree, so that they compare with an event's values as
//! equals.

use super::path::{Leaf, Path, Walk};
use super::regex::Pattern;
use super::tree::Index;

/// A condition on a document.
#[derive(Debug)]
pub(super) enum Condition {
    /// Holds when all do; also when there are none.
    All(Box<[Self]>),
    Any(Box<[Self]>),
    Not(Box<Self>),
    /// Never.
    Never,
    /// Holds when any value that the path leads to passes the test.
    Field(Path, Test),
}

/// A condition on one value.
#[derive(Debug)]
pub(super) enum Test {
    Compare(Comparison, Index),
    /// One of them, which are sorted.
    In(Box<List>),
    Exists,
    Type(Types),
    Regex(Box<Pattern>),
    Modulo {
        divisor: i64,
        remainder: i64,
    },
    /// An array of so many values.
    Size(u64),
    /// An array with a document (or array) that fulfils the condition.
    AnyDocument(Box<Condition>),
    /// An array with a value that passes all.
    AnyValue(Box<[Self]>),
    Not(Box<[Self]>),
    Every(Box<[Self]>),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operand of `$in`.
#[derive(Debug, Default)]
pub(super) struct List {
    /// In BSON order, without repetition.
    pub(super) values: Vec<Index>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) has_null: bool,
}

/// A set of BSON types, a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types(pub(super) u32);

impl Test {
    /// Whether it looks into an array by itself.
    fn leaf(&self) -> Leaf {
        match self {
            Self::Size(_) | Self::AnyDocument(_) | Self::AnyValue(_) => Leaf::ArrayOnly,
            _ => Leaf::ArrayAndItems,
        }
    }

    /// How its path is walked from `parts` on.
    pub(super) fn walk<'p>(&self, parts: &'p [super::path::Part]) -> Walk<'p> {
        Walk { rest: parts, leaf: self.leaf() }
    }

    /// The condition that any value at `path` passes the test. Negation is lifted out: `$not`
    /// holds when no value passes.
    pub(super) fn at(self, path: &Path) -> Condition {
        match self {
            Self::Not(tests) => Condition::Not(Box::new(Self::all_at(tests, path))),
            Self::Every(tests) => Self::all_at(tests, path),
            Self::Nothing => Condition::Never,
            test => Condition::Field(path.clone(), test),
        }
    }

    /// The condition that each test is passed by a value at `path`.
    pub(super) fn all_at(tests: Box<[Self]>, path: &Path) -> Condition {
        let mut conditions = tests.into_iter().map(|test| test.at(path)).collect::<Vec<_>>();
        match conditions.pop() {
            Some(only) if conditions.is_empty() => only,
            last => Condition::All(conditions.into_iter().chain(last).collect()),
        }
    }
}
