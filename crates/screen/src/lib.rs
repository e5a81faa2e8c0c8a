//! Pictures to bytes: damage, codec, pacing.
//!
//! No network and no clock: time is an argument, in milliseconds. `docs/decisions/0002-screen.md` says why the stream is
//! AV1 4:4:4 in GBR with lossless refinement. The one unsafe part is `aom`, the wrapper of libaom.
#![deny(unsafe_op_in_unsafe_fn)]

mod aom;
mod bitmap;
mod coder;
mod pace;
mod picture;
mod track;
mod yuv;

pub use aom::{Aom, Decoder};
pub use bitmap::Bitmap;
pub use coder::{Coded, Coder};
pub use pace::Pacer;
pub use picture::{Picture, Rect};
pub use track::{Plan, Tracker};

/// Why a picture could not be coded.
#[derive(Debug, thiserror::Error)]
#[error("libaom: {0}")]
pub struct CodecError(pub String);

/// The format of coded pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// AV1 profile 1, 4:4:4, identity matrix, full range: ends pixel-exact.
    #[default]
    Gbr,
    /// AV1 profile 0, 4:2:0, BT.709, limited range: for browsers that cannot show the other. Coloured text is blurred.
    Yuv420,
}

/// How to code a picture.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whether it is decodable without any other. If so, the map is ignored.
    pub key: bool,
    /// AV1's quantiser index as libaom counts it, 0 (lossless) to 63.
    pub quantiser: u32,
    /// The 16×16 blocks that may change; all others stay as the viewer has them.
    pub active: Bitmap,
}

/// Turns pictures into a video stream. One implementation for each codec.
pub trait Encoder {
    /// Codes one picture, shown at `time` milliseconds. Times are strictly increasing.
    fn encode(&mut self, picture: &Picture, time: u64, request: &Request) -> Result<Vec<u8>, CodecError>;
}
