//! Three planes of bytes: green, blue and red, which the identity matrix calls Y, U and V.

use crate::geometry::{CELL, Geometry, Rect, SUPERBLOCK};

/// Planes of whole superblocks.
#[derive(Clone)]
pub(crate) struct Planes {
    data: [Vec<u8>; 3],
    pub stride: usize,
}

impl Planes {
    /// Black planes of so many superblocks.
    pub fn new(sb_cols: usize, sb_rows: usize) -> Self {
        let stride = sb_cols * SUPERBLOCK;
        let plane = || vec![0; stride * sb_rows * SUPERBLOCK];
        Self { data: [plane(), plane(), plane()], stride }
    }

    pub fn of(geometry: &Geometry) -> Self {
        Self::new(geometry.sb_cols, geometry.sb_rows)
    }

    pub fn plane(&self, plane: usize) -> &[u8] {
        &self.data[plane]
    }

    /// Takes in a part of a row: blue, green, red and a byte that does not matter.
    pub fn write_bgrx(&mut self, x: usize, y: usize, pixels: &[[u8; 4]]) {
        let (start, length) = (y * self.stride + x, pixels.len());
        let [green, blue, red] = self.data.each_mut().map(|plane| &mut plane[start..start + length]);
        // Sixteen pixels at a time make three vectors.
        let (chunks, rest) = pixels.as_chunks::<16>();
        let (greens, rest_green) = green.as_chunks_mut::<16>();
        let (blues, rest_blue) = blue.as_chunks_mut::<16>();
        let (reds, rest_red) = red.as_chunks_mut::<16>();
        for (((pixels, green), blue), red) in chunks.iter().zip(greens).zip(blues).zip(reds) {
            let words = pixels.map(u32::from_le_bytes);
            *blue = words.map(|word| word as u8);
            *green = words.map(|word| (word >> 8) as u8);
            *red = words.map(|word| (word >> 16) as u8);
        }
        for (((pixel, green), blue), red) in rest.iter().zip(rest_green).zip(rest_blue).zip(rest_red) {
            [*blue, *green, *red] = [pixel[0], pixel[1], pixel[2]];
        }
    }

    /// A part of a row.
    pub fn row(&self, plane: usize, x: usize, y: usize, length: usize) -> &[u8] {
        &self.data[plane][y * self.stride + x..][..length]
    }

    pub fn row_mut(&mut self, plane: usize, x: usize, y: usize, length: usize) -> &mut [u8] {
        &mut self.data[plane][y * self.stride + x..][..length]
    }

    /// Takes a cell of 8×8 pixels from other planes of the same size.
    pub fn copy_cell(&mut self, from: &Self, column: usize, row: usize) {
        for plane in 0..3 {
            for y in row * CELL..row * CELL + CELL {
                self.row_mut(plane, column * CELL, y, CELL).copy_from_slice(from.row(plane, column * CELL, y, CELL));
            }
        }
    }

    /// A square of pixels.
    #[inline(always)]
    pub fn block<const N: usize>(&self, plane: usize, x: usize, y: usize) -> [[u8; N]; N] {
        let pixels = &self.data[plane][y * self.stride + x..][..(N - 1) * self.stride + N];
        let mut block = [[0; N]; N];
        for (i, row) in block.iter_mut().enumerate() {
            row.copy_from_slice(&pixels[i * self.stride..][..N]);
        }
        block
    }

    /// Repeats the picture's last column and row up to the edge of the coded cells.
    ///
    /// A decoder clamps what it reads of a reference at the true edge of the picture (clause 7.11.3.3), whatever was
    /// coded beyond.
    pub fn pad(&mut self, geometry: &Geometry) {
        self.pad_rect(geometry, Rect { x: 0, y: 0, width: geometry.width, height: geometry.height });
    }

    /// The same where a rectangle was written.
    pub fn pad_rect(&mut self, geometry: &Geometry, rect: Rect) {
        let (width, height) = (geometry.width, geometry.height);
        let (coded_width, coded_height, stride) = (geometry.coded_width(), geometry.coded_height(), self.stride);
        let (to_right, to_bottom) = (rect.x + rect.width == width, rect.y + rect.height == height);
        for plane in &mut self.data {
            if to_right && coded_width > width {
                for row in plane.chunks_exact_mut(stride).skip(rect.y).take(rect.height) {
                    let last = row[width - 1];
                    row[width..coded_width].fill(last);
                }
            }
            if to_bottom {
                let start = (height - 1) * stride + rect.x;
                let end = (height - 1) * stride + if to_right { coded_width } else { rect.x + rect.width };
                (height..coded_height).for_each(|y| plane.copy_within(start..end, y * stride + rect.x));
            }
        }
    }
}
