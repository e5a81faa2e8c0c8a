//! Segments: runs of pictures whose hash is written into the timeline during the session.

use sha2::{Digest, Sha256};

use crate::hex;

/// A run of pictures, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of pictures.
    pub pictures: u32,
    /// Their total size in bytes.
    pub bytes: u64,
    /// SHA-256 over the length (4 bytes, big endian) and the AV1 temporal unit of each picture; in hexadecimal.
    pub sha256: String,
}

/// Collects pictures into a segment.
#[derive(Clone, Default)]
pub struct Segments {
    pictures: u32,
    bytes: u64,
    sum: Sha256,
}

impl Segments {
    /// Adds a picture.
    pub fn add(&mut self, picture: &[u8]) {
        self.pictures += 1;
        self.bytes += picture.len() as u64;
        self.sum.update((picture.len() as u32).to_be_bytes());
        self.sum.update(picture);
    }

    /// The number of pictures in the segment so far.
    pub fn pictures(&self) -> u32 {
        self.pictures
    }

    /// Ends the segment, if it has a picture, and starts the next.
    pub fn end(&mut self) -> Option<Segment> {
        let Self { pictures, bytes, sum } = std::mem::take(self);
        (pictures > 0).then(|| Segment { pictures, bytes, sha256: hex(&sum.finalize()) })
    }
}
