//! What a recording shows while no screen is shown: a dark picture with a sign and a few words. It has the aspect ratio
//! of the screen that it covers and a bounded size, so that the support program cannot choose how much work it takes.

use std::sync::{Arc, Mutex};

use aom::{Bitmap, Encoder, Format, Picture, Request};
use embedded_graphics::{
    mono_font::{MonoTextStyle, ascii::FONT_10X20},
    pixelcolor::BinaryColor,
    prelude::*,
    text::{Alignment, Text},
};
use protocol::Pause;

/// The longest side of a placeholder frame in pixels.
const LONGEST: u32 = 640;
/// The shortest side of a placeholder frame in pixels.
const SHORTEST: u32 = 16;
/// How many encoded frames are cached.
const CACHED: usize = 16;

/// The frames that were encoded last. It is locked while one is encoded, so that the process encodes one at a time and
/// equal ones are encoded once.
static CACHE: Mutex<Vec<(Kind, Coded)>> = Mutex::new(Vec::new());

/// What distinguishes encoded frames: the reason, the size, and whether it is GBR.
type Kind = (PlaceholderFrame, [u16; 2], bool);

/// An encoded placeholder frame: a keyframe.
#[derive(Clone)]
pub struct Coded {
    pub width: u16,
    pub height: u16,
    pub data: Arc<[u8]>,
}

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderFrame {
    Paused(Pause),
    Stopped,
}

impl PlaceholderFrame {
    fn words(self) -> &'static str {
        match self {
            Self::Paused(Pause::Customer) => "paused by the customer",
            Self::Paused(Pause::System) => "hidden by the customer's system",
            Self::Stopped => "no screen is shared",
        }
    }

    /// The encoded frame that replaces a screen of this size.
    pub fn coded(self, screen: [u32; 2], gbr: bool) -> Result<Coded, aom::Error> {
        let [width, height] = shape(screen);
        let kind = (self, [width, height], gbr);
        let mut all = CACHE.lock().expect("lock is not poisoned");
        if let Some((_, coded)) = all.iter().find(|(other, _)| *other == kind) {
            return Ok(coded.clone());
        }
        let coded = Coded { width, height, data: self.encode(width, height, gbr)?.into() };
        if all.len() == CACHED {
            all.remove(0);
        }
        all.push((kind, coded.clone()));
        Ok(coded)
    }

    fn encode(self, width: u16, height: u16, gbr: bool) -> Result<Vec<u8>, aom::Error> {
        let mut canvas =
            Canvas { width, height, scale: 1, pixels: vec![GROUND; usize::from(width) * usize::from(height)] };
        self.draw(&mut canvas);
        let bgrx: Vec<u8> = canvas.pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect();
        let picture = Picture::from_bgrx(width, height, &bgrx);
        let format = if gbr { Format::Gbr } else { Format::Yuv420 };
        let active = Bitmap::over(width, height, 16);
        Encoder::new(width, height, 1, format)?.encode(&picture, 0, &Request { key: true, quantiser: 24, active })
    }

    fn draw(self, canvas: &mut Canvas) {
        let (x, y) = (i32::from(canvas.width) / 2, i32::from(canvas.height) / 2);
        let bars: &[i32] = match self {
            Self::Paused(_) => &[-26, 10],
            Self::Stopped => &[-22, -2],
        };
        let width = if matches!(self, Self::Paused(_)) { 16 } else { 24 };
        for left in bars {
            for (dx, dy) in (0..width).flat_map(|dx| (0..48).map(move |dy| (dx, dy))) {
                canvas.set(x + left + dx, y - 60 + dy);
            }
        }
        // Twice as large text where it fits.
        canvas.scale = if canvas.width > 500 { 2 } else { 1 };
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let at = Point::new(x, y + 36) / canvas.scale;
        let Ok(_) = Text::with_alignment(self.words(), at, style, Alignment::Center).draw(canvas);
    }
}

/// The size of the frame that replaces a screen of this size. It is even, because 4:2:0 needs pairs of pixels.
fn shape(screen: [u32; 2]) -> [u16; 2] {
    let longest = screen[0].max(screen[1]).max(LONGEST);
    screen.map(|side| (side * LONGEST / longest).clamp(SHORTEST, LONGEST) as u16 & !1)
}

const GROUND: [u8; 3] = [24, 26, 32];
const INK: [u8; 3] = [214, 218, 228];

struct Canvas {
    width: u16,
    height: u16,
    /// How many pixels a pixel of the font is wide and high.
    scale: i32,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn set(&mut self, x: i32, y: i32) {
        if (0..i32::from(self.width)).contains(&x) && (0..i32::from(self.height)).contains(&y) {
            self.pixels[y as usize * usize::from(self.width) + x as usize] = INK;
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width.into(), self.height.into())
    }
}

impl DrawTarget for Canvas {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let scale = self.scale;
            for (dx, dy) in (0..scale).flat_map(|dx| (0..scale).map(move |dy| (dx, dy))) {
                if colour.is_on() {
                    self.set(at.x * scale + dx, at.y * scale + dy);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_a_keyframe_in_the_shape_of_any_screen_in_either_format() {
        for (screen, size) in [
            ([1, 1], [16, 16]),
            ([640, 480], [640, 480]),
            ([1_366, 768], [640, 358]),
            ([768, 1_366], [358, 640]),
            ([8_192, 1], [640, 16]),
        ] {
            for gbr in [true, false] {
                let Coded { width, height, data } =
                    PlaceholderFrame::Paused(Pause::Customer).coded(screen, gbr).unwrap();
                assert_eq!([width, height], size, "for {screen:?}");
                let unit = evidence::webm::Unit::read(&data).unwrap();
                let sequence = unit.sequence.unwrap();
                assert_eq!((unit.key, sequence.is_gbr()), (true, gbr));
                assert_eq!([sequence.width, sequence.height], size.map(u32::from));
                let shown = aom::Decoder::new().unwrap().decode(&data);
                if gbr && height > 100 {
                    let picture = shown.unwrap();
                    assert_eq!([picture.width(), picture.height()], size);
                    let near =
                        |pixel: [u8; 3], wanted: [u8; 3]| pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 24);
                    assert!(near(picture.rgb(2, 2), GROUND), "{:?}", picture.rgb(2, 2));
                    assert!(near(picture.rgb(width / 2 - 20, height / 2 - 40), INK), "the pause sign");
                }
            }
        }
    }

    #[test]
    fn the_largest_screen_has_a_small_placeholder_that_is_encoded_once() {
        let first = PlaceholderFrame::Stopped.coded([8_192, 4_352], true).unwrap();
        assert_eq!((first.width, first.height), (640, 340));
        let again = PlaceholderFrame::Stopped.coded([8_192, 4_352], true).unwrap();
        assert!(Arc::ptr_eq(&first.data, &again.data));
    }
}
