//! What frames cost on loads like those of a remote session, beside libaom as `crates/screen` sets it: processor time,
//! bytes, and how far from the screen the damage was shown. All take turns on the same pictures.
//!
//! `cargo bench -p av1`, or with the size, frames, loads and codecs: `cargo bench -p av1 -- 3840x2160 60 scroll libaom`.
//! `blind` leaves out decoding, for profiles. `threads` codes on two threads and measures the time that passes; it needs
//! two idle processors.

mod scenes;

use std::time::Duration;

use aom::{Bitmap, Decoder, Format, Picture};
use av1::{Encoder, Fidelity, InTurn, Job, Jobs, Rect, Request};
use rustix::time::{ClockId, clock_gettime};
use scenes::{LOADS, Load, Scene};

/// Runs each job on a thread.
struct Threads;

impl Jobs for Threads {
    fn run(&self, jobs: Vec<Job>) {
        std::thread::scope(|scope| jobs.into_iter().for_each(|job| _ = scope.spawn(job)));
    }
}

/// What is compared.
enum Codec {
    Own(Box<Encoder>, Fidelity),
    Aom(Box<aom::Encoder>, u32),
}

impl Codec {
    /// Takes in a changed rectangle of a screen, codes it, and says how long that took.
    fn code(&mut self, scene: &Scene, rects: &[Rect], key: bool, time: u64, threads: bool) -> (Vec<u8>, Duration) {
        let stride = scene.width * 4;
        let clock = if threads { ClockId::Monotonic } else { ClockId::ProcessCPUTime };
        let mut start = now(clock);
        let data = match self {
            Self::Own(encoder, fidelity) => {
                for rect in rects {
                    let pixels = &scene.pixels[rect.y * stride + rect.x * 4..];
                    encoder.write_bgrx(*rect, stride, pixels).unwrap();
                }
                let request = Request { key, fidelity: *fidelity, ..Request::LOSSLESS };
                let jobs: &dyn Jobs = if threads { &Threads } else { &InTurn };
                encoder.encode(&request, jobs).unwrap().data
            }
            Self::Aom(aom, quantiser) => {
                let mut active = Bitmap::over(scene.width as u16, scene.height as u16, 16);
                for rect in rects {
                    let blocks = |at: usize, length: usize| at / 16..(at + length).div_ceil(16);
                    for row in blocks(rect.y, rect.height) {
                        blocks(rect.x, rect.width).for_each(|column| active.set(column, row));
                    }
                }
                // Not counted: the program converted only what changed.
                let picture = Picture::from_bgrx(scene.width as u16, scene.height as u16, &scene.pixels);
                start = now(clock);
                aom.encode(&picture, time, &aom::Request { key, quantiser: *quantiser, active }).unwrap()
            }
        };
        (data, now(clock) - start)
    }
}

/// Processor time of this process is disturbed less by other work on the machine than the time that passes.
fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// One codec's figures on one load.
struct Row {
    name: &'static str,
    codec: Codec,
    decoder: Option<Decoder>,
    threads: bool,
    key: (Duration, usize),
    times: Vec<Duration>,
    sizes: Vec<usize>,
    /// Squared errors of the damage, and how many samples it has.
    errors: (f64, f64),
}

impl Row {
    fn new(name: &'static str, codec: Codec, blind: bool, threads: bool) -> Self {
        let decoder = (!blind).then(|| Decoder::new().unwrap());
        Self {
            name,
            codec,
            decoder,
            threads,
            key: Default::default(),
            times: vec![],
            sizes: vec![],
            errors: (0.0, 0.0),
        }
    }

    fn frame(&mut self, scene: &Scene, rects: &[Rect], time: u64) {
        let first = time == 1;
        let (data, took) = self.codec.code(scene, rects, first, time, self.threads);
        let shown = self.decoder.as_mut().map(|decoder| decoder.decode(&data).unwrap());
        if first {
            self.key = (took, data.len());
            return;
        }
        self.times.push(took);
        self.sizes.push(data.len());
        if let Some(shown) = shown {
            self.compare(scene, rects, &shown);
        }
    }

    fn compare(&mut self, scene: &Scene, rects: &[Rect], shown: &Picture) {
        for rect in rects {
            for y in rect.y..rect.y + rect.height {
                for x in rect.x..rect.x + rect.width {
                    let [r, g, b] = shown.rgb(x as u16, y as u16);
                    let pixel = &scene.pixels[(y * scene.width + x) * 4..];
                    for (shown, wanted) in [(b, pixel[0]), (g, pixel[1]), (r, pixel[2])] {
                        self.errors.0 += f64::from(shown.abs_diff(wanted)).powi(2);
                        self.errors.1 += 1.0;
                    }
                }
            }
        }
    }

    fn print(&mut self, load: &Load, scene: &Scene) {
        self.times.sort();
        self.sizes.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let (p50, p95) = (self.times.len() / 2, self.times.len() * 95 / 100);
        let mean = self.sizes.iter().sum::<usize>() / self.sizes.len();
        let quality = match self.errors.0 {
            _ if self.decoder.is_none() => "not seen".to_owned(),
            0.0 => "exact".to_owned(),
            errors => format!("{:.1} dB", 10.0 * (255.0 * 255.0 * self.errors.1 / errors).log10()),
        };
        println!(
            "{:9} {:4}p  {:10} {:7.2} / {:7.2} ms  {:8} / {:8} B  {quality:>8}   key {:6.1} ms {:8} B",
            load.name,
            scene.height,
            self.name,
            ms(self.times[p50]),
            ms(self.times[p95]),
            self.sizes[p50],
            mean,
            ms(self.key.0),
            self.key.1,
        );
    }
}

fn run(load: &Load, width: usize, height: usize, frames: usize, arguments: &[String]) {
    let mut scene = Scene::new(width, height);
    let (size, quantizer) = ((width as u16, height as u16), 144);
    let blind = arguments.iter().any(|a| a == "blind");
    let threads = arguments.iter().any(|a| a == "threads");
    let count = if threads { 2 } else { 1 };
    let own = |fidelity| Codec::Own(Box::new(Encoder::new(width, height, count).unwrap()), fidelity);
    let aom = aom::Encoder::new(size.0, size.1, count as u32, Format::Gbr).unwrap();
    let codecs = [
        ("lossless", own(Fidelity::Lossless)),
        ("exact-text", own(Fidelity::ExactText { quantizer })),
        ("lossy", own(Fidelity::Lossy { quantizer })),
        ("libaom", Codec::Aom(Box::new(aom), load.aom_quantiser)),
    ];
    let some = codecs.iter().any(|(name, _)| arguments.iter().any(|a| a == name));
    let wanted = codecs.into_iter().filter(|(name, _)| !some || arguments.iter().any(|a| a == name));
    let mut rows: Vec<_> = wanted.map(|(name, codec)| Row::new(name, codec, blind, threads)).collect();
    let whole = Rect { x: 0, y: 0, width, height };
    for time in 1..=frames + 1 {
        let rects = if time == 1 { vec![whole] } else { (load.draw)(&mut scene, time) };
        rows.iter_mut().for_each(|row| row.frame(&scene, &rects, time as u64));
    }
    rows.iter_mut().for_each(|row| row.print(load, &scene));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let sizes: Vec<(usize, usize)> = arguments
        .iter()
        .filter_map(|a| a.split_once('x'))
        .filter_map(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
        .collect();
    let sizes = if sizes.is_empty() { vec![(1920, 1080), (3840, 2160)] } else { sizes };
    let frames = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(60);
    let named = |load: &&Load| arguments.iter().any(|a| a == load.name);
    let some = LOADS.iter().any(|load| named(&load));
    println!("load     size   codec      p50 / p95 time               p50 / mean bytes      damage shown");
    for (width, height) in sizes {
        for load in LOADS.iter().filter(|load| !some || named(load)) {
            run(load, width, height, frames, &arguments);
        }
    }
}
