//! References and motion vectors of inter blocks.

use super::{BlockWriter, mv_stack::MvStack};
use crate::{
    geometry::Block,
    modes::{ModeInfo, Mv},
};

/// The most that a component of a vector may be, in pixels: half of what mv_class can tell, so that the difference of
/// any two vectors can be told.
pub(crate) const MOST_MV: i32 = 1023;

impl BlockWriter {
    /// is_inter and inter_block_mode_info (clauses 5.11.20, 5.11.23) of a block that is predicted from LAST_FRAME.
    /// Returns whether its mode is NEWMV.
    pub fn inter_modes(&mut self, block: Block, mv: Mv) -> bool {
        self.is_inter(block, true);
        self.ref_frames(block);
        let stack = self.mv_stack(block);
        let new_mv = &mut self.cdfs.new_mv[stack.new_mv_ctx];
        if mv == Mv::default() {
            // GLOBALMV.
            self.symbols.symbol(new_mv, 1);
            self.symbols.symbol(&mut self.cdfs.zero_mv[0], 0);
            return false;
        }
        // Beyond the fourth the index of a vector cannot be told.
        let index = stack.mvs().iter().take(4).position(|candidate| *candidate == mv);
        self.symbols.symbol(new_mv, usize::from(index.is_some()));
        let Some(index) = index else {
            self.new_mv(&stack, mv);
            return true;
        };
        self.symbols.symbol(&mut self.cdfs.zero_mv[0], 1);
        // NEARESTMV or NEARMV.
        self.symbols.symbol(&mut self.cdfs.ref_mv[stack.ref_mv_ctx], usize::from(index > 0));
        if index > 0 {
            self.drl_mode(&stack, 1, index);
        }
        false
    }

    /// What a still block of 64×64 among such blocks says: all its contexts are known. A shortcut for a picture's most
    /// frequent block.
    pub fn still_superblock(&mut self, block: Block) -> u8 {
        self.symbols.symbol(&mut self.cdfs.partition_w64[0], 0);
        self.symbols.symbol(&mut self.cdfs.skip[2], 1);
        let segment = self.segment_id(block, true, 0);
        self.symbols.symbol(&mut self.cdfs.is_inter[0], 1);
        for k in SINGLE_REF_OF_LAST {
            self.symbols.symbol(&mut self.cdfs.single_ref[2][k], 0);
        }
        self.symbols.symbol(&mut self.cdfs.new_mv[5], 1);
        self.symbols.symbol(&mut self.cdfs.zero_mv[0], 0);
        segment
    }

    /// ref_frames (clause 5.11.25): single_ref_p1, single_ref_p3 and single_ref_p4 lead to LAST_FRAME. Only this
    /// reference is counted, so that the three have one context.
    fn ref_frames(&mut self, block: Block) {
        let inter = |info: Option<&ModeInfo>| info.is_some_and(|i| i.is_inter);
        let ctx = 1 + usize::from(inter(self.grid.above(block)) || inter(self.grid.left(block)));
        for k in SINGLE_REF_OF_LAST {
            self.symbols.symbol(&mut self.cdfs.single_ref[ctx][k], 0);
        }
    }

    /// drl_mode (clause 5.11.23), from a first index on to RefMvIdx.
    fn drl_mode(&mut self, stack: &MvStack, first: usize, ref_mv_idx: usize) {
        for index in first..first + 2 {
            if stack.found > index + 1 {
                let further = ref_mv_idx > index;
                self.symbols.symbol(&mut self.cdfs.drl_mode[stack.drl_ctx(index)], usize::from(further));
                if !further {
                    return;
                }
            }
        }
    }

    /// A vector as its difference from the nearest of the first three candidates (assign_mv, clause 5.11.26).
    fn new_mv(&mut self, stack: &MvStack, mv: Mv) {
        let difference = |from: &Mv| [i32::from(mv.row) - i32::from(from.row), i32::from(mv.col) - i32::from(from.col)];
        let cost = |from: &Mv| difference(from).map(i32::abs).iter().sum::<i32>();
        let candidates = stack.mvs().iter().take(3).enumerate();
        let (index, from) = candidates.min_by_key(|(_, from)| cost(from)).unwrap_or((0, &Mv { row: 0, col: 0 }));
        self.drl_mode(stack, 0, index);
        // read_mv (clause 5.11.31).
        let difference = difference(from);
        let joint = usize::from(difference[1] != 0) + 2 * usize::from(difference[0] != 0);
        self.symbols.symbol(&mut self.cdfs.mv_joint, joint);
        for (component, difference) in difference.into_iter().enumerate() {
            if difference != 0 {
                self.mv_component(component, difference);
            }
        }
    }

    /// read_mv_component (clause 5.11.32) without high precision: whole pixels, or quarters.
    fn mv_component(&mut self, component: usize, difference: i32) {
        let (symbols, cdfs) = (&mut self.symbols, &mut self.cdfs);
        let magnitude = difference.unsigned_abs() - 1;
        let (whole, quarters) = (magnitude >> 3, (magnitude >> 1 & 3) as usize);
        symbols.symbol(&mut cdfs.mv_sign[component], usize::from(difference < 0));
        let class = if whole < 2 { 0 } else { whole.ilog2() as usize };
        symbols.symbol(&mut cdfs.mv_class[component], class);
        if class == 0 {
            symbols.symbol(&mut cdfs.mv_class0_bit[component], whole as usize);
        } else {
            for (bit, cdf) in cdfs.mv_bit[component].iter_mut().enumerate().take(class) {
                symbols.symbol(cdf, (whole >> bit & 1) as usize);
            }
        }
        if !self.params.force_integer_mv {
            let cdf =
                if class == 0 { &mut cdfs.mv_class0_fr[component][whole as usize] } else { &mut cdfs.mv_fr[component] };
            symbols.symbol(cdf, quarters);
        }
    }
}

/// The places of single_ref_p1, single_ref_p3 and single_ref_p4 in the table of distributions.
const SINGLE_REF_OF_LAST: [usize; 3] = [0, 2, 3];
