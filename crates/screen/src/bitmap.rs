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

    /// Unsets one block.
    pub fn unset(&mut self, column: usize, row: usize) {
        self.cells[row * self.columns + column] = 0;
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

    /// At most `most` rectangles of blocks that cover every set block: column, row, columns, rows. Exact if that many
    /// suffice; otherwise the rest is covered by its bounding box.
    pub fn rectangles(&self, most: usize) -> Vec<[usize; 4]> {
        let mut open: Vec<[usize; 4]> = Vec::new();
        for row in 0..self.rows {
            let cells = &self.cells[row * self.columns..][..self.columns];
            let mut column = 0;
            while column < self.columns {
                let length = cells[column..].iter().take_while(|c| **c == 1).count();
                if length > 0 {
                    // A run right below another with the same position and length extends it.
                    match open.iter_mut().find(|r| r[0] == column && r[2] == length && r[1] + r[3] == row) {
                        Some(above) => above[3] += 1,
                        None => open.push([column, row, length, 1]),
                    }
                }
                column += length + 1;
            }
        }
        if open.len() > most && most > 0 {
            open.sort_by_key(|r| std::cmp::Reverse(r[2] * r[3]));
            let rest = open.split_off(most - 1);
            let bounds = rest.into_iter().reduce(|a, b| {
                let (x, y) = (a[0].min(b[0]), a[1].min(b[1]));
                [x, y, (a[0] + a[2]).max(b[0] + b[2]) - x, (a[1] + a[3]).max(b[1] + b[3]) - y]
            });
            open.extend(bounds);
        }
        open
    }
}
