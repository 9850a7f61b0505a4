//! JSON strings from bytes that should be UTF-8 and may not be.
//!
//! Escapes exactly as serde_json does: quote, backslash and control characters, nothing else.
//! Invariant: what is appended is valid JSON and valid UTF-8 whatever the input.

/// Bytes judged at once: one vector register on every processor we run on.
const BLOCK_BYTES: usize = 16;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends `bytes` as a JSON string and returns how many U+FFFD stand for invalid UTF-8 in it.
pub(super) fn write_string(bytes: &[u8], out: &mut Vec<u8>) -> u64 {
    let mut replacements = 0;
    out.push(b'"');
    if std::str::from_utf8(bytes).is_ok() {
        escape(bytes, out);
    } else {
        for chunk in bytes.utf8_chunks() {
            escape(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(REPLACEMENT);
                replacements += 1;
            }
        }
    }
    out.push(b'"');
    replacements
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(length) = find_escape(rest) {
        let Some((plain, [byte, after @ ..])) = rest.split_at_checked(length) else {
            break;
        };
        out.extend_from_slice(plain);
        escape_byte(*byte, out);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Where the first byte to escape stands. Whole blocks are judged at once, without a branch per
/// byte, which the compiler turns into vector instructions; most text has nothing to escape.
fn find_escape(bytes: &[u8]) -> Option<usize> {
    let clean = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | must_escape(*byte));
    let skipped = bytes.chunks_exact(BLOCK_BYTES).take_while(clean).count() * BLOCK_BYTES;
    let at = bytes.get(skipped..)?.iter().position(|byte| must_escape(*byte))?;
    Some(skipped + at)
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x08 => out.extend_from_slice(b"\\b"),
        0x09 => out.extend_from_slice(b"\\t"),
        0x0a => out.extend_from_slice(b"\\n"),
        0x0c => out.extend_from_slice(b"\\f"),
        0x0d => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(b"\\u00");
            write_hex(&[byte], out);
        }
    }
}

/// Appends two lower-case hexadecimal digits for each byte.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |nibble: u8| {
        if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
    };
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]));
}
