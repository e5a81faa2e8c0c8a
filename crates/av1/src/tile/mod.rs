//! Codes one column of tiles: walks its superblocks, decides what each block is, and keeps what decoders get.

mod colors;
mod cost;
mod decide;
mod exact;
mod lossy;
mod vector;

use crate::{
    cells::bits,
    contexts::Contexts,
    frame::Frame,
    geometry::{Block, CELL, Geometry, SUPERBLOCK},
    modes::{ModeGrid, ModeInfo, Mv},
    planes::Planes,
    symbol::SymbolEncoder,
    syntax::{BlockWriter, Palette, PaletteMap, TileParams},
    tables::Cdfs,
};

/// A tile, over all frames of one encoder.
pub(crate) struct Tile {
    /// The first superblock column, and how many there are.
    sb_start: usize,
    sb_cols: usize,
    sb_rows: usize,
    writer: BlockWriter,
    /// What decoders get, from the tile's left edge on. Where nothing changed it equals the reference.
    recon: Planes,
    /// The quantiser index of each cell; 0 is exact.
    staleness: Vec<u8>,
    /// By superblock: the cells of all blocks that are not plain copies of the last picture.
    touched: Vec<u64>,
    /// By superblock: the cells that the reconstruction lacks of the last frame; see [`Tile::swap`].
    lagging: Vec<u64>,
    /// By superblock: whether it is one still block in this frame.
    still: Vec<bool>,
    /// By superblock: the segment, and one, that the grid remembers of it as one still block; 0 if it is not such.
    marked: Vec<u8>,
    /// The changed cells of the superblock at hand, and those that are to be refined.
    changed: u64,
    refine: u64,
    /// Both palettes of the block at hand.
    palettes: [Palette; 2],
    maps: [PaletteMap; 2],
    /// Residuals of the block at hand by 4×4 squares, 16 a row.
    residual: Box<[[[[i16; 4]; 4]; 256]; 3]>,
    /// How many cells of the last frame vectors of parts of a pixel served or would have served.
    moving_cells: u32,
    /// tile_data of the last frame.
    data: Vec<u8>,
}

impl Tile {
    pub fn new(geometry: &Geometry, sb_start: usize, sb_cols: usize) -> Self {
        let sb_rows = geometry.sb_rows;
        let mi_cols = (geometry.mi_cols - sb_start * 16).min(sb_cols * 16);
        let writer = BlockWriter {
            symbols: SymbolEncoder::new(),
            cdfs: Cdfs::new(0),
            params: TileParams {
                intra_frame: true,
                segmentation: false,
                force_integer_mv: true,
                mi_col_start: sb_start * 16,
                frame_mi_cols: geometry.mi_cols,
            },
            contexts: Contexts::new(sb_cols),
            grid: ModeGrid::new(sb_cols, sb_rows, mi_cols, geometry.mi_rows),
        };
        Self {
            sb_start,
            sb_cols,
            sb_rows,
            writer,
            recon: Planes::new(sb_cols, sb_rows),
            staleness: vec![0; sb_cols * 8 * sb_rows * 8],
            touched: vec![0; sb_cols * sb_rows],
            lagging: vec![0; sb_cols * sb_rows],
            still: vec![false; sb_cols * sb_rows],
            marked: vec![0; sb_cols * sb_rows],
            changed: 0,
            refine: 0,
            palettes: [Palette::default(); 2],
            maps: [PaletteMap::new(), PaletteMap::new()],
            residual: Box::new([[[[0; 4]; 4]; 256]; 3]),
            moving_cells: 0,
            data: Vec::new(),
        }
    }

    /// decode_tile (clause 5.11.2), written: codes the tile's part of a frame.
    pub fn encode(&mut self, frame: &Frame, cdfs: &Cdfs) {
        self.writer.cdfs.clone_from(cdfs);
        self.writer.params = TileParams::new(&frame.header, self.sb_start * 16, frame.geometry.mi_cols);
        self.writer.contexts.clear_above();
        self.moving_cells = 0;
        for sb_row in 0..self.sb_rows {
            self.writer.contexts.clear_left();
            for sb_col in 0..self.sb_cols {
                self.superblock(frame, sb_col, sb_row);
            }
        }
        self.data = std::mem::replace(&mut self.writer.symbols, SymbolEncoder::new()).finish();
    }

    /// tile_data of the last frame.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many cells of the last frame vectors of parts of a pixel served or would have served.
    pub fn moving_cells(&self) -> u32 {
        self.moving_cells
    }

    /// The distributions at the end of the last frame.
    pub fn cdfs(&self) -> &Cdfs {
        &self.writer.cdfs
    }

    /// How many superblocks there may be something to code in: what makes a thread worth its start.
    pub fn work(&self, frame: &Frame) -> usize {
        let some = |sb_col, sb_row| {
            frame.damaged.word(sb_col, sb_row) != 0 || frame.refine.is_some_and(|cells| cells.word(sb_col, sb_row) != 0)
        };
        let columns = self.sb_start..self.sb_start + self.sb_cols;
        (0..self.sb_rows)
            .flat_map(|row| columns.clone().map(move |col| (col, row)))
            .filter(|(c, r)| some(*c, *r))
            .count()
    }

    fn superblock(&mut self, frame: &Frame, sb_col: usize, sb_row: usize) {
        let (at, frame_col) = (sb_row * self.sb_cols + sb_col, self.sb_start + sb_col);
        self.changed = frame.changed(frame_col, sb_row);
        self.refine = 0;
        if let Some(cells) = frame.refine.filter(|_| !frame.header.key) {
            self.refine = cells.word(frame_col, sb_row);
            self.changed |= self.refine;
        }
        self.touched[at] = 0;
        self.catch_up(frame, sb_col, sb_row);
        let block = Block { col: sb_col * 16, row: sb_row * 16, log2: 4 };
        let grid = &self.writer.grid;
        let is_whole = block.col + 8 < grid.mi_cols && block.row + 8 < grid.mi_rows;
        self.still[at] = self.changed == 0 && is_whole;
        if self.still[at] && self.is_among_still(sb_col, sb_row) {
            let segment = self.writer.still_superblock(block);
            if self.marked[at] != segment + 1 {
                self.writer.grid.set(block, still_info(block, segment));
                self.marked[at] = segment + 1;
            }
        } else {
            self.marked[at] = 0;
            self.partition(frame, block);
        }
    }

    /// Whether the superblocks above, to the left and above to the right are still, so that all contexts are known.
    fn is_among_still(&self, sb_col: usize, sb_row: usize) -> bool {
        if sb_row == 0 || sb_col == 0 {
            return false;
        }
        let at = sb_row * self.sb_cols + sb_col;
        let above = at - self.sb_cols;
        self.still[at - 1] && self.still[above] && (sb_col + 1 == self.sb_cols || self.still[above + 1])
    }

    /// The block's left column counted from the frame's edge.
    fn frame_x(&self, block: Block) -> usize {
        self.sb_start * SUPERBLOCK + block.x()
    }

    /// The part of a block that is coded, in pixels.
    fn extent(&self, frame: &Frame, block: Block) -> (usize, usize) {
        frame.extent(block, self.frame_x(block))
    }

    /// Notes that a block's part on the picture has a quantiser index from now on.
    fn set_staleness(&mut self, block: Block, (width, height): (usize, usize), quantizer: u8) {
        for row in 0..height / 8 {
            let start = (block.row / 2 + row) * self.sb_cols * 8 + block.col / 2;
            self.staleness[start..start + width / 8].fill(quantizer);
        }
    }

    /// Marks a block's cells as touched.
    fn touch(&mut self, block: Block) {
        self.touched[block.row / 16 * self.sb_cols + block.col / 16] |= block.cells();
    }

    /// The touched cells of each superblock, where there are any, by their place in the frame.
    fn each_touched(&self, mut touched: impl FnMut(usize, usize, u64)) {
        for (at, word) in self.touched.iter().enumerate().filter(|(_, word)| **word != 0) {
            touched(self.sb_start + at % self.sb_cols, at / self.sb_cols, *word);
        }
    }

    /// Brings the reference and its staleness up to what the frame coded. Tells the touched cells.
    pub fn copy_to(
        &mut self,
        reference: &mut Planes,
        staleness: &mut [u8],
        touched: &mut impl FnMut(usize, usize, u64),
    ) {
        let frame_stride = reference.stride / CELL;
        self.each_touched(|sb_col, sb_row, word| {
            touched(sb_col, sb_row, word);
            for cell_row in 0..8 {
                let bits = (word >> (8 * cell_row) & 0xff) as u32;
                if bits != 0 {
                    // From the first to the last touched cell: what lies between is alike.
                    let (first, end) = (bits.trailing_zeros() as usize, (32 - bits.leading_zeros()) as usize);
                    let (col, row) = (sb_col * 8 + first, sb_row * 8 + cell_row);
                    let (own_col, count) = (col - self.sb_start * 8, end - first);
                    for (plane, y) in (0..3).flat_map(|plane| (row * CELL..row * CELL + CELL).map(move |y| (plane, y)))
                    {
                        let recon = self.recon.row(plane, own_col * CELL, y, count * CELL);
                        reference.row_mut(plane, col * CELL, y, count * CELL).copy_from_slice(recon);
                    }
                    let from = &self.staleness[row * self.sb_cols * 8 + own_col..][..count];
                    staleness[row * frame_stride + col..][..count].copy_from_slice(from);
                }
            }
        });
    }

    /// The same of a frame's only tile: reference and reconstruction change places. The tile catches up with what the
    /// frame touched as it codes the next one.
    pub fn swap(
        &mut self,
        reference: &mut Planes,
        staleness: &mut Vec<u8>,
        touched: &mut impl FnMut(usize, usize, u64),
    ) {
        std::mem::swap(&mut self.recon, reference);
        std::mem::swap(&mut self.staleness, staleness);
        self.each_touched(touched);
        std::mem::swap(&mut self.lagging, &mut self.touched);
    }

    /// Takes from the reference what the frame before the last did not have yet, but for what is coded anew.
    fn catch_up(&mut self, frame: &Frame, sb_col: usize, sb_row: usize) {
        let at = sb_row * self.sb_cols + sb_col;
        let lagging = std::mem::take(&mut self.lagging[at]) & !self.changed;
        for bit in bits(lagging) {
            let (column, row) = (sb_col * 8 + bit % 8, sb_row * 8 + bit / 8);
            self.recon.copy_cell(frame.reference, column, row);
            let cell = row * self.sb_cols * 8 + column;
            self.staleness[cell] = frame.staleness[cell];
        }
    }

    /// Beyond the picture's edge decoders have the last pixel, in still blocks at least.
    pub fn pad(&mut self, geometry: &Geometry) {
        let width = (geometry.width - self.sb_start * SUPERBLOCK).min(self.sb_cols * SUPERBLOCK);
        self.recon.pad(&Geometry::new(width, geometry.height));
    }

    /// A copy of the last picture: nothing is said but where from, and it is as exact as that.
    fn copy_block(&mut self, frame: &Frame, block: Block, vector: (i32, i32)) {
        let (width, height) = self.extent(frame, block);
        let x = self.frame_x(block);
        let Some((from_x, from_y)) = frame.moved(x, block.y(), width, height, vector) else { return };
        for plane in 0..3 {
            for y in 0..height {
                let from = frame.reference.row(plane, from_x, from_y + y, width);
                self.recon.row_mut(plane, block.x(), block.y() + y, width).copy_from_slice(from);
            }
        }
        for row in 0..height / 8 {
            for col in 0..width / 8 {
                let worst = worst_staleness(frame, from_x + col * 8, from_y + row * 8);
                self.staleness[(block.row / 2 + row) * self.sb_cols * 8 + block.col / 2 + col] = worst;
            }
        }
        self.skipped_inter(block, Mv::pixels(vector.0, vector.1));
    }

    /// An inter block without residual.
    fn skipped_inter(&mut self, block: Block, mv: Mv) {
        self.writer.skip(block, true);
        let segment = self.writer.segment_id(block, true, 0);
        let new_mv = self.writer.inter_modes(block, mv);
        self.end_inter(block, ModeInfo { mv, new_mv, skip: true, ..still_info(block, segment) });
    }

    /// Remembers an inter block, whose coefficients are told already.
    fn end_inter(&mut self, block: Block, info: ModeInfo) {
        if info.skip {
            self.writer.contexts.reset_block(block);
        }
        self.writer.contexts.set_palettes(block, Default::default());
        self.writer.grid.set(block, info);
    }
}

/// The mode info of a still block.
fn still_info(block: Block, segment: u8) -> ModeInfo {
    ModeInfo { log2: block.log2, segment, is_inter: true, skip: true, ..ModeInfo::default() }
}

/// The worst quantiser index of the cells of the reference that an 8×8 square touches.
fn worst_staleness(frame: &Frame, x: usize, y: usize) -> u8 {
    let stride = frame.reference.stride / 8;
    let rows = y / 8..y.div_ceil(8) + 1;
    let of = |row: usize, col: usize| frame.staleness.get(row * stride + col).copied().unwrap_or(0);
    rows.flat_map(|row| (x / 8..x.div_ceil(8) + 1).map(move |col| of(row, col))).max().unwrap_or(0)
}
