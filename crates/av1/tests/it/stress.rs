//! Random drawing, moves, quantisers, keyframes, refinement, sizes and tiles.
//!
//! `AV1_STRESS=10000 cargo test --release -p av1 stress` runs so many streams instead of a few, from `AV1_SEED` on.

use std::thread;

use aom::Decoder;
use av1::{Cells, Coded, Encoder, Fidelity, Job, Jobs, Rect, Request};

use crate::{
    decoders,
    drawing::{Noise, Screen},
};

/// Sizes that are no multiple of anything, and those around the sizes of blocks and superblocks.
const SIZES: [(usize, usize); 24] = [
    (1, 1),
    (2, 3),
    (7, 9),
    (8, 8),
    (9, 15),
    (16, 1),
    (1, 70),
    (63, 65),
    (64, 64),
    (65, 63),
    (100, 30),
    (127, 129),
    (128, 128),
    (129, 72),
    (190, 200),
    (200, 56),
    (255, 257),
    (320, 180),
    (333, 257),
    (452, 300),
    (520, 88),
    (77, 640),
    (641, 367),
    (1440, 300),
];

/// Runs each job on a thread.
pub struct Threads;

impl Jobs for Threads {
    fn run(&self, jobs: Vec<Job>) {
        thread::scope(|scope| {
            for job in jobs {
                scope.spawn(job);
            }
        });
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn decoders_show_what_the_encoder_says() {
    let (count, first) = (setting("AV1_STRESS").unwrap_or(24), setting("AV1_SEED").unwrap_or(0));
    let next = std::sync::atomic::AtomicU64::new(first);
    let work = || loop {
        let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if seed >= first + count {
            return;
        }
        if count > 1000 && seed.is_multiple_of(500) {
            eprintln!("seed {seed}");
        }
        Stream::new(seed).run(if count > 24 { 24 } else { 10 });
    };
    thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(work)));
}

#[test]
fn large_pictures_have_the_tiles_that_they_need() {
    let mut sizes = vec![(4160, 72), (8192, 40), (40, 8192)];
    if setting("AV1_STRESS").is_some() {
        sizes.extend([(4096, 2368), (7680, 4320), (8192, 8192)]);
    }
    for (width, height) in sizes {
        let mut stream = Stream::new(0);
        stream.screen = Screen::new(width, height);
        stream.encoder = Encoder::new(width, height, 1).unwrap();
        for _ in 0..3 {
            stream.draw();
            stream.draw();
            let request = Request { fidelity: Fidelity::ExactText { quantizer: 120 }, ..Request::LOSSLESS };
            let coded = stream.encoder.encode(&request, &Threads).unwrap();
            stream.check(&coded);
        }
    }
}

#[test]
fn a_film_that_moves_by_parts_of_a_pixel_is_cheap() {
    let mut stream = Stream::new(2);
    stream.screen = Screen::new(320, 192);
    stream.encoder = Encoder::new(320, 192, 1).unwrap();
    let mut sizes = Vec::new();
    for frame in 0..8 {
        let rect = stream.screen.draw_film(frame as f32 * 0.77);
        stream.encoder.write_bgrx(rect, 320 * 4, &stream.screen.pixels).unwrap();
        let request = Request { fidelity: Fidelity::Lossy { quantizer: 100 }, ..Request::LOSSLESS };
        let coded = stream.encoder.encode(&request, &Threads).unwrap();
        stream.check(&coded);
        sizes.push(coded.data.len());
    }
    // From the third frame on vectors may have parts.
    let mean = sizes[3..].iter().sum::<usize>() / 5;
    assert!(mean * 4 < sizes[1] * 3, "{sizes:?}");
}

/// One random stream.
struct Stream {
    seed: u64,
    noise: Noise,
    screen: Screen,
    encoder: Encoder,
    decoder: Decoder,
    /// What was coded and what decoders are to show.
    units: Vec<Vec<u8>>,
    shown: Vec<u8>,
}

impl Stream {
    fn new(seed: u64) -> Self {
        let mut noise = Noise::new(seed + 1);
        let (width, height) = SIZES[seed as usize % SIZES.len()];
        let encoder = Encoder::new(width, height, 1 << noise.below(4)).unwrap();
        let (screen, decoder) = (Screen::new(width, height), Decoder::new().unwrap());
        Self { seed, noise, screen, encoder, decoder, units: Vec::new(), shown: Vec::new() }
    }

    fn run(mut self, frames: usize) {
        for _ in 0..frames {
            for _ in 0..self.noise.below(5) {
                self.draw();
            }
            let coded = self.encode();
            self.check(&coded);
        }
        // What settles becomes equal to the screen.
        let stale = self.encoder.stale().clone();
        let request = Request { refine: Some(&stale), ..Request::LOSSLESS };
        let coded = self.encoder.encode(&request, &Threads).unwrap();
        self.check(&coded);
        assert!(self.encoder.stale().is_empty(), "seed {}", self.seed);
        decoders::check(self.seed, self.screen.width, self.screen.height, &self.units, &self.shown);
    }

    fn draw(&mut self) {
        // A film fills some streams in part.
        let film = self.seed % 4 == 3 && self.noise.below(3) > 0;
        let rect = if film {
            self.screen.draw_film(self.units.len() as f32 * 0.77)
        } else {
            self.screen.draw(&mut self.noise)
        };
        let stride = self.screen.width * 4;
        let pixels = &self.screen.pixels[rect.y * stride + rect.x * 4..];
        self.encoder.write_bgrx(rect, stride, pixels).unwrap();
    }

    fn encode(&mut self) -> Coded {
        let noise = &mut self.noise;
        let quantizer = [0, 1, 30, 100, 144, 200, 255][noise.below(7)];
        let fidelity = match noise.below(3) {
            0 => Fidelity::Lossless,
            1 => Fidelity::ExactText { quantizer },
            _ => Fidelity::Lossy { quantizer },
        };
        let some_of = |cells: &Cells, noise: &mut Noise| {
            let mut some = Cells::over(self.screen.width, self.screen.height);
            for (column, row) in cells.iter() {
                if noise.below(3) > 0 {
                    some.set(column, row);
                }
            }
            some
        };
        let refine = (noise.below(3) == 0).then(|| some_of(self.encoder.stale(), noise));
        let mut motion = Cells::over(self.screen.width, self.screen.height);
        motion.set_rect(Rect {
            x: 0,
            y: 0,
            width: noise.below(self.screen.width),
            height: noise.below(self.screen.height),
        });
        let moves: Vec<_> =
            (0..noise.below(4)).map(|_| (noise.below(3000) as i32 - 1500, noise.below(61) as i32 - 30)).collect();
        let request = Request {
            key: noise.below(20) == 0,
            fidelity,
            refine: refine.as_ref(),
            motion: (noise.below(2) == 0).then_some(&motion),
            moves: &moves,
        };
        self.encoder.encode(&request, &Threads).unwrap()
    }

    /// The decoder shows the encoder's reconstruction, and that is the screen where no cell is stale.
    fn check(&mut self, coded: &Coded) {
        let picture = self.decoder.decode(&coded.data).unwrap();
        let (frame, seed) = (self.units.len(), self.seed);
        let before = self.shown.len().checked_sub(self.screen.width * self.screen.height * 3);
        for plane in 0..3 {
            for y in 0..self.screen.height {
                let expected = self.encoder.reconstruction(y).unwrap()[plane];
                let shown = &picture.planes()[plane][y * self.screen.width..][..self.screen.width];
                for x in 0..self.screen.width {
                    let place = || format!("seed {seed}, frame {frame}, plane {plane}, {x},{y}");
                    assert_eq!(shown[x], expected[x], "decoder and encoder differ: {}", place());
                    let cell = (x / 8, y / 8);
                    let exact = expected[x] == self.screen.gbr(x, y)[plane];
                    assert!(exact || self.encoder.stale().get(cell.0, cell.1), "stale unawares: {}", place());
                    if let Some(before) = before.filter(|_| !coded.cells.get(cell.0, cell.1)) {
                        let at = before + (plane * self.screen.height + y) * self.screen.width + x;
                        assert_eq!(self.shown[at], expected[x], "changed unawares: {}", place());
                    }
                }
            }
        }
        picture.planes().iter().for_each(|plane| self.shown.extend_from_slice(plane));
        self.units.push(coded.data.clone());
    }
}
