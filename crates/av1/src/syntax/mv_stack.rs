//! Motion vector prediction (clause 7.10.2) for one reference, no global motion and no vectors of other frames.

use super::BlockWriter;
use crate::{
    geometry::Block,
    modes::{ModeInfo, Mv},
};

/// REF_CAT_LEVEL: what raises candidates beside the block above all others.
const REF_CAT_LEVEL: u32 = 640;
/// MAX_REF_MV_STACK_SIZE.
const MAX_STACK: usize = 8;
/// MV_BORDER, in eighths of a pixel.
const MV_BORDER: i32 = 128;

/// RefStackMv with its weights, and the contexts that follow from it.
#[derive(Clone, Default)]
pub(super) struct MvStack {
    /// NumMvFound.
    pub found: usize,
    mvs: [Mv; MAX_STACK],
    weights: [u32; MAX_STACK],
    /// NewMvContext.
    pub new_mv_ctx: usize,
    /// RefMvContext.
    pub ref_mv_ctx: usize,
    /// NewMvCount.
    new_mvs: usize,
}

impl MvStack {
    /// The vectors that can be chosen; at least one, the global vector's zero where nothing was found.
    pub fn mvs(&self) -> &[Mv] {
        &self.mvs[..self.found.max(1)]
    }

    /// DrlCtxStack.
    pub fn drl_ctx(&self, index: usize) -> usize {
        if index + 1 >= self.found {
            return 0;
        }
        match (self.weights[index] >= REF_CAT_LEVEL, self.weights[index + 1] >= REF_CAT_LEVEL) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        }
    }

    /// Clauses 7.10.2.7 and 7.10.2.8. Whether there is a candidate.
    fn add(&mut self, candidate: &ModeInfo, weight: u32) -> bool {
        if !candidate.is_inter {
            return false;
        }
        self.new_mvs += usize::from(candidate.new_mv);
        match self.mvs[..self.found].iter().position(|mv| *mv == candidate.mv) {
            Some(index) => self.weights[index] += weight,
            None => self.push(candidate.mv, weight),
        }
        true
    }

    fn push(&mut self, mv: Mv, weight: u32) {
        if self.found < MAX_STACK {
            (self.mvs[self.found], self.weights[self.found]) = (mv, weight);
            self.found += 1;
        }
    }

    /// The sorting process (clause 7.10.2.11): heavier ones first, equal ones as they are.
    fn sort(&mut self, start: usize, end: usize) {
        for i in start + 1..end {
            let mut at = i;
            while at > start && self.weights[at - 1] < self.weights[at] {
                self.weights.swap(at - 1, at);
                self.mvs.swap(at - 1, at);
                at -= 1;
            }
        }
    }
}

/// The direction of a scan.
#[derive(Clone, Copy)]
enum Along {
    Row,
    Column,
}

impl BlockWriter {
    /// The find MV stack process.
    pub(super) fn mv_stack(&self, block: Block) -> MvStack {
        let mut stack = MvStack::default();
        let mut above = self.scan(&mut stack, block, Along::Row, 1);
        let mut left = self.scan(&mut stack, block, Along::Column, 1);
        above |= self.scan_point(&mut stack, block, block.n4() as isize);
        let close_matches = usize::from(above) + usize::from(left);
        let (nearest, new_mvs) = (stack.found, stack.new_mvs.min(1));
        stack.weights[..nearest].iter_mut().for_each(|weight| *weight += REF_CAT_LEVEL);
        above |= self.scan_point(&mut stack, block, -1);
        for distance in [3, 5] {
            above |= self.scan(&mut stack, block, Along::Row, distance);
            left |= self.scan(&mut stack, block, Along::Column, distance);
        }
        let total_matches = usize::from(above) + usize::from(left);
        stack.sort(0, nearest);
        stack.sort(nearest, stack.found);
        if stack.found < 2 {
            self.extra_search(&mut stack, block);
        }
        self.clamp(&mut stack, block);
        (stack.new_mv_ctx, stack.ref_mv_ctx) = match close_matches {
            0 => (total_matches.min(1), total_matches),
            1 => (3 - new_mvs, 2 + total_matches),
            _ => (5 - new_mvs, 5),
        };
        stack
    }

    /// The scan row and scan col processes (clauses 7.10.2.2, 7.10.2.3). Whether a candidate was found.
    fn scan(&self, stack: &mut MvStack, block: Block, along: Along, distance: usize) -> bool {
        let (start, before, limit) = match along {
            Along::Row => (block.col, block.row, self.grid.mi_cols),
            Along::Column => (block.row, block.col, self.grid.mi_rows),
        };
        let Some(before) = before.checked_sub(distance) else { return false };
        let n4 = block.n4();
        let end = n4.min(limit - start);
        // Blocks start at even places: farther rows and columns are looked at one further on.
        let shift = usize::from(distance > 1);
        let least = if n4 >= 16 { 4 } else { 1 + shift };
        let mut found = false;
        let mut i = 0;
        while i < end && start + shift + i < limit {
            let at = start + shift + i;
            let candidate = match along {
                Along::Row => self.grid.at(before, at),
                Along::Column => self.grid.at(at, before),
            };
            let length = n4.min(1 << candidate.log2).max(least);
            found |= stack.add(candidate, length as u32 * 2);
            i += length;
        }
        found
    }

    /// The scan point process (clause 7.10.2.4) in the row above. Whether a candidate was found.
    fn scan_point(&self, stack: &mut MvStack, block: Block, delta_col: isize) -> bool {
        let (Some(row), Some(col)) = (block.row.checked_sub(1), block.col.checked_add_signed(delta_col)) else {
            return false;
        };
        let decoded = delta_col < 0 || is_decoded(block, row, col);
        col < self.grid.mi_cols && decoded && stack.add(self.grid.at(row, col), 4)
    }

    /// The extra search process (clause 7.10.2.12).
    fn extra_search(&self, stack: &mut MvStack, block: Block) {
        let count = block.n4().min(self.grid.mi_cols - block.col).min(self.grid.mi_rows - block.row);
        for along in [Along::Row, Along::Column] {
            let mut i = 0;
            while i < count && stack.found < 2 {
                let candidate = match along {
                    Along::Row if block.row > 0 => self.grid.at(block.row - 1, block.col + i),
                    Along::Column if block.col > 0 => self.grid.at(block.row + i, block.col - 1),
                    Along::Row | Along::Column => break,
                };
                if candidate.is_inter && !stack.mvs[..stack.found].contains(&candidate.mv) {
                    stack.push(candidate.mv, 2);
                }
                i += 1 << candidate.log2;
            }
        }
    }

    /// The clamping of clause 7.10.2.14, with clamp_mv_row and clamp_mv_col (clauses 5.11.53, 5.11.54).
    fn clamp(&self, stack: &mut MvStack, block: Block) {
        let side = block.n4() as i32 * 32;
        let clamp = |value: i16, at: usize, all: usize| {
            let to_edge = |n4: usize| n4 as i32 * 32 + MV_BORDER;
            let (least, most) = (-to_edge(at) - side, to_edge(all) - at as i32 * 32);
            i32::from(value).clamp(least, most) as i16
        };
        let col = self.params.mi_col_start + block.col;
        for mv in &mut stack.mvs[..stack.found] {
            mv.row = clamp(mv.row, block.row, self.grid.mi_rows);
            mv.col = clamp(mv.col, col, self.params.frame_mi_cols);
        }
    }
}

/// Whether the place right above a block's right end is decoded before the block: above its superblock, or earlier
/// within it in the order of partitions.
fn is_decoded(block: Block, row: usize, col: usize) -> bool {
    block.row & 15 == 0 || (col <= (block.col | 15) && order(row, col) < order(block.row, block.col))
}

/// The place of a cell in the order of partitions within its superblock.
fn order(row: usize, col: usize) -> usize {
    (1..4).map(|bit| (row >> bit & 1) << (2 * bit + 1) | (col >> bit & 1) << (2 * bit)).sum()
}
