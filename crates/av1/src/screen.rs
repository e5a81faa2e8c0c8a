//! The screen now and as the last frame showed it, without copying one to the other after each frame.

use crate::{
    cells::Cells,
    geometry::{CELL, Geometry, Rect},
    planes::Planes,
};

/// The screen and the one before.
pub(crate) struct Screen {
    geometry: Geometry,
    now: Planes,
    before: Planes,
    /// Where `now` may differ from `before`.
    damaged: Cells,
    /// Where `now` is older than `before` and was not written since.
    lagging: Cells,
}

impl Screen {
    /// A black screen.
    pub fn new(geometry: Geometry) -> Self {
        let (planes, cells) = (Planes::of(&geometry), Cells::of(&geometry));
        Self { geometry, now: planes.clone(), before: planes, damaged: cells.clone(), lagging: cells }
    }

    /// Takes in a rectangle on the screen: `row` gives its rows to `now`.
    pub fn write(&mut self, rect: Rect, mut row: impl FnMut(&mut Planes, usize)) {
        self.catch_up_edges(rect);
        (0..rect.height).for_each(|y| row(&mut self.now, y));
        self.damaged.set_rect(rect);
        self.now.pad_rect(&self.geometry, rect);
    }

    /// The screen, the one before, and where they may differ.
    pub fn pictures(&mut self) -> (&Planes, &Planes, &Cells) {
        let lagging = std::mem::replace(&mut self.lagging, Cells::of(&self.geometry));
        for (column, row) in lagging.iter() {
            self.now.copy_cell(&self.before, column, row);
        }
        (&self.now, &self.before, &self.damaged)
    }

    pub fn damaged(&self) -> &Cells {
        &self.damaged
    }

    /// A frame showed the screen.
    pub fn shown(&mut self) {
        std::mem::swap(&mut self.now, &mut self.before);
        std::mem::swap(&mut self.damaged, &mut self.lagging);
        self.damaged.clear();
    }

    /// What a write will not cover of the cells that it touches.
    fn catch_up_edges(&mut self, rect: Rect) {
        let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
        let is_last = |end: usize, all: usize| end == all;
        for row in rect.y / CELL..bottom.div_ceil(CELL) {
            let rows_covered =
                rect.y <= row * CELL && (bottom >= (row + 1) * CELL || is_last(bottom, self.geometry.height));
            for column in rect.x / CELL..right.div_ceil(CELL) {
                let covered = rows_covered
                    && rect.x <= column * CELL
                    && (right >= (column + 1) * CELL || is_last(right, self.geometry.width));
                if self.lagging.get(column, row) {
                    if !covered {
                        self.now.copy_cell(&self.before, column, row);
                    }
                    self.lagging.unset(column, row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect() -> impl Strategy<Value = Rect> {
        (0..45usize, 0..30usize).prop_flat_map(|(x, y)| {
            (1..=45 - x, 1..=30 - y).prop_map(move |(width, height)| Rect { x, y, width, height })
        })
    }

    proptest! {
        #[test]
        fn the_screen_has_what_was_written_last(frames in prop::collection::vec(prop::collection::vec(rect(), 0..4), 1..8)) {
            let geometry = Geometry::new(45, 30);
            let mut screen = Screen::new(geometry);
            let mut wanted = vec![0u8; 45 * 30];
            let mut ink = 0u8;
            for rects in frames {
                let shown = wanted.clone();
                for rect in rects {
                    ink += 1;
                    screen.write(rect, |planes, y| planes.row_mut(0, rect.x, rect.y + y, rect.width).fill(ink));
                    for y in rect.y..rect.y + rect.height {
                        wanted[y * 45 + rect.x..][..rect.width].fill(ink);
                    }
                }
                let (now, before, damaged) = screen.pictures();
                for y in 0..30 {
                    prop_assert_eq!(now.row(0, 0, y, 45), &wanted[y * 45..][..45]);
                    prop_assert_eq!(before.row(0, 0, y, 45), &shown[y * 45..][..45]);
                    for x in 0..45 {
                        let same = wanted[y * 45 + x] == shown[y * 45 + x];
                        prop_assert!(same || damaged.get(x / 8, y / 8));
                    }
                }
                screen.shown();
            }
        }
    }
}
