//! What residuals cost, about, in sixteenths of a bit.

/// A 4×4 square without residual.
const EMPTY: u32 = 4;
/// What a square with any residual costs at least.
const SOME: u32 = 10 * 16;
/// For each bit of the residual's mean.
const MEAN_BIT: u32 = 24;

/// The cost of a lossless 4×4 residual: of its mean, and of what differs from it. A plain sum of differences would
/// misjudge a flat offset, which the transform packs into one coefficient.
#[inline(always)]
pub(super) fn residual_cost(source: &[[i16; 4]; 4], prediction: &[[u8; 4]; 4]) -> u32 {
    let mut difference = [0i16; 16];
    let (mut sum, mut any) = (0i16, 0i16);
    for (i, (source, prediction)) in source.iter().flatten().zip(prediction.iter().flatten()).enumerate() {
        difference[i] = source - i16::from(*prediction);
        sum += difference[i];
        any |= difference[i];
    }
    if any == 0 {
        return EMPTY;
    }
    let mean = sum >> 4;
    let deviation: i16 = difference.iter().map(|v| (v - mean).abs()).sum();
    u32::from(DEVIATION_COST[usize::from(deviation.unsigned_abs() & 8191)])
        + SOME
        + MEAN_BIT * (16 - mean.unsigned_abs().leading_zeros())
}

/// 20 log2(1 + deviation / 12) bits: fitted to what residuals of text took.
static DEVIATION_COST: [u16; 8192] = {
    let mut table = [0; 8192];
    let mut deviation = 1;
    while deviation < table.len() {
        // The logarithm in 256ths: halvings, and the rest as if it were a straight line.
        let mut value = ((12 + deviation as u64) << 20) / 12;
        let mut log2 = 0;
        while value >= 2 << 20 {
            value >>= 1;
            log2 += 256;
        }
        log2 += ((value - (1 << 20)) * 256) >> 20;
        table[deviation] = (20 * 16 * log2 / 256) as u16;
        deviation += 1;
    }
    table
};

/// The sum of absolute differences of two squares.
#[inline(always)]
pub(super) fn sad<const N: usize>(a: &[[u8; N]; N], b: &[[u8; N]; N]) -> u32 {
    a.iter().zip(b).map(|(a, b)| sad_row(a, b)).sum()
}

/// The same of a row.
#[inline(always)]
pub(super) fn sad_row<const N: usize>(a: &[u8; N], b: &[u8; N]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}
