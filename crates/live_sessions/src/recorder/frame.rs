//! A frame of the shared screen, as it is relayed and recorded.

use std::time::Instant;

use bytes::Bytes;
use protocol::{FrameKind, Header, HeaderError, PointerShape};

/// A frame as it was received: the parsed header, and all bytes for the viewers.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Header,
    /// Header, regions and payload.
    pub bytes: Bytes,
    /// When its last byte was read.
    pub arrived: Instant,
}

impl Frame {
    /// A frame whose last byte was just read. Checks the payload of pointer shapes, which pages parse.
    pub fn read(header: Header, bytes: Bytes) -> Result<Self, HeaderError> {
        let frame = Self { header, bytes, arrived: Instant::now() };
        match frame.header.kind {
            FrameKind::PointerShape if PointerShape::from_bytes(frame.payload()).is_none() => Err(HeaderError::Shape),
            FrameKind::PointerShape | FrameKind::PointerAt | FrameKind::Picture { .. } => Ok(frame),
        }
    }

    /// The bytes after header and regions.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.header.payload_at()..).unwrap_or_default()
    }

    /// Whether decoding can start here.
    pub fn is_key(&self) -> bool {
        matches!(self.header.kind, FrameKind::Picture { key: true, .. })
    }
}
