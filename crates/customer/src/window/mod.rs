//! Overlays on the screen, and positions of windows: one file for each system.

mod annotations;
#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
mod x11;

pub use annotations::Marks;
#[cfg(windows)]
pub use win32::{Overlay, monitors, screen_size, virtual_screen};
#[cfg(target_os = "linux")]
pub use x11::{Overlay, monitors, screen_size};

/// The thickness of the border around the shared screen, in pixels.
const THICK: u16 = 4;

/// A part of the screen, in pixels from its top left corner.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub x: i16,
    pub y: i16,
    pub width: u16,
    pub height: u16,
}

/// Shows a border around the whole screen in this colour (0xRRGGBB) until the value is dropped.
pub fn border(colour: u32) -> anyhow::Result<Overlay> {
    let (width, height) = screen_size()?;
    let (right, bottom) = (width.saturating_sub(THICK).cast_signed(), height.saturating_sub(THICK).cast_signed());
    let side = |x, y, width, height| Area { x, y, width, height };
    let sides = [side(0, 0, width, THICK), side(0, bottom, width, THICK), side(0, 0, THICK, height)];
    Overlay::show(&[&sides[..], &[side(right, 0, THICK, height)]].concat(), colour)
}
