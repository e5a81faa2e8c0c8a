//! The cost of each stage of the screen pipeline, at 1920×1080: `cargo bench -p screen`.
#![expect(missing_docs, reason = "Criterion's macro makes a public function")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use screen::{Aom, Bitmap, Coder, Decoder, Encoder, Format, Picture, Rect, Request};

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

/// An encoder that has coded a screen of text.
fn ready(threads: u32) -> (Aom, Picture, u64) {
    let mut picture = Picture::new(WIDTH, HEIGHT);
    picture.copy_bgrx(WHOLE, &text(WHOLE, 0));
    let mut aom = Aom::new(WIDTH, HEIGHT, threads, Format::Gbr).unwrap();
    let active = Bitmap::over(WIDTH, HEIGHT, 16);
    aom.encode(&picture, 0, &Request { key: true, quantiser: 24, active }).unwrap();
    (aom, picture, 0)
}

fn change(state: &mut (Aom, Picture, u64), rect: Rect, pixels: &[u8], quantiser: u32) -> Vec<u8> {
    let (aom, picture, time) = state;
    picture.copy_bgrx(rect, pixels);
    let mut active = Bitmap::over(WIDTH, HEIGHT, 16);
    active.set_rect(rect, 16);
    *time += 16;
    aom.encode(picture, *time, &Request { key: false, quantiser, active }).unwrap()
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.sample_size(20);
    let key = Rect { x: 700, y: 500, width: 12, height: 18 };
    let patch = Rect { x: 400, y: 300, width: 400, height: 300 };
    let page = Rect { x: 300, y: 60, width: 1200, height: 900 };
    for (name, rect, quantiser) in
        [("key press", key, 24), ("dialog 400x300", patch, 24), ("scroll 1200x900", page, 36)]
    {
        let mut state = ready(1);
        let frames: Vec<_> = (0..8).map(|i| text(rect, i * 24)).collect();
        let mut i = 0;
        let (mut bytes, mut count) = (0, 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                i += 1;
                bytes += black_box(change(&mut state, rect, &frames[i % 8], quantiser)).len();
                count += 1;
            });
        });
        println!("{name}: {} bytes a frame", bytes / count);
    }
    let mut state = ready(1);
    let picture = photograph(WHOLE);
    let page_of_text = text(WHOLE, 0);
    let mut shown = false;
    group.bench_function("whole screen, text and photograph in turn", |b| {
        b.iter(|| {
            shown = !shown;
            black_box(change(&mut state, WHOLE, if shown { &picture } else { &page_of_text }, 38))
        });
    });
    for (name, pixels) in [("refine an eighth, text", text(WHOLE, 0)), ("refine an eighth, photograph", picture)] {
        let eighth = Rect { x: 0, y: 0, width: WIDTH, height: 128 };
        let before = || {
            let mut state = ready(1);
            change(&mut state, WHOLE, &pixels, 36);
            state
        };
        let pixels = &pixels[..1920 * 128 * 4];
        group.sample_size(10);
        group.bench_function(name, |b| {
            b.iter_batched_ref(before, |state| black_box(change(state, eighth, pixels, 0)), BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn convert(c: &mut Criterion) {
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let pixels = text(WHOLE, 0);
    c.bench_function("convert a whole screen", |b| b.iter(|| picture.copy_bgrx(WHOLE, black_box(&pixels))));
}

fn decode(c: &mut Criterion) {
    let mut coder = Coder::new(WIDTH, HEIGHT, 1).unwrap();
    coder.update(1, WHOLE, &text(WHOLE, 0));
    let key = coder.next(1).unwrap().unwrap();
    let mut decoder = Decoder::new().unwrap();
    c.bench_function("decode a keyframe of text", |b| b.iter(|| decoder.decode(black_box(&key.data)).unwrap()));
}

criterion_group!(benches, encode, convert, decode);
criterion_main!(benches);
