//! Finds how parts of the screen moved: anchors in what changed are looked for in what was there before.
//!
//! An anchor is a run of pixels with some contrast. Hashes of anchors are compared with rolling hashes of the rows before;
//! each pair that is found votes for a vector, and the vectors with most votes are kept.

use crate::{
    geometry::{Geometry, Rect},
    planes::Planes,
    syntax::MOST_MV,
};

/// The length of an anchor in pixels.
const LENGTH: usize = 16;
/// Only every so many rows of the picture before are searched: that many anchors fewer are found, which is enough.
const STEP: usize = 4;
/// A smaller area is coded as fast as searched.
const LEAST_AREA: usize = 4096;
/// About how many anchors there are.
const ANCHORS: usize = 384;
/// The most vectors that are found.
pub(crate) const MOST_MOVES: usize = 4;
/// The most vectors that may be voted for.
const MOST_VOTES: usize = 256;

/// A vector to the picture before, in whole pixels to the right and down.
pub(crate) type Move = (i32, i32);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    hash: u32,
    x: u16,
    y: u16,
}

/// The search and its buffers.
pub(crate) struct MoveSearch {
    /// One bit for the high 16 bits of each anchor's hash.
    present: Vec<u64>,
    anchors: Vec<Anchor>,
    votes: Vec<(Move, u32)>,
}

impl MoveSearch {
    pub fn new() -> Self {
        Self { present: vec![0; 1 << 10], anchors: Vec::new(), votes: Vec::new() }
    }

    /// Replaces `moves` by the vectors that explain the changed rectangles, best first. Those that it holds, of the
    /// picture before or as hints, are tried before any are searched for.
    pub fn find(&mut self, frame: &Pictures, changed: &[Rect], moves: &mut Vec<Move>) {
        let area: usize = changed.iter().map(|r| r.width * r.height).sum();
        if area < LEAST_AREA {
            return;
        }
        self.place_anchors(frame, changed, area);
        let total = self.anchors.len();
        if total < 4 {
            moves.clear();
            return;
        }
        // What moved in the last picture mostly moves on.
        let mut open = self.anchors.clone();
        moves.retain(|vector| {
            let before = open.len();
            open.retain(|anchor| !frame.matches(anchor, *vector));
            open.len() * 20 < before * 19
        });
        if open.len() * 4 >= total {
            moves.clear();
            self.vote(frame, changed);
            self.votes.sort_by_key(|vote| std::cmp::Reverse(vote.1));
            moves.extend(self.votes.iter().filter(|vote| vote.1 >= 2).take(MOST_MOVES).map(|vote| vote.0));
        }
    }

    /// Spreads anchors over what changed, where pixels are not all alike.
    fn place_anchors(&mut self, frame: &Pictures, changed: &[Rect], area: usize) {
        self.anchors.clear();
        self.present.fill(0);
        let step = (area / ANCHORS).isqrt().max(8);
        let mut seed = 12_345u32;
        for rect in changed.iter().filter(|r| r.width >= LENGTH) {
            for y in (rect.y + step / 2..rect.y + rect.height).step_by(step) {
                let mut x = rect.x;
                while x + LENGTH <= rect.x + rect.width {
                    // Rows are jittered, lest all anchors fall between the rows that are searched.
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let y = (y + (seed >> 24) as usize % step).min(rect.y + rect.height - 1);
                    let placed = self.place_anchor(frame, x, y);
                    x += if placed { step.max(LENGTH) } else { LENGTH / 2 };
                }
            }
        }
    }

    /// Whether the place has contrast and has changed, so that it is an anchor now.
    fn place_anchor(&mut self, frame: &Pictures, x: usize, y: usize) -> bool {
        let pixels = frame.source.row(0, x, y, LENGTH);
        let edges = pixels.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if edges < 4 || pixels == frame.previous.row(0, x, y, LENGTH) {
            return false;
        }
        let hash = hash(pixels);
        self.present[(hash >> 22) as usize] |= 1 << (hash >> 16 & 63);
        self.anchors.push(Anchor { hash, x: x as u16, y: y as u16 });
        true
    }

    /// Looks for the anchors in the picture before and counts the vectors to them.
    fn vote(&mut self, frame: &Pictures, changed: &[Rect]) {
        self.votes.clear();
        self.anchors.sort_unstable();
        // Of equal anchors one tells little about where it went.
        let unique: Vec<_> =
            self.anchors.chunk_by(|a, b| a.hash == b.hash).filter(|c| c.len() == 1).map(|c| c[0]).collect();
        if unique.len() >= 4 {
            self.anchors = unique;
        }
        for rect in changed.iter().filter(|r| r.width >= LENGTH) {
            for y in (rect.y..rect.y + rect.height).step_by(4 * STEP) {
                self.vote_rows(frame, rect, y);
            }
        }
    }

    /// Four rows at a time, which hides the latency of the rolling hash.
    fn vote_rows(&mut self, frame: &Pictures, rect: &Rect, y: usize) {
        let rows = 4.min((rect.y + rect.height - y).div_ceil(STEP));
        let pixels: [&[u8]; 4] =
            std::array::from_fn(|i| frame.previous.row(0, rect.x, y + STEP * i.min(rows - 1), rect.width));
        let mut hashes = pixels.map(|row| hash(&row[..LENGTH]));
        for x in 0..=rect.width - LENGTH {
            for (i, hash) in hashes.iter().enumerate().take(rows) {
                if self.present[(hash >> 22) as usize] >> (hash >> 16 & 63) & 1 != 0 {
                    self.vote_for(*hash, rect.x + x, y + STEP * i);
                }
            }
            if x + LENGTH < rect.width {
                for (hash, row) in hashes.iter_mut().zip(pixels) {
                    *hash = roll(*hash, row[x], row[x + LENGTH]);
                }
            }
        }
    }

    fn vote_for(&mut self, hash: u32, x: usize, y: usize) {
        let first = self.anchors.partition_point(|anchor| anchor.hash < hash);
        for anchor in self.anchors[first..].iter().take_while(|anchor| anchor.hash == hash).take(4) {
            let vector = (x as i32 - i32::from(anchor.x), y as i32 - i32::from(anchor.y));
            if vector == (0, 0) || !is_codable(vector) {
                continue;
            }
            match self.votes.iter().position(|vote| vote.0 == vector) {
                Some(known) => self.votes[known].1 += 1,
                None if self.votes.len() < MOST_VOTES => self.votes.push((vector, 1)),
                None => {}
            }
        }
    }
}

/// Whether the bitstream can tell a vector.
pub(crate) fn is_codable((dx, dy): Move) -> bool {
    dx.unsigned_abs() <= MOST_MV.unsigned_abs() && dy.unsigned_abs() <= MOST_MV.unsigned_abs()
}

/// The screen now and at the picture before.
pub(crate) struct Pictures<'a> {
    pub geometry: &'a Geometry,
    pub source: &'a Planes,
    pub previous: &'a Planes,
}

impl Pictures<'_> {
    /// Whether an anchor was there before, at the end of the vector.
    fn matches(&self, anchor: &Anchor, (dx, dy): Move) -> bool {
        let (x, y) = (usize::from(anchor.x), usize::from(anchor.y));
        let (Some(from_x), Some(from_y)) = (x.checked_add_signed(dx as isize), y.checked_add_signed(dy as isize))
        else {
            return false;
        };
        from_x + LENGTH <= self.geometry.coded_width()
            && from_y < self.geometry.coded_height()
            && self.source.row(0, x, y, LENGTH) == self.previous.row(0, from_x, from_y, LENGTH)
    }
}

const BASE: u32 = 0x9e37_79b1;
/// `BASE` to the power of `LENGTH`.
const POWER: u32 = BASE.wrapping_pow(LENGTH as u32);

fn hash(pixels: &[u8]) -> u32 {
    pixels.iter().fold(0, |hash, pixel| hash.wrapping_mul(BASE).wrapping_add(u32::from(*pixel) + 1))
}

/// The hash one pixel further on.
#[inline(always)]
fn roll(hash: u32, out: u8, next: u8) -> u32 {
    hash.wrapping_mul(BASE).wrapping_add(u32::from(next) + 1).wrapping_sub((u32::from(out) + 1).wrapping_mul(POWER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_rolled_hash_is_the_hash(pixels in prop::collection::vec(any::<u8>(), 17..80)) {
            let mut rolled = hash(&pixels[..LENGTH]);
            for x in 0..pixels.len() - LENGTH {
                rolled = roll(rolled, pixels[x], pixels[x + LENGTH]);
                prop_assert_eq!(rolled, hash(&pixels[x + 1..][..LENGTH]));
            }
        }

        #[test]
        fn what_moved_is_found(dx in -60i32..60, dy in -40i32..40, seed: u32) {
            let geometry = Geometry::new(320, 256);
            let (mut source, mut previous) = (Planes::of(&geometry), Planes::of(&geometry));
            let pixel = |x: i32, y: i32| {
                let h = (x as u32).wrapping_mul(374_761_393) ^ (y as u32).wrapping_mul(668_265_263) ^ seed;
                ((h ^ h >> 13).wrapping_mul(1_274_126_177) >> 24) as u8
            };
            for (x, y) in (0..256).flat_map(|y| (0..320).map(move |x| (x, y))) {
                source.row_mut(0, x as usize, y as usize, 1)[0] = pixel(x + dx, y + dy);
                previous.row_mut(0, x as usize, y as usize, 1)[0] = pixel(x, y);
            }
            let mut moves = Vec::new();
            let pictures = Pictures { geometry: &geometry, source: &source, previous: &previous };
            MoveSearch::new().find(&pictures, &[Rect { x: 0, y: 0, width: 320, height: 256 }], &mut moves);
            if (dx, dy) != (0, 0) {
                prop_assert_eq!(moves.first(), Some(&(dx, dy)));
            }
        }
    }
}
