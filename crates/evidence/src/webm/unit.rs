//! A temporal unit of AV1 in the low-overhead format (AV1 specification, clauses 5.3 and 5.9): one picture, checked
//! without decoding it.

use protocol::MAX_SIDE;

use super::sequence::Sequence;

/// The most frames of a picture, shown or not. It bounds the work of a decoder.
const MOST_FRAMES: usize = 8;

/// The largest picture that the levels of AV1 allow (annex A.3), in pixels. A decoder allocates several pictures of
/// that size before it shows anything.
const MOST_PIXELS: u32 = 35_651_584;

/// The OBU types that matter here.
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;

/// What is known of a picture before it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The sequence header, if it has one.
    pub sequence: Option<Sequence>,
    /// Whether decoding can start here: it has a sequence header, and its first frame is a shown keyframe, which resets
    /// the decoder's state.
    pub key: bool,
}

impl Unit {
    /// Reads a picture; `None` when it is invalid, or not allowed in a recording.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut sequence, mut frames, mut starts) = (None, 0, false);
        for obu in Obus(bytes) {
            let Obu { kind, whole, body } = obu?;
            match kind {
                SEQUENCE_HEADER => {
                    let read = Sequence::read(whole, body).filter(is_of_a_screen)?;
                    if sequence.replace(read.clone()).is_some_and(|before| before != read) {
                        return None;
                    }
                }
                FRAME_HEADER | FRAME => {
                    // show_existing_frame, frame_type (a keyframe is 0), show_frame.
                    if frames == 0 {
                        starts = body.first()? >> 4 == 0b0001;
                    }
                    frames += 1;
                }
                TILE_LIST => return None,
                _ => {}
            }
        }
        let key = starts && sequence.is_some();
        (1..=MOST_FRAMES).contains(&frames).then_some(Self { sequence, key })
    }
}

fn is_of_a_screen(sequence: &Sequence) -> bool {
    let (width, height, most) = (sequence.width, sequence.height, u32::from(MAX_SIDE));
    width <= most && height <= most && width * height <= MOST_PIXELS
}

/// The first sequence header of a picture.
pub(super) fn sequence(bytes: &[u8]) -> Option<Sequence> {
    Obus(bytes)
        .map_while(|obu| obu)
        .find(|obu| obu.kind == SEQUENCE_HEADER)
        .and_then(|o| Sequence::read(o.whole, o.body))
}

struct Obu<'a> {
    kind: u8,
    /// Including its header.
    whole: &'a [u8],
    body: &'a [u8],
}

/// The OBUs of a unit. An invalid OBU is `None` and ends the iteration.
struct Obus<'a>(&'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Option<Obu<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (obu, rest) = match split(self.0) {
            Some((obu, rest)) => (Some(obu), rest),
            None => (None, &[][..]),
        };
        self.0 = rest;
        Some(obu)
    }
}

fn split(bytes: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    let first = *bytes.first()?;
    let (forbidden, kind, extension, has_size) = (first >> 7, first >> 3 & 15, first >> 2 & 1, first >> 1 & 1);
    if forbidden != 0 || has_size == 0 {
        return None;
    }
    let start = 1 + usize::from(extension);
    let (size, used) = leb128(bytes.get(start..)?)?;
    let (whole, rest) = bytes.split_at_checked(start + used + size)?;
    Some((Obu { kind, whole, body: &whole[start + used..] }, rest))
}

/// AV1's little-endian base 128: value and length.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}
