//! `$match` documents, valid and not.

use mongodb::bson::{Bson, Document, doc};

use super::documents::{Documents, NAMES};

/// Where our engine is known to differ (docs/FILTERS.md) is left out.
pub(super) const PATTERNS: [&str; 30] = [
    "a",
    "^a",
    "b$",
    "a.b",
    r"\d",
    r"^\w+$",
    "[^a]",
    "(?i)A",
    "a|b",
    "",
    r"\s",
    "$",
    r"\A$",
    "a{1,2}",
    r"\bab\b",
    r"[\d-]",
    "é",
    "a{",
    "(?m)^b",
    r"a\Z",
    r"\Aa",
    "[]a]",
    "[a b]",
    "(?x) a # c\n",
    "K",
    "s",
    r"\W",
    "(?:a)(?<n>b)",
    r"[[:digit:]a]",
    r"a\z",
];

/// Not `int` and `long`, which relaxed Extended JSON does not tell apart.
const TYPES: [&str; 19] = [
    "double",
    "string",
    "object",
    "array",
    "binData",
    "undefined",
    "objectId",
    "bool",
    "date",
    "null",
    "regex",
    "dbPointer",
    "javascript",
    "symbol",
    "javascriptWithScope",
    "timestamp",
    "decimal",
    "number",
    "maxKey",
];

/// Makes queries, often about what is there to be found.
pub(super) struct Queries<'r>(pub(super) &'r mut fastrand::Rng, pub(super) &'r [(String, Bson)]);

/// Every path in a document, and what stands there.
pub(super) fn known(prefix: &str, value: &Bson, known: &mut Vec<(String, Bson)>) {
    // With the index on `_id`, MongoDB refuses some queries: "Cannot invert inexact bounds".
    if !prefix.is_empty() && prefix != "_id" {
        known.push((prefix.to_owned(), value.clone()));
    }
    let path =
        |name: &str| if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") };
    match value {
        Bson::Document(document) => {
            for (name, value) in document {
                self::known(&path(name), value, known);
            }
        }
        Bson::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                // With the place in the array, and without.
                self::known(&path(&index.to_string()), value, known);
                self::known(prefix, value, known);
            }
        }
        _ => {}
    }
}

impl Queries<'_> {
    pub(super) fn query(&mut self) -> Document {
        self.conditions(2)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())].clone()
    }

    fn known(&mut self) -> Option<(String, Bson)> {
        let is_wanted = !self.1.is_empty() && self.0.bool();
        is_wanted.then(|| self.1[self.0.usize(..self.1.len())].clone())
    }

    fn value(&mut self) -> Bson {
        match self.known() {
            Some((_, value)) => value,
            None => Documents(self.0).value(2),
        }
    }

    fn path(&mut self) -> String {
        if let Some((path, _)) = self.known() {
            return path;
        }
        let count = self.pick(&[1, 1, 1, 2, 2, 2, 3, 4]);
        (0..count).map(|_| self.pick(&NAMES)).collect::<Vec<_>>().join(".")
    }

    fn conditions(&mut self, depth: usize) -> Document {
        let count = self.pick(&[1, 1, 1, 1, 2, 3]);
        let mut conditions = Document::new();
        for _ in 0..count {
            if depth > 0 && self.0.u8(..6) == 0 {
                let name = self.pick(&["$and", "$or", "$nor"]);
                let count = self.0.usize(0..=3);
                let parts: Vec<_> = (0..count).map(|_| self.conditions(depth - 1)).collect();
                conditions.insert(name, parts);
            } else {
                let (path, condition) = match self.0.u8(..4) {
                    0 => self.equality(),
                    1 => self.comparison(),
                    _ => (self.path(), self.condition(depth)),
                };
                conditions.insert(path, condition);
            }
        }
        conditions
    }

    /// A path, and what stands there somewhere.
    fn equality(&mut self) -> (String, Bson) {
        self.known().unwrap_or_else(|| (self.path(), self.value()))
    }

    fn comparison(&mut self) -> (String, Bson) {
        let (path, value) = self.equality();
        let name = self.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]);
        (path, Bson::Document(doc! { name: value }))
    }

    fn condition(&mut self, depth: usize) -> Bson {
        match self.0.u8(..8) {
            0 | 1 => self.value(),
            2 => Documents(self.0).regex(),
            _ => Bson::Document(self.operators(depth)),
        }
    }

    fn operators(&mut self, depth: usize) -> Document {
        let count = self.pick(&[1, 1, 1, 2]);
        let mut operators = Document::new();
        for _ in 0..count {
            let (name, operand) = self.operator(depth);
            operators.insert(name, operand);
        }
        operators
    }

    fn operator(&mut self, depth: usize) -> (&'static str, Bson) {
        match self.0.u8(..22) {
            0..=6 => (self.pick(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), self.value()),
            7..=9 => (self.pick(&["$in", "$nin"]), self.values()),
            10 => ("$exists", self.pick(&[true.into(), false.into(), 0.into(), Bson::Null])),
            11..=12 => ("$type", self.types()),
            13 => ("$regex", self.pick(&PATTERNS).into()),
            14 => ("$mod", self.modulo()),
            15 => {
                ("$size", self.pick(&[0.into(), 1.into(), 2.0.into(), Bson::Int64(3), 1.5.into()]))
            }
            16..=17 => ("$all", self.every(depth)),
            18..=19 => ("$elemMatch", Bson::Document(self.element(depth))),
            _ if depth > 0 && self.0.u8(..4) > 0 => {
                ("$not", Bson::Document(self.operators(depth - 1)))
            }
            _ => ("$not", Documents(self.0).regex()),
        }
    }

    fn values(&mut self) -> Bson {
        let count = self.0.usize(0..=4);
        let value = |_| if self.0.u8(..12) == 0 { Documents(self.0).regex() } else { self.value() };
        (0..count).map(value).collect::<Vec<_>>().into()
    }

    fn types(&mut self) -> Bson {
        match self.0.u8(..4) {
            0 => self.pick(&[1, 2, 3, 4, 5, 6, 10, 11, -1, 127, 0, 99]).into(),
            1 => vec![self.pick(&TYPES), self.pick(&TYPES)].into(),
            _ => self.pick(&TYPES).into(),
        }
    }

    fn modulo(&mut self) -> Bson {
        let divisor = self.pick(&[
            Bson::Int32(2),
            Bson::Int32(-3),
            Bson::Int64(i64::MAX),
            Bson::Double(4.7),
            Bson::Int32(0),
            Bson::Int32(-1),
            Bson::Decimal128("5.5".parse().expect("a decimal")),
        ]);
        vec![divisor, self.pick(&[0.into(), 1.into(), (-1).into(), 1.9.into()])].into()
    }

    fn every(&mut self, depth: usize) -> Bson {
        if depth == 0 || self.0.u8(..3) > 0 {
            return self.values();
        }
        let count = self.0.usize(1..=2);
        let part = |_| Bson::Document(doc! { "$elemMatch": self.element(depth - 1) });
        (0..count).map(part).collect::<Vec<_>>().into()
    }

    fn element(&mut self, depth: usize) -> Document {
        if self.0.bool() {
            self.operators(depth.saturating_sub(1))
        } else {
            self.conditions(depth.saturating_sub(1))
        }
    }
}
