//! The Walsh-Hadamard transform.

/// The inverse of clause 7.13.2.10 backwards: columns, then rows. Lossless.
#[inline(always)]
pub(crate) fn forward(block: &[[i16; 4]; 4]) -> [i32; 16] {
    let mut columns = [[0i32; 4]; 4];
    let lanes = |row: usize| block[row].map(i32::from);
    let turned = one(lanes(0), lanes(1), lanes(2), lanes(3));
    for (row, lane) in turned.iter().enumerate() {
        for (column, value) in lane.iter().enumerate() {
            columns[column][row] = *value;
        }
    }
    let rows = one(columns[0], columns[1], columns[2], columns[3]);
    std::array::from_fn(|i| rows[i % 4][i / 4])
}

/// One dimension, four lanes at a time.
#[inline(always)]
fn one(a: [i32; 4], b: [i32; 4], c: [i32; 4], d: [i32; 4]) -> [[i32; 4]; 4] {
    let mut out = [[0; 4]; 4];
    for i in 0..4 {
        let (sum, difference) = (a[i] + b[i], d[i] - c[i]);
        let half = (sum - difference) >> 1;
        let (second, third) = (half - c[i], half - b[i]);
        out[0][i] = sum - second;
        out[1][i] = second;
        out[2][i] = difference + third;
        out[3][i] = third;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Clause 7.13.2.10 as it is worded.
    fn inverse_1d(t: [i32; 4], shift: u32) -> [i32; 4] {
        let (mut a, mut c, mut d, mut b) = (t[0] >> shift, t[1] >> shift, t[2] >> shift, t[3] >> shift);
        a += c;
        d -= b;
        let e = (a - d) >> 1;
        b = e - b;
        c = e - c;
        a -= b;
        d += c;
        [a, b, c, d]
    }

    /// Clause 7.13.3 for a lossless block: rows, then columns. Coefficients were multiplied by 4 before.
    fn inverse(coefficients: [i32; 16]) -> [[i32; 4]; 4] {
        let mut rows = [[0; 4]; 4];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = inverse_1d(std::array::from_fn(|j| coefficients[i * 4 + j] * 4), 2);
        }
        let mut block = [[0; 4]; 4];
        for j in 0..4 {
            let column = inverse_1d(std::array::from_fn(|i| rows[i][j]), 0);
            (0..4).for_each(|i| block[i][j] = column[i]);
        }
        block
    }

    proptest! {
        #[test]
        fn the_inverse_gives_the_residual_back(block in prop::array::uniform4(prop::array::uniform4(-255i16..256))) {
            prop_assert_eq!(inverse(forward(&block)), block.map(|row| row.map(i32::from)));
        }
    }
}
