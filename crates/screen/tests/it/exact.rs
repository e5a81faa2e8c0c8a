//! The promise of the stream: once a screen has settled, the viewer's picture equals it, pixel for pixel.

use screen::{Coder, Decoder, Format, Picture, Rect};

/// Repeatable noise.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// A mixture of text and photograph.
fn pixels(rect: Rect, noise: &mut Noise) -> Vec<u8> {
    let ink = noise.next();
    let pixel = |i: u32| {
        let on = (i / 3).wrapping_mul(ink | 1) % 5 < 2;
        if on { [ink as u8, (ink >> 8) as u8, (ink >> 16) as u8, 0] } else { [255, 250, (i % 251) as u8, 0] }
    };
    (0..u32::from(rect.width) * u32::from(rect.height)).flat_map(pixel).collect()
}

struct Viewer {
    coder: Coder,
    decoder: Decoder,
    shown: Option<Picture>,
    now: u64,
}

impl Viewer {
    fn new(width: u16, height: u16, threads: u32) -> Self {
        let coder = Coder::new(width, height, threads).unwrap();
        Self { coder, decoder: Decoder::new().unwrap(), shown: None, now: 1 }
    }

    fn draw(&mut self, rect: Rect, noise: &mut Noise) {
        self.coder.update(self.now, rect, &pixels(rect, noise));
    }

    /// Lets time pass until nothing is left to code; every frame is drawn 5 ms after it was coded.
    fn settle(&mut self) -> usize {
        let mut frames = 0;
        while !self.coder.exact() {
            self.now += 5;
            if let Some(coded) = self.coder.next(self.now).unwrap() {
                self.shown = Some(self.decoder.decode(&coded.data).unwrap());
                self.coder.pacer.drawn(self.now + 5, coded.seq);
                frames += 1;
            }
            assert!(frames < 200, "refinement never ends");
        }
        frames
    }
}

#[test]
fn a_settled_screen_is_pixel_exact() {
    for (width, height, threads) in [(640, 360, 1), (803, 457, 2), (64, 64, 1)] {
        let mut noise = Noise(7);
        let mut viewer = Viewer::new(width, height, threads);
        viewer.draw(Rect { x: 0, y: 0, width, height }, &mut noise);
        viewer.settle();
        assert!(viewer.shown.as_ref() == Some(viewer.coder.picture()), "the first picture at {width}×{height}");
        for round in 0..6u16 {
            let rect = Rect { x: width / 8 * round, y: height / 9 * round, width: width / 7, height: height / 5 };
            viewer.draw(rect.clipped(width, height).unwrap(), &mut noise);
            viewer.now += 10;
            viewer.draw(Rect { x: 3, y: 5, width: 20, height: 9 }, &mut noise);
            viewer.settle();
            assert!(viewer.shown.as_ref() == Some(viewer.coder.picture()), "round {round} at {width}×{height}");
        }
    }
}

#[test]
fn nothing_is_coded_while_nothing_changes() {
    let mut viewer = Viewer::new(320, 200, 1);
    viewer.draw(Rect { x: 0, y: 0, width: 320, height: 200 }, &mut Noise(3));
    assert!(viewer.settle() > 1, "a coarse keyframe, then refinement");
    assert_eq!(viewer.coder.due(), None);
    assert!(viewer.coder.next(viewer.now + 100_000).unwrap().is_none());
}

#[test]
fn a_resize_starts_with_a_keyframe_of_the_new_size() {
    let mut viewer = Viewer::new(320, 200, 1);
    viewer.draw(Rect { x: 0, y: 0, width: 320, height: 200 }, &mut Noise(3));
    viewer.settle();
    viewer.coder.resize(200, 320).unwrap();
    viewer.draw(Rect { x: 0, y: 0, width: 200, height: 320 }, &mut Noise(4));
    viewer.settle();
    let shown = viewer.shown.unwrap();
    assert_eq!((shown.width(), shown.height()), (200, 320));
    assert!(&shown == viewer.coder.picture());
}

#[test]
fn the_fallback_format_settles_and_shows_the_colours() {
    let mut viewer = Viewer::new(322, 201, 1);
    viewer.coder.use_format(Format::Yuv420).unwrap();
    let whole = Rect { x: 0, y: 0, width: 322, height: 201 };
    viewer.coder.update(1, whole, &[200, 40, 60, 0].repeat(322 * 201));
    let mut last = Vec::new();
    while !viewer.coder.exact() {
        viewer.now += 5;
        if let Some(coded) = viewer.coder.next(viewer.now).unwrap() {
            viewer.coder.pacer.drawn(viewer.now + 5, coded.seq);
            last = coded.data;
        }
        assert!(viewer.now < 10_000, "refinement never ends");
    }
    assert!(!last.is_empty());
}

#[test]
fn a_blinking_caret_is_not_refined_between_blinks() {
    let mut viewer = Viewer::new(640, 360, 1);
    let mut noise = Noise(5);
    viewer.draw(Rect { x: 0, y: 0, width: 640, height: 360 }, &mut noise);
    viewer.settle();
    let (mut frames, mut lossless) = (0, 0);
    for _ in 0..20 {
        viewer.draw(Rect { x: 100, y: 100, width: 2, height: 18 }, &mut noise);
        for _ in 0..100 {
            viewer.now += 5;
            if let Some(coded) = viewer.coder.next(viewer.now).unwrap() {
                viewer.shown = Some(viewer.decoder.decode(&coded.data).unwrap());
                viewer.coder.pacer.drawn(viewer.now + 5, coded.seq);
                (frames, lossless) = (frames + 1, lossless + u32::from(coded.lossless));
            }
        }
    }
    assert!(frames < 20 + 8 && lossless < 8, "{frames} frames for 20 blinks, {lossless} of them lossless");
    viewer.settle();
    assert!(viewer.shown.as_ref() == Some(viewer.coder.picture()), "exact when it stands still");
}
