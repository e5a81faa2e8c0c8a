//! A limit on everything that comes from outside. Sizes in bytes unless the name says otherwise.

/// The longest chat message, in Unicode scalar values.
pub const MAX_CHAT_CHARS: usize = 4_000;
/// The longest control message as JSON. A chat of 4,000 characters fits, escaped, with room to spare.
pub const MAX_CONTROL_BYTES: usize = 64 * 1024;
/// The longest input message as JSON.
pub const MAX_INPUT_BYTES: usize = 4 * 1024;
/// The largest payload of one screen frame: a lossless 4K keyframe of photographs stays below it.
pub const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;
/// The largest picture side, in pixels.
pub const MAX_SIDE: u16 = 8_192;
/// The longest name of a person or an organisation, in Unicode scalar values.
pub const MAX_NAME_CHARS: usize = 120;
/// The largest side of a pointer's shape, in pixels.
pub const MAX_POINTER_SIDE: u16 = 256;
/// How much text one input message may type, in Unicode scalar values.
pub const MAX_TEXT_CHARS: usize = 256;

/// Over QUIC, how much later than on its stream a small message goes once more as a datagram: long enough for another
/// packet, short enough not to be felt.
pub const COPY_AFTER: std::time::Duration = std::time::Duration::from_millis(4);
