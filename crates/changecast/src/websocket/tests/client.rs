//! A client's frames, sound or not.

use proptest::prelude::*;

use super::super::mask;

/// What masks a client's frames here, unless the test says otherwise.
pub(super) const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame, every part of which may be wrong.
#[derive(Clone, Debug)]
pub(super) struct ClientFrame {
    pub(super) is_final: bool,
    /// Three bits.
    pub(super) reserved: u8,
    pub(super) opcode: u8,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) payload: Vec<u8>,
    /// The least bytes that the length takes: 1, 3 or 9.
    pub(super) length_bytes_min: usize,
}

/// A whole frame of a sound client.
pub(super) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> ClientFrame {
    let payload = payload.as_ref().to_vec();
    let mask = Some(MASK);
    ClientFrame { is_final: true, reserved: 0, opcode, mask, payload, length_bytes_min: 1 }
}

pub(super) fn text(payload: impl AsRef<[u8]>) -> ClientFrame {
    frame(1, payload)
}

pub(super) fn ping(payload: impl AsRef<[u8]>) -> ClientFrame {
    frame(9, payload)
}

pub(super) fn close(code: u16, reason: impl AsRef<[u8]>) -> ClientFrame {
    frame(8, [&code.to_be_bytes(), reason.as_ref()].concat())
}

impl ClientFrame {
    pub(super) fn not_final(self) -> Self {
        Self { is_final: false, ..self }
    }

    pub(super) fn reserved(self, reserved: u8) -> Self {
        Self { reserved, ..self }
    }

    pub(super) fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode];
        let masked = u8::from(self.mask.is_some()) << 7;
        let length = self.payload.len();
        if length > 0xFFFF || self.length_bytes_min > 3 {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        } else if length > 125 || self.length_bytes_min > 1 {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(length).expect("it is short").to_be_bytes());
        } else {
            bytes.push(masked | u8::try_from(length).expect("it is short"));
        }
        bytes.extend(self.mask.iter().flatten());
        let begin = bytes.len();
        bytes.extend(&self.payload);
        mask::apply(&mut bytes[begin..], self.mask.unwrap_or_default());
        bytes
    }

    /// Whether a shorter form of the length would have held it.
    pub(super) fn is_in_long_form(&self) -> bool {
        let length_bytes = match self.payload.len() {
            0..=125 => 1,
            126..=0xFFFF => 3,
            _ => 9,
        };
        self.length_bytes_min > length_bytes
    }
}

/// All bytes of these frames.
pub(super) fn wire(frames: &[ClientFrame]) -> Vec<u8> {
    frames.iter().flat_map(ClientFrame::bytes).collect()
}

/// A message in so many bytes a fragment.
pub(super) fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<ClientFrame> {
    let mut frames: Vec<_> =
        payload.chunks(size).map(|fragment| frame(0, fragment).not_final()).collect();
    frames.first_mut().expect("it is not empty").opcode = opcode;
    frames.last_mut().expect("it is not empty").is_final = true;
    frames
}

/// Messages, whole or in fragments with pings in between, and control frames; in most draws one of
/// the frames has a fault. Messages are up to twice as long as a test's receiver takes.
pub(super) fn any_frames() -> impl Strategy<Value = Vec<ClientFrame>> {
    let sound = proptest::collection::vec(any_group(), 0..6).prop_map(|groups| groups.concat());
    let fault = proptest::option::of((any::<prop::sample::Index>(), any_fault()));
    (sound, fault).prop_map(|(mut frames, fault)| {
        if let Some((place, fault)) = fault
            && !frames.is_empty()
        {
            let place = place.index(frames.len());
            frames[place] = fault.put_in(frames[place].clone());
        }
        frames
    })
}

fn any_group() -> impl Strategy<Value = Vec<ClientFrame>> {
    let group = prop_oneof![
        6 => any_message(),
        2 => any_ping_or_pong().prop_map(|frame| vec![frame]),
        1 => any_close().prop_map(|frame| vec![frame]),
    ];
    (group, any::<[u8; 4]>()).prop_map(|(mut frames, mask)| {
        frames.iter_mut().for_each(|frame| frame.mask = Some(mask));
        frames
    })
}

fn any_message() -> impl Strategy<Value = Vec<ClientFrame>> {
    let bytes = |length| proptest::collection::vec(any::<u8>(), 1..length);
    let payload = prop_oneof![
        20 => "[a-zé€𝄞]{1,60}".prop_map(|text| (1, text.into_bytes())),
        4 => bytes(300).prop_map(|bytes| (2, bytes)),
        1 => bytes(20).prop_map(|bytes| (1, bytes)),
        1 => (1..2100_usize).prop_map(|length| (1, vec![b'x'; length])),
    ];
    let pings = proptest::collection::vec(proptest::option::weighted(0.2, any_ping_or_pong()), 8);
    (payload, prop_oneof![Just(usize::MAX), 1..60_usize], pings).prop_map(
        |((opcode, payload), size, mut pings)| {
            // No more fragments than our receiver takes: that cap is ours alone.
            let fragments = fragments(opcode, &payload, size.max(payload.len() / 60 + 1));
            let with_pings = |frame| [pings.pop().flatten(), Some(frame)];
            fragments.into_iter().flat_map(with_pings).flatten().collect()
        },
    )
}

fn any_ping_or_pong() -> impl Strategy<Value = ClientFrame> {
    let payload = proptest::collection::vec(any::<u8>(), 0..126);
    (9..11_u8, payload).prop_map(|(opcode, payload)| frame(opcode, payload))
}

fn any_close() -> impl Strategy<Value = ClientFrame> {
    let code =
        prop_oneof![Just(1000_u16), 990..1014_u16, 1015..1020_u16, 2995..3005_u16, 4995..5005_u16];
    prop_oneof![
        6 => (code, "[a-zé]{0,40}").prop_map(|(code, reason)| close(code, reason)),
        1 => proptest::collection::vec(any::<u8>(), 0..2).prop_map(|payload| frame(8, payload)),
        1 => Just(close(1000, [0xFF])),
    ]
}

/// What may be wrong with a frame, or with its place among the others.
#[derive(Clone, Debug)]
enum Fault {
    Reserved(u8),
    Opcode(u8),
    Unmasked,
    LongForm(usize),
    OtherFinal,
    Payload(Vec<u8>),
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        (1..8_u8).prop_map(Fault::Reserved),
        (0..16_u8).prop_map(Fault::Opcode),
        Just(Fault::Unmasked),
        prop_oneof![Just(3_usize), Just(9)].prop_map(Fault::LongForm),
        Just(Fault::OtherFinal),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Fault::Payload),
    ]
}

impl Fault {
    fn put_in(self, frame: ClientFrame) -> ClientFrame {
        match self {
            Self::Reserved(reserved) => frame.reserved(reserved),
            Self::Opcode(opcode) => ClientFrame { opcode, ..frame },
            Self::Unmasked => frame.unmasked(),
            Self::LongForm(length_bytes_min) => ClientFrame { length_bytes_min, ..frame },
            Self::OtherFinal => ClientFrame { is_final: !frame.is_final, ..frame },
            Self::Payload(payload) => ClientFrame { payload, ..frame },
        }
    }
}
