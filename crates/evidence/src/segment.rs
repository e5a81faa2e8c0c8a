//! Segments: runs of pictures whose hash goes into the timeline while the session goes on.

use sha2::{Digest, Sha256};

use crate::hex;

/// A run of pictures, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How many.
    pub pictures: u32,
    /// Their bytes together.
    pub bytes: u64,
    /// SHA-256 over, for each, its length (4 bytes, big endian) and its AV1 temporal unit; in hexadecimal.
    pub sha256: String,
}

/// Counts pictures into a segment.
#[derive(Clone, Default)]
pub struct Segments {
    pictures: u32,
    bytes: u64,
    sum: Sha256,
}

impl Segments {
    /// One more picture.
    pub fn add(&mut self, picture: &[u8]) {
        self.pictures += 1;
        self.bytes += picture.len() as u64;
        self.sum.update((picture.len() as u32).to_be_bytes());
        self.sum.update(picture);
    }

    /// How many pictures the segment has so far.
    pub fn pictures(&self) -> u32 {
        self.pictures
    }

    /// Ends the segment, if it has a picture, and starts the next.
    pub fn end(&mut self) -> Option<Segment> {
        let Self { pictures, bytes, sum } = std::mem::take(self);
        (pictures > 0).then(|| Segment { pictures, bytes, sha256: hex(&sum.finalize()) })
    }
}
