//! Blocks with a quantised residual: a DCT of their own size in each plane.

use super::{
    Tile,
    cost::{sad, sad_row},
};
use crate::{
    frame::Frame,
    geometry::Block,
    headers::LOSSY,
    modes::{IntraMode, ModeInfo, Mv, UvMode},
    motion::{Move, is_codable},
    predict::{Edges, LumaShape},
    quantize::Quantizer,
    syntax::TransformPlace,
    transform::{Dct, inverse, inverse_of_mean},
};

/// Squares of the three planes.
type Square<T, const N: usize> = [[[T; N]; N]; 3];

/// How a block is predicted.
#[derive(Clone, Copy)]
enum Prediction {
    Intra(IntraMode),
    Inter(Mv),
}

/// A vector or a mode, and the sum of absolute differences in luma, with what telling it costs.
struct Found<T> {
    what: T,
    cost: u32,
}

impl Tile {
    /// A block of 8 or 16 pixels.
    pub(super) fn lossy_block(&mut self, frame: &Frame, block: Block) {
        match block.log2 {
            1 => self.lossy_square(frame, block, &Dct::<8>::TABLE),
            _ => self.lossy_square(frame, block, &Dct::<16>::TABLE),
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
                let (from_x, from_y) = at(x, block.y(), mv.whole());
                for plane in 0..3 {
                    let predicted = frame.reference.block(plane, from_x, from_y);
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
    fn predict_lossy<const N: usize>(&self, frame: &Frame, block: Block, source: &Square<u8, N>) -> Prediction {
        let area = (N * N) as u32;
        let vector = (!frame.header.key).then(|| self.search_vector(frame, block, &source[0]));
        if let Some(found) = vector.as_ref().filter(|found| found.cost <= 2 * area) {
            return Prediction::Inter(Mv::pixels(found.what.0, found.what.1));
        }
        let mode = self.search_mode(block, &source[0]);
        match vector {
            Some(vector) if vector.cost < mode.cost * 7 / 8 + N as u32 => {
                Prediction::Inter(Mv::pixels(vector.what.0, vector.what.1))
            }
            _ => Prediction::Intra(mode.what),
        }
    }

    /// The best of the vectors that are likely, and of those around it.
    fn search_vector<const N: usize>(&self, frame: &Frame, block: Block, source: &[[u8; N]; N]) -> Found<Move> {
        let (x, y, area) = (self.frame_x(block), block.y(), (N * N) as u32);
        let mut best = Found { what: (0, 0), cost: sad(source, &frame.reference.block(0, x, y)) };
        let grid = &self.writer.grid;
        let beside = [grid.left(block), grid.above(block)].into_iter().flatten().map(|info| info.mv.whole());
        for vector in frame.moves.iter().take(3).copied().chain(beside) {
            if best.cost <= 2 * area {
                return best;
            }
            try_vector(frame, x, y, source, vector, &mut best);
        }
        // A small diamond, unless it is good already.
        let (mut step, mut rounds) = (2, 0);
        while step > 0 && best.cost > 3 * area && rounds < 8 {
            let center = best.what;
            for (dx, dy) in [(step, 0), (-step, 0), (0, step), (0, -step)] {
                try_vector(frame, x, y, source, (center.0 + dx, center.1 + dy), &mut best);
            }
            if best.what == center {
                step /= 2;
            }
            rounds += 1;
        }
        best
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
        let levels = quantizer.levels(&dct.forward(&residual));
        let values = quantizer.dequantized(&levels);
        let mean_alone = levels.iter().flatten().skip(1).all(|level| *level == 0);
        let added = if mean_alone { [[inverse_of_mean::<N>(values[0][0]); N]; N] } else { inverse(&values) };
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

/// Keeps a vector if it is better than the best one. It must not reach beyond the picture.
fn try_vector<const N: usize>(
    frame: &Frame,
    x: usize,
    y: usize,
    source: &[[u8; N]; N],
    vector: Move,
    best: &mut Found<Move>,
) {
    let Some((from_x, from_y)) = frame.moved(x, y, N, N, vector).filter(|_| is_codable(vector)) else { return };
    let reference = frame.reference.plane(0);
    let mut cost = if vector == (0, 0) { 0 } else { N as u32 };
    for (i, row) in source.iter().enumerate() {
        let start = (from_y + i) * frame.reference.stride + from_x;
        let mut other = [0; N];
        other.copy_from_slice(&reference[start..start + N]);
        cost += sad_row(row, &other);
        if cost >= best.cost {
            return;
        }
    }
    *best = Found { what: vector, cost };
}

/// The place at the end of a vector that is known to lie on the picture.
fn at(x: usize, y: usize, (dx, dy): Move) -> (usize, usize) {
    (x.wrapping_add_signed(dx as isize), y.wrapping_add_signed(dy as isize))
}
