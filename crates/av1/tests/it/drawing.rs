//! A screen that is drawn on at random, repeatably.

use av1::Rect;

/// A repeatable noise.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 24) as u32
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }
}

fn hash(x: usize, y: usize, seed: usize) -> u32 {
    let (x, y, seed) = (x as u32, y as u32, seed as u32);
    let h = x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ seed.wrapping_mul(2_246_822_519);
    let h = (h ^ h >> 13).wrapping_mul(1_274_126_177);
    h ^ h >> 16
}

/// Small text with coloured edges.
fn text(x: usize, y: usize) -> [u8; 4] {
    let (line, row, letter, column) = (y / 16, y % 16, x / 8, x % 8);
    let glyph = hash(letter, line, 1) as usize;
    let space = glyph.is_multiple_of(6) || !(3..=12).contains(&row);
    let ink = !space && hash(glyph % 60, row * 8 + column, 2).is_multiple_of(3);
    if ink { [30 + (glyph % 3) as u8 * 60, 40, 30 + column as u8 * 20, 0] } else { [255, 255, 255, 0] }
}

/// Slow gradients with grain.
fn photograph(x: usize, y: usize) -> [u8; 4] {
    waves(x as f32, y as f32, hash(x, y, 3) % 8)
}

fn waves(x: f32, y: f32, grain: u32) -> [u8; 4] {
    let wave = |p: f32| (((x / p).sin() + (y / (p * 1.3)).cos()) * 50.0 + 120.0) as u32 + grain;
    [wave(90.0) as u8, wave(140.0) as u8, wave(60.0) as u8, 0]
}

/// What a rectangle is filled with.
#[derive(Clone, Copy)]
enum Fill {
    Flat([u8; 4]),
    Text,
    Photograph,
    Noise(usize),
    ThreeColors(usize),
    Moved(isize, isize),
    /// A photograph of finer waves that moves by parts of a pixel.
    Film(f32),
}

/// A screen's pixels: blue, green, red and nothing.
pub struct Screen {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Screen {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height * 4] }
    }

    /// Green, blue and red of a pixel.
    pub fn gbr(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 4;
        [self.pixels[at + 1], self.pixels[at], self.pixels[at + 2]]
    }

    /// Draws something somewhere; returns where.
    pub fn draw(&mut self, noise: &mut Noise) -> Rect {
        let small = noise.below(3) == 0;
        let mut side = |all: usize| 1 + noise.below(if small { all.min(20) } else { all });
        let (width, height) = (side(self.width), side(self.height));
        let (x, y) = (noise.below(self.width - width + 1), noise.below(self.height - height + 1));
        let (seed, color) = (noise.below(1000), noise.next().to_le_bytes());
        let fill = match noise.below(9) {
            0 => Fill::Flat(color),
            1 => Fill::Text,
            2 => Fill::Photograph,
            3 => Fill::Noise(seed),
            4 => Fill::ThreeColors(seed),
            5 => Fill::Film(seed as f32 / 7.0),
            _ => Fill::Moved(noise.below(61) as isize - 30, noise.below(61) as isize - 30),
        };
        let offset = if noise.below(2) == 0 { 0 } else { seed };
        let rect = Rect { x, y, width, height };
        self.fill(rect, fill, offset);
        rect
    }

    /// A frame of a film over the whole screen.
    pub fn draw_film(&mut self, at: f32) -> Rect {
        let rect = Rect { x: 0, y: 0, width: self.width, height: self.height };
        self.fill(rect, Fill::Film(at), 0);
        rect
    }

    fn fill(&mut self, rect: Rect, fill: Fill, offset: usize) {
        let before = self.pixels.clone();
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                let pixel = match fill {
                    Fill::Flat(color) => color,
                    Fill::Text => text(x + offset, y + offset),
                    Fill::Photograph => photograph(x + offset, y),
                    Fill::Noise(seed) => hash(x, y, seed).to_le_bytes(),
                    Fill::ThreeColors(seed) => {
                        [[9, 8, 7, 0], [200, 100, 7, 0], [200, 3, 90, 0]][hash(x, y, seed) as usize % 3]
                    }
                    Fill::Film(at) => waves((x as f32 + at) * 9.0, (y as f32 - at / 3.0) * 7.0, 0),
                    Fill::Moved(dx, dy) => {
                        let from_x = x.saturating_add_signed(dx).min(self.width - 1);
                        let from_y = y.saturating_add_signed(dy).min(self.height - 1);
                        let at = (from_y * self.width + from_x) * 4;
                        [before[at], before[at + 1], before[at + 2], 0]
                    }
                };
                self.pixels[(y * self.width + x) * 4..][..4].copy_from_slice(&pixel);
            }
        }
    }
}
