//! Pixels in three planes of one byte each: green, blue, red.

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

    /// A picture of BGRX bytes: four a pixel, `width` pixels a row.
    ///
    /// # Panics
    /// When there are fewer bytes than pixels.
    pub fn from_bgrx(width: u16, height: u16, bgrx: &[u8]) -> Self {
        let mut picture = Self::new(width, height);
        let pixels = &bgrx.as_chunks::<4>().0[..usize::from(width) * usize::from(height)];
        for (plane, place) in picture.planes.iter_mut().zip([1, 0, 2]) {
            plane.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = pixel[place]);
        }
        picture
    }

    /// Changes a pixel; beyond the picture there is none.
    pub fn set_rgb(&mut self, x: u16, y: u16, [red, green, blue]: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = usize::from(y) * usize::from(self.width) + usize::from(x);
            self.planes.iter_mut().zip([green, blue, red]).for_each(|(plane, value)| plane[at] = value);
        }
    }

    /// The pixel's red, green and blue.
    pub fn rgb(&self, x: u16, y: u16) -> [u8; 3] {
        let at = usize::from(y) * usize::from(self.width) + usize::from(x);
        [self.planes[2][at], self.planes[0][at], self.planes[1][at]]
    }
}
