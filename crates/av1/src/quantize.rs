//! Quantisation of DCT coefficients.

use crate::tables::{AC_QLOOKUP, DC_QLOOKUP};

/// What is added before a level is cut off: less than a half, since small levels cost more than they gain.
const ROUNDING: f32 = 0.38;
/// The energy, in squared steps, that is left out: one level of 1.1 at most.
const NEGLIGIBLE: f32 = 1.2 / 64.0;
/// Adding it leaves a float's integer part in its low bits.
const MAGIC: f32 = 12_582_912.0;

/// The steps of a quantiser index for squares of N pixels.
#[derive(Clone, Copy)]
pub(crate) struct Quantizer<const N: usize> {
    dc: i32,
    ac: i32,
    inverse_dc: f32,
    inverse_ac: f32,
}

impl<const N: usize> Quantizer<N> {
    /// get_dc_quant, get_ac_quant (clause 7.12.2) and dqDenom (clause 7.12.3).
    pub fn new(index: u8) -> Self {
        let (dc, ac) = (DC_QLOOKUP[usize::from(index)], AC_QLOOKUP[usize::from(index)]);
        let scale = if N == 32 { 2.0 } else { 1.0 };
        Self { dc, ac, inverse_dc: scale / dc as f32, inverse_ac: scale / ac as f32 }
    }

    /// Whether a residual has too little energy for more than a lone small level, which costs more than it gains.
    #[inline(always)]
    pub fn is_negligible(&self, residual: &[[i16; N]; N]) -> bool {
        let squares = |row: &[i16; N]| row.iter().map(|v| (i32::from(*v) * i32::from(*v)) as u32).sum::<u32>();
        let energy: u32 = residual.iter().map(squares).sum();
        // A coefficient's square is at most 64 times the energy, and 16 times in squares of 32 pixels.
        energy as f32 * self.inverse_ac * self.inverse_ac <= if N == 32 { 4.0 } else { 1.0 } * NEGLIGIBLE
    }

    /// Coefficients to levels.
    #[inline(always)]
    pub fn levels(&self, coefficients: &[[f32; N]; N]) -> [[i32; N]; N] {
        let mut levels = [[0; N]; N];
        for (row, coefficients) in levels.iter_mut().zip(coefficients) {
            for (level, coefficient) in row.iter_mut().zip(coefficients) {
                *level = rounded(coefficient * self.inverse_ac, 0.5 - ROUNDING);
            }
        }
        levels[0][0] = rounded(coefficients[0][0] * self.inverse_dc, 0.0);
        levels
    }

    /// Levels to what the inverse transform takes (clause 7.12.3).
    #[inline(always)]
    pub fn dequantized(&self, levels: &[[i32; N]; N]) -> [[i32; N]; N] {
        let mut values = levels.map(|row| row.map(|level| dequantize::<N>(level, self.ac)));
        values[0][0] = dequantize::<N>(levels[0][0], self.dc);
        values
    }
}

/// The nearest integer of a value that is brought towards zero before.
#[inline(always)]
fn rounded(value: f32, towards_zero: f32) -> i32 {
    let bits = |v: f32| v.to_bits().cast_signed();
    bits(value - towards_zero.copysign(value) + MAGIC) - bits(MAGIC)
}

#[inline(always)]
fn dequantize<const N: usize>(level: i32, step: i32) -> i32 {
    let product = level * step;
    // Halved towards zero.
    let value = if N == 32 { product / 2 } else { product };
    value.clamp(-32768, 32767)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn levels_err_by_less_than_a_step(index in 1u8.., value in -16_000f32..16_000.0) {
            let quantizer = Quantizer::<16>::new(index);
            let mut coefficients = [[0.0; 16]; 16];
            (coefficients[0][0], coefficients[3][5]) = (value, value);
            let values = quantizer.dequantized(&quantizer.levels(&coefficients));
            prop_assert!((values[0][0] as f32 - value).abs() <= quantizer.dc as f32 * 0.501 + 1.0);
            prop_assert!((values[3][5] as f32 - value).abs() <= quantizer.ac as f32 * 0.63 + 1.0);
            prop_assert_eq!(values[1][1], 0);
        }
    }
}
