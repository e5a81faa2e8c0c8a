//! Scan orders (clause 9.2).

/// Default_Scan_4x4.
pub(crate) static SCAN_4X4: [u16; 16] = diagonals::<4, 16>();
/// Default_Scan_8x8.
pub(crate) static SCAN_8X8: [u16; 64] = diagonals::<8, 64>();
/// Default_Scan_16x16.
pub(crate) static SCAN_16X16: [u16; 256] = diagonals::<16, 256>();
/// Default_Scan_32x32.
pub(crate) static SCAN_32X32: [u16; 1024] = diagonals::<32, 1024>();

/// The default scan of a square follows its diagonals, upwards and downwards in turn.
const fn diagonals<const N: usize, const AREA: usize>() -> [u16; AREA] {
    let mut scan = [0; AREA];
    let mut at = 0;
    let mut diagonal = 0;
    while diagonal < 2 * N - 1 {
        let mut step = 0;
        while step <= diagonal {
            let row = if diagonal % 2 == 0 { diagonal - step } else { step };
            let column = diagonal - row;
            if row < N && column < N {
                scan[at] = (row * N + column) as u16;
                at += 1;
            }
            step += 1;
        }
        diagonal += 1;
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_begin_as_the_specification_lists_them() {
        assert_eq!(SCAN_4X4, [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15]);
        assert_eq!(SCAN_8X8[..12], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25]);
        assert_eq!(SCAN_16X16[..8], [0, 1, 16, 32, 17, 2, 3, 18]);
        assert_eq!(SCAN_32X32[..8], [0, 1, 32, 64, 33, 2, 3, 34]);
        assert_eq!(SCAN_32X32[1023], 1023);
    }
}
