//! The frames of a screen stream.
//!
//! A screen stream starts with a keyframe and ends where the next one starts. Each frame is a header of
//! [`HEADER_BYTES`], its regions of [`REGION_BYTES`] each, and a payload. The relay reads the header and never the
//! rest.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | kind: 1 picture, 2 pointer shape, 3 pointer position |
//! | 1 | 1 | flags: bit 0 keyframe, bit 1 refinement, the others zero |
//! | 2 | 2 | width of the screen in pixels |
//! | 4 | 2 | height of the screen in pixels |
//! | 6 | 4 | number of the frame, counted from 1 in each sharing |
//! | 10 | 4 | time of capture in milliseconds since sharing started |
//! | 14 | 4 | length of the payload in bytes |
//! | 18 | 2 | how long the screen was read, in tenths of a millisecond |
//! | 20 | 2 | how long the picture was encoded, in tenths of a millisecond |
//! | 22 | 1 | how many regions follow, at most 8 |
//!
//! A region is a rectangle of the screen: x, y, width and height, two bytes each. Outside of its regions, a picture
//! equals the one before; a keyframe has no regions and changes everything. All numbers are big endian.

use crate::{MAX_FRAME_BYTES, MAX_POINTER_SIDE, MAX_SIDE};

/// The length of [`Header::to_bytes`].
pub const HEADER_BYTES: usize = 23;
/// The length of [`Region::to_bytes`].
pub const REGION_BYTES: usize = 8;
/// The most regions of a frame.
pub const MAX_REGIONS: usize = 8;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A coded picture: one temporal unit of AV1, low-overhead format.
    Picture {
        /// Decodable without any other picture.
        key: bool,
        /// It only makes exact what viewers have already seen.
        refines: bool,
    },
    /// The pointer has this shape: see [`PointerShape`].
    PointerShape,
    /// The pointer is here now: x and y, two bytes each.
    PointerAt,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: FrameKind,
    /// The screen's width in pixels.
    pub width: u16,
    /// The screen's height in pixels.
    pub height: u16,
    /// The frame's number, counted from 1 in each sharing.
    pub seq: u32,
    /// Milliseconds since sharing started.
    pub time: u32,
    /// The payload's length in bytes.
    pub length: u32,
    /// How long reading the screen took, in tenths of a millisecond.
    pub read: u16,
    /// How long encoding the picture took, in tenths of a millisecond.
    pub encoded: u16,
    /// How many regions follow the header.
    pub regions: u8,
}

/// A rectangle of the screen in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Region {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Region {
    /// The region's bytes.
    pub fn to_bytes(self) -> [u8; REGION_BYTES] {
        let mut bytes = [0; REGION_BYTES];
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip([self.x, self.y, self.width, self.height]) {
            *place = number.to_be_bytes();
        }
        bytes
    }
}

/// Bytes that are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum HeaderError {
    #[error("unknown kind of frame {0}")]
    Kind(u8),
    #[error("unknown flags {0:#x}")]
    Flags(u8),
    #[error("a screen of {0} by {1} pixels")]
    Size(u16, u16),
    #[error("a payload of {0} bytes")]
    Length(u32),
    #[error("{0} regions")]
    Regions(u8),
    #[error("a payload that is not a pointer's shape")]
    Shape,
}

impl Header {
    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let (kind, flags) = match self.kind {
            FrameKind::Picture { key, refines } => (1, u8::from(key) | u8::from(refines) << 1),
            FrameKind::PointerShape => (2, 0),
            FrameKind::PointerAt => (3, 0),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = kind;
        bytes[1] = flags;
        bytes[2..4].copy_from_slice(&self.width.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.height.to_be_bytes());
        bytes[6..10].copy_from_slice(&self.seq.to_be_bytes());
        bytes[10..14].copy_from_slice(&self.time.to_be_bytes());
        bytes[14..18].copy_from_slice(&self.length.to_be_bytes());
        bytes[18..20].copy_from_slice(&self.read.to_be_bytes());
        bytes[20..22].copy_from_slice(&self.encoded.to_be_bytes());
        bytes[22] = self.regions;
        bytes
    }

    /// Reads and checks a header.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let u16_at = |i: usize| u16::from_be_bytes([bytes[i], bytes[i + 1]]);
        let u32_at = |i: usize| u32::from_be_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        let flags = bytes[1];
        let (kind, lengths) = match bytes[0] {
            1 if flags > 3 => return Err(HeaderError::Flags(flags)),
            1 => (FrameKind::Picture { key: flags & 1 == 1, refines: flags & 2 == 2 }, 1..=MAX_FRAME_BYTES as u32),
            2 | 3 if flags != 0 => return Err(HeaderError::Flags(flags)),
            2 => (FrameKind::PointerShape, 12..=8 + 4 * u32::from(MAX_POINTER_SIDE) * u32::from(MAX_POINTER_SIDE)),
            3 => (FrameKind::PointerAt, 4..=4),
            other => return Err(HeaderError::Kind(other)),
        };
        let (width, height, length) = (u16_at(2), u16_at(4), u32_at(14));
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(HeaderError::Size(width, height));
        }
        if !lengths.contains(&length) {
            return Err(HeaderError::Length(length));
        }
        let regions = bytes[22];
        if usize::from(regions) > MAX_REGIONS {
            return Err(HeaderError::Regions(regions));
        }
        let (seq, time) = (u32_at(6), u32_at(10));
        Ok(Self { kind, width, height, seq, time, length, read: u16_at(18), encoded: u16_at(20), regions })
    }

    /// Where the payload begins, counted from the header's first byte.
    pub fn payload_at(&self) -> usize {
        HEADER_BYTES + REGION_BYTES * usize::from(self.regions)
    }

    /// The whole frame's length in bytes.
    pub fn frame_bytes(&self) -> usize {
        self.payload_at() + self.length as usize
    }
}

/// What the pointer looks like: hot spot, size (two bytes each), then RGBA bytes, not premultiplied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerShape {
    /// The column of the hot spot.
    pub hot_x: u16,
    /// The row of the hot spot.
    pub hot_y: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Four bytes a pixel, row by row.
    pub rgba: Vec<u8>,
}

impl PointerShape {
    /// The payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.rgba.len());
        for number in [self.hot_x, self.hot_y, self.width, self.height] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.rgba);
        bytes
    }

    /// Reads a payload; `None` when it is not a shape.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rgba) = bytes.split_first_chunk::<8>()?;
        let at = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
        let (width, height) = (at(4), at(6));
        let sides = 1..=MAX_POINTER_SIDE;
        let fits = sides.contains(&width)
            && sides.contains(&height)
            && rgba.len() == 4 * usize::from(width) * usize::from(height);
        fits.then(|| Self { hot_x: at(0), hot_y: at(2), width, height, rgba: rgba.to_vec() })
    }
}
