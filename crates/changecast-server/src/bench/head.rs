//! The head of an HTTP answer: the few things that matter here.

/// The longest head that is read.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// An answer, up to its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) is_chunked: bool,
    pub(super) content_length: Option<u64>,
    /// The bytes of the head itself.
    pub(super) length: usize,
}

/// An answer that is none, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHead;

impl Head {
    /// The head that `bytes` begin with; none while it is not all there.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, NoHead> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() < HEAD_BYTES_MAX { Ok(None) } else { Err(NoHead) };
        };
        let text = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok());
        let mut lines = text.ok_or(NoHead)?.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5));
        let status = status.and_then(|status| status.parse().ok()).ok_or(NoHead)?;
        let mut head = Self { status, is_chunked: false, content_length: None, length: end + 4 };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") {
                head.is_chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("content-length") {
                head.content_length = value.parse().ok();
            }
        }
        Ok(Some(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_all_of_it_is_there() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-encoding: Chunked\r\nX: y\r\n\r\n5\r\n";
        let length = wire.len() - 3;
        for end in 0..length {
            assert_eq!(Head::read(&wire[..end]), Ok(None));
        }
        let head = Head { status: 200, is_chunked: true, content_length: None, length };
        assert_eq!(Head::read(wire), Ok(Some(head)));
        let head = Head::read(b"HTTP/1.0 404\r\ncontent-length: 12\r\n\r\n").expect("one");
        let head = head.expect("all of it");
        assert_eq!((head.status, head.content_length, head.is_chunked), (404, Some(12), false));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert_eq!(Head::read(b"SSH-2.0-x\r\n\r\n"), Err(NoHead));
        assert_eq!(Head::read(&[b'x'; HEAD_BYTES_MAX]), Err(NoHead));
    }
}
