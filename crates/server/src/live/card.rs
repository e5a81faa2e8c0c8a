//! What a recording shows while no screen is shown: a dark picture with a sign and words.

use embedded_graphics::{
    mono_font::{MonoTextStyle, ascii::FONT_10X20},
    pixelcolor::BinaryColor,
    prelude::*,
    text::{Alignment, Text},
};
use protocol::Pause;
use screen::{Aom, Bitmap, CodecError, Encoder, Format, Picture, Rect, Request};

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    Paused(Pause),
    Stopped,
}

impl Card {
    fn words(self) -> &'static str {
        match self {
            Self::Paused(Pause::Customer) => "paused by the customer",
            Self::Paused(Pause::System) => "hidden by the customer's system",
            Self::Stopped => "no screen is shared",
        }
    }

    /// The card as a keyframe.
    pub fn coded(self, width: u16, height: u16, gbr: bool) -> Result<Vec<u8>, CodecError> {
        let mut canvas =
            Canvas { width, height, scale: 1, pixels: vec![GROUND; usize::from(width) * usize::from(height)] };
        self.draw(&mut canvas);
        let mut picture = Picture::new(width, height);
        let bgrx: Vec<u8> = canvas.pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect();
        picture.copy_bgrx(Rect { x: 0, y: 0, width, height }, &bgrx);
        let format = if gbr { Format::Gbr } else { Format::Yuv420 };
        let active = Bitmap::over(width, height, 16);
        Aom::new(width, height, 1, format)?.encode(&picture, 0, &Request { key: true, quantiser: 24, active })
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
        // Letters of twice their size, as far as they fit.
        canvas.scale = if canvas.width > 500 { 2 } else { 1 };
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let at = Point::new(x, y + 36) / canvas.scale;
        let Ok(_) = Text::with_alignment(self.words(), at, style, Alignment::Center).draw(canvas);
    }
}

const GROUND: [u8; 3] = [24, 26, 32];
const INK: [u8; 3] = [214, 218, 228];

struct Canvas {
    width: u16,
    height: u16,
    /// How many pixels a point of text is wide and high.
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
    fn a_card_is_a_keyframe_of_any_size_in_either_format() {
        for (width, height) in [(16, 16), (640, 480), (1_366, 768)] {
            for gbr in [true, false] {
                let coded = Card::Paused(Pause::Customer).coded(width, height, gbr).unwrap();
                let unit = evidence::webm::Unit::read(&coded).unwrap();
                assert_eq!((unit.key, unit.sequence.map(|s| s.is_gbr())), (true, Some(gbr)));
                let shown = screen::Decoder::new().unwrap().decode(&coded);
                if gbr && width > 100 {
                    let picture = shown.unwrap();
                    assert_eq!((picture.width(), picture.height()), (width, height));
                    let near =
                        |pixel: [u8; 3], wanted: [u8; 3]| pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 24);
                    assert!(near(picture.rgb(2, 2), GROUND), "{:?}", picture.rgb(2, 2));
                    assert!(near(picture.rgb(width / 2 - 20, height / 2 - 40), INK), "the sign of a pause");
                }
            }
        }
    }
}
