//! Blocks with a quantised residual: a DCT of their own size in each plane.

use super::{
    Tile,
    cost::{sad, sad_row},
    vector::{Found, is_worth_parts},
};
use crate::{
    frame::Frame,
    geometry::Block,
    headers::LOSSY,
    modes::{IntraMode, ModeInfo, Mv, UvMode},
    predict::{Edges, LumaShape},
    quantize::Quantizer,
    simd,
    syntax::TransformPlace,
    transform::{Dct, inverse_of_mean},
};

/// Squares of the three planes.
type Square<T, const N: usize> = [[[T; N]; N]; 3];

/// How a block is predicted.
#[derive(Clone, Copy)]
enum Prediction {
    Intra(IntraMode),
    Inter(Mv),
}

impl Tile {
    /// A block of 8, 16 or 32 pixels.
    pub(super) fn lossy_block(&mut self, frame: &Frame, block: Block) {
        match block.log2 {
            1 => self.lossy_square(frame, block, &Dct::<8>::TABLE),
            2 => self.lossy_square(frame, block, &Dct::<16>::TABLE),
            _ => self.lossy_square(frame, block, &Dct::<32>::TABLE),
        }
    }

    fn lossy_square<const N: usize>(&mut self, frame: &Frame, block: Block, dct: &Dct<N>) {
        let x = self.frame_x(block);
        let source: Square<u8, N> = std::array::from_fn(|plane| frame.source.block(plane, x, block.y()));
        let prediction = self.predict_lossy(frame, block, &source);
        let quantizer = Quantizer::new(frame.header.base_q_idx);
        let mut levels = [[[0; N]; N]; 3];
        let mut alphas = [0; 2];
        match prediction {
            Prediction::Inter(mv) => {
                for plane in 0..3 {
                    let predicted = simd::predict(frame.reference, plane, x, block.y(), mv);
                    levels[plane] = self.code_plane(block, plane, &source[plane], &predicted, dct, &quantizer);
                }
            }
            Prediction::Intra(y_mode) => {
                let predicted = Edges::<N>::of(&self.recon, 0, block.x(), block.y()).predict(y_mode);
                levels[0] = self.code_plane(block, 0, &source[0], &predicted, dct, &quantizer);
                // Chroma from the luma that decoders get.
                let shape = LumaShape::of(&self.recon.block::<N>(0, block.x(), block.y()));
                for plane in 1..3 {
                    let dc = Edges::<N>::of(&self.recon, plane, block.x(), block.y()).dc;
                    alphas[plane - 1] = shape.alpha(&source[plane]);
                    let predicted = shape.predict(dc, alphas[plane - 1]);
                    levels[plane] = self.code_plane(block, plane, &source[plane], &predicted, dct, &quantizer);
                }
            }
        }
        let exact = (0..3).all(|plane| self.recon.block::<N>(plane, block.x(), block.y()) == source[plane]);
        self.set_staleness(block, (N, N), if exact { 0 } else { frame.header.base_q_idx });
        self.write_lossy(block, prediction, alphas, &levels);
    }

    /// The better of inter and intra prediction, by luma.
    fn predict_lossy<const N: usize>(&mut self, frame: &Frame, block: Block, source: &Square<u8, N>) -> Prediction {
        let area = (N * N) as u32;
        let vector = (!frame.header.key).then(|| self.search_vector(frame, block, &source[0]));
        if let Some(vector) = vector.as_ref().filter(|vector| vector.cost <= 2 * area) {
            return self.moving(block, vector, area);
        }
        let mode = self.search_mode(block, &source[0]);
        match vector {
            Some(vector) if vector.cost < mode.cost * 7 / 8 + N as u32 => self.moving(block, &vector, area),
            _ => Prediction::Intra(mode.what),
        }
    }

    /// Predicts with a vector, and notes whether vectors of parts of a pixel serve or would.
    fn moving(&mut self, block: Block, vector: &Found<Mv>, area: u32) -> Prediction {
        let is_fractional = (vector.what.row | vector.what.col) & 7 != 0;
        if is_fractional || is_worth_parts(vector.cost, area) {
            self.moving_cells += block.cells().count_ones();
        }
        Prediction::Inter(vector.what)
    }

    /// Whether a block of 32 pixels is predicted well from the reference, or is smooth, so that it need not be divided.
    pub(super) fn is_worth_32(&self, frame: &Frame, block: Block) -> bool {
        let x = self.frame_x(block);
        let source = frame.source.block::<32>(0, x, block.y());
        let is_predicted = || self.likely_vector(frame, block, &source).cost <= PREDICTED_32 * 32 * 32;
        is_smooth(&source) || (!frame.header.key && is_predicted())
    }

    /// The intra mode that predicts luma best, or one that is good enough.
    fn search_mode<const N: usize>(&self, block: Block, source: &[[u8; N]; N]) -> Found<IntraMode> {
        let edges = Edges::<N>::of(&self.recon, 0, block.x(), block.y());
        let mut best = Found { what: IntraMode::Dc, cost: sad(source, &edges.predict(IntraMode::Dc)) };
        for mode in [IntraMode::V, IntraMode::H, IntraMode::Paeth] {
            if best.cost < 3 * (N * N) as u32 {
                break;
            }
            let cost = sad(source, &edges.predict(mode)) + N as u32;
            if cost < best.cost {
                best = Found { what: mode, cost };
            }
        }
        best
    }

    /// Transforms and quantises a plane of a block, and reconstructs it as a decoder does. Returns the levels.
    fn code_plane<const N: usize>(
        &mut self,
        block: Block,
        plane: usize,
        source: &[[u8; N]; N],
        predicted: &[[u8; N]; N],
        dct: &Dct<N>,
        quantizer: &Quantizer<N>,
    ) -> [[i32; N]; N] {
        let mut residual = [[0i16; N]; N];
        for ((row, source), predicted) in residual.iter_mut().zip(source).zip(predicted) {
            for ((value, source), predicted) in row.iter_mut().zip(source).zip(predicted) {
                *value = i16::from(*source) - i16::from(*predicted);
            }
        }
        if quantizer.is_negligible(&residual) {
            for (y, predicted) in predicted.iter().enumerate() {
                self.recon.row_mut(plane, block.x(), block.y() + y, N).copy_from_slice(predicted);
            }
            return [[0; N]; N];
        }
        let levels = quantizer.levels(&simd::forward(dct, &residual));
        let values = quantizer.dequantized(&levels);
        let mean_alone = levels.iter().flatten().skip(1).all(|level| *level == 0);
        let added = if mean_alone { [[inverse_of_mean::<N>(values[0][0]); N]; N] } else { simd::inverse(&values) };
        for (y, (predicted, added)) in predicted.iter().zip(&added).enumerate() {
            let row = self.recon.row_mut(plane, block.x(), block.y() + y, N);
            for ((value, predicted), added) in row.iter_mut().zip(predicted).zip(added) {
                *value = (i32::from(*predicted) + added).clamp(0, 255) as u8;
            }
        }
        levels
    }

    /// The syntax of a block whose levels are known.
    fn write_lossy<const N: usize>(
        &mut self,
        block: Block,
        prediction: Prediction,
        alphas: [i32; 2],
        levels: &Square<i32, N>,
    ) {
        let all_zero: [bool; 3] = std::array::from_fn(|plane| levels[plane] == [[0; N]; N]);
        match prediction {
            Prediction::Inter(mv) if all_zero == [true; 3] => self.skipped_inter(block, mv),
            Prediction::Inter(mv) => {
                self.writer.skip(block, false);
                let segment = self.writer.segment_id(block, false, LOSSY);
                let new_mv = self.writer.inter_modes(block, mv);
                self.write_levels(block, levels, all_zero, None);
                let info = ModeInfo { mv, log2: block.log2, segment, is_inter: true, new_mv, ..ModeInfo::default() };
                self.end_inter(block, info);
            }
            Prediction::Intra(y_mode) => {
                // Never skipped: its segment would be the predicted one.
                self.writer.skip(block, false);
                let segment = self.writer.segment_id(block, false, LOSSY);
                let uv_mode = if alphas == [0; 2] { UvMode::Intra(IntraMode::Dc) } else { UvMode::Cfl(alphas) };
                self.writer.intra_modes(block, segment, y_mode, uv_mode);
                self.writer.palette_mode_info(block, y_mode, uv_mode, [None, None]);
                self.write_levels(block, levels, all_zero, Some(y_mode));
                self.writer.grid.set(block, ModeInfo { log2: block.log2, segment, y_mode, ..ModeInfo::default() });
            }
        }
    }

    fn write_levels<const N: usize>(
        &mut self,
        block: Block,
        levels: &Square<i32, N>,
        all_zero: [bool; 3],
        intra: Option<IntraMode>,
    ) {
        for plane in 0..3 {
            let place = TransformPlace { plane, col: block.col, row: block.row };
            let tx_size = usize::from(block.log2);
            self.writer.coeffs_dct(place, tx_size, levels[plane].as_flattened(), all_zero[plane], intra);
        }
    }
}

/// Differences for a pixel up to which a square of 32 pixels counts as predicted well.
const PREDICTED_32: u32 = 3;
/// Differences of neighbours, for a pixel, up to which a square counts as smooth.
const SMOOTH: u32 = 2;

/// Whether neighbouring pixels differ little.
fn is_smooth(source: &[[u8; 32]; 32]) -> bool {
    let across: u32 =
        source.iter().map(|row| row.windows(2).map(|p| u32::from(p[0].abs_diff(p[1]))).sum::<u32>()).sum();
    let down: u32 = source.windows(2).map(|rows| sad_row(&rows[0], &rows[1])).sum();
    across + down <= 2 * SMOOTH * 32 * 32
}
