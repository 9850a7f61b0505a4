//! Documents full of what is easily got wrong.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{
    Binary, Bson, DateTime, DbPointer, Document, JavaScriptCodeWithScope, Regex, Timestamp, doc,
};

use super::queries::PATTERNS;

/// Levels of documents and arrays in each other.
const DEPTH: usize = 3;

pub(super) const NAMES: [&str; 6] = ["a", "a", "b", "c", "0", "1"];

const STRINGS: [&str; 16] = [
    "",
    "a",
    "b",
    "ab",
    "A",
    "é",
    "É",
    "a b",
    "a1",
    "a\nb",
    "a\n",
    "ab\n",
    "\"\\\u{1}",
    "\u{17f}",
    "0",
    "\u{212a}",
];

const DOUBLES: [f64; 15] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    0.1,
    5.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    1e300,
    5e-324,
];

const LONGS: [i64; 9] = [
    0,
    1,
    -1,
    5,
    9_007_199_254_740_992,
    9_007_199_254_740_993,
    -9_007_199_254_740_993,
    i64::MAX,
    i64::MIN,
];

const DECIMALS: [&str; 16] = [
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "1.5",
    "0.1",
    "0.1000000000000000055511151231257827",
    "NaN",
    "Infinity",
    "-Infinity",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "1E-6176",
    "9.999999999999999999999999999999999E+6144",
];

/// Parts of patterns that can be repeated.
const ATOMS: [&str; 24] = [
    "a",
    "b",
    "A",
    ".",
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\s",
    r"\S",
    "[^a]",
    "[a-c]",
    "[^a-c\n]",
    "(a|b)",
    "(?:ab)",
    "(?i:a)",
    "(?s:.)",
    r"\x61",
    r"\n",
    "é",
    "k",
    r"[\s\d]",
    r"\N",
    r"[[:^alpha:]]",
];

/// Makes documents and values.
pub(super) struct Documents<'r>(pub(super) &'r mut fastrand::Rng);

impl Documents<'_> {
    pub(super) fn document(&mut self, id: i32) -> Document {
        let mut document = doc! { "_id": id };
        document.extend(self.fields(DEPTH));
        document
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())].clone()
    }

    fn fields(&mut self, depth: usize) -> Document {
        let count = self.0.usize(0..=3);
        (0..count).map(|_| (self.pick(&NAMES).to_owned(), self.value(depth))).collect()
    }

    pub(super) fn value(&mut self, depth: usize) -> Bson {
        match self.0.u8(..20) {
            0..=3 if depth > 0 => Bson::Document(self.fields(depth - 1)),
            4..=9 if depth > 0 => {
                let count = self.0.usize(0..=3);
                Bson::Array((0..count).map(|_| self.value(depth - 1)).collect())
            }
            _ => self.scalar(),
        }
    }

    pub(super) fn scalar(&mut self) -> Bson {
        match self.0.u8(..24) {
            0..=2 => Bson::Null,
            3..=6 => Bson::Int32(self.pick(&[0, 1, -1, 2, 5, i32::MAX, i32::MIN])),
            7..=8 => Bson::Int64(self.pick(&LONGS)),
            9..=11 => Bson::Double(self.pick(&DOUBLES)),
            12..=13 => Bson::Decimal128(self.pick(&DECIMALS).parse().expect("a decimal")),
            14..=18 => Bson::String(self.pick(&STRINGS).to_owned()),
            19 => Bson::Boolean(self.0.bool()),
            _ => self.rare(),
        }
    }

    fn id(&mut self) -> ObjectId {
        ObjectId::from_bytes([self.pick(&[0, 1, 0xff]); 12])
    }

    fn rare(&mut self) -> Bson {
        match self.0.u8(..14) {
            0 => Bson::Undefined,
            1 => Bson::MinKey,
            2 => Bson::MaxKey,
            3..=4 => Bson::ObjectId(self.id()),
            5..=6 => {
                let millis = [0, -1, 1, 951_826_554_321, 253_402_300_800_000, i64::MIN, i64::MAX];
                Bson::DateTime(DateTime::from_millis(self.pick(&millis)))
            }
            // Without 0, 0, which MongoDB replaces by the current time.
            7 => Bson::Timestamp(Timestamp {
                time: self.pick(&[0, 1, u32::MAX]),
                increment: self.pick(&[1, 2, u32::MAX]),
            }),
            8..=9 => self.binary(),
            10 => self.regex(),
            11 => Bson::Symbol(self.pick(&STRINGS).to_owned()),
            12 => Bson::JavaScriptCode(self.pick(&STRINGS).to_owned()),
            _ if self.0.bool() => Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
                code: self.pick(&STRINGS).to_owned(),
                scope: doc! { "a": self.pick(&[1, 2]) },
            }),
            _ => {
                let pointer = doc! { "$dbPointer": { "$ref": "a", "$id": self.id() } };
                let pointer: DbPointer = mongodb::bson::deserialize_from_bson(
                    Bson::try_from(Bson::Document(pointer).into_relaxed_extjson())
                        .expect("a pointer"),
                )
                .expect("a pointer");
                Bson::DbPointer(pointer)
            }
        }
    }

    fn binary(&mut self) -> Bson {
        let subtype = self.pick(&[
            BinarySubtype::Generic,
            BinarySubtype::BinaryOld,
            BinarySubtype::Uuid,
            BinarySubtype::Md5,
        ]);
        let bytes = self.pick(&[vec![], vec![0], vec![1], vec![0xff, 0], vec![1; 6], vec![7; 16]]);
        Bson::Binary(Binary { subtype, bytes })
    }

    pub(super) fn regex(&mut self) -> Bson {
        let (pattern, options) = if self.0.bool() {
            (self.pattern(), self.pick(&["", "i", "s", "x"]))
        } else {
            (self.pick(&PATTERNS).to_owned(), self.pick(&["", "", "i", "m", "s", "imsx"]))
        };
        Bson::RegularExpression(Regex {
            pattern: pattern.try_into().expect("no NUL"),
            options: options.try_into().expect("no NUL"),
        })
    }

    /// A pattern of a few random parts.
    fn pattern(&mut self) -> String {
        let mut pattern = self.pick(&["", "^"]).to_owned();
        for _ in 0..self.0.usize(1..=3) {
            pattern += self.pick(&ATOMS);
            pattern += self.pick(&["", "", "*", "+", "?", "+?", "{1,2}", "{2}", "{,2}"]);
        }
        pattern + self.pick(&["", "$"])
    }
}
