//! A grid of blocks, each set or not.

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

    /// Whether the block is set.
    pub fn get(&self, column: usize, row: usize) -> bool {
        self.cells[row * self.columns + column] == 1
    }

    /// Sets one block.
    pub fn set(&mut self, column: usize, row: usize) {
        self.cells[row * self.columns + column] = 1;
    }

    /// Sets every block.
    pub fn fill(&mut self) {
        self.cells.fill(1);
    }
}
