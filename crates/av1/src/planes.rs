//! Three planes of bytes: green, blue and red, which the identity matrix calls Y, U and V.

use crate::geometry::{Geometry, Rect, SUPERBLOCK};

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

    pub fn all_mut(&mut self) -> &mut [Vec<u8>; 3] {
        &mut self.data
    }

    /// A part of a row.
    pub fn row(&self, plane: usize, x: usize, y: usize, length: usize) -> &[u8] {
        &self.data[plane][y * self.stride + x..][..length]
    }

    pub fn row_mut(&mut self, plane: usize, x: usize, y: usize, length: usize) -> &mut [u8] {
        &mut self.data[plane][y * self.stride + x..][..length]
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
