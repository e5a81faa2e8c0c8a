//! The X server's pixel formats, and conversion to BGRX.
//!
//! The core protocol leaves the format to the server: any depth, bits for each pixel, colour masks, byte order, and
//! padded rows ("X Window System Protocol", section 1 and the connection setup).

use x11rb::protocol::xproto::{ImageOrder, Screen, Setup, VisualClass};

/// The pixel format of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    bytes: usize,
    /// Rows are padded to a multiple of this many bytes.
    row_pad: usize,
    big_endian: bool,
    colour: Colour,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Colour {
    /// Masks of the pixel's value: red, green, blue.
    Masks([u32; 3]),
    /// An index into a table with this many colours.
    Table { entries: u16 },
}

/// The colours of a table: red, green, blue.
pub type Table = Vec<[u8; 3]>;

impl Layout {
    /// The format of a screen's root window; `None` if a pixel is not a whole number of bytes.
    pub fn of(setup: &Setup, screen: &Screen) -> Option<Self> {
        let format = setup.pixmap_formats.iter().find(|f| f.depth == screen.root_depth)?;
        let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
        let visual = visuals.find(|visual| visual.visual_id == screen.root_visual)?;
        let colour = match visual.class {
            VisualClass::TRUE_COLOR | VisualClass::DIRECT_COLOR => {
                Colour::Masks([visual.red_mask, visual.green_mask, visual.blue_mask])
            }
            _ => Colour::Table { entries: visual.colormap_entries },
        };
        let whole = matches!(format.bits_per_pixel, 8 | 16 | 24 | 32);
        whole.then(|| Self {
            bytes: usize::from(format.bits_per_pixel / 8),
            row_pad: usize::from(format.scanline_pad / 8).max(1),
            big_endian: setup.image_byte_order == ImageOrder::MSB_FIRST,
            colour,
        })
    }

    /// The number of colours in the table; `None` if pixels are colours themselves.
    pub fn table_entries(&self) -> Option<u16> {
        match self.colour {
            Colour::Masks(_) => None,
            Colour::Table { entries } => Some(entries),
        }
    }

    /// Whether the pixels are BGRX already.
    pub fn is_bgrx(&self) -> bool {
        let masks = Colour::Masks([0xFF_0000, 0xFF00, 0xFF]);
        self.bytes == 4 && self.row_pad <= 4 && !self.big_endian && self.colour == masks
    }

    fn row_bytes(&self, width: u16) -> usize {
        (usize::from(width) * self.bytes).next_multiple_of(self.row_pad)
    }

    /// The bytes of a picture of this size.
    pub fn length(&self, width: u16, height: u16) -> usize {
        self.row_bytes(width) * usize::from(height)
    }

    /// The pixels as BGRX, four bytes each, rows without padding.
    pub fn to_bgrx(&self, width: u16, pixels: &[u8], table: &Table) -> Vec<u8> {
        let mut bgrx = Vec::with_capacity(pixels.len() / self.bytes * 4);
        for row in pixels.chunks_exact(self.row_bytes(width)) {
            for pixel in row.chunks_exact(self.bytes).take(width.into()) {
                let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
                let value = if self.big_endian { pixel.iter().fold(0, join) } else { pixel.iter().rev().fold(0, join) };
                let [red, green, blue] = match &self.colour {
                    Colour::Masks(masks) => masks.map(|mask| part(value, mask)),
                    Colour::Table { .. } => table.get(value as usize).copied().unwrap_or_default(),
                };
                bgrx.extend([blue, green, red, 0]);
            }
        }
        bgrx
    }
}

/// The part of a value under a mask, scaled to 0 to 255.
fn part(value: u32, mask: u32) -> u8 {
    if mask == 0 {
        return 0;
    }
    let (value, most) = (u64::from((value & mask) >> mask.trailing_zeros()), u64::from(mask >> mask.trailing_zeros()));
    // Rounded, so that both ends and the original values are exact.
    ((value * 255 + most / 2) / most) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize, big_endian: bool, masks: [u32; 3]) -> Layout {
        Layout { bytes, row_pad: 4, big_endian, colour: Colour::Masks(masks) }
    }

    #[test]
    fn pixels_of_every_depth_become_bgrx() {
        let white = |bytes: usize| vec![0xFF; bytes];
        let table: [(&str, Layout, Vec<u8>, [u8; 3]); 9] = [
            ("24 in 4 bytes", layout(4, false, [0xFF_0000, 0xFF00, 0xFF]), vec![1, 2, 3, 9], [3, 2, 1]),
            ("24, the other order", layout(4, true, [0xFF_0000, 0xFF00, 0xFF]), vec![9, 3, 2, 1], [3, 2, 1]),
            ("24 in 3 bytes", layout(3, false, [0xFF_0000, 0xFF00, 0xFF]), vec![1, 2, 3, 0], [3, 2, 1]),
            ("blue first", layout(4, false, [0xFF, 0xFF00, 0xFF_0000]), vec![3, 2, 1, 9], [3, 2, 1]),
            ("16: white", layout(2, false, [0xF800, 0x7E0, 0x1F]), white(4), [255, 255, 255]),
            ("16: red", layout(2, false, [0xF800, 0x7E0, 0x1F]), vec![0, 0xF8, 0, 0], [255, 0, 0]),
            ("15: green", layout(2, false, [0x7C00, 0x3E0, 0x1F]), vec![0xE0, 0x03, 0, 0], [0, 255, 0]),
            ("16, the other order", layout(2, true, [0xF800, 0x7E0, 0x1F]), vec![0xF8, 0, 0, 0], [255, 0, 0]),
            ("30: half", layout(4, false, [0x3FF0_0000, 0xF_FC00, 0x3FF]), vec![0, 0, 0, 0x20], [128, 0, 0]),
        ];
        for (name, layout, pixels, [red, green, blue]) in table {
            assert_eq!(layout.to_bgrx(1, &pixels, &vec![]), [blue, green, red, 0], "{name}");
        }
        let eight = Layout { bytes: 1, row_pad: 4, big_endian: false, colour: Colour::Table { entries: 2 } };
        let colours = vec![[0, 0, 0], [10, 20, 30]];
        let rows = [1, 0, 99, 1, 0, 0, 0, 0];
        let expected = [30, 20, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(eight.to_bgrx(3, &rows, &colours), expected, "rows are padded to four bytes");
    }

    #[test]
    fn a_row_has_the_length_of_the_servers_padding() {
        let sixteen = layout(2, false, [0xF800, 0x7E0, 0x1F]);
        assert_eq!((sixteen.length(3, 2), sixteen.length(4, 2)), (16, 16));
        assert!(!sixteen.is_bgrx() && layout(4, false, [0xFF_0000, 0xFF00, 0xFF]).is_bgrx());
        assert!(!layout(4, false, [0x3FF0_0000, 0xF_FC00, 0x3FF]).is_bgrx());
    }
}
