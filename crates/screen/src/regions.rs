//! A few rectangles for what a frame changed, so that viewers paint little more than that.

use av1::Cells;

use crate::Rect;

/// The most regions of a frame.
const MOST: usize = 8;

/// At most eight rectangles that cover these cells, cut at the edge of a screen of this size. Exact if eight suffice;
/// otherwise the smaller ones are covered by their bounding box.
pub(crate) fn regions(cells: &Cells, width: u16, height: u16) -> Vec<Rect> {
    let mut rects: Vec<Rect> =
        cells.rectangles().into_iter().filter_map(|rect| on_screen(rect, width, height)).collect();
    if rects.len() > MOST {
        rects.sort_by_key(|r| std::cmp::Reverse(u32::from(r.width) * u32::from(r.height)));
        let rest = rects.split_off(MOST - 1);
        rects.extend(rest.into_iter().reduce(bounds));
    }
    rects
}

fn on_screen(rect: av1::Rect, width: u16, height: u16) -> Option<Rect> {
    let side = |n: usize| u16::try_from(n).ok();
    Rect { x: side(rect.x)?, y: side(rect.y)?, width: side(rect.width)?, height: side(rect.height)? }
        .clipped(width, height)
}

fn bounds(a: Rect, b: Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = ((a.x + a.width).max(b.x + b.width), (a.y + a.height).max(b.y + b.height));
    Rect { x, y, width: right - x, height: bottom - y }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_regions_cover_every_cell(set in prop::collection::vec((0usize..25, 0usize..13), 0..60)) {
            let mut cells = Cells::over(195, 100);
            set.iter().for_each(|(column, row)| cells.set(*column, *row));
            let regions = regions(&cells, 195, 100);
            prop_assert!(regions.len() <= MOST);
            for (column, row) in set {
                let covers = |r: &Rect| {
                    let inside = |at: usize, start: u16, length: u16, all: usize| {
                        usize::from(start) <= at * 8 && usize::from(start + length) >= (at * 8 + 8).min(all)
                    };
                    inside(column, r.x, r.width, 195) && inside(row, r.y, r.height, 100)
                };
                prop_assert!(regions.iter().any(covers), "cell {column}, {row}: {regions:?}");
            }
        }
    }
}
