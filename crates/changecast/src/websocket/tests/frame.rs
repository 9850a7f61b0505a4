//! What the server sends.

use super::super::{accept_key, frame, mask};

#[test]
fn a_text_is_one_frame_with_the_shortest_length() {
    for (length, header) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (0xFFFF, vec![0x81, 126, 0xFF, 0xFF]),
        (0x1_0000, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let payload = vec![b'x'; length];
        let whole = frame::text(&payload);
        assert_eq!(whole, [header.clone(), payload].concat(), "{length}");
        let mut begun = b"before".to_vec();
        frame::begin_text(&mut begun, length);
        assert_eq!(begun, [b"before".to_vec(), header].concat(), "{length}");
    }
}

#[test]
fn a_control_frame_is_never_longer_than_125_bytes() {
    assert_eq!(frame::ping(), [0x89, 0].as_slice());
    assert_eq!(frame::pong(b""), [0x8A, 0].as_slice());
    assert_eq!(frame::pong(b"hi"), [0x8A, 2, b'h', b'i'].as_slice());
    assert_eq!(frame::pong(&[1; 126]).len(), 2 + 125);
    assert_eq!(frame::close(1000, ""), [0x88, 2, 0x03, 0xE8].as_slice());
    assert_eq!(frame::close(1000, &"x".repeat(123)).len(), 2 + 125);
    assert_eq!(frame::close(1000, &"x".repeat(500)).len(), 2 + 125);
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    // The 123rd byte is the first of two.
    let reason = format!("{}é", "x".repeat(122));
    let close = frame::close(1001, &reason);
    assert_eq!(close.len(), 2 + 2 + 122);
    assert_eq!(std::str::from_utf8(&close[4..]).expect("UTF-8"), "x".repeat(122));
}

#[test]
fn a_close_is_answered_with_the_same() {
    assert_eq!(frame::close_back(None), [0x88, 0].as_slice());
    let close = (4000, "bye".to_owned());
    assert_eq!(frame::close_back(Some(&close)), frame::close(4000, "bye"));
}

#[test]
fn the_key_is_answered_as_in_the_rfc() {
    // RFC 6455, section 1.3.
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_mask_is_taken_off_byte_for_byte() {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let plain: Vec<u8> = (0..=255).collect();
    for length in 0..plain.len() {
        let mut masked = plain[..length].to_vec();
        mask::apply(&mut masked, mask);
        let expected: Vec<u8> =
            plain.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        assert_eq!(masked, expected[..length], "{length}");
    }
}
