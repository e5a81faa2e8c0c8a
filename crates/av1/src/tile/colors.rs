//! Finds the palettes of blocks with few colours.

use super::Tile;
use crate::{
    frame::Frame,
    syntax::{Palette, PaletteMap},
};

/// The most colours of a palette.
const MOST: usize = 8;

impl Tile {
    /// Finds both palettes and maps of a rectangle of the screen; whether neither needs more than eight colours.
    pub(super) fn find_palettes(&mut self, frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> bool {
        let Some(luma) = luma_palette(frame, x, y, width, height) else { return false };
        let Some(chroma) = chroma_palette(frame, x, y, width, height) else { return false };
        self.palettes = [luma, chroma];
        map_luma(frame, x, y, width, height, &luma, &mut self.maps[0]);
        map_chroma(frame, x, y, width, height, &chroma, &mut self.maps[1]);
        true
    }

    /// Whether a cell could have palettes.
    pub(super) fn has_few_colors(&self, frame: &Frame, x: usize, y: usize) -> bool {
        luma_palette(frame, x, y, 8, 8).is_some() && chroma_palette(frame, x, y, 8, 8).is_some()
    }
}

/// Luma's colours, ascending and different; at least two.
fn luma_palette(frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> Option<Palette> {
    let mut seen = [0u64; 4];
    for row in y..y + height {
        for value in frame.source.row(0, x, row, width) {
            seen[usize::from(value >> 6)] |= 1 << (value & 63);
        }
        if seen.iter().map(|word| word.count_ones() as usize).sum::<usize>() > MOST {
            return None;
        }
    }
    let mut palette = Palette::default();
    for (i, word) in seen.iter().enumerate() {
        for bit in crate::cells::bits(*word) {
            palette.colors[palette.size] = (i * 64 + bit) as u8;
            palette.size += 1;
        }
    }
    if palette.size == 1 {
        // The second one is not used.
        let only = palette.colors[0];
        (palette.colors[0], palette.colors[1]) = if only == 255 { (254, 255) } else { (only, only + 1) };
        palette.size = 2;
    }
    Some(palette)
}

/// Pairs of chroma, ascending by U; at least two.
fn chroma_palette(frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> Option<Palette> {
    let mut pairs = [0u16; MOST];
    let mut size = 0;
    let mut last = None;
    for row in y..y + height {
        for pair in chroma_row(frame, x, row, width) {
            if last == Some(pair) {
                continue;
            }
            last = Some(pair);
            if !pairs[..size].contains(&pair) {
                if size == MOST {
                    return None;
                }
                pairs[size] = pair;
                size += 1;
            }
        }
    }
    pairs[..size].sort_unstable();
    if size == 1 {
        (pairs[1], size) = (pairs[0], 2);
    }
    let mut palette = Palette { size, ..Palette::default() };
    for (i, pair) in pairs.iter().enumerate().take(size) {
        [palette.colors[i], palette.v[i]] = pair.to_be_bytes();
    }
    Some(palette)
}

/// U and V of a row, U in the high byte.
fn chroma_row<'a>(frame: &'a Frame, x: usize, y: usize, width: usize) -> impl Iterator<Item = u16> + 'a {
    let (u, v) = (frame.source.row(1, x, y, width), frame.source.row(2, x, y, width));
    u.iter().zip(v).map(|(u, v)| u16::from_be_bytes([*u, *v]))
}

fn map_luma(frame: &Frame, x: usize, y: usize, width: usize, height: usize, palette: &Palette, map: &mut PaletteMap) {
    let mut index_of = [0u8; 256];
    for (i, color) in palette.colors.iter().enumerate().take(palette.size) {
        index_of[usize::from(*color)] = i as u8;
    }
    for row in 0..height {
        let indices = &mut map.0[row * 64..][..width];
        for (index, value) in indices.iter_mut().zip(frame.source.row(0, x, y + row, width)) {
            *index = index_of[usize::from(*value)];
        }
    }
}

fn map_chroma(frame: &Frame, x: usize, y: usize, width: usize, height: usize, palette: &Palette, map: &mut PaletteMap) {
    let pair_of = |i: usize| u16::from_be_bytes([palette.colors[i], palette.v[i]]);
    for row in 0..height {
        let indices = &mut map.0[row * 64..][..width];
        let (mut last, mut last_index) = (pair_of(0), 0);
        for (index, pair) in indices.iter_mut().zip(chroma_row(frame, x, y + row, width)) {
            if pair != last {
                last = pair;
                last_index = (0..palette.size).find(|i| pair_of(*i) == pair).unwrap_or(0) as u8;
            }
            *index = last_index;
        }
    }
}
