//! The DCT of squares of 8, 16 and 32 pixels.
//!
//! The inverse is the specification's, integer for integer; the forward transform is the encoder's own affair.

/// Round( 4096 * cos( i * π / 128 ) ), the first quarter (clause 7.13.2.1).
const COS128: [i32; 65] = [
    4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920, 3889, 3857, 3822, 3784, 3745, 3703,
    3659, 3612, 3564, 3513, 3461, 3406, 3349, 3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520,
    2440, 2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285, 1189, 1092, 995, 897, 799, 700,
    601, 501, 401, 301, 201, 101, 0,
];

/// cos128 (clause 7.13.2.1).
const fn cos128(angle: usize) -> i32 {
    match angle & 255 {
        a @ 0..=64 => COS128[a],
        a @ 65..=128 => -COS128[128 - a],
        a @ 129..=192 => -COS128[a - 128],
        a => COS128[256 - a],
    }
}

/// sin128 (clause 7.13.2.1).
const fn sin128(angle: usize) -> i32 {
    cos128(angle + 192)
}

/// `T` of clause 7.13.2 for L transforms of N values side by side.
type Lanes<const L: usize, const N: usize> = [[i32; L]; N];

/// B( a, b, angle, flip ): a butterfly rotation.
#[inline(always)]
fn rotate<const L: usize, const N: usize>(t: &mut Lanes<L, N>, a: usize, b: usize, angle: usize, flip: bool) {
    let (cos, sin) = (cos128(angle), sin128(angle));
    let (from_a, from_b) = (t[a], t[b]);
    let (x, y) = if flip { (b, a) } else { (a, b) };
    for i in 0..L {
        t[x][i] = (from_a[i] * cos - from_b[i] * sin + 2048) >> 12;
        t[y][i] = (from_a[i] * sin + from_b[i] * cos + 2048) >> 12;
    }
}

/// H( a, b, flip ): a Hadamard rotation, clamped to 16 bits.
#[inline(always)]
fn add_subtract<const L: usize, const N: usize>(t: &mut Lanes<L, N>, a: usize, b: usize, flip: bool) {
    let (a, b) = if flip { (b, a) } else { (a, b) };
    let (from_a, from_b) = (t[a], t[b]);
    for i in 0..L {
        t[a][i] = (from_a[i] + from_b[i]).clamp(-32768, 32767);
        t[b][i] = (from_a[i] - from_b[i]).clamp(-32768, 32767);
    }
}

/// brev( bits, x ) (clause 4.7).
const fn brev(bits: u32, x: usize) -> usize {
    x.reverse_bits() >> (usize::BITS - bits)
}

/// The inverse DCT process (clause 7.13.2.3) and the permutation before it. Numbers are those of its steps.
#[inline(always)]
fn inverse_1d<const L: usize, const N: usize>(t: &mut Lanes<L, N>) {
    let n = N.ilog2();
    // 1
    let input = *t;
    for i in 0..N {
        t[i] = input[brev(n, i)];
    }
    // 3
    (0..8).filter(|_| n >= 5).for_each(|i| rotate(t, 16 + i, 31 - i, 6 + (brev(3, 7 - i) << 3), false));
    // 5
    (0..4).filter(|_| n >= 4).for_each(|i| rotate(t, 8 + i, 15 - i, 12 + (brev(2, 3 - i) << 4), false));
    // 6
    (0..8).filter(|_| n >= 5).for_each(|i| add_subtract(t, 16 + 2 * i, 17 + 2 * i, i & 1 != 0));
    // 8
    (0..2).for_each(|i| rotate(t, 4 + i, 7 - i, 56 - 32 * i, false));
    // 9
    (0..4).filter(|_| n >= 4).for_each(|i| add_subtract(t, 8 + 2 * i, 9 + 2 * i, i & 1 != 0));
    // 10
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().filter(|_| n >= 5) {
        rotate(t, 30 - 4 * i - j, 17 + 4 * i + j, 24 + (j << 6) + ((1 - i) << 5), true);
    }
    // 12
    (0..2).for_each(|i| rotate(t, 2 * i, 2 * i + 1, 32 + 16 * i, i == 0));
    // 13
    (0..2).for_each(|i| add_subtract(t, 4 + 2 * i, 5 + 2 * i, i != 0));
    // 14
    (0..2).filter(|_| n >= 4).for_each(|i| rotate(t, 14 - i, 9 + i, 48 + 64 * i, true));
    // 15
    for i in (0..4).filter(|_| n >= 5) {
        (0..2).for_each(|j| add_subtract(t, 16 + 4 * i + j, 19 + 4 * i - j, i & 1 != 0));
    }
    // 17
    (0..2).for_each(|i| add_subtract(t, i, 3 - i, false));
    // 18
    rotate(t, 6, 5, 32, true);
    // 19
    for i in (0..2).filter(|_| n >= 4) {
        (0..2).for_each(|j| add_subtract(t, 8 + 4 * i + j, 11 + 4 * i - j, i != 0));
    }
    // 20
    (0..4).filter(|_| n >= 5).for_each(|i| rotate(t, 29 - i, 18 + i, 48 + (i >> 1) * 64, true));
    // 22
    (0..4).for_each(|i| add_subtract(t, i, 7 - i, false));
    // 23
    (0..2).filter(|_| n >= 4).for_each(|i| rotate(t, 13 - i, 10 + i, 32, true));
    // 24
    for i in (0..2).filter(|_| n >= 5) {
        (0..4).for_each(|j| add_subtract(t, 16 + i * 8 + j, 23 + i * 8 - j, i != 0));
    }
    // 26
    (0..8).filter(|_| n >= 4).for_each(|i| add_subtract(t, i, 15 - i, false));
    // 27
    (0..4).filter(|_| n >= 5).for_each(|i| rotate(t, 27 - i, 20 + i, 32, true));
    // 29: the last step of n = 5.
    (0..16).filter(|_| n >= 5).for_each(|i| add_subtract(t, i, 31 - i, false));
}

/// Round2 (clause 4.7) of every value.
fn round_shift<const L: usize, const N: usize>(t: &mut Lanes<L, N>, shift: u32) {
    t.iter_mut().flatten().for_each(|v| *v = (*v + (1 << (shift - 1))) >> shift);
}

/// Transform_Row_Shift of a square.
const fn row_shift(side: usize) -> u32 {
    if side == 8 { 1 } else { 2 }
}

/// The 2D inverse transform process (clause 7.13.3) of DCT_DCT: dequantised coefficients to the residual.
#[inline(always)]
pub(crate) fn inverse<const N: usize>(coefficients: &[[i32; N]; N]) -> [[i32; N]; N] {
    // Most blocks have coefficients in their first rows alone; the transforms of the others give zeros.
    let rows = coefficients.iter().rposition(|row| *row != [0; N]).map_or(0, |last| last + 1);
    let mut t = if rows <= 4 {
        row_transforms::<4, N>(coefficients)
    } else if rows <= 8 {
        row_transforms::<8, N>(coefficients)
    } else {
        row_transforms::<N, N>(coefficients)
    };
    inverse_1d(&mut t);
    round_shift(&mut t, 4);
    t
}

/// The transforms of the first L rows, rounded and clamped; zeros in the others.
#[inline(always)]
fn row_transforms<const L: usize, const N: usize>(coefficients: &[[i32; N]; N]) -> [[i32; N]; N] {
    let mut t = [[0; L]; N];
    for (lane, row) in coefficients.iter().enumerate().take(L) {
        row.iter().zip(&mut t).for_each(|(value, t)| t[lane] = *value);
    }
    inverse_1d(&mut t);
    round_shift(&mut t, row_shift(N));
    let mut rows = [[0; N]; N];
    for (lane, row) in rows.iter_mut().enumerate().take(L) {
        row.iter_mut().zip(&t).for_each(|(value, t)| *value = t[lane].clamp(-32768, 32767));
    }
    rows
}

/// The same where the first coefficient is the only one: all values are alike.
pub(crate) fn inverse_of_mean<const N: usize>(coefficient: i32) -> i32 {
    let turned = |v: i32| (v * 2896 + 2048) >> 12;
    let shift = row_shift(N);
    let row = (turned(coefficient) + (1 << (shift - 1))) >> shift;
    (turned(row) + 8) >> 4
}

/// The forward transform: its rows, and these transposed.
pub(crate) struct Dct<const N: usize> {
    rows: [[f32; N]; N],
    columns: [[f32; N]; N],
}

impl Dct<8> {
    pub const TABLE: Self = Self::new(std::f32::consts::SQRT_2);
}

impl Dct<16> {
    pub const TABLE: Self = Self::new(1.0);
}

impl Dct<32> {
    pub const TABLE: Self = Self::new(0.5);
}

impl<const N: usize> Dct<N> {
    /// What the inverse undoes; `scale` is that of each direction.
    const fn new(scale: f32) -> Self {
        let mut dct = Self { rows: [[0.0; N]; N], columns: [[0.0; N]; N] };
        let mut k = 0;
        while k < N {
            let scale = if k == 0 { scale * std::f32::consts::FRAC_1_SQRT_2 } else { scale };
            let mut i = 0;
            while i < N {
                let value = scale * cos128(64 / N * (2 * i + 1) * k) as f32 / 4096.0;
                dct.rows[k][i] = value;
                dct.columns[i][k] = value;
                i += 1;
            }
            k += 1;
        }
        dct
    }
}

/// The residual to coefficients, row by row.
#[inline(always)]
pub(crate) fn forward<const N: usize>(dct: &Dct<N>, residual: &[[i16; N]; N]) -> [[f32; N]; N] {
    // Even rows of the transform are symmetric, odd ones antisymmetric: half of the products suffice.
    let mut halves = [[0f32; N]; N];
    for i in 0..N / 2 {
        for j in 0..N {
            let (first, last) = (f32::from(residual[i][j]), f32::from(residual[N - 1 - i][j]));
            halves[i][j] = first + last;
            halves[N / 2 + i][j] = first - last;
        }
    }
    let mut columns = [[0f32; N]; N];
    for (k, row) in columns.iter_mut().enumerate() {
        let half = k % 2 * (N / 2);
        for i in 0..N / 2 {
            multiply_add(row, &halves[half + i], dct.rows[k][i]);
        }
    }
    let mut out = [[0f32; N]; N];
    for (row, column) in out.iter_mut().zip(&columns) {
        for (factors, value) in dct.columns.iter().zip(column) {
            multiply_add(row, factors, *value);
        }
    }
    out
}

/// Not fused, so that every processor gets the same stream.
#[inline(always)]
fn multiply_add<const N: usize>(sum: &mut [f32; N], values: &[f32; N], factor: f32) {
    for i in 0..N {
        sum[i] += values[i] * factor;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip<const N: usize>(dct: &Dct<N>, seed: u32, amplitude: i32) {
        let mut x = seed;
        let mut residual = [[0i16; N]; N];
        for value in residual.iter_mut().flatten() {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *value = ((x >> 16) as i32 % (2 * amplitude + 1) - amplitude) as i16;
        }
        let coefficients = forward(dct, &residual).map(|row| row.map(|v| v.round() as i32));
        for (row, expected) in inverse(&coefficients).iter().zip(&residual) {
            for (value, expected) in row.iter().zip(expected) {
                assert!((value - i32::from(*expected)).abs() <= 1, "{N}: {value} for {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_inverse_gives_the_residual_back_but_for_one(seed: u32, amplitude in 0..256i32) {
            round_trip(&Dct::<8>::TABLE, seed, amplitude);
            round_trip(&Dct::<16>::TABLE, seed, amplitude);
            round_trip(&Dct::<32>::TABLE, seed, amplitude);
        }

        #[test]
        fn the_mean_alone_gives_one_value(coefficient in -32768..32768i32) {
            fn check<const N: usize>(coefficient: i32) {
                let mut coefficients = [[0; N]; N];
                coefficients[0][0] = coefficient;
                assert_eq!(inverse(&coefficients), [[inverse_of_mean::<N>(coefficient); N]; N]);
            }
            check::<8>(coefficient);
            check::<16>(coefficient);
            check::<32>(coefficient);
        }
    }
}
