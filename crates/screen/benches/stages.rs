//! The cost of each stage of the screen pipeline, at 1920×1080: `cargo bench -p screen`.
#![expect(missing_docs, reason = "Criterion's macro makes a public function")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use screen::{Coded, Coder, Rect};

const WIDTH: u16 = 1920;
const HEIGHT: u16 = 1080;
const WHOLE: Rect = Rect { x: 0, y: 0, width: WIDTH, height: HEIGHT };

fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let h = x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263) ^ seed.wrapping_mul(2_246_822_519);
    let h = (h ^ h >> 13).wrapping_mul(1_274_126_177);
    h ^ h >> 16
}

/// Small text with coloured edges, as font smoothing draws it, scrolled by `from` pixels.
fn text(rect: Rect, from: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let (line, row) = ((y + from) / 16, (y + from) % 16);
        let (letter, column) = (x / 8, x % 8);
        let glyph = hash(letter, line, 1);
        let space = glyph.is_multiple_of(6) || !(3..=12).contains(&row);
        let ink = !space && hash(glyph % 60, row * 8 + column, 2).is_multiple_of(3);
        if ink { [30 + (glyph % 3) as u8 * 60, 40, 30 + (column * 20) as u8, 0] } else { [255, 255, 255, 0] }
    };
    (0..u32::from(rect.height)).flat_map(|y| (0..u32::from(rect.width)).flat_map(move |x| pixel(x, y))).collect()
}

/// Something like a photograph: slow gradients with grain.
fn photograph(rect: Rect) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let grain = hash(x, y, 3) % 8;
        let wave = |p: f32, s: u32| (((x as f32 / p).sin() + (y as f32 / (p * 1.3)).cos()) * 50.0 + 120.0) as u32 + s;
        [(wave(90.0, grain)) as u8, wave(140.0, grain) as u8, wave(60.0, grain) as u8, 0]
    };
    (0..u32::from(rect.height)).flat_map(|y| (0..u32::from(rect.width)).flat_map(move |x| pixel(x, y))).collect()
}

/// The next frame, which the viewer draws at once; `None` when everything is exact.
fn next(coder: &mut Coder, now: &mut u64) -> Option<Coded> {
    while !coder.exact() {
        *now += 16;
        if let Some(coded) = coder.next(*now).unwrap() {
            coder.pacer.drawn(*now + 1, coded.seq);
            return Some(coded);
        }
    }
    None
}

/// A screen of these pixels that viewers have exactly.
fn settled(pixels: &[u8]) -> (Coder, u64) {
    let (mut coder, mut now) = (Coder::new(WIDTH, HEIGHT, 1).unwrap(), 1_000);
    coder.update(now, WHOLE, pixels).unwrap();
    while next(&mut coder, &mut now).is_some() {}
    (coder, now)
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("take in and encode");
    group.sample_size(20);
    let key = Rect { x: 700, y: 500, width: 12, height: 18 };
    let patch = Rect { x: 400, y: 300, width: 400, height: 300 };
    let page = Rect { x: 300, y: 60, width: 1200, height: 900 };
    for (name, rect) in [("key press", key), ("dialog 400x300", patch), ("scroll 1200x900", page)] {
        let (mut coder, mut now) = settled(&text(WHOLE, 0));
        let frames: Vec<_> = (0..8).map(|i| text(rect, i * 24)).collect();
        let mut i = 0;
        let (mut bytes, mut count) = (0, 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                i += 1;
                now += 33;
                coder.update(now, rect, &frames[i % 8]).unwrap();
                bytes += next(&mut coder, &mut now).map_or(0, |coded| coded.data.len());
                count += 1;
            });
        });
        println!("{name}: {} bytes a frame", bytes / count);
    }
    let (picture, page_of_text) = (photograph(WHOLE), text(WHOLE, 0));
    for (name, before, after) in [
        ("whole screen, text to photograph", &page_of_text, &picture),
        ("whole screen, photograph to text", &picture, &page_of_text),
    ] {
        let change = |(coder, now): &mut (Coder, u64)| {
            *now += 500;
            coder.update(*now, WHOLE, after).unwrap();
            next(coder, now)
        };
        group.sample_size(10);
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| settled(before), |state| black_box(change(state)), BatchSize::LargeInput);
        });
        let mut state = settled(before);
        println!("{name}: {} bytes", change(&mut state).map_or(0, |coded| coded.data.len()));
    }
    for (name, pixels) in [("first picture, text", &page_of_text), ("first picture, photograph", &picture)] {
        let first = |coder: &mut Coder| {
            coder.update(1, WHOLE, pixels).unwrap();
            coder.next(1).unwrap().unwrap()
        };
        let new = || Coder::new(WIDTH, HEIGHT, 1).unwrap();
        group.bench_function(name, |b| {
            b.iter_batched_ref(new, |coder| black_box(first(coder)), BatchSize::LargeInput);
        });
        println!("{name}: {} bytes", first(&mut new()).data.len());
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut coder = Coder::new(WIDTH, HEIGHT, 1).unwrap();
    coder.update(1, WHOLE, &text(WHOLE, 0)).unwrap();
    let key = coder.next(1).unwrap().unwrap();
    let mut decoder = aom::Decoder::new().unwrap();
    c.bench_function("decode a keyframe of text", |b| b.iter(|| decoder.decode(black_box(&key.data)).unwrap()));
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
