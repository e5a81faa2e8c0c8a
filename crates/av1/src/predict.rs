//! Intra prediction (clause 7.11.2) of squares and chroma from luma (clause 7.11.5).

use crate::{modes::IntraMode, planes::Planes};

/// What a square is predicted from: the row above, the column to the left and the corner between them.
#[derive(Clone, Copy)]
pub(crate) struct Edges<const N: usize> {
    above: [u8; N],
    left: [u8; N],
    corner: u8,
    /// The prediction of DC_PRED (clause 7.11.2.5).
    pub dc: u8,
}

impl<const N: usize> Edges<N> {
    /// The edges of a square of a tile, whose first row and column have none.
    #[inline(always)]
    pub fn of(planes: &Planes, plane: usize, x: usize, y: usize) -> Self {
        let (pixels, stride) = (planes.plane(plane), planes.stride);
        let at = y * stride + x;
        let (has_left, has_above) = (x > 0, y > 0);
        let (mut above, mut left) = ([127; N], [129; N]);
        if has_above {
            above.copy_from_slice(&pixels[at - stride..][..N]);
        } else if has_left {
            above = [pixels[at - 1]; N];
        }
        if has_left {
            let column = &pixels[at - 1..][..(N - 1) * stride + 1];
            for (i, value) in left.iter_mut().enumerate() {
                *value = column[i * stride];
            }
        } else if has_above {
            left = [pixels[at - stride]; N];
        }
        let corner = match (has_above, has_left) {
            (true, true) => pixels[at - stride - 1],
            (true, false) => above[0],
            (false, true) => left[0],
            (false, false) => 128,
        };
        let sum = |edge: &[u8; N]| edge.iter().map(|v| u32::from(*v)).sum::<u32>();
        let n = N as u32;
        let dc = match (has_above, has_left) {
            (true, true) => (sum(&above) + sum(&left) + n) / (2 * n),
            (true, false) => (sum(&above) + n / 2) / n,
            (false, true) => (sum(&left) + n / 2) / n,
            (false, false) => 128,
        };
        Self { above, left, corner, dc: dc as u8 }
    }

    /// The square that a mode predicts.
    #[inline(always)]
    pub fn predict(&self, mode: IntraMode) -> [[u8; N]; N] {
        match mode {
            IntraMode::Dc => [[self.dc; N]; N],
            IntraMode::V => [self.above; N],
            IntraMode::H => self.left.map(|left| [left; N]),
            IntraMode::Paeth => self.left.map(|left| self.paeth_row(left)),
        }
    }

    /// PAETH_PRED (clause 7.11.2.2): of left, above and corner the one nearest to left + above - corner.
    #[inline(always)]
    fn paeth_row(&self, left: u8) -> [u8; N] {
        let (left, corner) = (i16::from(left), i16::from(self.corner));
        let to_above = (left - corner).abs();
        let mut row = [0; N];
        for (value, above) in row.iter_mut().zip(self.above) {
            let above = i16::from(above);
            let to_left = (above - corner).abs();
            let to_corner = (above + left - 2 * corner).abs();
            let other = if to_above <= to_corner { above } else { corner };
            *value = if to_left <= to_above && to_left <= to_corner { left } else { other } as u8;
        }
        row
    }
}

/// Luma without its mean, in eighths: what chroma from luma adds to DC_PRED in parts.
pub(crate) struct LumaShape<const N: usize> {
    shape: [[i32; N]; N],
    /// The sum of the squares, in sixty-fourths.
    energy: i32,
}

impl<const N: usize> LumaShape<N> {
    pub fn of(luma: &[[u8; N]; N]) -> Self {
        let mut shape = luma.map(|row| row.map(|v| i32::from(v) << 3));
        let area = (N * N) as i32;
        let sum: i32 = shape.iter().flatten().sum();
        let average = (sum + area / 2) >> area.ilog2();
        let mut energy = 0;
        for value in shape.iter_mut().flatten() {
            *value -= average;
            energy += (*value * *value) >> 6;
        }
        Self { shape, energy }
    }

    /// The alpha, in eighths, that fits a chroma block best.
    pub fn alpha(&self, chroma: &[[u8; N]; N]) -> i32 {
        if self.energy == 0 {
            return 0;
        }
        // The shape's mean is about zero: that of chroma does not matter.
        let products = self.shape.iter().flatten().zip(chroma.iter().flatten());
        let product: i32 = products.map(|(shape, v)| (shape * (i32::from(*v) - 128)) >> 3).sum();
        let alpha = i64::from(product) * 8;
        let (alpha, energy) = (alpha.unsigned_abs(), u64::from(self.energy.unsigned_abs()));
        let rounded = ((alpha + energy / 2) / energy).min(16) as i32;
        if product < 0 { -rounded } else { rounded }
    }

    /// The predicted chroma (clause 7.11.5).
    pub fn predict(&self, dc: u8, alpha: i32) -> [[u8; N]; N] {
        self.shape.map(|row| {
            row.map(|shape| {
                let scaled = alpha * shape;
                let rounded = (scaled.abs() + 32) >> 6;
                (i32::from(dc) + if scaled < 0 { -rounded } else { rounded }).clamp(0, 255) as u8
            })
        })
    }
}
