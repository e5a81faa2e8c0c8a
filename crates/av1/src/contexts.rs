//! What symbols above and to the left tell about the next one, apart from the blocks' modes.

use crate::geometry::Block;

/// The palettes of a block: sizes (0: none) and colours of luma and of U.
#[derive(Clone, Copy, Default)]
pub(crate) struct BlockPalettes {
    pub sizes: [u8; 2],
    pub colors: [[u8; 8]; 2],
}

/// Level and sign contexts of one plane along an edge (AboveLevelContext, AboveDcContext and their like on the left).
#[derive(Clone)]
pub(crate) struct CoefficientEdge {
    pub level: Vec<u8>,
    /// 0: zero, 1: negative, 2: positive.
    pub dc: Vec<u8>,
}

impl CoefficientEdge {
    fn new(length: usize) -> Self {
        Self { level: vec![0; length], dc: vec![0; length] }
    }

    fn clear(&mut self) {
        self.level.fill(0);
        self.dc.fill(0);
    }

    pub fn fill(&mut self, start: usize, length: usize, level: u8, dc: u8) {
        self.level[start..start + length].fill(level);
        self.dc[start..start + length].fill(dc);
    }
}

/// The contexts of a tile.
pub(crate) struct Contexts {
    pub above: [CoefficientEdge; 3],
    pub left: [CoefficientEdge; 3],
    above_palettes: Vec<BlockPalettes>,
    left_palettes: [BlockPalettes; 8],
}

impl Contexts {
    pub fn new(sb_cols: usize) -> Self {
        let edges = |length| std::array::from_fn(|_| CoefficientEdge::new(length));
        Self {
            above: edges(sb_cols * 16),
            left: edges(16),
            above_palettes: vec![BlockPalettes::default(); sb_cols * 8],
            left_palettes: [BlockPalettes::default(); 8],
        }
    }

    /// clear_above_context (clause 5.11.2).
    pub fn clear_above(&mut self) {
        self.above.iter_mut().for_each(CoefficientEdge::clear);
    }

    /// clear_left_context (clause 5.11.2).
    pub fn clear_left(&mut self) {
        self.left.iter_mut().for_each(CoefficientEdge::clear);
    }

    /// The palettes above; none at the top edge of the tile.
    pub fn palettes_above(&self, block: Block) -> BlockPalettes {
        if block.row > 0 { self.above_palettes[block.col >> 1] } else { BlockPalettes::default() }
    }

    /// The palettes to the left; none at the left edge of the tile.
    pub fn palettes_left(&self, block: Block) -> BlockPalettes {
        if block.col > 0 { self.left_palettes[(block.row >> 1) & 7] } else { BlockPalettes::default() }
    }

    pub fn set_palettes(&mut self, block: Block, palettes: BlockPalettes) {
        let side = block.n4() / 2;
        self.above_palettes[block.col >> 1..][..side].fill(palettes);
        self.left_palettes[(block.row >> 1) & 7..][..side].fill(palettes);
    }

    /// reset_block_context (clause 5.11.5): the block has no coefficients.
    pub fn reset_block(&mut self, block: Block) {
        for plane in 0..3 {
            self.above[plane].fill(block.col, block.n4(), 0, 0);
            self.left[plane].fill(block.row & 15, block.n4(), 0, 0);
        }
    }
}
