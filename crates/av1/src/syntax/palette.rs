//! Palettes and the maps of their colours.

use super::BlockWriter;
use crate::{
    contexts::BlockPalettes,
    geometry::Block,
    modes::{IntraMode, UvMode},
    symbol::SymbolEncoder,
};

/// The colours of a block in luma, or in both chroma planes; two to eight.
#[derive(Clone, Copy, Default)]
pub(crate) struct Palette {
    pub size: usize,
    /// Luma or U, ascending. Luma's differ from each other.
    pub colors: [u8; 8],
    /// V.
    pub v: [u8; 8],
}

/// The colour of each pixel of a block, 64 a row.
pub(crate) struct PaletteMap(pub Box<[u8; 64 * 64]>);

impl PaletteMap {
    pub fn new() -> Self {
        Self(Box::new([0; 64 * 64]))
    }
}

impl BlockWriter {
    /// palette_mode_info (clause 5.11.46): luma's palette and chroma's, where the modes allow them.
    pub fn palette_mode_info(
        &mut self,
        block: Block,
        y_mode: IntraMode,
        uv_mode: UvMode,
        palettes: [Option<&Palette>; 2],
    ) {
        let size_ctx = 2 * usize::from(block.log2) - 2;
        let mut told = BlockPalettes::default();
        if y_mode == IntraMode::Dc {
            let has = |palettes: BlockPalettes| usize::from(palettes.sizes[0] > 0);
            let ctx = has(self.contexts.palettes_above(block)) + has(self.contexts.palettes_left(block));
            let cdf = &mut self.cdfs.palette_y_mode[size_ctx][ctx];
            self.symbols.symbol(cdf, usize::from(palettes[0].is_some())); // has_palette_y
            if let Some(palette) = palettes[0] {
                self.symbols.symbol(&mut self.cdfs.palette_y_size[size_ctx], palette.size - 2);
                self.palette_colors(block, 0, palette);
                (told.sizes[0], told.colors[0]) = (palette.size as u8, palette.colors);
            }
        }
        if uv_mode == UvMode::Intra(IntraMode::Dc) {
            let cdf = &mut self.cdfs.palette_uv_mode[usize::from(told.sizes[0] > 0)];
            self.symbols.symbol(cdf, usize::from(palettes[1].is_some())); // has_palette_uv
            if let Some(palette) = palettes[1] {
                self.symbols.symbol(&mut self.cdfs.palette_uv_size[size_ctx], palette.size - 2);
                self.palette_colors(block, 1, palette);
                palette_colors_v(&mut self.symbols, &palette.v[..palette.size]);
                (told.sizes[1], told.colors[1]) = (palette.size as u8, palette.colors);
            }
        }
        self.contexts.set_palettes(block, told);
    }

    /// use_palette_color_cache_y, palette_colors_y and their like of U: those of the cache first, then the others with
    /// the distances between them.
    fn palette_colors(&mut self, block: Block, plane: usize, palette: &Palette) {
        let colors = &palette.colors[..palette.size];
        let (cache, length) = self.palette_cache(block, plane);
        let mut from_cache = [false; 8];
        let mut found = 0;
        for color in &cache[..length] {
            if found == colors.len() {
                break;
            }
            // U may have a colour twice; the cache serves one of them.
            let hit = (0..colors.len()).find(|&i| colors[i] == *color && !from_cache[i]);
            self.symbols.bit(hit.is_some());
            if let Some(i) = hit {
                from_cache[i] = true;
                found += 1;
            }
        }
        let mut new = [0u8; 8];
        let mut count = 0;
        for (color, _) in colors.iter().zip(from_cache).filter(|(_, cached)| !cached) {
            new[count] = *color;
            count += 1;
        }
        // Luma's colours differ, so that the distance is at least 1.
        palette_new_colors(&mut self.symbols, &new[..count], 1 - plane as u32);
    }

    /// get_palette_cache (clause 5.11.46): the palettes above and to the left, merged.
    fn palette_cache(&self, block: Block, plane: usize) -> ([u8; 16], usize) {
        // What lies above the superblock is not kept by decoders.
        let above = if block.row & 15 != 0 { self.contexts.palettes_above(block) } else { BlockPalettes::default() };
        let left = self.contexts.palettes_left(block);
        let mut above = above.colors[plane][..above.sizes[plane].into()].iter().copied().peekable();
        let mut left = left.colors[plane][..left.sizes[plane].into()].iter().copied().peekable();
        let mut cache = [0; 16];
        let mut length = 0;
        loop {
            let color = match (above.peek(), left.peek()) {
                (Some(a), Some(l)) => {
                    if a <= l {
                        above.next()
                    } else {
                        left.next()
                    }
                }
                (Some(_), None) => above.next(),
                (None, _) => left.next(),
            };
            let Some(color) = color else { return (cache, length) };
            if length == 0 || cache[length - 1] != color {
                cache[length] = color;
                length += 1;
            }
        }
    }

    /// palette_tokens (clause 5.11.49) of a block whose part on the picture is `width` by `height` pixels.
    pub fn palette_tokens(&mut self, plane: usize, palette: &Palette, map: &PaletteMap, width: usize, height: usize) {
        let (symbols, cdfs) = (&mut self.symbols, &mut self.cdfs);
        symbols.non_symmetric(map.0[0].into(), palette.size as u32); // color_index_map_y, color_index_map_uv
        match palette.size {
            2 => color_indices(symbols, &mut cdfs.palette_size_2_color[plane], map, width, height),
            3 => color_indices(symbols, &mut cdfs.palette_size_3_color[plane], map, width, height),
            4 => color_indices(symbols, &mut cdfs.palette_size_4_color[plane], map, width, height),
            5 => color_indices(symbols, &mut cdfs.palette_size_5_color[plane], map, width, height),
            6 => color_indices(symbols, &mut cdfs.palette_size_6_color[plane], map, width, height),
            7 => color_indices(symbols, &mut cdfs.palette_size_7_color[plane], map, width, height),
            _ => color_indices(symbols, &mut cdfs.palette_size_8_color[plane], map, width, height),
        }
    }
}

/// The colours that are not in the cache (clause 5.11.46): the first, then distances of `least` at least.
fn palette_new_colors(symbols: &mut SymbolEncoder, colors: &[u8], least: u32) {
    let Some(first) = colors.first() else { return };
    symbols.literal((*first).into(), 8);
    let Some(need) = colors.windows(2).map(|pair| u32::from(pair[1] - pair[0]) - least).max() else { return };
    let mut bits = (u32::BITS - need.leading_zeros()).max(5);
    symbols.literal(bits - 5, 2); // palette_num_extra_bits_y, palette_num_extra_bits_u
    for pair in colors.windows(2) {
        symbols.literal(u32::from(pair[1] - pair[0]) - least, bits);
        let range = 256 - u32::from(pair[1]) - least;
        bits = bits.min(ceil_log2(range));
    }
}

/// palette_colors_v (clause 5.11.46): as distances, which may wrap around, where that is shorter.
fn palette_colors_v(symbols: &mut SymbolEncoder, colors: &[u8]) {
    let distance = |pair: &[u8]| {
        let up = u32::from(pair[1].wrapping_sub(pair[0]));
        if up <= 128 { (up, false) } else { (256 - up, true) }
    };
    let need = colors.windows(2).map(|pair| distance(pair).0).max().unwrap_or(0);
    let bits = (u32::BITS - need.leading_zeros()).max(4);
    let count = colors.len() as u32;
    // At most 4 + 3 bits can be asked for: a distance of 128 needs 8.
    let as_distances = bits <= 7 && 2 + 8 + (count - 1) * (bits + 1) < 8 * count;
    symbols.bit(as_distances); // delta_encode_palette_colors_v
    if !as_distances {
        colors.iter().for_each(|color| symbols.literal((*color).into(), 8));
        return;
    }
    symbols.literal(bits - 4, 2); // palette_num_extra_bits_v
    symbols.literal(colors[0].into(), 8);
    for pair in colors.windows(2) {
        let (magnitude, negative) = distance(pair);
        symbols.literal(magnitude, bits);
        if magnitude > 0 {
            symbols.bit(negative); // palette_delta_sign_bit_v
        }
    }
}

/// CeilLog2 (clause 4.7).
fn ceil_log2(n: u32) -> u32 {
    if n < 2 { 0 } else { u32::BITS - (n - 1).leading_zeros() }
}

/// palette_color_idx_y and palette_color_idx_uv (clause 5.11.49), along diagonals.
fn color_indices<const N: usize>(
    symbols: &mut SymbolEncoder,
    cdfs: &mut [[u16; N]; 5],
    map: &PaletteMap,
    width: usize,
    height: usize,
) {
    for diagonal in 1..width + height - 1 {
        for column in (diagonal.saturating_sub(height - 1)..=diagonal.min(width - 1)).rev() {
            let (ctx, index) = color_index(&map.0, diagonal - column, column);
            symbols.symbol(&mut cdfs[ctx], index);
        }
    }
}

/// The context of a colour and its place in ColorOrder (get_palette_color_context, clause 5.11.50): the colours of the
/// neighbours first, by weight.
#[inline(always)]
fn color_index(map: &[u8; 64 * 64], row: usize, column: usize) -> (usize, usize) {
    let at = row * 64 + column;
    let color = map[at];
    if row == 0 || column == 0 {
        let neighbour = if row == 0 { map[at - 1] } else { map[at - 64] };
        return (0, place(color, [neighbour]));
    }
    let (left, above, corner) = (map[at - 1], map[at - 64], map[at - 65]);
    if left == above {
        if left == corner { (4, place(color, [left])) } else { (3, place(color, [left, corner])) }
    } else if left == corner {
        (2, place(color, [left, above]))
    } else if above == corner {
        (2, place(color, [above, left]))
    } else {
        (1, place(color, [left.min(above), left.max(above), corner]))
    }
}

/// Where a colour stands when some come first and all others follow in their order.
#[inline(always)]
fn place<const N: usize>(color: u8, first: [u8; N]) -> usize {
    match first.iter().position(|c| *c == color) {
        Some(place) => place,
        None => usize::from(color) + first.iter().filter(|c| **c > color).count(),
    }
}
