//! The drawings of technicians, shown for a few seconds. They are part of the screen like any window, so the technician
//! and the recording see them.

use std::time::{Duration, Instant};

use protocol::Mark;

use super::{Area, Overlay};

/// How long a drawing is shown.
const STAYS: Duration = Duration::from_secs(6);
/// The most drawings at once; the oldest goes first.
const MOST: usize = 32;
/// Red, because few desktops are.
const COLOUR: u32 = 0x00E5_1C23;
/// The thickness of lines, in pixels.
const THICK: i32 = 5;
/// The radius of the ring around a place, in pixels.
const RING: f64 = 34.0;

/// The current drawings.
#[derive(Default)]
pub struct Marks {
    shown: Vec<(Overlay, Instant)>,
    fading: slint::Timer,
}

impl Marks {
    /// Shows a drawing; `fade` is called when its time is over.
    pub fn draw(&mut self, mark: &Mark, fade: fn()) {
        self.fade();
        if self.shown.len() >= MOST {
            self.shown.remove(0);
        }
        match Overlay::show(&shape_of(mark), COLOUR) {
            Ok(overlay) => self.shown.push((overlay, Instant::now())),
            Err(error) => tracing::warn!(%error, "drawing cannot be shown"),
        }
        self.fading.start(slint::TimerMode::SingleShot, STAYS, fade);
    }

    /// Removes the drawings whose time is over.
    pub fn fade(&mut self) {
        self.shown.retain(|(_, at)| at.elapsed() < STAYS);
    }

    /// Removes all drawings.
    pub fn clear(&mut self) {
        self.shown.clear();
    }
}

/// The rectangles of a drawing.
fn shape_of(mark: &Mark) -> Vec<Area> {
    let mut shape = Vec::new();
    let point = |(x, y): (u16, u16)| (f64::from(x), f64::from(y));
    match mark {
        Mark::Pen { points } if points.len() == 1 => line(&mut shape, point(points[0]), point(points[0])),
        Mark::Pen { points } => points.windows(2).for_each(|p| line(&mut shape, point(p[0]), point(p[1]))),
        Mark::Arrow { from, to } => {
            let (from, to) = (point(*from), point(*to));
            line(&mut shape, from, to);
            let angle = (to.1 - from.1).atan2(to.0 - from.0);
            for side in [-2.6, 2.6] {
                let (sin, cos) = (angle + side).sin_cos();
                line(&mut shape, to, (to.0 + 26.0 * cos, to.1 + 26.0 * sin));
            }
        }
        Mark::Box { from, to } => {
            let (a, c) = (point(*from), point(*to));
            let (b, d) = ((c.0, a.1), (a.0, c.1));
            [(a, b), (b, c), (c, d), (d, a)].into_iter().for_each(|(from, to)| line(&mut shape, from, to));
        }
        Mark::Spot { at } => {
            let at = point(*at);
            let around = |n: i32| {
                let (sin, cos) = (f64::from(n) * std::f64::consts::TAU / 32.0).sin_cos();
                (at.0 + RING * cos, at.1 + RING * sin)
            };
            (0..32).for_each(|n| line(&mut shape, around(n), around(n + 1)));
        }
    }
    shape
}

/// A thick line as squares along it.
fn line(shape: &mut Vec<Area>, from: (f64, f64), to: (f64, f64)) {
    let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) / 2.0).ceil().max(1.0);
    let mut at = 0.0;
    while at <= steps {
        let part = at / steps;
        let place = |a: f64, b: f64| (a + (b - a) * part).round() as i32 - THICK / 2;
        let (x, y) = (place(from.0, to.0), place(from.1, to.1));
        // What lies far beyond the screen is not visible anyway.
        let fits = |n: i32| i16::try_from(n.clamp(-1_000, 16_000)).unwrap_or(0);
        shape.push(Area { x: fits(x), y: fits(y), width: THICK as u16, height: THICK as u16 });
        at += 1.0;
    }
}
