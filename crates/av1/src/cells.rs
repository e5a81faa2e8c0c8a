//! A map of 8×8 cells, each set or not.

use crate::geometry::{CELL, Geometry, Rect, SUPERBLOCK};

/// One bit a cell of 8×8 pixels; one word a superblock of 64×64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    columns: usize,
    rows: usize,
    /// Superblocks in a row.
    stride: usize,
    /// Bit `row * 8 + column` of a word is a cell.
    words: Vec<u64>,
}

impl Cells {
    /// No cell set, over a picture of that many pixels.
    pub fn over(width: usize, height: usize) -> Self {
        let stride = width.div_ceil(SUPERBLOCK);
        let words = vec![0; stride * height.div_ceil(SUPERBLOCK)];
        Self { columns: width.div_ceil(CELL), rows: height.div_ceil(CELL), stride, words }
    }

    pub(crate) fn of(geometry: &Geometry) -> Self {
        Self::over(geometry.width, geometry.height)
    }

    /// How many cells a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows of cells there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many cells are set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether no cell is set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Whether a cell is set; those beyond the picture are not.
    pub fn get(&self, column: usize, row: usize) -> bool {
        self.place(column, row).is_some_and(|(word, bit)| self.words[word] >> bit & 1 != 0)
    }

    /// Sets one cell; beyond the picture there is none.
    pub fn set(&mut self, column: usize, row: usize) {
        if let Some((word, bit)) = self.place(column, row) {
            self.words[word] |= 1 << bit;
        }
    }

    /// Unsets one cell.
    pub fn unset(&mut self, column: usize, row: usize) {
        if let Some((word, bit)) = self.place(column, row) {
            self.words[word] &= !(1 << bit);
        }
    }

    /// Sets every cell that the rectangle of pixels touches.
    pub fn set_rect(&mut self, rect: Rect) {
        let end = |start: usize, length: usize, all: usize| start.saturating_add(length).div_ceil(CELL).min(all);
        let columns = rect.x / CELL..end(rect.x, rect.width, self.columns);
        for row in rect.y / CELL..end(rect.y, rect.height, self.rows) {
            // A superblock's part of the row at a time.
            let mut column = columns.start;
            while column < columns.end {
                let next = (column / 8 * 8 + 8).min(columns.end);
                let bits = ((1u64 << (next - column)) - 1) << (row % 8 * 8 + column % 8);
                self.words[row / 8 * self.stride + column / 8] |= bits;
                column = next;
            }
        }
    }

    /// Unsets every cell.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// The set cells as (column, row), superblock by superblock.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let (left, top) = (i % self.stride * 8, i / self.stride * 8);
            bits(*word).map(move |bit| (left + bit % 8, top + bit / 8))
        })
    }

    /// The set cells as rectangles of pixels. Those at the right and bottom edge may reach beyond the picture.
    pub fn rectangles(&self) -> Vec<Rect> {
        let mut done: Vec<Rect> = Vec::new();
        // Rectangles that end at the row above, from left to right.
        let mut open: Vec<Rect> = Vec::new();
        for row in 0..self.rows {
            let mut next = Vec::new();
            for run in self.runs(row) {
                let (x, width) = (run.start * CELL, (run.end - run.start) * CELL);
                let above = open.iter().position(|r| (r.x, r.width) == (x, width));
                let y = above.map_or(row * CELL, |i| open.swap_remove(i).y);
                next.push(Rect { x, y, width, height: (row + 1) * CELL - y });
            }
            done.append(&mut open);
            open = next;
        }
        done.append(&mut open);
        done
    }

    /// The superblocks of 64×64 pixels with a set cell, as (column, row).
    pub fn superblocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let set = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        set.map(|(i, _)| (i % self.stride, i / self.stride))
    }

    /// The set cells of a row as ranges of columns.
    fn runs(&self, row: usize) -> Vec<std::ops::Range<usize>> {
        let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
        for sb_col in 0..self.stride {
            let byte = self.word(sb_col, row / 8) >> (row % 8 * 8) & 0xff;
            for column in bits(byte).map(|bit| sb_col * 8 + bit) {
                match runs.last_mut() {
                    Some(run) if run.end == column => run.end += 1,
                    _ => runs.push(column..column + 1),
                }
            }
        }
        runs
    }

    /// The cells of a superblock.
    pub(crate) fn word(&self, sb_col: usize, sb_row: usize) -> u64 {
        self.words[sb_row * self.stride + sb_col]
    }

    pub(crate) fn word_mut(&mut self, sb_col: usize, sb_row: usize) -> &mut u64 {
        &mut self.words[sb_row * self.stride + sb_col]
    }

    /// Unsets what lies beyond the picture.
    pub(crate) fn cut(&mut self) {
        let last = |count: usize| (count - 1) % 8 + 1;
        let (columns, rows) = (last(self.columns), last(self.rows));
        let column_mask = 0x0101_0101_0101_0101 * ((1u64 << columns) - 1);
        let row_mask = if rows == 8 { !0 } else { (1u64 << (8 * rows)) - 1 };
        let height = self.words.len() / self.stride;
        for (i, word) in self.words.iter_mut().enumerate() {
            if i % self.stride == self.stride - 1 {
                *word &= column_mask;
            }
            if i / self.stride == height - 1 {
                *word &= row_mask;
            }
        }
    }

    /// Whether both maps belong to pictures of one size.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        (self.columns, self.rows) == (other.columns, other.rows)
    }

    fn place(&self, column: usize, row: usize) -> Option<(usize, usize)> {
        let inside = column < self.columns && row < self.rows;
        inside.then(|| (row / 8 * self.stride + column / 8, row % 8 * 8 + column % 8))
    }
}

/// The set bits of a word, lowest first.
pub(crate) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_sets_the_cells_that_it_touches() {
        let mut cells = Cells::over(200, 100);
        cells.set_rect(Rect { x: 60, y: 7, width: 77, height: 2 });
        let expected: Vec<_> = (0..2).flat_map(|y| (7..18).map(move |x| (x, y))).collect();
        let mut got: Vec<_> = cells.iter().collect();
        got.sort_by_key(|(x, y)| (*y, *x));
        assert_eq!(got, expected);
        assert_eq!(cells.count(), 22);
        assert!(cells.get(17, 1) && !cells.get(18, 1) && !cells.get(400, 1));
    }

    #[test]
    fn rectangles_cover_the_set_cells_once() {
        let mut cells = Cells::over(150, 90);
        cells.set_rect(Rect { x: 0, y: 0, width: 150, height: 10 });
        cells.set_rect(Rect { x: 60, y: 30, width: 20, height: 60 });
        cells.set_rect(Rect { x: 100, y: 30, width: 1, height: 1 });
        let rectangles = cells.rectangles();
        assert!(rectangles.contains(&Rect { x: 0, y: 0, width: 152, height: 16 }));
        assert!(rectangles.contains(&Rect { x: 56, y: 24, width: 24, height: 72 }));
        let mut again = Cells::over(150, 90);
        rectangles.iter().for_each(|r| again.set_rect(*r));
        assert_eq!((again, rectangles.len()), (cells, 3));
    }

    #[test]
    fn nothing_beyond_the_picture_is_set() {
        let mut cells = Cells::over(9, 9);
        cells.set_rect(Rect { x: 0, y: 0, width: usize::MAX, height: 5000 });
        cells.set(2, 0);
        cells.unset(0, 9);
        assert_eq!(cells.count(), 4);
    }
}
