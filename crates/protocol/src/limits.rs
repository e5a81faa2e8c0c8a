//! A limit for everything that comes from outside. Sizes are in bytes unless the name says otherwise.

/// The longest chat message, in Unicode scalar values.
pub const MAX_CHAT_CHARS: usize = 4_000;
/// The longest control message as JSON. A chat of 4,000 characters fits, escaped, with room to spare.
pub const MAX_CONTROL_BYTES: usize = 64 * 1024;
/// The longest message of a server as JSON: consoles and programs refuse a longer one.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 1024 * 1024;
/// The longest event as JSON: with everything around it, far below the limit of its readers.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;
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
/// The longest text that one input message may type, in Unicode scalar values.
pub const MAX_TEXT_CHARS: usize = 256;
/// How often a page repeats which keys and buttons are down, while any is.
pub const HELD_EVERY: std::time::Duration = std::time::Duration::from_millis(300);
/// For how long the customer's program holds a key or button down without hearing from the technician.
pub const HELD_FOR: std::time::Duration = std::time::Duration::from_millis(1_500);

/// Over QUIC, how long after a small message its copy is sent as a datagram: long enough for another packet, short
/// enough not to be felt.
pub const REDUNDANCY_DELAY: std::time::Duration = std::time::Duration::from_millis(4);

/// The largest answer of a job as JSON: a folder of 20,000 names or a system's information fits.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// How much of an error text from a program is kept, in Unicode scalar values.
pub const MAX_FAULT_CHARS: usize = 400;
/// How many items of a folder are listed.
pub const MAX_FOLDER_ITEMS: usize = 20_000;
/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4_096;
/// The longest name of a file, in bytes: the limit of the common file systems.
pub const MAX_FILE_NAME_BYTES: usize = 255;
/// The largest clipboard text, in bytes.
pub const MAX_CLIPBOARD_TEXT: usize = 1024 * 1024;
/// The largest clipboard picture, in bytes of its PNG.
pub const MAX_CLIPBOARD_IMAGE: usize = 16 * 1024 * 1024;
/// The longest note for technicians, and the longest comment of a rating, in Unicode scalar values.
pub const MAX_NOTE_CHARS: usize = 4_000;
/// The most points that one drawn line may have.
pub const MAX_MARK_POINTS: usize = 256;
/// The most monitors that a customer's machine may name.
pub const MAX_MONITORS: usize = 16;
