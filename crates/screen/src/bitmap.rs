//! A grid of blocks, each set or not.

use crate::Rect;

/// One byte a block, as libaom's active map wants it: 1 is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
}

impl Bitmap {
    /// An empty grid over a picture of that many pixels, with square blocks of `side` pixels.
    pub fn over(width: u16, height: u16, side: u16) -> Self {
        let columns = usize::from(width).div_ceil(side.into());
        let rows = usize::from(height).div_ceil(side.into());
        Self { columns, rows, cells: vec![0; columns * rows] }
    }

    /// How many blocks a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes, row by row.
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// How many blocks are set.
    pub fn count(&self) -> usize {
        self.cells.iter().map(|c| usize::from(*c)).sum()
    }

    /// Whether no block is set.
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(|c| *c == 0)
    }

    /// Whether the block is set.
    pub fn get(&self, column: usize, row: usize) -> bool {
        self.cells[row * self.columns + column] == 1
    }

    /// Sets one block.
    pub fn set(&mut self, column: usize, row: usize) {
        self.cells[row * self.columns + column] = 1;
    }

    /// Sets every block that the rectangle of pixels touches.
    pub fn set_rect(&mut self, rect: Rect, side: u16) {
        let side = usize::from(side);
        let end = |start: u16, length: u16| (usize::from(start) + usize::from(length)).div_ceil(side);
        for row in usize::from(rect.y) / side..end(rect.y, rect.height).min(self.rows) {
            for column in usize::from(rect.x) / side..end(rect.x, rect.width).min(self.columns) {
                self.set(column, row);
            }
        }
    }

    /// Sets every block.
    pub fn fill(&mut self) {
        self.cells.fill(1);
    }

    /// Unsets every block.
    pub fn clear(&mut self) {
        self.cells.fill(0);
    }

    /// The set blocks as (column, row).
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let set = self.cells.iter().enumerate().filter(|(_, c)| **c == 1);
        set.map(|(i, _)| (i % self.columns, i / self.columns))
    }
}
