//! Modes of intra blocks.

use super::BlockWriter;
use crate::{
    geometry::Block,
    headers::LOSSY,
    modes::{IntraMode, UvMode},
};

impl BlockWriter {
    /// intra_frame_y_mode (clause 5.11.7) or y_mode (clause 5.11.22), and is_inter before it where there is one, then
    /// uv_mode with all that belongs to it.
    pub fn intra_modes(&mut self, block: Block, segment: u8, y_mode: IntraMode, uv_mode: UvMode) {
        if self.params.intra_frame {
            let above = self.grid.above(block).map_or(0, |i| i.y_mode.context());
            let left = self.grid.left(block).map_or(0, |i| i.y_mode.context());
            self.symbols.symbol(&mut self.cdfs.intra_frame_y_mode[above][left], y_mode as usize);
        } else {
            self.is_inter(block, false);
            // Size_Group of 8, 16, and 32 and more pixels.
            let ctx = usize::from(block.log2).min(3);
            self.symbols.symbol(&mut self.cdfs.y_mode[ctx], y_mode as usize);
        }
        self.angle_delta(y_mode);
        self.uv_mode(block, segment, y_mode, uv_mode);
    }

    /// uv_mode (clause 5.11.22).
    fn uv_mode(&mut self, block: Block, segment: u8, y_mode: IntraMode, uv_mode: UvMode) {
        let cfl_allowed = segment == LOSSY && block.log2 <= 3;
        if cfl_allowed {
            self.symbols.symbol(&mut self.cdfs.uv_mode_cfl_allowed[y_mode as usize], uv_mode.symbol());
        } else {
            self.symbols.symbol(&mut self.cdfs.uv_mode_cfl_not_allowed[y_mode as usize], uv_mode.symbol());
        }
        match uv_mode {
            UvMode::Intra(mode) => self.angle_delta(mode),
            UvMode::Cfl(alphas) => self.cfl_alphas(alphas),
        }
    }

    /// angle_delta_y and angle_delta_uv (clauses 5.11.42, 5.11.43): always zero.
    fn angle_delta(&mut self, mode: IntraMode) {
        if mode.is_directional() {
            self.symbols.symbol(&mut self.cdfs.angle_delta[mode as usize - 1], 3);
        }
    }

    /// read_cfl_alphas (clause 5.11.45).
    fn cfl_alphas(&mut self, [u, v]: [i32; 2]) {
        // CFL_SIGN_ZERO, CFL_SIGN_NEG, CFL_SIGN_POS.
        let sign = |alpha: i32| if alpha == 0 { 0 } else { 1 + usize::from(alpha > 0) };
        let (sign_u, sign_v) = (sign(u), sign(v));
        self.symbols.symbol(&mut self.cdfs.cfl_sign, sign_u * 3 + sign_v - 1);
        for (alpha, own, other) in [(u, sign_u, sign_v), (v, sign_v, sign_u)] {
            if own > 0 {
                let ctx = (own - 1) * 3 + other;
                self.symbols.symbol(&mut self.cdfs.cfl_alpha[ctx], alpha.unsigned_abs() as usize - 1);
            }
        }
    }
}
