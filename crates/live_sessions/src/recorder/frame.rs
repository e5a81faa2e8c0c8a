//! One frame of the shared screen, as the relay passes it on and the recorder keeps it.

use std::time::Instant;

use bytes::Bytes;
use protocol::{FrameKind, Header, HeaderError, PointerShape};

/// A frame as it came: the header that the relay reads, and all bytes, which it passes on.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Header,
    /// Header, regions and payload.
    pub bytes: Bytes,
    /// When the last byte of it was read.
    pub arrived: Instant,
}

impl Frame {
    /// The frame whose last byte was just read: its payload is what its header says, as far as pages read it themselves.
    pub fn read(header: Header, bytes: Bytes) -> Result<Self, HeaderError> {
        let frame = Self { header, bytes, arrived: Instant::now() };
        match frame.header.kind {
            FrameKind::PointerShape if PointerShape::from_bytes(frame.payload()).is_none() => Err(HeaderError::Shape),
            FrameKind::PointerShape | FrameKind::PointerAt | FrameKind::Picture { .. } => Ok(frame),
        }
    }

    /// What follows header and regions.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.header.payload_at()..).unwrap_or_default()
    }

    /// Whether decoding can start here.
    pub fn is_key(&self) -> bool {
        matches!(self.header.kind, FrameKind::Picture { key: true, .. })
    }
}
