//! The difference between two pictures of a screen, when the system does not tell: tiles, joined to rectangles.

use screen::Rect;

/// A tile's side in pixels.
const TILE: u16 = 64;

/// The rectangles in which `new` differs from `old`, both BGRX of this size, row by row.
pub fn differences(old: &[u8], new: &[u8], (width, height): (u16, u16)) -> Vec<Rect> {
    let mut found: Vec<Rect> = Vec::new();
    let mut above = 0..0;
    for y in (0..height).step_by(usize::from(TILE)) {
        let rows = TILE.min(height - y);
        let begun = found.len();
        for (x, columns) in changed_runs(old, new, width, y, rows) {
            // A run below an equal one extends that one downwards.
            let same = found[above.clone()].iter_mut().find(|r| r.x == x && r.width == columns && r.y + r.height == y);
            match same {
                Some(taller) => taller.height += rows,
                None => found.push(Rect { x, y, width: columns, height: rows }),
            }
        }
        above = if found.len() > begun { begun..found.len() } else { above };
    }
    found
}

/// The runs of changed tiles in one row of tiles: left column, width.
fn changed_runs(old: &[u8], new: &[u8], width: u16, y: u16, rows: u16) -> Vec<(u16, u16)> {
    let line = usize::from(width) * 4;
    let band = usize::from(y) * line..usize::from(y + rows) * line;
    let (old, new) = (&old[band.clone()], &new[band]);
    // Most rows of tiles are unchanged, and one comparison shows it.
    if old == new {
        return vec![];
    }
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for x in (0..width).step_by(usize::from(TILE)) {
        let columns = TILE.min(width - x);
        let part = usize::from(x) * 4..usize::from(x + columns) * 4;
        let differs =
            old.chunks_exact(line).zip(new.chunks_exact(line)).any(|(a, b)| a[part.clone()] != b[part.clone()]);
        match runs.last_mut() {
            Some((left, wide)) if differs && *left + *wide == x => *wide += columns,
            _ if differs => runs.push((x, columns)),
            _ => {}
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_cover_the_changed_tiles_and_no_others() {
        let size = (200, 150);
        let old = vec![0; 200 * 150 * 4];
        let changed = |pixels: &[(usize, usize)]| {
            let mut new = old.clone();
            pixels.iter().for_each(|(x, y)| new[(y * 200 + x) * 4] = 1);
            differences(&old, &new, size)
        };
        let rect = |x, y, width, height| Rect { x, y, width, height };
        assert_eq!(changed(&[]), []);
        assert_eq!(changed(&[(0, 0)]), [rect(0, 0, 64, 64)]);
        assert_eq!(changed(&[(199, 149)]), [rect(192, 128, 8, 22)], "the last tiles are smaller");
        assert_eq!(changed(&[(63, 1), (64, 1)]), [rect(0, 0, 128, 64)], "neighbours are joined");
        assert_eq!(changed(&[(70, 1), (70, 70), (70, 149)]), [rect(64, 0, 64, 150)], "also downwards");
        assert_eq!(changed(&[(1, 1), (150, 1)]).len(), 2);
    }
}
