//! Blocks without loss: decoders get the screen itself.

use super::{Tile, cost::residual_cost};
use crate::{
    frame::Frame,
    geometry::Block,
    headers::LOSSLESS,
    modes::{IntraMode, ModeInfo, Mv, UvMode},
    motion::Move,
    predict::Edges,
    syntax::TransformPlace,
    transform::forward_wht,
};

/// Intra modes that are tried, in the order of preference.
const MODES: [IntraMode; 4] = [IntraMode::Paeth, IntraMode::V, IntraMode::H, IntraMode::Dc];
/// What choosing modes costs against a still prediction, in sixteenths of a bit.
const INTRA_COST: u32 = 8 * 16;
/// What telling a vector costs.
const VECTOR_COST: u32 = 8 * 16;
/// What a prediction from the same place costs.
const STILL_COST: u32 = 4 * 16;

/// How a block with a residual is predicted.
enum Prediction {
    Intra(IntraMode, IntraMode),
    Inter(Move),
}

impl Tile {
    /// A block of one colour: only what touches other blocks can have a residual.
    pub(super) fn flat_block(&mut self, frame: &Frame, block: Block) {
        self.take_source(frame, block);
        let (width, height) = self.extent(frame, block);
        for plane in 0..3 {
            for y in 0..height / 4 {
                self.residual[plane][y * 16..][..width / 4].fill([[0; 4]; 4]);
                // The first column, and all of the first row.
                for x in 0..if y == 0 { width / 4 } else { 1 } {
                    self.intra_residual(frame, block, plane, IntraMode::Paeth, x, y);
                }
            }
        }
        self.code_intra(frame, block, IntraMode::Paeth, IntraMode::Paeth);
    }

    /// A block whose palettes have been found.
    pub(super) fn palette_block(&mut self, frame: &Frame, block: Block) {
        self.take_source(frame, block);
        let (width, height) = self.extent(frame, block);
        self.writer.skip(block, true);
        let segment = self.writer.segment_id(block, true, LOSSLESS);
        let (y_mode, uv_mode) = (IntraMode::Dc, UvMode::Intra(IntraMode::Dc));
        self.writer.intra_modes(block, segment, y_mode, uv_mode);
        let palettes = &self.palettes;
        self.writer.palette_mode_info(block, y_mode, uv_mode, [Some(&palettes[0]), Some(&palettes[1])]);
        for (plane, palette) in palettes.iter().enumerate() {
            self.writer.palette_tokens(plane, palette, &self.maps[plane], width, height);
        }
        self.writer.contexts.reset_block(block);
        self.writer.grid.set(block, ModeInfo { log2: block.log2, segment, skip: true, ..ModeInfo::default() });
    }

    /// A block with a prediction and a residual.
    pub(super) fn exact_block(&mut self, frame: &Frame, block: Block) {
        // The neighbours' pixels are those of the screen, so that all 4×4 squares can be predicted before any is coded.
        self.take_source(frame, block);
        match self.choose_prediction(frame, block) {
            Prediction::Intra(y_mode, uv_mode) => {
                let (width, height) = self.extent(frame, block);
                for plane in 0..3 {
                    let mode = if plane == 0 { y_mode } else { uv_mode };
                    for (x, y) in squares(width, height) {
                        self.intra_residual(frame, block, plane, mode, x, y);
                    }
                }
                self.code_intra(frame, block, y_mode, uv_mode);
            }
            Prediction::Inter(vector) => self.code_inter(frame, block, vector),
        }
    }

    /// The block's part of the screen is what decoders will have.
    fn take_source(&mut self, frame: &Frame, block: Block) {
        let (width, height) = self.extent(frame, block);
        let x = self.frame_x(block);
        for plane in 0..3 {
            for y in block.y()..block.y() + height {
                let source = frame.source.row(plane, x, y, width);
                self.recon.row_mut(plane, block.x(), y, width).copy_from_slice(source);
            }
        }
        self.set_staleness(block, (width, height), 0);
    }

    /// The cheapest of some intra modes, for luma and for chroma, and of some vectors.
    fn choose_prediction(&self, frame: &Frame, block: Block) -> Prediction {
        let (width, height) = self.extent(frame, block);
        let vectors = self.vectors(frame, block);
        let mut intra = [[0u32; MODES.len()]; 2];
        let mut inter = [0u32; MOST_VECTORS];
        for plane in 0..3 {
            for (x, y) in squares(width, height) {
                let (x, y) = (block.x() + x * 4, block.y() + y * 4);
                let source = square(&self.recon.block(plane, x, y));
                let edges = Edges::<4>::of(&self.recon, plane, x, y);
                for (cost, mode) in intra[usize::from(plane > 0)].iter_mut().zip(MODES) {
                    *cost += residual_cost(&source, &edges.predict(mode));
                }
                let frame_x = self.sb_start * 64 + x;
                for (cost, vector) in inter.iter_mut().zip(vectors.iter().flatten()) {
                    let (from_x, from_y) = at(frame_x, y, *vector);
                    *cost += residual_cost(&source, &frame.reference.block(plane, from_x, from_y));
                }
            }
        }
        let least = |costs: &[u32]| costs.iter().enumerate().min_by_key(|(_, cost)| **cost).map_or(0, |(i, _)| i);
        let (y_mode, uv_mode) = (least(&intra[0]), least(&intra[1]));
        let intra_cost = intra[0][y_mode] + intra[1][uv_mode] + INTRA_COST;
        let priced = vectors
            .iter()
            .flatten()
            .zip(inter)
            .map(|(vector, cost)| (*vector, cost + if *vector == (0, 0) { STILL_COST } else { VECTOR_COST }));
        match priced.min_by_key(|(_, cost)| *cost) {
            Some((vector, cost)) if cost < intra_cost => Prediction::Inter(vector),
            _ => Prediction::Intra(MODES[y_mode], MODES[uv_mode]),
        }
    }

    /// The vectors that are worth a try: none, and the frame's.
    fn vectors(&self, frame: &Frame, block: Block) -> [Option<Move>; MOST_VECTORS] {
        let mut vectors = [None; MOST_VECTORS];
        if frame.header.key {
            return vectors;
        }
        vectors[0] = Some((0, 0));
        let (width, height) = self.extent(frame, block);
        let x = self.frame_x(block);
        let moves = frame.moves.iter().filter(|vector| frame.moved(x, block.y(), width, height, **vector).is_some());
        vectors[1..].iter_mut().zip(moves).for_each(|(slot, vector)| *slot = Some(*vector));
        vectors
    }

    /// The residual of a 4×4 square of a block with an intra mode.
    fn intra_residual(&mut self, frame: &Frame, block: Block, plane: usize, mode: IntraMode, x: usize, y: usize) {
        let (left, top) = (block.x() + x * 4, block.y() + y * 4);
        let prediction = Edges::<4>::of(&self.recon, plane, left, top).predict(mode);
        let source = frame.source.block(plane, self.sb_start * 64 + left, top);
        self.residual[plane][y * 16 + x] = subtract(&source, &prediction);
    }

    /// Codes an intra block whose residual is known.
    fn code_intra(&mut self, frame: &Frame, block: Block, y_mode: IntraMode, uv_mode: IntraMode) {
        // INVARIANT: a skipped block takes the predicted segment, and with it the transform size by which intra
        // prediction goes. Where there are two segments an intra block without palettes is never skipped.
        let skip = frame.header.base_q_idx == 0 && !self.has_residual(frame, block);
        self.writer.skip(block, skip);
        let segment = self.writer.segment_id(block, skip, LOSSLESS);
        self.writer.intra_modes(block, segment, y_mode, UvMode::Intra(uv_mode));
        self.writer.palette_mode_info(block, y_mode, UvMode::Intra(uv_mode), [None, None]);
        self.code_residual(frame, block, skip);
        self.writer.grid.set(block, ModeInfo { log2: block.log2, segment, skip, y_mode, ..ModeInfo::default() });
    }

    /// Codes a block as the difference from a part of the reference.
    fn code_inter(&mut self, frame: &Frame, block: Block, vector: Move) {
        let (width, height) = self.extent(frame, block);
        let x = self.frame_x(block);
        for plane in 0..3 {
            for (column, row) in squares(width, height) {
                let (left, top) = (x + column * 4, block.y() + row * 4);
                let (from_x, from_y) = at(left, top, vector);
                let prediction = frame.reference.block(plane, from_x, from_y);
                self.residual[plane][row * 16 + column] = subtract(&frame.source.block(plane, left, top), &prediction);
            }
        }
        let mv = Mv::pixels(vector.0, vector.1);
        if !self.has_residual(frame, block) {
            return self.skipped_inter(block, mv);
        }
        self.writer.skip(block, false);
        let segment = self.writer.segment_id(block, false, LOSSLESS);
        let new_mv = self.writer.inter_modes(block, mv);
        self.code_residual(frame, block, false);
        let info = ModeInfo { mv, log2: block.log2, segment, is_inter: true, new_mv, ..ModeInfo::default() };
        self.end_inter(block, info);
    }

    fn has_residual(&self, frame: &Frame, block: Block) -> bool {
        let (width, height) = self.extent(frame, block);
        squares(width, height).any(|(x, y)| self.residual.iter().any(|plane| plane[y * 16 + x] != [[0; 4]; 4]))
    }

    /// residual (clause 5.11.34) of a lossless block.
    fn code_residual(&mut self, frame: &Frame, block: Block, skip: bool) {
        if skip {
            return self.writer.contexts.reset_block(block);
        }
        let (width, height) = self.extent(frame, block);
        for plane in 0..3 {
            for (x, y) in squares(width, height) {
                let residual = &self.residual[plane][y * 16 + x];
                let coefficients = if *residual == [[0; 4]; 4] { [0; 16] } else { forward_wht(residual) };
                let place = TransformPlace { plane, col: block.col + x, row: block.row + y };
                self.writer.coeffs_4x4(place, &coefficients);
            }
        }
    }
}

/// The vectors that are tried: none, and those of the frame.
const MOST_VECTORS: usize = 1 + crate::motion::MOST_MOVES;

/// The columns and rows of the 4×4 squares of a block, row by row.
fn squares(width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height / 4).flat_map(move |y| (0..width / 4).map(move |x| (x, y)))
}

/// The place at the end of a vector that is known to lie on the picture.
fn at(x: usize, y: usize, (dx, dy): Move) -> (usize, usize) {
    (x.wrapping_add_signed(dx as isize), y.wrapping_add_signed(dy as isize))
}

#[inline(always)]
fn square(pixels: &[[u8; 4]; 4]) -> [[i16; 4]; 4] {
    pixels.map(|row| row.map(i16::from))
}

#[inline(always)]
fn subtract(source: &[[u8; 4]; 4], prediction: &[[u8; 4]; 4]) -> [[i16; 4]; 4] {
    let mut difference = square(source);
    for (row, prediction) in difference.iter_mut().zip(prediction) {
        for (value, prediction) in row.iter_mut().zip(prediction) {
            *value -= i16::from(*prediction);
        }
    }
    difference
}
