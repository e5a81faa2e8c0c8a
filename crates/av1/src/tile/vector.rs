//! Searches the vector of a lossy block.

use super::{
    Tile,
    cost::{sad, sad_row},
};
use crate::{frame::Frame, geometry::Block, modes::Mv, simd};

/// A choice, and the sum of absolute differences in luma, with what telling it costs.
pub(super) struct Found<T> {
    pub what: T,
    pub cost: u32,
}

/// The steps of the search in eighths of a pixel.
const FIRST_STEP: i16 = 16;
const WHOLE_PIXEL: i16 = 8;
const QUARTER_PIXEL: i16 = 2;
/// The most rounds of a search.
const MOST_ROUNDS: usize = 12;

impl Tile {
    /// The best of the vectors that are likely, and of those around it.
    pub(super) fn search_vector<const N: usize>(
        &self,
        frame: &Frame,
        block: Block,
        source: &[[u8; N]; N],
    ) -> Found<Mv> {
        let mut best = self.likely_vector(frame, block, source);
        let search = Search { frame, x: self.frame_x(block), y: block.y(), source };
        let area = (N * N) as u32;
        // A small diamond, unless it is good already.
        let (mut step, mut rounds) = (FIRST_STEP, 0);
        while best.cost > 3 * area && rounds < MOST_ROUNDS && step >= QUARTER_PIXEL {
            let parts = !frame.header.force_integer_mv && is_worth_parts(best.cost, area);
            if step < WHOLE_PIXEL && !parts {
                break;
            }
            let Mv { row, col } = best.what;
            for (down, right) in [(0, step), (0, -step), (step, 0), (-step, 0)] {
                search.try_vector(Mv { row: row + down, col: col + right }, &mut best);
            }
            if best.what == (Mv { row, col }) {
                step /= 2;
            }
            rounds += 1;
        }
        best
    }

    /// The best of the vectors that are likely: none, the neighbours', and the frame's.
    pub(super) fn likely_vector<const N: usize>(
        &self,
        frame: &Frame,
        block: Block,
        source: &[[u8; N]; N],
    ) -> Found<Mv> {
        let search = Search { frame, x: self.frame_x(block), y: block.y(), source };
        let still = sad(source, &frame.reference.block(0, search.x, search.y));
        let mut best = Found { what: Mv::default(), cost: still };
        let grid = &self.writer.grid;
        let beside = [grid.left(block), grid.above(block)].into_iter().flatten().map(|info| info.mv);
        for mv in beside.chain(frame.moves.iter().take(3).map(|(dx, dy)| Mv::pixels(*dx, *dy))) {
            if best.cost <= 2 * (N * N) as u32 {
                break;
            }
            search.try_vector(mv, &mut best);
        }
        best
    }
}

/// Whether parts of a pixel may bring a prediction nearer: it is near, but not there. Text that fits nowhere is far.
pub(super) fn is_worth_parts(cost: u32, area: u32) -> bool {
    (3 * area + 1..=12 * area).contains(&cost)
}

/// A search for one block.
struct Search<'a, const N: usize> {
    frame: &'a Frame<'a>,
    x: usize,
    y: usize,
    source: &'a [[u8; N]; N],
}

impl<const N: usize> Search<'_, N> {
    /// Keeps a vector if it is better than the best one.
    fn try_vector(&self, mv: Mv, best: &mut Found<Mv>) {
        if mv == best.what || !self.frame.can_predict(self.x, self.y, N, mv) {
            return;
        }
        let told = if mv == Mv::default() { 0 } else { N as u32 };
        let cost = if (mv.row | mv.col) & 7 == 0 {
            self.whole_pixel_cost(mv, best.cost.saturating_sub(told))
        } else {
            sad(self.source, &simd::predict(self.frame.reference, 0, self.x, self.y, mv))
        };
        if cost + told < best.cost {
            *best = Found { what: mv, cost: cost + told };
        }
    }

    /// The sum of differences, or what it has reached when it is too large.
    fn whole_pixel_cost(&self, mv: Mv, limit: u32) -> u32 {
        let (dx, dy) = mv.whole();
        let (x, y) = (self.x.wrapping_add_signed(dx as isize), self.y.wrapping_add_signed(dy as isize));
        let stride = self.frame.reference.stride;
        let pixels = &self.frame.reference.plane(0)[y * stride + x..];
        let mut cost = 0;
        for (i, row) in self.source.iter().enumerate() {
            let mut other = [0; N];
            other.copy_from_slice(&pixels[i * stride..][..N]);
            cost += sad_row(row, &other);
            if cost >= limit {
                break;
            }
        }
        cost
    }
}
