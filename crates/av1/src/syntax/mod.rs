//! Block syntax (clause 5.11): writes what has been decided. Knows symbols and their contexts, but no pixels.

mod coefficients;
mod inter;
mod intra;
mod mv_stack;
mod palette;

pub(crate) use coefficients::TransformPlace;
pub(crate) use inter::MOST_MV;
pub(crate) use palette::{Palette, PaletteMap};

use crate::{
    contexts::Contexts,
    geometry::Block,
    headers::{FrameHeader, LOSSLESS},
    modes::{ModeGrid, ModeInfo},
    symbol::SymbolEncoder,
    tables::Cdfs,
};

/// What the syntax of blocks depends on beyond themselves.
#[derive(Clone, Copy)]
pub(crate) struct TileParams {
    /// FrameIsIntra.
    pub intra_frame: bool,
    /// segmentation_enabled.
    pub segmentation: bool,
    /// force_integer_mv.
    pub force_integer_mv: bool,
    /// The tile's first column and the frame's size, in units of four pixels.
    pub mi_col_start: usize,
    pub frame_mi_cols: usize,
}

impl TileParams {
    pub fn new(header: &FrameHeader, mi_col_start: usize, frame_mi_cols: usize) -> Self {
        Self {
            intra_frame: header.key,
            segmentation: header.base_q_idx > 0,
            force_integer_mv: header.force_integer_mv,
            mi_col_start,
            frame_mi_cols,
        }
    }
}

/// Writes the blocks of one tile.
pub(crate) struct BlockWriter {
    pub symbols: SymbolEncoder,
    pub cdfs: Cdfs,
    pub params: TileParams,
    pub contexts: Contexts,
    pub grid: ModeGrid,
}

impl BlockWriter {
    /// partition (clause 5.11.4) of a block that lies on the picture: split in four or not at all. At the picture's edges
    /// less can be chosen, and less is said.
    pub fn partition(&mut self, block: Block, split: bool) {
        let half = block.n4() / 2;
        let has_rows = block.row + half < self.grid.mi_rows;
        let has_cols = block.col + half < self.grid.mi_cols;
        let smaller = |info: Option<&ModeInfo>| usize::from(info.is_some_and(|i| i.log2 < block.log2));
        let ctx = 2 * smaller(self.grid.left(block)) + smaller(self.grid.above(block));
        // PARTITION_NONE, PARTITION_SPLIT.
        let symbol = if split { 3 } else { 0 };
        let cdfs = &mut self.cdfs;
        let wide = match block.log2 {
            1 => return self.symbols.symbol(&mut cdfs.partition_w8[ctx], symbol),
            2 => &mut cdfs.partition_w16[ctx],
            3 => &mut cdfs.partition_w32[ctx],
            _ => &mut cdfs.partition_w64[ctx],
        };
        if has_rows && has_cols {
            self.symbols.symbol(wide, symbol);
        } else if has_rows || has_cols {
            self.symbols.boolean(derived_split(wide, has_cols), split);
        }
    }

    /// skip (clause 5.11.11).
    pub fn skip(&mut self, block: Block, skip: bool) {
        let skipped = |info: Option<&ModeInfo>| usize::from(info.is_some_and(|i| i.skip));
        let ctx = skipped(self.grid.above(block)) + skipped(self.grid.left(block));
        self.symbols.symbol(&mut self.cdfs.skip[ctx], usize::from(skip));
    }

    /// intra_segment_id and inter_segment_id (clauses 5.11.8, 5.11.19) after skip. Returns the segment that the block is
    /// in: a skipped one takes the predicted segment and says nothing.
    pub fn segment_id(&mut self, block: Block, skip: bool, segment: u8) -> u8 {
        if !self.params.segmentation {
            return LOSSLESS;
        }
        let segment_of = |info: Option<&ModeInfo>| info.map(|i| i.segment);
        let above = segment_of(self.grid.above(block));
        let left = segment_of(self.grid.left(block));
        let above_left = segment_of(self.grid.above_left(block));
        // read_segment_id (clause 5.11.9).
        let predicted = match (above, left) {
            (None, left) => left.unwrap_or(0),
            (Some(above), None) => above,
            (Some(above), Some(left)) => {
                if above_left == Some(above) {
                    above
                } else {
                    left
                }
            }
        };
        if skip {
            return predicted;
        }
        let ctx = match above_left {
            None => 0,
            corner if corner == above && corner == left => 2,
            corner => usize::from(corner == above || corner == left || above == left),
        };
        // neg_deinterleave (clause 6.10.8) of two segments.
        self.symbols.symbol(&mut self.cdfs.segment_id[ctx], usize::from(segment ^ predicted));
        segment
    }

    /// is_inter (clause 5.11.20) of a frame that has inter blocks.
    pub fn is_inter(&mut self, block: Block, is_inter: bool) {
        let intra = |info: Option<&ModeInfo>| info.map(|i| !i.is_inter);
        let ctx = match (intra(self.grid.above(block)), intra(self.grid.left(block))) {
            (Some(true), Some(true)) => 3,
            (Some(above), Some(left)) => usize::from(above || left),
            (Some(one), None) | (None, Some(one)) => 2 * usize::from(one),
            (None, None) => 0,
        };
        self.symbols.symbol(&mut self.cdfs.is_inter[ctx], usize::from(is_inter));
    }
}

/// The distribution of split_or_horz (`has_cols`) or split_or_vert, which is the sum of those partitions that split the
/// other way too (clause 8.3.2).
fn derived_split(cdf: &[u16; 10], has_cols: bool) -> u16 {
    // HORZ, VERT, SPLIT, HORZ_A, HORZ_B, VERT_A, VERT_B, HORZ_4, VERT_4 are 1 to 9.
    let frequency = |i: usize| if i == 9 { 32768 - cdf[8] } else { cdf[i] - cdf[i - 1] };
    let counted: [usize; 6] = if has_cols { [2, 3, 4, 6, 7, 9] } else { [1, 3, 4, 5, 6, 8] };
    32768 - counted.into_iter().map(frequency).sum::<u16>()
}
