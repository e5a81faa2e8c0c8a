//! The encoder: the screen, what decoders have, and frames from the one to the other.

use crate::{
    bits::{ObuType, obu},
    cells::Cells,
    error::Error,
    frame::{Fidelity, Frame},
    geometry::{Geometry, Rect},
    headers::{FrameHeader, frame_header, sequence_header, tile_cols_log2},
    jobs::{Job, Jobs},
    motion::{Move, MoveSearch, Pictures, is_codable},
    planes::Planes,
    screen::Screen,
    tables::Cdfs,
    tile::Tile,
};

/// The most pixels each way.
pub const MAX_SIDE: usize = 8192;
/// Vectors that are kept from one frame to the next, with hints.
const MOST_KEPT_MOVES: usize = 8;
/// Superblocks of work below which a tile is not worth a thread.
const WORTH_A_JOB: usize = 12;

/// Cells in motion, a superblock's, from which on the next frame has vectors of parts of a pixel.
const MOVING_CELLS: u32 = 64;

/// How a frame is to be coded.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Decodable without any other frame. The first frame always is.
    pub key: bool,
    /// What may be coded with loss.
    pub fidelity: Fidelity,
    /// Cells that did not change and are to be coded without loss.
    pub refine: Option<&'a Cells>,
    /// Cells that are in motion: lossy although they look like text.
    pub motion: Option<&'a Cells>,
    /// Where content may have come from, if the caller knows: (dx, dy) from its place now to its place before.
    pub moves: &'a [(i32, i32)],
}

impl Request<'_> {
    /// All that changed, without loss.
    pub const LOSSLESS: Self =
        Self { key: false, fidelity: Fidelity::Lossless, refine: None, motion: None, moves: &[] };
}

/// A coded frame.
#[derive(Clone, Debug)]
pub struct Coded {
    /// One temporal unit.
    pub data: Vec<u8>,
    /// Decodable without any other frame.
    pub key: bool,
    /// Outside of these cells the picture stays as it was.
    pub cells: Cells,
}

/// Codes one screen.
pub struct Encoder {
    geometry: Geometry,
    screen: Screen,
    /// What decoders have.
    reference: Planes,
    /// By cells of whole superblocks: the quantiser index with which decoders have it; 0 is exact.
    staleness: Vec<u8>,
    stale: Cells,
    tiles: Vec<Tile>,
    tile_cols_log2: u32,
    /// The distributions that the last frame ended with.
    cdfs: Cdfs,
    /// base_q_idx of the last frame; `None` before the first.
    last_base_q_idx: Option<u8>,
    search: MoveSearch,
    moves: Vec<Move>,
    /// Whether vectors of parts of a pixel are worth their bits in the next frame.
    is_moving: bool,
}

impl Encoder {
    /// An encoder of a black screen. `tile_columns` tells how many jobs a large change is coded in; 1, 2 and 4 make sense.
    pub fn new(width: usize, height: usize, tile_columns: usize) -> Result<Self, Error> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(Error::Size { width, height });
        }
        let geometry = Geometry::new(width, height);
        let tile_cols_log2 = tile_cols_log2(&geometry, tile_columns.max(1).ilog2());
        let tile_width = geometry.sb_cols.div_ceil(1 << tile_cols_log2);
        let tiles = (0..geometry.sb_cols).step_by(tile_width);
        Ok(Self {
            geometry,
            screen: Screen::new(geometry),
            reference: Planes::of(&geometry),
            staleness: vec![0; geometry.sb_cols * 8 * geometry.sb_rows * 8],
            stale: Cells::of(&geometry),
            tiles: tiles.map(|at| Tile::new(&geometry, at, tile_width.min(geometry.sb_cols - at))).collect(),
            tile_cols_log2,
            cdfs: Cdfs::new(0),
            last_base_q_idx: None,
            search: MoveSearch::new(),
            moves: Vec::new(),
            is_moving: false,
        })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.geometry.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.geometry.height
    }

    /// Takes in changed pixels: blue, green, red and a byte that does not matter, `stride` bytes a row.
    pub fn write_bgrx(&mut self, rect: Rect, stride: usize, pixels: &[u8]) -> Result<(), Error> {
        self.check(rect, stride, 4, pixels.len())?;
        self.screen.write(rect, |planes, row| {
            let pixels = &pixels[row * stride..][..rect.width * 4];
            planes.write_bgrx(rect.x, rect.y + row, pixels.as_chunks::<4>().0);
        });
        Ok(())
    }

    /// Takes in changed pixels: green, blue and red, `stride` bytes a row.
    pub fn write_planes(&mut self, rect: Rect, stride: usize, planes: [&[u8]; 3]) -> Result<(), Error> {
        for plane in planes {
            self.check(rect, stride, 1, plane.len())?;
        }
        self.screen.write(rect, |target, row| {
            for (i, plane) in planes.iter().enumerate() {
                let pixels = &plane[row * stride..][..rect.width];
                target.row_mut(i, rect.x, rect.y + row, rect.width).copy_from_slice(pixels);
            }
        });
        Ok(())
    }

    fn check(&self, rect: Rect, stride: usize, pixel: usize, got: usize) -> Result<(), Error> {
        let (width, height) = (self.geometry.width, self.geometry.height);
        if !rect.lies_on(width, height) {
            return Err(Error::Rectangle { width, height });
        }
        let row = rect.width * pixel;
        let needed = stride.saturating_mul(rect.height - 1).saturating_add(row);
        if stride < row || got < needed { Err(Error::Pixels { got, needed: needed.max(row) }) } else { Ok(()) }
    }

    /// Whether anything was written since the last frame. It may have been what was there.
    pub fn is_damaged(&self) -> bool {
        !self.screen.damaged().is_empty()
    }

    /// The cells that decoders do not have exactly as the last frame's screen was.
    pub fn stale(&self) -> &Cells {
        &self.stale
    }

    /// The quantiser index with which decoders have a cell of the last frame's screen; 0 if exactly. `None` beyond the
    /// picture.
    pub fn staleness(&self, column: usize, row: usize) -> Option<u8> {
        let inside = column < self.stale.columns() && row < self.stale.rows();
        inside.then(|| self.staleness[row * self.geometry.sb_cols * 8 + column])
    }

    /// A row of what decoders have: green, blue and red.
    pub fn reconstruction(&self, y: usize) -> Option<[&[u8]; 3]> {
        let row = |plane| self.reference.row(plane, 0, y, self.geometry.width);
        (y < self.geometry.height).then(|| [row(0), row(1), row(2)])
    }

    /// Codes a frame: what was written since the last one, and what is to be refined. `jobs` runs the tiles of large
    /// changes.
    pub fn encode(&mut self, request: &Request, jobs: &dyn Jobs) -> Result<Coded, Error> {
        let maps = [request.refine, request.motion];
        if maps.into_iter().flatten().any(|cells| !cells.fits(&self.stale)) {
            return Err(Error::Cells);
        }
        let key = request.key || self.last_base_q_idx.is_none();
        let header = self.header(key, request.fidelity.quantizer());
        if key {
            self.cdfs = Cdfs::new(header.base_q_idx);
        } else {
            self.cdfs.clear_counters();
            self.find_moves(request.moves);
        }
        self.encode_tiles(request, &header, jobs);
        self.is_moving = self.tiles.iter().map(Tile::moving_cells).sum::<u32>() >= MOVING_CELLS;
        let data = self.assemble(header);
        let cells = self.commit();
        self.last_base_q_idx = Some(header.base_q_idx);
        Ok(Coded { data, key, cells })
    }

    fn header(&self, key: bool, base_q_idx: u8) -> FrameHeader {
        FrameHeader {
            key,
            base_q_idx,
            force_integer_mv: key || !self.is_moving,
            segments_as_before: self.last_base_q_idx == Some(base_q_idx),
            tile_cols_log2: self.tile_cols_log2,
            context_update_tile_id: 0,
        }
    }

    fn find_moves(&mut self, hints: &[Move]) {
        self.moves.truncate(MOST_KEPT_MOVES);
        for hint in hints.iter().take(MOST_KEPT_MOVES).filter(|hint| **hint != (0, 0) && is_codable(**hint)) {
            self.moves.retain(|vector| vector != hint);
            self.moves.insert(0, *hint);
        }
        let (source, previous, damaged) = self.screen.pictures();
        let (width, height) = (self.geometry.width, self.geometry.height);
        let cut = |r: Rect| Rect { width: r.width.min(width - r.x), height: r.height.min(height - r.y), ..r };
        let changed: Vec<Rect> = damaged.rectangles().into_iter().map(cut).collect();
        let pictures = Pictures { geometry: &self.geometry, source, previous };
        self.search.find(&pictures, &changed, &mut self.moves);
    }

    fn encode_tiles(&mut self, request: &Request, header: &FrameHeader, jobs: &dyn Jobs) {
        let (source, previous, damaged) = self.screen.pictures();
        let frame = Frame {
            geometry: &self.geometry,
            header: *header,
            fidelity: request.fidelity,
            source,
            previous,
            reference: &self.reference,
            staleness: &self.staleness,
            damaged,
            refine: request.refine,
            motion: request.motion,
            moves: &self.moves,
        };
        let cdfs = &self.cdfs;
        let worth = |tile: &Tile| header.key || tile.work(&frame) >= WORTH_A_JOB;
        if self.tiles.iter().filter(|tile| worth(tile)).count() < 2 {
            return self.tiles.iter_mut().for_each(|tile| tile.encode(&frame, cdfs));
        }
        let frame = &frame;
        jobs.run(self.tiles.iter_mut().map(|tile| Box::new(move || tile.encode(frame, cdfs)) as Job).collect());
    }

    /// The temporal unit of the tiles' data. Takes the distributions of the longest tile, which have learnt most.
    fn assemble(&mut self, mut header: FrameHeader) -> Vec<u8> {
        let longest = (0..self.tiles.len()).max_by_key(|i| self.tiles[*i].data().len()).unwrap_or(0);
        self.cdfs.clone_from(self.tiles[longest].cdfs());
        header.context_update_tile_id = longest as u32;
        let mut unit = Vec::new();
        obu(&mut unit, ObuType::TemporalDelimiter, &[]);
        if header.key {
            obu(&mut unit, ObuType::SequenceHeader, &sequence_header(&self.geometry));
        }
        let mut frame = frame_header(&self.geometry, &header);
        // tile_group_obu (clause 5.11.1): tile_start_and_end_present_flag is 0 and aligned; the last tile has no size.
        if self.tiles.len() > 1 {
            frame.push(0);
        }
        for (i, tile) in self.tiles.iter().enumerate() {
            if i + 1 < self.tiles.len() {
                frame.extend_from_slice(&(tile.data().len() as u32 - 1).to_le_bytes());
            }
            frame.extend_from_slice(tile.data());
        }
        obu(&mut unit, ObuType::Frame, &frame);
        unit
    }

    /// What was coded is what decoders have now. Returns the cells that may have changed.
    fn commit(&mut self) -> Cells {
        let mut cells = Cells::of(&self.geometry);
        let mut touched = |sb_col, sb_row, word| *cells.word_mut(sb_col, sb_row) = word;
        if let [tile] = &mut self.tiles[..] {
            tile.swap(&mut self.reference, &mut self.staleness, &mut touched);
        } else {
            for tile in &mut self.tiles {
                tile.copy_to(&mut self.reference, &mut self.staleness, &mut touched);
                tile.pad(&self.geometry);
            }
        }
        self.reference.pad(&self.geometry);
        cells.cut();
        for (column, row) in cells.iter() {
            if self.staleness[row * self.geometry.sb_cols * 8 + column] > 0 {
                self.stale.set(column, row);
            } else {
                self.stale.unset(column, row);
            }
        }
        self.screen.shown();
        cells
    }
}
