//! Inter prediction (clause 7.11.3.4): squares of the reference at the end of a vector, at quarters of a pixel.

use crate::{modes::Mv, planes::Planes};

/// Halves of Subpel_Filters[ EIGHTTAP ] at a quarter, a half and three quarters of a pixel: all taps are even.
const HALF_FILTERS: [[i16; 8]; 3] =
    [[0, 1, -7, 55, 19, -5, 1, 0], [0, 1, -7, 38, 38, -7, 1, 0], [0, 1, -5, 19, 55, -7, 1, 0]];
/// Pixels that a filter reaches to the left or up, and to the right or down.
pub(crate) const REACH: (usize, usize) = (3, 4);
/// The most rows that are filtered: those of 32 pixels with what the filter reaches.
const MOST_ROWS: usize = 32 + 7;

/// The square that a vector leads to from a place. It must lie on the picture, with what the filter reaches where the
/// vector is of parts of a pixel.
#[inline(always)]
pub(crate) fn predict<const N: usize>(reference: &Planes, plane: usize, x: usize, y: usize, mv: Mv) -> [[u8; N]; N] {
    if (mv.col | mv.row) & 7 != 0 {
        return filter(reference, plane, x, y, mv);
    }
    let (x, y) = end(x, y, mv);
    reference.block(plane, x, y)
}

/// The place that the whole pixels of a vector lead to.
fn end(x: usize, y: usize, mv: Mv) -> (usize, usize) {
    let (dx, dy) = mv.whole();
    (x.wrapping_add_signed(dx as isize), y.wrapping_add_signed(dy as isize))
}

/// The same for a vector of parts of a pixel.
#[inline(always)]
fn filter<const N: usize>(reference: &Planes, plane: usize, x: usize, y: usize, mv: Mv) -> [[u8; N]; N] {
    let ((x, y), part_x, part_y) = (end(x, y, mv), mv.col & 7, mv.row & 7);
    let mut rows = [[0i16; N]; MOST_ROWS];
    let rows = &mut rows[..N + 7];
    for (i, row) in rows.iter_mut().enumerate() {
        let at = (y + i - REACH.0) * reference.stride + x - REACH.0;
        filter_row(row, &reference.plane(plane)[at..at + N + 7], part_x);
    }
    let mut square = [[0; N]; N];
    for (i, out) in square.iter_mut().enumerate() {
        *out = filter_column(&rows[i..i + 8], part_y);
    }
    square
}

/// The horizontal filter with InterRound0, 3: sixteen times the pixels.
#[inline(always)]
fn filter_row<const N: usize>(row: &mut [i16; N], pixels: &[u8], part: i16) {
    if part == 0 {
        row.iter_mut().zip(&pixels[REACH.0..]).for_each(|(value, pixel)| *value = i16::from(*pixel) << 4);
        return;
    }
    for (tap, factor) in HALF_FILTERS[part as usize / 2 - 1].iter().enumerate() {
        for (value, pixel) in row.iter_mut().zip(&pixels[tap..]) {
            *value += i16::from(*pixel) * factor;
        }
    }
    row.iter_mut().for_each(|value| *value = (*value + 2) >> 2);
}

/// The vertical filter with InterRound1, 11.
#[inline(always)]
fn filter_column<const N: usize>(rows: &[[i16; N]], part: i16) -> [u8; N] {
    if part == 0 {
        return rows[REACH.0].map(|value| ((value + 8) >> 4).clamp(0, 255) as u8);
    }
    let mut sums = [0i32; N];
    for (row, factor) in rows.iter().zip(HALF_FILTERS[part as usize / 2 - 1]) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += i32::from(*value) * i32::from(factor);
        }
    }
    sums.map(|sum| ((sum + 512) >> 10).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clause 7.11.3.4 as it is worded.
    fn expected(planes: &Planes, x: usize, y: usize, part_x: i16, part_y: i16) -> u8 {
        let taps = |part: i16| match part {
            0 => [0, 0, 0, 128, 0, 0, 0, 0],
            part => HALF_FILTERS[part as usize / 2 - 1].map(|tap| i32::from(tap) * 2),
        };
        let pixel = |x: usize, y: usize| i32::from(planes.row(0, x, y, 1)[0]);
        let row = |y: usize| ((0..8).map(|t| taps(part_x)[t] * pixel(x + t - 3, y)).sum::<i32>() + 4) >> 3;
        let sum = (0..8).map(|t| taps(part_y)[t] * row(y + t - 3)).sum::<i32>();
        ((sum + 1024) >> 11).clamp(0, 255) as u8
    }

    #[test]
    fn all_parts_are_filtered_as_the_specification_says() {
        let mut planes = Planes::new(1, 1);
        for y in 0..64 {
            let row = planes.row_mut(0, 0, y, 64);
            row.iter_mut()
                .enumerate()
                .for_each(|(x, v)| *v = if (x * 7 + y * 11) % 13 < 6 { 255 } else { (x * y) as u8 });
        }
        for (part_x, part_y) in (0..4).flat_map(|x| (0..4).map(move |y| (2 * x, 2 * y))) {
            let mv = Mv { row: 8 * 3 + part_y, col: -16 + part_x };
            let square = predict::<16>(&planes, 0, 20, 12, mv);
            for (y, x) in (0..16).flat_map(|y| (0..16).map(move |x| (y, x))) {
                assert_eq!(square[y][x], expected(&planes, 18 + x, 15 + y, part_x, part_y), "{part_x} {part_y}");
            }
        }
    }
}
