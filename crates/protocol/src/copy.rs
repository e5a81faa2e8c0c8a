//! Copies of small frames as QUIC datagrams, for paths that lose packets.
//!
//! Each piece is the frame's number (four bytes, big endian), which piece it is and of how many (one byte each), and
//! then at most [`PIECE_BYTES`] of the frame.

use bytes::Bytes;

use crate::{HEADER_BYTES, Header};

/// The most bytes of a frame in one datagram: what every path carries.
pub const PIECE_BYTES: usize = 1_100;
/// A frame of more pieces is not copied.
pub const MAX_PIECES: usize = 3;
const HEAD: usize = 6;

/// The datagrams of a frame; none when it is too large.
pub fn pieces(seq: u32, frame: &[u8]) -> Vec<Bytes> {
    let count = frame.len().div_ceil(PIECE_BYTES);
    if count > MAX_PIECES {
        return vec![];
    }
    let piece = |(index, part): (usize, &[u8])| {
        // Both numbers are at most MAX_PIECES.
        let mut bytes = Vec::with_capacity(HEAD + part.len());
        bytes.extend(seq.to_be_bytes());
        bytes.extend([index as u8, count as u8]);
        bytes.extend(part);
        bytes.into()
    };
    frame.chunks(PIECE_BYTES).enumerate().map(piece).collect()
}

/// Puts the newest frame's pieces together. Holds at most one frame.
#[derive(Debug, Default)]
pub struct RedundantDatagrams {
    seq: u32,
    parts: Vec<Option<Bytes>>,
}

impl RedundantDatagrams {
    /// Takes a datagram in; gives the whole frame when it was the last piece. What is malformed or old gives nothing.
    pub fn take(&mut self, datagram: &Bytes) -> Option<(Header, Bytes)> {
        let (head, _) = datagram.split_first_chunk::<HEAD>()?;
        let (seq, index, count) =
            (u32::from_be_bytes([head[0], head[1], head[2], head[3]]), usize::from(head[4]), usize::from(head[5]));
        if count == 0 || count > MAX_PIECES || index >= count || seq < self.seq {
            return None;
        }
        if seq > self.seq || self.parts.len() != count {
            (self.seq, self.parts) = (seq, vec![None; count]);
        }
        self.parts[index] = Some(datagram.slice(HEAD..));
        let whole: Vec<&Bytes> = self.parts.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let bytes: Bytes = whole.into_iter().flat_map(|part| part.iter().copied()).collect();
        let header = Header::from_bytes(bytes.first_chunk::<HEADER_BYTES>()?).ok()?;
        (header.seq == seq && header.frame_bytes() == bytes.len()).then_some((header, bytes))
    }
}
