//! Coefficients of transform blocks.

use super::BlockWriter;
use crate::{
    contexts::CoefficientEdge,
    modes::IntraMode,
    symbol::SymbolEncoder,
    tables::{Cdfs, SCAN_4X4, SCAN_8X8, SCAN_16X16, SCAN_32X32},
};

/// The place of a transform block: its plane, and its first column and row in units of four pixels.
#[derive(Clone, Copy)]
pub(crate) struct TransformPlace {
    pub plane: usize,
    pub col: usize,
    pub row: usize,
}

impl BlockWriter {
    /// coeffs (clause 5.11.39) of a lossless 4×4 block. Lossless blocks of pixels have more than one of them.
    pub fn coeffs_4x4(&mut self, place: TransformPlace, coefficients: &[i32; 16]) {
        let (above, left) = self.edges(place);
        let (level_above, level_left) = (above.level[place.col], left.level[place.row & 15]);
        let (dc_above, dc_left) = (above.dc[place.col], left.dc[place.row & 15]);
        let ctx = if place.plane == 0 {
            let (most, least) = (level_above.max(level_left), level_above.min(level_left));
            match (most, least) {
                (0, _) => 1,
                (most, 0) => 2 + usize::from(most > 3),
                (..=3, _) => 4,
                (_, ..=3) => 5,
                _ => 6,
            }
        } else {
            10 + usize::from(level_above | dc_above != 0) + usize::from(level_left | dc_left != 0)
        };
        let all_zero = *coefficients == [0; 16];
        self.symbols.symbol(&mut self.cdfs.txb_skip[0][ctx], usize::from(all_zero));
        let told = if all_zero {
            Told::default()
        } else {
            let dc_ctx = dc_sign_ctx(sign(dc_above) + sign(dc_left));
            levels::<2, 8, 56>(&mut self.symbols, &mut self.cdfs, place.plane, coefficients, &SCAN_4X4, dc_ctx)
        };
        self.set_edges(place, 1, told);
    }

    /// coeffs (clause 5.11.39) of a lossy block's only transform block in a plane: DCT_DCT of 4 << `tx_size` pixels, with
    /// transform_type (clause 5.11.47) where it is luma. `intra` is YMode of an intra block.
    pub fn coeffs_dct(
        &mut self,
        place: TransformPlace,
        tx_size: usize,
        coefficients: &[i32],
        all_zero: bool,
        intra: Option<IntraMode>,
    ) {
        let n4 = 1 << tx_size;
        let (above, left) = self.edges(place);
        let above_dc = &above.dc[place.col..place.col + n4];
        let left_dc = &left.dc[place.row & 15..][..n4];
        let ctx = if place.plane == 0 {
            0
        } else {
            let some = |levels: &[u8], dc: &[u8]| usize::from(levels.iter().chain(dc).any(|v| *v != 0));
            7 + some(&above.level[place.col..place.col + n4], above_dc)
                + some(&left.level[place.row & 15..][..n4], left_dc)
        };
        let dc_ctx = dc_sign_ctx(above_dc.iter().chain(left_dc).map(|dc| sign(*dc)).sum());
        self.symbols.symbol(&mut self.cdfs.txb_skip[tx_size][ctx], usize::from(all_zero));
        let mut told = Told::default();
        if !all_zero {
            if place.plane == 0 {
                self.transform_type(tx_size, intra);
            }
            let (s, c, plane) = (&mut self.symbols, &mut self.cdfs, place.plane);
            told = match tx_size {
                1 => levels::<3, 12, 124>(s, c, plane, coefficients, &SCAN_8X8, dc_ctx),
                2 => levels::<4, 20, 364>(s, c, plane, coefficients, &SCAN_16X16, dc_ctx),
                _ => levels::<5, 36, 1228>(s, c, plane, coefficients, &SCAN_32X32, dc_ctx),
            };
        }
        self.set_edges(place, n4, told);
    }

    /// inter_tx_type or intra_tx_type (clause 5.11.47): DCT_DCT, which is second in both sets. Intra blocks of 32×32
    /// have no choice.
    fn transform_type(&mut self, tx_size: usize, intra: Option<IntraMode>) {
        match intra {
            None => self.symbols.symbol(&mut self.cdfs.inter_tx_type_set3[tx_size], 1),
            Some(mode) if tx_size < 3 => {
                self.symbols.symbol(&mut self.cdfs.intra_tx_type_set2[tx_size][mode as usize], 1);
            }
            Some(_) => {}
        }
    }

    fn edges(&self, place: TransformPlace) -> (&CoefficientEdge, &CoefficientEdge) {
        (&self.contexts.above[place.plane], &self.contexts.left[place.plane])
    }

    fn set_edges(&mut self, place: TransformPlace, n4: usize, told: Told) {
        self.contexts.above[place.plane].fill(place.col, n4, told.level, told.dc);
        self.contexts.left[place.plane].fill(place.row & 15, n4, told.level, told.dc);
    }
}

/// What a transform block leaves to its neighbours: culLevel and dcCategory.
#[derive(Clone, Copy, Default)]
struct Told {
    level: u8,
    dc: u8,
}

/// The sign of a dcCategory.
fn sign(dc: u8) -> i32 {
    [0, -1, 1][usize::from(dc)]
}

/// The context of dc_sign (clause 8.3.2).
fn dc_sign_ctx(signs: i32) -> usize {
    match signs {
        0 => 0,
        ..0 => 1,
        1.. => 2,
    }
}

/// The part of coeffs that follows all_zero and the transform type: a square of 1 << `LOG2` a side. `STRIDE` and `AREA`
/// are those of its levels with a border of zeros.
#[inline(always)]
fn levels<const LOG2: usize, const STRIDE: usize, const AREA: usize>(
    symbols: &mut SymbolEncoder,
    cdfs: &mut Cdfs,
    plane: usize,
    coefficients: &[i32],
    scan: &[u16],
    dc_ctx: usize,
) -> Told {
    let (tx_size, ptype) = (LOG2 - 2, usize::from(plane > 0));
    let eob = end_of_block(coefficients, LOG2, scan);
    code_eob(symbols, cdfs, tx_size, ptype, eob);
    let mut levels = [0u8; AREA];
    for c in (0..eob).rev() {
        let pos = usize::from(scan[c]);
        let (row, col) = (pos >> LOG2, pos & ((1 << LOG2) - 1));
        let at = row * STRIDE + col;
        let level = coefficients[pos].unsigned_abs();
        let beside = |offset: usize| usize::from(levels[at + offset]);
        if c == eob - 1 {
            let ctx = base_eob_ctx(c, 1 << (2 * LOG2));
            symbols.symbol(&mut cdfs.coeff_base_eob[tx_size][ptype][ctx], level.min(3) as usize - 1);
        } else {
            // Sig_Ref_Diff_Offset of TX_CLASS_2D.
            let magnitude: usize =
                [1, STRIDE, STRIDE + 1, 2, 2 * STRIDE].into_iter().map(|offset| beside(offset).min(3)).sum();
            let ctx = if pos == 0 { 0 } else { magnitude.div_ceil(2).min(4) + base_ctx_offset(row + col) };
            symbols.symbol(&mut cdfs.coeff_base[tx_size][ptype][ctx], level.min(3) as usize);
        }
        if level > 2 {
            let magnitude = (beside(1) + beside(STRIDE) + beside(STRIDE + 1)).div_ceil(2).min(6);
            let ctx = magnitude
                + if pos == 0 {
                    0
                } else if row < 2 && col < 2 {
                    7
                } else {
                    14
                };
            code_range(symbols, &mut cdfs.coeff_br[tx_size][ptype][ctx], level - 3);
        }
        levels[at] = level.min(15) as u8;
    }
    code_signs(symbols, &mut cdfs.dc_sign[ptype][dc_ctx], coefficients, &scan[..eob])
}

/// One more than the place, in the order of the scan, of the last coefficient that is not zero.
#[inline(always)]
fn end_of_block(coefficients: &[i32], log2: usize, scan: &[u16]) -> usize {
    let side = 1 << log2;
    // The scan follows diagonals: none beyond the last one that has something needs to be looked at.
    let mut diagonal = 0;
    for (i, row) in coefficients.chunks_exact(side).enumerate() {
        if row.iter().fold(0, |any, v| any | v) != 0 {
            diagonal = diagonal.max(i + row.iter().rposition(|v| *v != 0).unwrap_or(0));
        }
    }
    let end = if diagonal < side { (diagonal + 1) * (diagonal + 2) / 2 } else { side * side };
    scan[..end].iter().rposition(|pos| coefficients[usize::from(*pos)] != 0).map_or(1, |last| last + 1)
}

/// eob_pt_16 to eob_pt_1024, eob_extra and eob_extra_bit.
#[inline(always)]
fn code_eob(symbols: &mut SymbolEncoder, cdfs: &mut Cdfs, tx_size: usize, ptype: usize, eob: usize) {
    let eob_pt = if eob < 3 { eob } else { (eob - 1).ilog2() as usize + 2 };
    match tx_size {
        0 => symbols.symbol(&mut cdfs.eob_pt_16[ptype], eob_pt - 1),
        1 => symbols.symbol(&mut cdfs.eob_pt_64[ptype], eob_pt - 1),
        2 => symbols.symbol(&mut cdfs.eob_pt_256[ptype], eob_pt - 1),
        _ => symbols.symbol(&mut cdfs.eob_pt_1024[ptype], eob_pt - 1),
    }
    if eob_pt >= 3 {
        let (extra, shift) = (eob - (1 << (eob_pt - 2)) - 1, eob_pt - 3);
        symbols.symbol(&mut cdfs.eob_extra[tx_size][ptype][eob_pt - 3], extra >> shift & 1);
        symbols.literal(extra as u32, shift as u32);
    }
}

/// The context of coeff_base_eob (clause 8.3.2).
#[inline(always)]
fn base_eob_ctx(c: usize, area: usize) -> usize {
    match c {
        0 => 0,
        c if c <= area / 8 => 1,
        c if c <= area / 4 => 2,
        _ => 3,
    }
}

/// Coeff_Base_Ctx_Offset of square sizes (clause 8.3.2): it depends on the diagonal alone.
#[inline(always)]
fn base_ctx_offset(diagonal: usize) -> usize {
    match diagonal {
        0 => 0,
        1 => 1,
        2 | 3 => 6,
        _ => 21,
    }
}

/// coeff_br: up to four symbols for what a level has above 3.
#[inline(always)]
fn code_range(symbols: &mut SymbolEncoder, cdf: &mut [u16; 4], mut rest: u32) {
    for _ in 0..4 {
        let symbol = rest.min(3);
        symbols.symbol(cdf, symbol as usize);
        rest -= symbol;
        if symbol < 3 {
            return;
        }
    }
}

/// dc_sign, sign_bit, and golomb_length_bit and golomb_data_bit of levels above 14.
#[inline(always)]
fn code_signs(symbols: &mut SymbolEncoder, dc_sign: &mut [u16; 2], coefficients: &[i32], scan: &[u16]) -> Told {
    let (mut cul_level, mut dc) = (0u32, 0);
    for (c, pos) in scan.iter().enumerate() {
        let value = coefficients[usize::from(*pos)];
        if value == 0 {
            continue;
        }
        if c == 0 {
            symbols.symbol(dc_sign, usize::from(value < 0));
            dc = if value < 0 { 1 } else { 2 };
        } else {
            symbols.bit(value < 0);
        }
        let level = value.unsigned_abs();
        if level > 14 {
            let x = level - 14;
            let length = u32::BITS - x.leading_zeros();
            symbols.literal(0, length - 1);
            symbols.literal(x, length);
        }
        cul_level += level;
    }
    Told { level: cul_level.min(63) as u8, dc }
}
