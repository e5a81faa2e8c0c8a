//! Sizes of a frame and places in it.

/// The side of a superblock in pixels.
pub(crate) const SUPERBLOCK: usize = 64;
/// The side of a cell in pixels: no block is smaller.
pub(crate) const CELL: usize = 8;

/// The sizes of a frame in the units of the specification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// FrameWidth, in pixels.
    pub width: usize,
    /// FrameHeight.
    pub height: usize,
    /// MiCols (clause 5.9.9): columns of four pixels, an even number.
    pub mi_cols: usize,
    /// MiRows.
    pub mi_rows: usize,
    /// Columns of superblocks.
    pub sb_cols: usize,
    /// Rows of superblocks.
    pub sb_rows: usize,
}

impl Geometry {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            mi_cols: 2 * width.div_ceil(CELL),
            mi_rows: 2 * height.div_ceil(CELL),
            sb_cols: width.div_ceil(SUPERBLOCK),
            sb_rows: height.div_ceil(SUPERBLOCK),
        }
    }

    /// Pixels of a row that are coded: whole cells.
    pub fn coded_width(&self) -> usize {
        self.mi_cols * 4
    }

    /// Rows that are coded.
    pub fn coded_height(&self) -> usize {
        self.mi_rows * 4
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// The left column.
    pub x: usize,
    /// The top row.
    pub y: usize,
    /// How many columns.
    pub width: usize,
    /// How many rows.
    pub height: usize,
}

impl Rect {
    /// Whether it lies on a picture of that size and has pixels.
    pub(crate) fn lies_on(&self, width: usize, height: usize) -> bool {
        let inside = |start: usize, length: usize, all: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= all)
        };
        inside(self.x, self.width, width) && inside(self.y, self.height, height)
    }
}

/// A square block. Its place counts from the tile's left edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// MiCol, in units of four pixels.
    pub col: usize,
    /// MiRow.
    pub row: usize,
    /// The side's logarithm, in units of four pixels: 1 (8 pixels) to 4 (64).
    pub log2: u8,
}

impl Block {
    /// Num_4x4_Blocks_Wide.
    pub fn n4(&self) -> usize {
        1 << self.log2
    }

    /// The left column in pixels.
    pub fn x(&self) -> usize {
        self.col * 4
    }

    /// The top row in pixels.
    pub fn y(&self) -> usize {
        self.row * 4
    }

    /// The four blocks of half the side, in the order of the bitstream.
    pub fn quarters(&self) -> [Self; 4] {
        let (half, log2) = (self.n4() / 2, self.log2 - 1);
        let at = |col, row| Self { col: self.col + col, row: self.row + row, log2 };
        [at(0, 0), at(half, 0), at(0, half), at(half, half)]
    }

    /// Its cells within the superblock, as [`crate::Cells`] counts bits.
    pub fn cells(&self) -> u64 {
        let side = self.n4() / 2;
        if side == 8 {
            return !0;
        }
        let row = (1u64 << side) - 1;
        let square = (0..side).fold(0, |mask, y| mask | row << (8 * y));
        square << (8 * (self.row / 2 % 8) + self.col / 2 % 8)
    }
}

/// The least `k` for which `unit << k` reaches `target` (tile_log2, clause 5.9.16).
pub(crate) fn tile_log2(unit: usize, target: usize) -> u32 {
    (0..usize::BITS).find(|k| unit << k >= target).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_of_four_quarters_are_those_of_the_block() {
        for block in [
            Block { col: 32, row: 16, log2: 4 },
            Block { col: 8, row: 24, log2: 3 },
            Block { col: 12, row: 4, log2: 2 },
        ] {
            let quarters = block.quarters().map(|b| b.cells());
            assert_eq!(quarters.iter().fold(0, |a, b| a | b), block.cells());
            assert_eq!(quarters.iter().map(|q| q.count_ones()).sum::<u32>(), block.cells().count_ones());
        }
        assert_eq!(Block { col: 2, row: 0, log2: 1 }.cells(), 2);
        assert_eq!(Block { col: 0, row: 2, log2: 1 }.cells(), 256);
    }
}
