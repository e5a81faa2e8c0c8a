//! What a tile remembers of its blocks.

use crate::geometry::Block;

/// A motion vector in eighths of a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mv {
    /// Rows.
    pub row: i16,
    /// Columns.
    pub col: i16,
}

impl Mv {
    /// So many whole pixels to the right and down.
    pub fn pixels(dx: i32, dy: i32) -> Self {
        Self { row: (dy * 8) as i16, col: (dx * 8) as i16 }
    }

    /// The whole pixels, to the right and down.
    pub fn whole(self) -> (i32, i32) {
        (i32::from(self.col) >> 3, i32::from(self.row) >> 3)
    }
}

/// Intra modes (clause 6.10.21) that this encoder uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IntraMode {
    /// DC_PRED.
    #[default]
    Dc = 0,
    /// V_PRED.
    V = 1,
    /// H_PRED.
    H = 2,
    /// PAETH_PRED.
    Paeth = 12,
}

impl IntraMode {
    /// is_directional_mode (clause 5.11.44).
    pub fn is_directional(self) -> bool {
        match self {
            Self::V | Self::H => true,
            Self::Dc | Self::Paeth => false,
        }
    }

    /// Intra_Mode_Context (clause 8.3.2, intra_frame_y_mode).
    pub fn context(self) -> usize {
        match self {
            Self::Dc | Self::Paeth => 0,
            Self::V => 1,
            Self::H => 2,
        }
    }
}

/// How chroma is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UvMode {
    /// As luma is.
    Intra(IntraMode),
    /// UV_CFL_PRED with CflAlphaU and CflAlphaV; not both are 0.
    Cfl([i32; 2]),
}

impl UvMode {
    /// The value of uv_mode.
    pub fn symbol(self) -> usize {
        match self {
            Self::Intra(mode) => mode as usize,
            Self::Cfl(_) => 13,
        }
    }
}

/// What later blocks ask about a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModeInfo {
    pub mv: Mv,
    /// Its side, as [`Block::log2`].
    pub log2: u8,
    pub segment: u8,
    pub is_inter: bool,
    /// Whether YMode is NEWMV.
    pub new_mv: bool,
    pub skip: bool,
    /// YMode of an intra block.
    pub y_mode: IntraMode,
}

/// The mode info of a tile by cells.
pub(crate) struct ModeGrid {
    infos: Vec<ModeInfo>,
    stride: usize,
    /// The tile's size in units of four pixels, as far as it lies on the picture.
    pub mi_cols: usize,
    pub mi_rows: usize,
}

impl ModeGrid {
    pub fn new(sb_cols: usize, sb_rows: usize, mi_cols: usize, mi_rows: usize) -> Self {
        let stride = sb_cols * 8;
        Self { infos: vec![ModeInfo::default(); stride * sb_rows * 8], stride, mi_cols, mi_rows }
    }

    /// The block at a place, in units of four pixels.
    pub fn at(&self, row: usize, col: usize) -> &ModeInfo {
        &self.infos[(row >> 1) * self.stride + (col >> 1)]
    }

    /// The block above (AvailU).
    pub fn above(&self, block: Block) -> Option<&ModeInfo> {
        (block.row > 0).then(|| self.at(block.row - 1, block.col))
    }

    /// The block to the left (AvailL).
    pub fn left(&self, block: Block) -> Option<&ModeInfo> {
        (block.col > 0).then(|| self.at(block.row, block.col - 1))
    }

    /// The block above and to the left.
    pub fn above_left(&self, block: Block) -> Option<&ModeInfo> {
        (block.row > 0 && block.col > 0).then(|| self.at(block.row - 1, block.col - 1))
    }

    /// Remembers a block.
    pub fn set(&mut self, block: Block, info: ModeInfo) {
        let side = block.n4() / 2;
        for row in 0..side {
            let start = (block.row / 2 + row) * self.stride + block.col / 2;
            self.infos[start..start + side].fill(info);
        }
    }
}
