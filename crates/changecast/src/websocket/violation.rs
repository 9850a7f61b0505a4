//! What a client can do wrong, and what it is told.

/// Why a connection has to end, in words that fit into a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a client has to mask its frames")]
    Unmasked,
    #[error("a reserved bit is set, but no extension was agreed on")]
    ReservedBits,
    #[error("there is no such kind of frame")]
    ReservedOpcode,
    #[error("the length of a frame is not in its shortest form")]
    LongForm,
    #[error("the length of a frame has its highest bit set")]
    HighestBit,
    #[error("a control frame may not come in fragments")]
    FragmentedControl,
    #[error("a control frame holds at most 125 bytes")]
    LongControl,
    #[error("there is no message that this frame could continue")]
    NothingToContinue,
    #[error("a new message began before the last one had ended")]
    MessageInMessage,
    #[error("one byte is no close code")]
    ShortClose,
    #[error("there is no such close code, or nobody may send it")]
    CloseCode,
    #[error("text is not UTF-8")]
    NotUtf8,
    #[error("message too large")]
    TooLarge,
    #[error("message in too many fragments")]
    TooManyFragments,
}

impl Violation {
    /// The close code that says so.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Unmasked
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::LongForm
            | Self::HighestBit
            | Self::FragmentedControl
            | Self::LongControl
            | Self::NothingToContinue
            | Self::MessageInMessage
            | Self::ShortClose
            | Self::CloseCode => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge | Self::TooManyFragments => 1009,
        }
    }
}
