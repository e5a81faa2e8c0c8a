//! Decides how a superblock is divided and what each block is.

use super::Tile;
use crate::{
    frame::{Fidelity, Frame},
    geometry::Block,
    modes::Mv,
    motion::Move,
};

/// The least difference of light and dark in text whose paper shows little.
const TEXT_CONTRAST: u8 = 40;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Four blocks of half the side.
    Split,
    /// Nothing changed.
    Still,
    /// What the last picture had elsewhere.
    Copy(Move),
    /// All pixels are alike.
    Flat,
    /// At most eight colours.
    Palette,
    /// A prediction and a lossless residual.
    Exact,
    /// A prediction and a quantised residual.
    Lossy,
}

impl Tile {
    /// decode_partition (clause 5.11.4), written.
    pub(super) fn partition(&mut self, frame: &Frame, block: Block) {
        let grid = &self.writer.grid;
        if block.col >= grid.mi_cols || block.row >= grid.mi_rows {
            return;
        }
        let half = block.n4() / 2;
        let is_cut = block.row + half >= grid.mi_rows || block.col + half >= grid.mi_cols;
        let kind = if block.log2 > 1 && is_cut { Kind::Split } else { self.decide(frame, block) };
        self.writer.partition(block, kind == Kind::Split);
        if kind == Kind::Split {
            return block.quarters().into_iter().for_each(|quarter| self.partition(frame, quarter));
        }
        if kind != Kind::Still {
            self.touch(block);
        }
        match kind {
            Kind::Split => {}
            Kind::Still => self.skipped_inter(block, Mv::default()),
            Kind::Copy(vector) => self.copy_block(frame, block, vector),
            Kind::Flat => self.flat_block(frame, block),
            Kind::Palette => self.palette_block(frame, block),
            Kind::Exact => self.exact_block(frame, block),
            Kind::Lossy => self.lossy_block(frame, block),
        }
    }

    fn decide(&mut self, frame: &Frame, block: Block) -> Kind {
        let (x, y) = (self.frame_x(block), block.y());
        let (width, height) = self.extent(frame, block);
        if let Some(kind) = self.decide_unchanged(frame, block) {
            return kind;
        }
        if frame.is_flat(x, y, width, height) {
            return Kind::Flat;
        }
        if self.find_palettes(frame, x, y, width, height) {
            return Kind::Palette;
        }
        match block.log2 {
            1 => self.decide_residual(frame, block),
            2 => {
                let has_palettes = block.quarters().iter().any(|b| self.has_few_colors(frame, self.frame_x(*b), b.y()));
                if has_palettes { Kind::Split } else { self.decide_residual(frame, block) }
            }
            3 if self.may_be_lossy(frame, block) && self.is_worth_32(frame, block) => Kind::Lossy,
            _ => Kind::Split,
        }
    }

    /// Whether a block of 32 pixels lies on the picture and all its quarters may be coded with loss.
    fn may_be_lossy(&self, frame: &Frame, block: Block) -> bool {
        self.extent(frame, block) == (32, 32)
            && block.quarters().iter().all(|quarter| self.decide_residual(frame, *quarter) == Kind::Lossy)
    }

    /// What a block is if the last picture has it, or parts of it.
    fn decide_unchanged(&self, frame: &Frame, block: Block) -> Option<Kind> {
        if frame.header.key {
            return None;
        }
        if block.cells() & self.changed == 0 {
            return Some(Kind::Still);
        }
        // What is stale elsewhere would make stale what is to be exact.
        if block.cells() & self.refine == 0 {
            let (x, y) = (self.frame_x(block), block.y());
            let (width, height) = self.extent(frame, block);
            let copied = frame.moves.iter().find(|vector| frame.is_copy(x, y, width, height, **vector));
            if let Some(vector) = copied {
                return Some(Kind::Copy(*vector));
            }
        }
        let unchanged = |quarter: &Block| quarter.cells() & self.changed == 0;
        (block.log2 > 1 && block.quarters().iter().any(unchanged)).then_some(Kind::Split)
    }

    /// Whether a block with a residual may be coded with loss.
    fn decide_residual(&self, frame: &Frame, block: Block) -> Kind {
        if block.cells() & self.refine != 0 || frame.header.base_q_idx == 0 {
            return Kind::Exact;
        }
        let lossy = match frame.fidelity {
            Fidelity::Lossless => false,
            Fidelity::Lossy { .. } => true,
            Fidelity::ExactText { .. } => self.is_in_motion(frame, block) || !self.is_text(frame, block),
        };
        if lossy { Kind::Lossy } else { Kind::Exact }
    }

    /// Whether the caller says that the block is in motion.
    fn is_in_motion(&self, frame: &Frame, block: Block) -> bool {
        let word = |cells: &crate::Cells| cells.word(self.frame_x(block) / 64, block.y() / 64);
        frame.motion.is_some_and(|cells| word(cells) & block.cells() != 0)
    }

    /// Whether a block looks drawn, not photographed. It is judged by the square of 16 pixels that it lies in: text and
    /// user interface have a colour that is repeated exactly, and something that stands out from it.
    fn is_text(&self, frame: &Frame, block: Block) -> bool {
        let (x, y) = (self.frame_x(block) & !15, block.y() & !15);
        let width = 16.min(frame.geometry.coded_width() - x);
        let height = 16.min(frame.geometry.coded_height() - y);
        let mut counts = [0u16; 256];
        let (mut darkest, mut lightest) = (255, 0);
        for row in y..y + height {
            let [green, blue, red] = [0, 1, 2].map(|plane| frame.source.row(plane, x, row, width));
            for ((green, blue), red) in green.iter().zip(blue).zip(red) {
                // Different colours rarely fall together.
                let mixed = green.wrapping_mul(151) ^ blue.wrapping_mul(43) ^ red.wrapping_mul(89);
                counts[usize::from(mixed)] += 1;
                (darkest, lightest) = (darkest.min(*green), lightest.max(*green));
            }
        }
        let most = usize::from(counts.into_iter().max().unwrap_or(0));
        let contrast = lightest - darkest;
        most * 2 >= width * height || (most * 4 >= width * height && contrast >= TEXT_CONTRAST)
    }
}
