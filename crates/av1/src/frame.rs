//! What all tiles of a frame share while it is coded.

use crate::{
    cells::Cells,
    geometry::{Block, Geometry},
    headers::FrameHeader,
    interpolate::REACH,
    modes::Mv,
    motion::{Move, is_codable},
    planes::Planes,
};

/// What may be coded with loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// Nothing.
    Lossless,
    /// Photographs, and what [`crate::Request::motion`] names; text and user interface are exact at once.
    ExactText {
        /// The quantiser index of what is lossy, 1 to 255; 0 is lossless.
        quantizer: u8,
    },
    /// Everything but what is a copy, of one colour, or of at most eight.
    Lossy {
        /// The quantiser index, 1 to 255; 0 is lossless.
        quantizer: u8,
    },
}

impl Fidelity {
    /// base_q_idx of the frame.
    pub(crate) fn quantizer(self) -> u8 {
        match self {
            Self::Lossless => 0,
            Self::ExactText { quantizer } | Self::Lossy { quantizer } => quantizer,
        }
    }
}

/// A frame that is being coded.
pub(crate) struct Frame<'a> {
    pub geometry: &'a Geometry,
    pub header: FrameHeader,
    pub fidelity: Fidelity,
    /// The screen.
    pub source: &'a Planes,
    /// The screen as the last frame showed it.
    pub previous: &'a Planes,
    /// What decoders have.
    pub reference: &'a Planes,
    /// The quantiser index of each cell of the reference; 0 is exact.
    pub staleness: &'a [u8],
    /// Where the screen may differ from the last frame's.
    pub damaged: &'a Cells,
    /// What is coded without loss although it did not change.
    pub refine: Option<&'a Cells>,
    /// What is lossy although it looks like text.
    pub motion: Option<&'a Cells>,
    /// Vectors to the last frame that explain much of what changed, best first.
    pub moves: &'a [Move],
}

impl Frame<'_> {
    /// Which of the damaged cells of a superblock do differ from the last frame's; all of them in a keyframe.
    pub fn changed(&self, sb_col: usize, sb_row: usize) -> u64 {
        if self.header.key {
            return !0;
        }
        let mut left = self.damaged.word(sb_col, sb_row);
        let mut changed = 0;
        for cell_row in 0..8 {
            for y in 8 * cell_row..8 * cell_row + 8 {
                if left >> (8 * cell_row) & 0xff == 0 {
                    break;
                }
                let differing = self.differing(sb_col * 64, sb_row * 64 + y) << (8 * cell_row) & left;
                changed |= differing;
                left &= !differing;
            }
        }
        changed
    }

    /// The cells of a superblock's row of pixels that differ, one bit each.
    fn differing(&self, x: usize, y: usize) -> u64 {
        let mut mask = 0;
        for plane in 0..3 {
            let now = self.source.row(plane, x, y, 64).as_chunks::<8>().0;
            let before = self.previous.row(plane, x, y, 64).as_chunks::<8>().0;
            for (i, (now, before)) in now.iter().zip(before).enumerate() {
                mask |= u64::from(now != before) << i;
            }
        }
        mask
    }

    /// The part of a block's side that is coded, in pixels: whole cells of the picture. `x` counts from the frame's edge.
    pub fn extent(&self, block: Block, x: usize) -> (usize, usize) {
        let side = block.n4() * 4;
        (side.min(self.geometry.coded_width() - x), side.min(self.geometry.coded_height() - block.y()))
    }

    /// Where a rectangle's copy lies in the picture before, if it lies on it.
    pub fn moved(&self, x: usize, y: usize, width: usize, height: usize, (dx, dy): Move) -> Option<(usize, usize)> {
        let (x, y) = (x.checked_add_signed(dx as isize)?, y.checked_add_signed(dy as isize)?);
        let inside = x + width <= self.geometry.coded_width() && y + height <= self.geometry.coded_height();
        inside.then_some((x, y))
    }

    /// Whether a square can be predicted with a vector: what it takes lies on the picture, and the vector can be told.
    pub fn can_predict(&self, x: usize, y: usize, side: usize, mv: Mv) -> bool {
        let (dx, dy) = mv.whole();
        if !is_codable((dx, dy)) {
            return false;
        }
        if (mv.row | mv.col) & 7 == 0 {
            return self.moved(x, y, side, side, (dx, dy)).is_some();
        }
        let inside = |start: usize, delta: i32, all: usize| {
            let start = start.checked_add_signed(delta as isize);
            start.is_some_and(|start| start >= REACH.0 && start + side + REACH.1 <= all)
        };
        inside(x, dx, self.geometry.width) && inside(y, dy, self.geometry.height)
    }

    /// Whether a rectangle of the screen equals the last frame's at the end of a vector.
    pub fn is_copy(&self, x: usize, y: usize, width: usize, height: usize, vector: Move) -> bool {
        let Some((from_x, from_y)) = self.moved(x, y, width, height, vector) else { return false };
        (0..3).all(|plane| {
            let now = &self.source.plane(plane)[y * self.source.stride + x..];
            let before = &self.previous.plane(plane)[from_y * self.previous.stride + from_x..];
            let stride = self.source.stride;
            match width {
                8 => rows_equal::<8>(now, before, stride, height),
                16 => rows_equal::<16>(now, before, stride, height),
                32 => rows_equal::<32>(now, before, stride, height),
                64 => rows_equal::<64>(now, before, stride, height),
                _ => (0..height).all(|i| now[i * stride..][..width] == before[i * stride..][..width]),
            }
        })
    }

    /// Whether all pixels of a rectangle of the screen are alike.
    pub fn is_flat(&self, x: usize, y: usize, width: usize, height: usize) -> bool {
        (0..3).all(|plane| {
            let first = self.source.row(plane, x, y, width);
            let alike = u64::from(first[0]) * 0x0101_0101_0101_0101;
            first.as_chunks::<8>().0.iter().all(|eight| u64::from_le_bytes(*eight) == alike)
                && (1..height).all(|i| self.source.row(plane, x, y + i, width) == first)
        })
    }
}

/// Whether rectangles of a known width are equal, which takes no call for a row.
fn rows_equal<const N: usize>(a: &[u8], b: &[u8], stride: usize, height: usize) -> bool {
    let row = |pixels: &[u8], i: usize| pixels[i * stride..].first_chunk::<N>().copied();
    (0..height).all(|i| row(a, i) == row(b, i))
}
