//! A cursor over BSON bytes: the only place that decides whether a length may be believed.
//!
//! It knows the byte-level building blocks (integers, C strings, strings, documents) and must not
//! know which type tag uses which block, nor anything about JSON. Invariants: no read outside the
//! slice it was given, no panic, and every failure names the byte it was found at.

use std::fmt;

/// The smallest document: its 4-byte length and its terminator.
const DOCUMENT_BYTES_MIN: usize = 5;

/// Why bytes are not BSON that can be written, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BsonError {
    /// Byte offset from the start of the outermost document.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) problem: Problem,
}

/// What can be wrong with BSON bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Problem {
    /// The bytes end inside a value.
    Truncated,
    /// A length is negative, too small, or disagrees with what it measures.
    Length,
    /// A string or document does not end in a zero byte where its length says it does.
    Terminator,
    /// A type tag BSON does not define.
    UnknownType(u8),
    /// A boolean that is neither 0 nor 1.
    Boolean(u8),
    /// Documents nested deeper than the writer follows.
    TooDeep,
}

impl fmt::Display for BsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            Problem::Truncated => f.write_str("bson ends inside a value")?,
            Problem::Length => f.write_str("bson length does not fit its value")?,
            Problem::Terminator => f.write_str("bson value lacks its terminating zero")?,
            Problem::UnknownType(tag) => write!(f, "unknown bson type {tag:#04x}")?,
            Problem::Boolean(byte) => write!(f, "bson boolean is {byte:#04x}")?,
            Problem::TooDeep => f.write_str("bson documents nested too deep")?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for BsonError {}

/// The bytes not read yet, and where they start in the outermost document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error about the byte the cursor stands on.
    pub(super) fn error(&self, problem: Problem) -> BsonError {
        BsonError { offset: self.offset, problem }
    }

    /// Goes to the end, so that nothing is read after a failure.
    pub(super) fn finish(&mut self) {
        self.rest = &[];
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], BsonError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or_else(|| self.error(Problem::Truncated))?;
        self.rest = rest;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BsonError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or_else(|| self.error(Problem::Truncated))?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, BsonError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A 4-byte length, which BSON signs although none may be negative.
    pub(super) fn length(&mut self) -> Result<usize, BsonError> {
        let error = self.error(Problem::Length);
        usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| error)
    }

    /// Bytes up to a zero byte, which is consumed and left out.
    pub(super) fn c_string(&mut self) -> Result<&'a [u8], BsonError> {
        let length = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| self.error(Problem::Terminator))?;
        let text = self.take(length)?;
        self.byte()?;
        Ok(text)
    }

    /// A length-prefixed string without its terminator. It may hold zero bytes and bad UTF-8.
    pub(super) fn string(&mut self) -> Result<&'a [u8], BsonError> {
        let start = *self;
        let length = self.length()?;
        let text_length = length.checked_sub(1).ok_or_else(|| start.error(Problem::Length))?;
        let text = self.take(text_length)?;
        self.terminator()?;
        Ok(text)
    }

    /// The elements of a document: what stands between its length and its terminator.
    pub(super) fn document(&mut self) -> Result<Cursor<'a>, BsonError> {
        let start = *self;
        let body_length = self
            .length()?
            .checked_sub(DOCUMENT_BYTES_MIN)
            .ok_or_else(|| start.error(Problem::Length))?;
        let body = Self { rest: self.take(body_length)?, offset: start.offset + 4 };
        self.terminator()?;
        Ok(body)
    }

    fn terminator(&mut self) -> Result<(), BsonError> {
        let error = self.error(Problem::Terminator);
        if self.byte()? == 0 { Ok(()) } else { Err(error) }
    }
}
