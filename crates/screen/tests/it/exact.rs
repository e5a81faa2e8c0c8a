//! The promise of the stream: text is exact at once, and once a screen has settled, the viewer's picture equals it, pixel
//! for pixel.

use aom::{Decoder, Picture};
use screen::{Coded, Coder, Rect};

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
fn mixed(rect: Rect, noise: &mut Noise) -> Vec<u8> {
    let ink = noise.next();
    let pixel = |i: u32| {
        let on = (i / 3).wrapping_mul(ink | 1) % 5 < 2;
        if on { [ink as u8, (ink >> 8) as u8, (ink >> 16) as u8, 0] } else { [255, 250, (i % 251) as u8, 0] }
    };
    (0..u32::from(rect.width) * u32::from(rect.height)).flat_map(pixel).collect()
}

/// Something like smoothed text: strokes in shades of dark on white.
fn text(rect: Rect, noise: &mut Noise) -> Vec<u8> {
    let ink = noise.next();
    let pixel = |i: u32| match (i / 3).wrapping_mul(ink | 1) % 7 {
        0 | 1 => [20, 20, 20, 0],
        2 => [120, 110, (i % 97) as u8, 0],
        _ => [255, 255, 255, 0],
    };
    (0..u32::from(rect.width) * u32::from(rect.height)).flat_map(pixel).collect()
}

/// A photograph: slow gradients with grain.
fn photograph(rect: Rect, noise: &mut Noise) -> Vec<u8> {
    let mut pixel = |i: u32| {
        let (x, y, grain) = (i % u32::from(rect.width), i / u32::from(rect.width), noise.next() % 6);
        [(x / 6 + grain) as u8, (y / 3 + grain) as u8, (240 - x / 6 + grain) as u8, 0]
    };
    (0..u32::from(rect.width) * u32::from(rect.height)).flat_map(&mut pixel).collect()
}

/// A screen, its encoder, and a viewer with libaom's decoder.
struct Viewer {
    coder: Coder,
    /// The screen in BGRX.
    screen: Vec<u8>,
    decoder: Decoder,
    shown: Option<Picture>,
    now: u64,
}

impl Viewer {
    fn new(width: u16, height: u16, threads: usize) -> Self {
        let coder = Coder::new(width, height, threads).unwrap();
        let screen = vec![0; usize::from(width) * usize::from(height) * 4];
        Self { coder, screen, decoder: Decoder::new().unwrap(), shown: None, now: 1_000 }
    }

    fn draw(&mut self, rect: Rect, bgrx: &[u8]) {
        let (row, width) = (usize::from(rect.width) * 4, usize::from(self.coder.size().0));
        for (y, pixels) in bgrx.chunks_exact(row).enumerate() {
            let start = ((usize::from(rect.y) + y) * width + usize::from(rect.x)) * 4;
            self.screen[start..][..row].copy_from_slice(pixels);
        }
        self.coder.update(self.now, rect, bgrx).unwrap();
    }

    /// Codes and shows a frame, if there is one, and draws it 5 ms after it was coded.
    fn frame(&mut self) -> Option<Coded> {
        let coded = self.coder.next(self.now).unwrap()?;
        let picture = self.decoder.decode(&coded.data).unwrap();
        if let Some(before) = self.shown.as_ref().filter(|_| !coded.key) {
            assert_only_regions_change(&coded, before, &picture);
        }
        self.shown = Some(picture);
        self.coder.pacer.drawn(self.now + 5, coded.seq);
        Some(coded)
    }

    /// Lets time pass until nothing is left to code.
    fn settle(&mut self) -> usize {
        let mut frames = 0;
        while !self.coder.exact() {
            self.now += 5;
            frames += usize::from(self.frame().is_some());
            assert!(self.now < 1_000_000, "refinement never ends");
        }
        frames
    }

    fn is_exact(&self) -> bool {
        let (width, height) = self.coder.size();
        self.shown.as_ref() == Some(&Picture::from_bgrx(width, height, &self.screen))
    }
}

fn assert_only_regions_change(coded: &Coded, before: &Picture, now: &Picture) {
    for (x, y) in (0..now.height()).flat_map(|y| (0..now.width()).map(move |x| (x, y))) {
        let inside = |r: &Rect| (r.x..r.x + r.width).contains(&x) && (r.y..r.y + r.height).contains(&y);
        let changed = before.rgb(x, y) != now.rgb(x, y);
        assert!(!changed || coded.regions.iter().any(inside), "frame {} changed {x},{y} unawares", coded.seq);
    }
}

fn whole(width: u16, height: u16) -> Rect {
    Rect { x: 0, y: 0, width, height }
}

#[test]
fn a_settled_screen_is_pixel_exact() {
    for (width, height, threads) in [(640, 360, 1), (803, 457, 2), (64, 64, 1), (5, 3, 1)] {
        let mut noise = Noise(7);
        let mut viewer = Viewer::new(width, height, threads);
        viewer.draw(whole(width, height), &mixed(whole(width, height), &mut noise));
        viewer.settle();
        assert!(viewer.is_exact(), "the first picture at {width}×{height}");
        for round in 0..6u16 {
            let rect = Rect { x: width / 8 * round, y: height / 9 * round, width: width / 7, height: height / 5 };
            if let Some(rect) = rect.clipped(width, height) {
                viewer.draw(rect, &mixed(rect, &mut noise));
            }
            viewer.now += 10;
            if let Some(rect) = (Rect { x: 3, y: 1, width: 20, height: 9 }).clipped(width, height) {
                viewer.draw(rect, &photograph(rect, &mut noise));
            }
            viewer.settle();
            assert!(viewer.is_exact(), "round {round} at {width}×{height}");
        }
    }
}

#[test]
fn text_is_exact_in_its_first_frame() {
    let (mut viewer, mut noise) = (Viewer::new(640, 360, 1), Noise(9));
    viewer.draw(whole(640, 360), &photograph(whole(640, 360), &mut noise));
    // A window with a margin.
    let window = Rect { x: 90, y: 40, width: 540, height: 300 };
    viewer.draw(window, &[255; 4].repeat(540 * 300));
    viewer.settle();
    for (x, y, width, height) in [(100, 60, 9, 16), (203, 77, 300, 200), (101, 50, 520, 280)] {
        viewer.now += 500;
        let rect = Rect { x, y, width, height };
        viewer.draw(rect, &text(rect, &mut noise));
        let coded = viewer.frame().expect("a frame at once");
        assert!(!coded.refines && viewer.is_exact() && viewer.coder.exact(), "text of {width}×{height}");
    }
}

#[test]
fn nothing_is_coded_while_nothing_changes() {
    let mut viewer = Viewer::new(320, 200, 1);
    viewer.draw(whole(320, 200), &photograph(whole(320, 200), &mut Noise(3)));
    assert!(viewer.settle() > 1, "a coarse keyframe, then refinement");
    assert_eq!(viewer.coder.due(), None);
    assert!(viewer.coder.next(viewer.now + 100_000).unwrap().is_none());
}

#[test]
fn a_resize_starts_with_a_keyframe_of_the_new_size() {
    let mut viewer = Viewer::new(320, 200, 1);
    viewer.draw(whole(320, 200), &mixed(whole(320, 200), &mut Noise(3)));
    viewer.settle();
    viewer.coder.resize(200, 320).unwrap();
    viewer.draw(whole(200, 320), &mixed(whole(200, 320), &mut Noise(4)));
    assert!(viewer.frame().expect("a frame at once").key);
    viewer.settle();
    assert!(viewer.is_exact());
}

#[test]
fn a_blinking_photograph_is_not_refined_between_blinks() {
    let (mut viewer, mut noise) = (Viewer::new(640, 360, 1), Noise(5));
    viewer.draw(whole(640, 360), &photograph(whole(640, 360), &mut noise));
    viewer.settle();
    let rect = Rect { x: 100, y: 100, width: 90, height: 70 };
    let (mut frames, mut refined) = (0, 0);
    for _ in 0..20 {
        viewer.draw(rect, &photograph(rect, &mut noise));
        for _ in 0..100 {
            viewer.now += 5;
            if let Some(coded) = viewer.frame() {
                (frames, refined) = (frames + 1, refined + u32::from(coded.refines));
            }
        }
    }
    assert!(frames < 20 + 3 && refined < 3, "{frames} frames for 20 blinks, {refined} of them refine");
    viewer.settle();
    assert!(viewer.is_exact(), "exact when it stands still");
}

#[test]
fn text_in_much_motion_is_coarse_and_exact_when_it_stops() {
    let (mut viewer, mut noise) = (Viewer::new(640, 360, 1), Noise(11));
    viewer.draw(whole(640, 360), &text(whole(640, 360), &mut noise));
    viewer.settle();
    let mut sizes = Vec::new();
    for _ in 0..60 {
        viewer.now += 33;
        viewer.draw(whole(640, 360), &text(whole(640, 360), &mut noise));
        sizes.extend(viewer.frame().map(|coded| coded.data.len()));
    }
    assert!(sizes[50] * 2 < sizes[1], "{} bytes in long motion, {} at its start", sizes[50], sizes[1]);
    assert!(!viewer.is_exact());
    viewer.settle();
    assert!(viewer.is_exact());
}

#[test]
fn a_keyframe_for_a_late_viewer_is_exact_soon() {
    let (mut viewer, mut noise) = (Viewer::new(1280, 720, 1), Noise(5));
    viewer.draw(whole(1280, 720), &photograph(whole(1280, 720), &mut noise));
    viewer.settle();
    for _ in 0..3 {
        viewer.now += 5_000;
        viewer.coder.want_key();
        let began = viewer.now;
        viewer.settle();
        assert!(viewer.is_exact() && viewer.now - began < 2_000, "{} ms", viewer.now - began);
    }
}
