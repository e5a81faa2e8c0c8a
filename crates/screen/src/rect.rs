//! Rectangles of pixels.

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

impl From<Rect> for av1::Rect {
    fn from(rect: Rect) -> Self {
        let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(usize::from);
        Self { x, y, width, height }
    }
}
