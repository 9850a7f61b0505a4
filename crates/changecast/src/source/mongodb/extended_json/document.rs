//! Documents, their elements and their values, borrowed from the raw bytes.
//!
//! It maps type tags to values and must not know how a value is written. Invariants: iterating
//! touches each byte of its own level once and skips nested documents by their length; text stays
//! bytes, because BSON from the outside need not be UTF-8; an iterator ends after its first error.

use std::borrow::Cow;

use super::cursor::{BsonError, Cursor, Problem};

/// Binary subtype 2, which repeats the payload's length inside the payload.
const SUBTYPE_BINARY_OLD: u8 = 2;

/// A document whose frame (length and terminator) is sound. Its elements are not checked yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    body: Cursor<'a>,
}

impl<'a> Document<'a> {
    /// Takes `bytes` as one document, which must fill them.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, BsonError> {
        let mut cursor = Cursor::new(bytes, 0);
        let document = Self { body: cursor.document()? };
        if cursor.is_empty() { Ok(document) } else { Err(cursor.error(Problem::Length)) }
    }

    /// The elements in their order. Keys may repeat.
    pub(crate) fn elements(&self) -> Elements<'a> {
        Elements { cursor: self.body }
    }

    /// Where the elements start in the outermost document.
    pub(super) fn offset(&self) -> usize {
        self.body.offset()
    }
}

/// Iterates over the elements of one document. Ends after its first error.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, BsonError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let element = Element::read(&mut self.cursor);
        if element.is_err() {
            self.cursor.finish();
        }
        Some(element)
    }
}

/// One key with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// The key as it stands in the bytes. In an array it is the index, and means nothing.
    pub(crate) key: &'a [u8],
    /// The value.
    pub(crate) value: Value<'a>,
}

impl<'a> Element<'a> {
    #[inline]
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, BsonError> {
        let tag_offset = cursor.offset();
        let tag = cursor.byte()?;
        let key = cursor.c_string()?;
        let unknown = BsonError { offset: tag_offset, problem: Problem::UnknownType(tag) };
        Ok(Self { key, value: Value::read(tag, cursor, unknown)? })
    }
}

/// A BSON value, with text and payloads still as bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Double(f64),
    String(&'a [u8]),
    Document(Document<'a>),
    Array(Document<'a>),
    Binary {
        subtype: u8,
        payload: &'a [u8],
    },
    Undefined,
    ObjectId([u8; 12]),
    Boolean(bool),
    /// Milliseconds since 1970.
    DateTime(i64),
    Null,
    Regex {
        pattern: &'a [u8],
        options: &'a [u8],
    },
    DbPointer {
        namespace: &'a [u8],
        id: [u8; 12],
    },
    Code(&'a [u8]),
    Symbol(&'a [u8]),
    CodeWithScope {
        code: &'a [u8],
        scope: Document<'a>,
    },
    Int32(i32),
    /// Seconds since 1970, and an ordinal within the second.
    Timestamp {
        seconds: u32,
        increment: u32,
    },
    Int64(i64),
    Decimal128([u8; 16]),
    MinKey,
    MaxKey,
}

impl<'a> Value<'a> {
    /// The value that `tag` announces, or `unknown` when BSON has no such tag.
    #[inline]
    fn read(tag: u8, cursor: &mut Cursor<'a>, unknown: BsonError) -> Result<Self, BsonError> {
        Ok(match tag {
            0x01 => Self::Double(f64::from_le_bytes(cursor.array()?)),
            0x02 => Self::String(cursor.string()?),
            0x03 => Self::Document(Document { body: cursor.document()? }),
            0x04 => Self::Array(Document { body: cursor.document()? }),
            0x05 => Self::read_binary(cursor)?,
            0x06 => Self::Undefined,
            0x07 => Self::ObjectId(cursor.array()?),
            0x08 => Self::read_boolean(cursor)?,
            0x09 => Self::DateTime(i64::from_le_bytes(cursor.array()?)),
            0x0a => Self::Null,
            0x0b => Self::Regex { pattern: cursor.c_string()?, options: cursor.c_string()? },
            0x0c => Self::DbPointer { namespace: cursor.string()?, id: cursor.array()? },
            0x0d => Self::Code(cursor.string()?),
            0x0e => Self::Symbol(cursor.string()?),
            0x0f => Self::read_code_with_scope(cursor)?,
            0x10 => Self::Int32(i32::from_le_bytes(cursor.array()?)),
            0x11 => Self::read_timestamp(cursor)?,
            0x12 => Self::Int64(i64::from_le_bytes(cursor.array()?)),
            0x13 => Self::Decimal128(cursor.array()?),
            0x7f => Self::MaxKey,
            0xff => Self::MinKey,
            _ => return Err(unknown),
        })
    }

    fn read_boolean(cursor: &mut Cursor<'a>) -> Result<Self, BsonError> {
        let start = *cursor;
        match cursor.byte()? {
            0 => Ok(Self::Boolean(false)),
            1 => Ok(Self::Boolean(true)),
            byte => Err(start.error(Problem::Boolean(byte))),
        }
    }

    /// BSON stores the increment first; JSON shows the seconds first.
    fn read_timestamp(cursor: &mut Cursor<'a>) -> Result<Self, BsonError> {
        let increment = u32::from_le_bytes(cursor.array()?);
        let seconds = u32::from_le_bytes(cursor.array()?);
        Ok(Self::Timestamp { seconds, increment })
    }

    fn read_binary(cursor: &mut Cursor<'a>) -> Result<Self, BsonError> {
        let length = cursor.length()?;
        let subtype = cursor.byte()?;
        let start = cursor.offset();
        let mut payload = cursor.take(length)?;
        if subtype == SUBTYPE_BINARY_OLD {
            let mut inner = Cursor::new(payload, start);
            let inner_length = inner.length()?;
            payload = inner.take(inner_length)?;
            if !inner.is_empty() {
                return Err(inner.error(Problem::Length));
            }
        }
        Ok(Self::Binary { subtype, payload })
    }

    /// The outer length covers itself, the code and the scope, and must agree with theirs.
    fn read_code_with_scope(cursor: &mut Cursor<'a>) -> Result<Self, BsonError> {
        let start = *cursor;
        let length = cursor.length()?;
        let rest_length = length.checked_sub(4).ok_or_else(|| start.error(Problem::Length))?;
        let rest_offset = cursor.offset();
        let mut rest = Cursor::new(cursor.take(rest_length)?, rest_offset);
        let code = rest.string()?;
        let scope = Document { body: rest.document()? };
        if !rest.is_empty() {
            return Err(rest.error(Problem::Length));
        }
        Ok(Self::CodeWithScope { code, scope })
    }

    /// The text of a string value; invalid UTF-8 is replaced as the writer replaces it.
    pub(crate) fn as_str(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }

    /// The embedded document, if the value is one.
    pub(crate) fn as_document(&self) -> Option<Document<'a>> {
        match self {
            Self::Document(document) => Some(*document),
            _ => None,
        }
    }
}
