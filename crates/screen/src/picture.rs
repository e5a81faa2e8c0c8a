//! A screen's pixels in the encoder's format: three planes of one byte each, green, blue, red.

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// The left column.
    pub x: u16,
    /// The top row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Rect {
    /// The part of the rectangle that lies on a screen of this size; `None` if there is none.
    pub fn clipped(self, width: u16, height: u16) -> Option<Self> {
        let right = (u32::from(self.x) + u32::from(self.width)).min(u32::from(width));
        let bottom = (u32::from(self.y) + u32::from(self.height)).min(u32::from(height));
        let (w, h) = (right.checked_sub(self.x.into())?, bottom.checked_sub(self.y.into())?);
        // Both are at most a screen's side, which fits 16 bits.
        (w > 0 && h > 0).then_some(Self { width: w as u16, height: h as u16, ..self })
    }
}

/// A picture in GBR: what AV1's identity matrix calls Y, U and V.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u16,
    height: u16,
    planes: [Vec<u8>; 3],
}

impl Picture {
    /// A black picture.
    pub fn new(width: u16, height: u16) -> Self {
        let plane = || vec![0; usize::from(width) * usize::from(height)];
        Self { width, height, planes: [plane(), plane(), plane()] }
    }

    /// Width in pixels.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Green, blue and red, `width` bytes a row.
    pub fn planes(&self) -> &[Vec<u8>; 3] {
        &self.planes
    }

    pub(crate) fn plane_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.planes[index]
    }

    /// Copies `rect` from BGRX bytes (four a pixel, `rect.width` pixels a row), the format of an X server.
    ///
    /// # Panics
    /// When `rect` does not lie on the picture or `bgrx` is too short.
    pub fn copy_bgrx(&mut self, rect: Rect, bgrx: &[u8]) {
        let columns = usize::from(rect.width);
        let [green, blue, red] = &mut self.planes;
        for row in 0..usize::from(rect.height) {
            let start = (usize::from(rect.y) + row) * usize::from(self.width) + usize::from(rect.x);
            let source = &bgrx[row * columns * 4..][..columns * 4];
            let green = &mut green[start..][..columns];
            let blue = &mut blue[start..][..columns];
            let red = &mut red[start..][..columns];
            for (((pixel, g), b), r) in source.as_chunks::<4>().0.iter().zip(green).zip(blue).zip(red) {
                [*b, *g, *r] = [pixel[0], pixel[1], pixel[2]];
            }
        }
    }

    /// The pixel's red, green and blue.
    pub fn rgb(&self, x: u16, y: u16) -> [u8; 3] {
        let at = usize::from(y) * usize::from(self.width) + usize::from(x);
        [self.planes[2][at], self.planes[0][at], self.planes[1][at]]
    }
}
