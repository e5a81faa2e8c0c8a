//! Copies of small frames as QUIC datagrams, for paths that lose packets.
//!
//! Each piece is the frame's number (four bytes, big endian), the piece's index and the number of pieces (one byte
//! each), and then at most [`PIECE_BYTES`] of the frame.

use bytes::Bytes;

use crate::{HEADER_BYTES, Header};

/// Most bytes of a frame in one datagram: every path carries as many.
pub const PIECE_BYTES: usize = 1_100;
/// A frame of more pieces is not copied.
pub const MAX_PIECES: usize = 3;
const HEAD: usize = 6;

/// The datagrams of a frame; none when the frame is too large.
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

/// Reassembles the newest frame from its pieces. Holds at most one frame.
#[derive(Debug, Default)]
pub struct RedundantDatagrams {
    seq: u32,
    parts: Vec<Option<Bytes>>,
}

impl RedundantDatagrams {
    /// Takes in a datagram; returns the whole frame when this was the last piece. Malformed and old datagrams are
    /// ignored.
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
