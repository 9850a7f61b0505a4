//! Reading a tree: places, and the values that stand there.

use super::{Index, Raw, Tree};

/// A place in a tree.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct At<'t> {
    tree: &'t Tree<'t>,
    index: Index,
}

/// A value as BSON knows it, borrowed from its tree.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Value<'t> {
    Null,
    Undefined,
    MinKey,
    MaxKey,
    Bool(bool),
    Int(i64),
    Long(i64),
    Double(f64),
    /// The number as it is written.
    Decimal(&'t str),
    String(&'t str),
    Symbol(&'t str),
    Code(&'t str),
    ObjectId([u8; 12]),
    Date(i64),
    Timestamp(u64),
    Binary {
        subtype: u8,
        payload: &'t [u8],
    },
    Object(Fields<'t>),
    Array(Fields<'t>),
    Regex {
        pattern: &'t str,
        options: &'t str,
    },
    DbPointer {
        namespace: &'t str,
        id: [u8; 12],
    },
    CodeWithScope {
        code: &'t str,
        scope: Fields<'t>,
    },
}

/// What an object or an array holds, in its order.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Fields<'t> {
    tree: &'t Tree<'t>,
    next: Index,
    end: Index,
}

impl<'t> At<'t> {
    pub(super) fn new(tree: &'t Tree<'t>, index: Index) -> Self {
        Self { tree, index }
    }

    /// What [`Tree::at`] finds it by.
    pub(in super::super) fn index(self) -> Index {
        self.index
    }

    /// The name in the object around it.
    #[inline]
    pub(in super::super) fn key(self) -> &'t str {
        self.tree.node(self.index).map_or("", |node| self.tree.text(node.key))
    }

    #[inline]
    pub(in super::super) fn value(self) -> Value<'t> {
        let tree = self.tree;
        let Some(node) = tree.node(self.index) else { return Value::Undefined };
        match node.raw {
            Raw::Null => Value::Null,
            Raw::Undefined => Value::Undefined,
            Raw::MinKey => Value::MinKey,
            Raw::MaxKey => Value::MaxKey,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Int(number) => Value::Int(number),
            Raw::Long(number) => Value::Long(number),
            Raw::Double(number) => Value::Double(number),
            Raw::Decimal(span) => Value::Decimal(tree.text(span)),
            Raw::String(span) => Value::String(tree.text(span)),
            Raw::Symbol(span) => Value::Symbol(tree.text(span)),
            Raw::Code(span) => Value::Code(tree.text(span)),
            Raw::ObjectId(id) => Value::ObjectId(id),
            Raw::Date(millis) => Value::Date(millis),
            Raw::Timestamp(time) => Value::Timestamp(time),
            Raw::Binary { subtype, payload } => {
                Value::Binary { subtype, payload: tree.binary(payload) }
            }
            Raw::Object { end } => Value::Object(self.content(end)),
            Raw::Array { end } => Value::Array(self.content(end)),
            Raw::Regex { end } | Raw::DbPointer { end } | Raw::CodeWithScope { end } => {
                self.composite(node.raw, self.content(end))
            }
        }
    }

    fn content(self, end: Index) -> Fields<'t> {
        Fields { tree: self.tree, next: self.index + 1, end }
    }

    fn composite(self, raw: Raw, mut parts: Fields<'t>) -> Value<'t> {
        let first = parts.next().map(At::value);
        let second = parts.next().map(At::value);
        match (raw, first, second) {
            (Raw::Regex { .. }, Some(Value::String(pattern)), Some(Value::String(options))) => {
                Value::Regex { pattern, options }
            }
            (Raw::DbPointer { .. }, Some(Value::String(namespace)), Some(Value::ObjectId(id))) => {
                Value::DbPointer { namespace, id }
            }
            (_, Some(Value::String(code)), Some(Value::Object(scope))) => {
                Value::CodeWithScope { code, scope }
            }
            _ => Value::Undefined,
        }
    }
}

impl<'t> Fields<'t> {
    /// The first field of that name; in MongoDB, too, later ones cannot be reached.
    #[inline]
    pub(in super::super) fn find(self, name: &str) -> Option<At<'t>> {
        let mut fields = self;
        Iterator::find(&mut fields, |field| field.key() == name)
    }

    pub(in super::super) fn is_empty(self) -> bool {
        self.next >= self.end
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = At<'t>;

    #[inline]
    fn next(&mut self) -> Option<At<'t>> {
        if self.next >= self.end {
            return None;
        }
        let at = At { tree: self.tree, index: self.next };
        self.next = self.tree.node(self.next)?.next(self.next);
        Some(at)
    }
}
