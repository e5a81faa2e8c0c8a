//! GBR to 4:2:0, BT.709 in limited range (ITU-R BT.709-6, 3 and 4), for browsers that show nothing else.

use crate::{Bitmap, Picture};

/// A picture's luma and halved chroma planes.
#[derive(Clone, Debug)]
pub(crate) struct Yuv {
    width: usize,
    height: usize,
    planes: [Vec<u8>; 3],
}

impl Yuv {
    pub(crate) fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        Self { width, height, planes: [vec![16; width * height], vec![128; chroma], vec![128; chroma]] }
    }

    /// The planes, each with its bytes a row.
    pub(crate) fn plane(&self, index: usize) -> (&[u8], usize) {
        (&self.planes[index], if index == 0 { self.width } else { self.width.div_ceil(2) })
    }

    /// Converts the 16×16 blocks that are set, or all of them without a map.
    pub(crate) fn convert(&mut self, picture: &Picture, active: Option<&Bitmap>) {
        let blocks = Bitmap::over(picture.width(), picture.height(), 16);
        for row in 0..blocks.rows() {
            for column in 0..blocks.columns() {
                if active.is_none_or(|active| active.get(column, row)) {
                    self.block(picture, column * 16, row * 16);
                }
            }
        }
    }

    fn block(&mut self, picture: &Picture, left: usize, top: usize) {
        let (right, bottom) = ((left + 16).min(self.width), (top + 16).min(self.height));
        let [green, blue, red] = picture.planes();
        let chroma_width = self.width.div_ceil(2);
        for y in (top..bottom).step_by(2) {
            for x in (left..right).step_by(2) {
                let (mut r, mut g, mut b, mut count) = (0, 0, 0, 0);
                for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                    if x >= right || y >= bottom {
                        continue;
                    }
                    let at = y * self.width + x;
                    let (red, green, blue) = (i32::from(red[at]), i32::from(green[at]), i32::from(blue[at]));
                    self.planes[0][at] = (16 + ((47 * red + 157 * green + 16 * blue + 128) >> 8)) as u8;
                    (r, g, b, count) = (r + red, g + green, b + blue, count + 1);
                }
                let (r, g, b) = (r / count, g / count, b / count);
                let at = y / 2 * chroma_width + x / 2;
                self.planes[1][at] = (128 + ((-26 * r - 87 * g + 112 * b + 128) >> 8)).clamp(16, 240) as u8;
                self.planes[2][at] = (128 + ((112 * r - 102 * g - 10 * b + 128) >> 8)).clamp(16, 240) as u8;
            }
        }
    }
}

/// A row of a picture from BT.709 in limited range; each chroma sample covers two pixels.
pub fn into_row(picture: &mut Picture, row: usize, [luma, blue, red]: [&[u8]; 3]) {
    let width = usize::from(picture.width());
    for (x, luma) in luma.iter().enumerate() {
        let (y, u, v) = (f32::from(*luma) - 16.0, f32::from(blue[x / 2]) - 128.0, f32::from(red[x / 2]) - 128.0);
        let y = 1.1644 * y;
        let pixel = [y - 0.2132 * u - 0.5329 * v, y + 2.1124 * u, y + 1.7927 * v];
        for (plane, value) in pixel.into_iter().enumerate() {
            picture.plane_mut(plane)[row * width + x] = value.round().clamp(0.0, 255.0) as u8;
        }
    }
}
