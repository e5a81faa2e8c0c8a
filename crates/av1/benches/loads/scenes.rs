//! Pictures like those of a desktop: text with smoothed, coloured edges, a photograph, windows, a video.

use av1::Rect;

/// Something that changes a screen, frame by frame.
pub struct Load {
    pub name: &'static str,
    /// libaom's quantiser, as the product sets it for such a load.
    pub aom_quantiser: u32,
    /// Draws the next frame; returns what changed.
    pub draw: fn(&mut Scene, usize) -> Vec<Rect>,
}

pub const LOADS: [Load; 7] = [
    Load { name: "blink", aom_quantiser: 24, draw: blink },
    Load { name: "typing", aom_quantiser: 24, draw: typing },
    Load { name: "patch", aom_quantiser: 24, draw: patch },
    Load { name: "terminal", aom_quantiser: 36, draw: terminal },
    Load { name: "scroll", aom_quantiser: 36, draw: scroll },
    Load { name: "drag", aom_quantiser: 36, draw: drag },
    Load { name: "video", aom_quantiser: 36, draw: video },
];

type Pixel = [u8; 4];

const WHITE: Pixel = [255, 255, 255, 0];
const DARK: Pixel = [40, 36, 30, 0];
const GREY: Pixel = [230, 228, 226, 0];
/// The window that is typed in, and the terminal.
const EDITOR: Rect = Rect { x: 120, y: 80, width: 800, height: 600 };
const TERMINAL: Rect = Rect { x: 500, y: 260, width: 960, height: 640 };
const PAGE: Rect = Rect { x: 300, y: 60, width: 1200, height: 900 };
const LINE: usize = 18;
const LETTER: usize = 8;

/// A screen: blue, green, red and nothing.
pub struct Scene {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
    /// Coverage of each glyph by subpixels.
    glyphs: Vec<[[u8; 3 * LETTER]; LINE]>,
    photograph: Vec<Pixel>,
}

impl Scene {
    /// A desktop with a photograph and a window of text.
    pub fn new(width: usize, height: usize) -> Self {
        let photograph = photograph(width, height);
        let glyphs = (0..96).map(glyph).collect();
        let mut scene = Self { width, height, pixels: vec![0; width * height * 4], glyphs, photograph };
        scene.paint(Rect { x: 0, y: 0, width, height }, |scene, x, y| scene.photograph[y * scene.width + x]);
        scene.text(EDITOR, WHITE, DARK, 0, 0);
        scene
    }

    fn paint(&mut self, rect: Rect, pixel: impl Fn(&Self, usize, usize) -> Pixel) {
        for y in rect.y..(rect.y + rect.height).min(self.height) {
            for x in rect.x..(rect.x + rect.width).min(self.width) {
                let pixel = pixel(self, x, y);
                self.pixels[(y * self.width + x) * 4..][..4].copy_from_slice(&pixel);
            }
        }
    }

    /// Lines of text, from a line and a row of it on.
    fn text(&mut self, rect: Rect, paper: Pixel, ink: Pixel, first_line: usize, from_row: usize) {
        self.paint(rect, |scene, x, y| {
            let (row, column) = (y - rect.y + from_row, x - rect.x);
            scene.text_pixel(first_line + row / LINE, row % LINE, column, paper, ink)
        });
    }

    fn text_pixel(&self, line: usize, row: usize, column: usize, paper: Pixel, ink: Pixel) -> Pixel {
        let letter = column / LETTER;
        let length = 20 + hash(line, 0, 5) as usize % 80;
        let id = hash(line, letter, 7) as usize;
        if letter < 1 || letter > length || id.is_multiple_of(6) {
            return paper;
        }
        // Some words are coloured.
        let ink = match hash(line, letter / 7, 9) % 8 {
            0 => [180, 90, 20, 0],
            1 => [40, 130, 40, 0],
            _ => ink,
        };
        self.glyph_pixel(id % self.glyphs.len(), row, column % LETTER, paper, ink)
    }

    fn glyph_pixel(&self, id: usize, row: usize, column: usize, paper: Pixel, ink: Pixel) -> Pixel {
        let coverage = &self.glyphs[id][row][3 * column..][..3];
        // Red is the left subpixel.
        let blend = |i: usize, cover: u8| {
            let (paper, ink, cover) = (u32::from(paper[i]), u32::from(ink[i]), u32::from(cover));
            ((paper * (255 - cover) + ink * cover) / 255) as u8
        };
        [blend(0, coverage[2]), blend(1, coverage[1]), blend(2, coverage[0]), 0]
    }
}

/// A few strokes with soft edges, by subpixels.
fn glyph(id: usize) -> [[u8; 3 * LETTER]; LINE] {
    let point = |n: usize| (1.5 + (hash(id, n, 1) % 4) as f32 * 1.6, 4.0 + (hash(id, n, 2) % 4) as f32 * 3.0);
    let strokes: Vec<_> = (0..3).map(|n| (point(n), point(n + 1))).collect();
    std::array::from_fn(|row| {
        std::array::from_fn(|sub| {
            let (x, y) = ((sub as f32 + 0.5) / 3.0, row as f32 + 0.5);
            let distance = strokes.iter().map(|(a, b)| distance(x, y, *a, *b)).fold(9.0, f32::min);
            ((1.2 - distance).clamp(0.0, 1.0) * 255.0) as u8
        })
    })
}

fn distance(x: f32, y: f32, a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = (dx * dx + dy * dy).max(0.01);
    let t = (((x - a.0) * dx + (y - a.1) * dy) / length).clamp(0.0, 1.0);
    (x - a.0 - t * dx).hypot(y - a.1 - t * dy)
}

fn hash(x: usize, y: usize, seed: usize) -> u32 {
    let (x, y, seed) = (x as u32, y as u32, seed as u32);
    let h = x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ seed.wrapping_mul(2_246_822_519);
    let h = (h ^ h >> 13).wrapping_mul(1_274_126_177);
    h ^ h >> 16
}

/// Smooth noise of one scale, 0 to 1.
fn value_noise(x: f32, y: f32, seed: usize) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (smooth(x - left), smooth(y - top));
    let corner = |dx: i64, dy: i64| {
        (hash((left as i64 + dx) as usize, (top as i64 + dy) as usize, seed) & 0xffff) as f32 / 65536.0
    };
    let (above, below) = (corner(0, 0) * (1.0 - tx) + corner(1, 0) * tx, corner(0, 1) * (1.0 - tx) + corner(1, 1) * tx);
    above * (1.0 - ty) + below * ty
}

/// A point of a picture with detail at all scales, as photographs have it.
fn photograph_pixel(x: f32, y: f32) -> Pixel {
    let mut values = [0.0; 3];
    for (octave, scale) in [320.0, 120.0, 45.0, 17.0, 6.0].into_iter().enumerate() {
        let weight = scale / 320.0 * 130.0 + 4.0;
        let shared = value_noise(x / scale, y / scale, octave);
        for (channel, value) in values.iter_mut().enumerate() {
            let own = if octave < 2 { value_noise(x / scale, y / scale, 10 + octave * 3 + channel) } else { shared };
            *value += (0.7 * shared + 0.3 * own) * weight;
        }
    }
    let channel = |value: f32| (value + 25.0).clamp(0.0, 255.0) as u8;
    [channel(values[0]), channel(values[1]), channel(values[2]), 0]
}

/// The sensor's noise.
fn grain(pixel: Pixel, x: usize, y: usize, seed: usize) -> Pixel {
    let noise = hash(x, y, seed + 100);
    let add = |i: usize| pixel[i].saturating_add((noise >> (8 * i)) as u8 % 4);
    [add(0), add(1), add(2), 0]
}

fn photograph(width: usize, height: usize) -> Vec<Pixel> {
    let pixel = |x, y| grain(photograph_pixel(x as f32, y as f32), x, y, 0);
    (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect()
}

fn blink(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let rect = Rect { x: EDITOR.x + 201, y: EDITOR.y + 182, width: 2, height: 16 };
    let color = if time.is_multiple_of(2) { DARK } else { WHITE };
    scene.paint(rect, |_, _, _| color);
    vec![rect]
}

fn typing(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let (column, line) = (4 + time % 80, 20 + time / 80);
    let rect = Rect { x: EDITOR.x + column * LETTER, y: EDITOR.y + line * LINE, width: 2 * LETTER, height: LINE };
    let id = hash(time, 0, 4) as usize % 96;
    scene.paint(rect, |scene, x, y| match x - rect.x {
        column @ 0..LETTER => scene.glyph_pixel(id, y - rect.y, column, WHITE, DARK),
        8 | 9 => DARK,
        _ => WHITE,
    });
    vec![rect]
}

/// A dialog comes and goes.
fn patch(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let rect = Rect { x: 400, y: 300, width: 400, height: 300 };
    if time.is_multiple_of(2) {
        scene.text(Rect { height: 240, ..rect }, GREY, DARK, time, 0);
        scene.paint(Rect { y: rect.y + 240, height: 60, ..rect }, |_, _, _| GREY);
        scene.paint(Rect { x: rect.x + 280, y: rect.y + 255, width: 90, height: 28 }, |_, _, _| [200, 120, 40, 0]);
    } else {
        scene.text(EDITOR, WHITE, DARK, 0, 0);
    }
    vec![rect]
}

/// A program prints some lines a frame.
fn terminal(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let rect = Rect { height: TERMINAL.height / LINE * LINE, ..TERMINAL };
    scene.text(rect, DARK, GREY, time * 5, 0);
    vec![rect]
}

/// A page with text and a picture is scrolled.
fn scroll(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let from = time * 24;
    scene.paint(PAGE, |scene, x, y| {
        let (row, column) = (y - PAGE.y + from, x - PAGE.x);
        let picture = row % 700 < 260 && (700..1100).contains(&column);
        if picture {
            scene.photograph[row % scene.height * scene.width + column]
        } else if column < 660 {
            scene.text_pixel(row / LINE, row % LINE, column, WHITE, DARK)
        } else {
            WHITE
        }
    });
    vec![PAGE]
}

/// A window of text is dragged over the photograph.
fn drag(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let at = |time: usize| Rect { x: 200 + time * 7, y: 150 + time * 3, width: 600, height: 400 };
    let (old, new) = (at(time - 1), at(time));
    scene.paint(old, |scene, x, y| scene.photograph[y * scene.width + x]);
    scene.text(new, WHITE, DARK, 0, 0);
    vec![Rect { width: old.width + 7, height: old.height + 3, ..old }]
}

/// A film: the camera pans by parts of a pixel, something moves across, and there is grain.
fn video(scene: &mut Scene, time: usize) -> Vec<Rect> {
    let rect = Rect { x: 640, y: 300, width: 640, height: 360 };
    let (pan_x, pan_y) = (time as f32 * 1.3, time as f32 * 0.6);
    let actor = (100.0 + time as f32 * 4.5, 120.0 + (time as f32 / 9.0).sin() * 40.0);
    scene.paint(rect, |_, x, y| {
        let (fx, fy) = ((x - rect.x) as f32, (y - rect.y) as f32);
        let inside = (fx - actor.0).hypot((fy - actor.1) * 0.8) < 70.0;
        let pixel = if inside {
            photograph_pixel(5000.0 + fx - actor.0, 900.0 + fy - actor.1)
        } else {
            photograph_pixel(1000.0 + fx + pan_x, 400.0 + fy + pan_y)
        };
        grain(pixel, x, y, time)
    });
    vec![rect]
}
