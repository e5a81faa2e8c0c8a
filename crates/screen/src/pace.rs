//! When a frame may be sent, and how finely coded: congestion control before encoding.
//!
//! The viewer acknowledges what it has *drawn*, so a slow decoder counts like a slow link. A frame that the path could
//! not take is not encoded: damage accumulates instead, and the next frame shows the newest picture.

use std::collections::VecDeque;

use av1::Fidelity;

/// The least window in bytes: a key press always fits.
const LEAST_WINDOW: u64 = 16 * 1024;
/// The window before the first acknowledgement, while nothing is known of the path.
const FIRST_WINDOW: u64 = 256 * 1024;
/// How long a measurement of the path is kept, in milliseconds.
const PATH_MEMORY: u64 = 2_000;
/// A frame that took at most this much longer than the minimum round trip did not wait in a queue: coding, sending and
/// drawing took the time.
const NO_QUEUE: u64 = 25;
/// How long the minimum round trip is trusted. Then one frame is sent alone, so that a round trip without a queue is
/// measured again (the idea of BBR's ProbeRTT).
const ROUND_TRIP_MEMORY: u64 = 10_000;
/// The quantiser indices (AV1's qindex) in use, by coarseness: 96 is near-transparent, 176 keeps a thin link quick.
const QUANTIZERS: [u8; 4] = [96, 128, 152, 176];
/// The least coarseness of a frame in which something is in motion, of what is to be seen at once, and of what viewers
/// prefer smooth.
const IN_MOTION: usize = 1;
const AT_ONCE: usize = 2;
const SMOOTH: usize = QUANTIZERS.len() - 1;
/// Most bytes a second that are spent on motion, whatever the path could take. Moving parts are less sharp and are
/// refined when they stand still.
const MOTION_LIMIT: u64 = 250_000;
/// The period over which motion is measured, in milliseconds.
const MOTION: u64 = 500;
/// How long a new level is tried before it is judged, in milliseconds.
const PATIENCE: u64 = 250;

#[derive(Clone, Debug)]
struct Sent {
    seq: u32,
    bytes: u64,
    at: u64,
    delivered_before: u64,
    /// Everything in flight when it was sent, including it.
    in_flight: u64,
}

/// A measurement of the path by one acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    at: u64,
    /// Bytes a second.
    rate: u64,
    /// Bytes that were in flight without a queue.
    without_queue: u64,
}

/// The pacer's model of the path to the viewers.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    in_flight: VecDeque<Sent>,
    delivered: u64,
    measurements: VecDeque<Measurement>,
    round_trip: Option<(u64, u64)>,
    clock: u64,
    recent_bytes: u64,
    /// The frames of the last half second that show change: time and size.
    motion: VecDeque<(u64, u64)>,
    path_level: usize,
    motion_level: usize,
    levelled_at: u64,
    /// Whether the viewer prefers smooth motion: then it is coarse from the beginning, with more frames.
    pub smooth: bool,
}

impl Pacer {
    /// A path of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame with a change was coded in `bytes`: sustained, large motion becomes coarser.
    pub fn moved(&mut self, now: u64, bytes: u64) {
        if self.motion.back().is_some_and(|(at, _)| at + MOTION < now) {
            self.motion_level = 0;
        }
        self.motion.push_back((now, bytes));
        while self.motion.front().is_some_and(|(at, _)| at + MOTION < now) {
            self.motion.pop_front();
        }
        self.recent_bytes = (self.recent_bytes * 3 + bytes) / 4;
        self.adapt_to_path();
        self.adapt_to_motion(now);
    }

    /// A frame of `bytes` was sent.
    pub fn sent(&mut self, now: u64, seq: u32, bytes: u64) {
        self.clock = now;
        let in_flight = self.in_flight() + bytes;
        self.in_flight.push_back(Sent { seq, bytes, at: now, delivered_before: self.delivered, in_flight });
    }

    /// The viewers have drawn every frame up to `seq`.
    pub fn drawn(&mut self, now: u64, seq: u32) {
        let mut newest = None;
        while self.in_flight.front().is_some_and(|sent| sent.seq <= seq) {
            let sent = self.in_flight.pop_front().expect("the front was just read");
            self.delivered += sent.bytes;
            newest = Some(sent);
        }
        let Some(sent) = newest else { return };
        self.clock = now;
        let took = now.saturating_sub(sent.at).max(1);
        let better = self.round_trip.is_none_or(|(_, least)| took <= least);
        let alone = sent.in_flight == sent.bytes;
        if better || (alone && self.round_trip_is_old()) {
            self.round_trip = Some((now, took));
        }
        let rate = (self.delivered - sent.delivered_before) * 1_000 / took;
        let quick = self.round_trip().is_some_and(|least| took <= least + NO_QUEUE);
        self.measurements.push_back(Measurement {
            at: now,
            rate,
            without_queue: if quick { sent.in_flight } else { 0 },
        });
        while self.measurements.len() > 1 && self.measurements[0].at + PATH_MEMORY < now {
            self.measurements.pop_front();
        }
    }

    /// The viewers start again with a keyframe; frames in flight no longer count.
    pub fn restart(&mut self) {
        self.in_flight.clear();
    }

    /// The recent minimum of the round trip to a drawn frame, in milliseconds.
    pub fn round_trip(&self) -> Option<u64> {
        self.round_trip.map(|(_, ms)| ms)
    }

    fn round_trip_is_old(&self) -> bool {
        self.round_trip.is_some_and(|(at, _)| at + ROUND_TRIP_MEMORY < self.clock)
    }

    /// The best delivery rate of the last two seconds, in bytes a second. It is less than the path's capacity if there
    /// was not more to send.
    pub fn rate(&self) -> Option<u64> {
        self.measurements.iter().map(|m| m.rate).max()
    }

    fn in_flight(&self) -> u64 {
        self.in_flight.iter().map(|sent| sent.bytes).sum()
    }

    /// Whether nothing is in flight.
    pub fn idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether the path can take another frame now.
    pub fn may_send(&self) -> bool {
        if self.in_flight.is_empty() {
            return true;
        }
        if self.round_trip_is_old() {
            return false;
        }
        let (window, frames) = match (self.rate(), self.round_trip()) {
            (Some(rate), Some(rtt)) => {
                ((rate * rtt / 800).max(self.without_queue() * 2).max(LEAST_WINDOW), 2 + rtt / 33)
            }
            _ => (FIRST_WINDOW, 2),
        };
        self.in_flight() < window && (self.in_flight.len() as u64) < frames.min(8)
    }

    /// The most bytes that were recently in flight without a queue.
    fn without_queue(&self) -> u64 {
        self.measurements.iter().map(|m| m.without_queue).max().unwrap_or(0)
    }

    /// How coarse the next frame that shows change is: 0 (finest) to 3.
    pub fn coarseness(&self, now: u64) -> usize {
        let still = self.motion.back().is_none_or(|(at, _)| at + MOTION < now);
        let motion = if still { 0 } else { self.motion_level };
        let wished = if self.smooth { SMOOTH } else { 0 };
        self.path_level.max(motion).max(wished)
    }

    /// What may be coded with loss in the next frame that shows change: photographs and motion, or, where the path
    /// cannot take exact text, everything.
    pub fn fidelity(&self, now: u64, moves: bool) -> Fidelity {
        let quantizer = QUANTIZERS[self.coarseness(now).max(usize::from(moves) * IN_MOTION)];
        if self.smooth || self.path_level > 0 {
            Fidelity::Lossy { quantizer }
        } else {
            Fidelity::ExactText { quantizer }
        }
    }

    /// The same for a keyframe: it shows the whole screen, which is to arrive soon over a path of which nothing is known.
    pub fn fidelity_of_key(&self, now: u64) -> Fidelity {
        let quantizer = QUANTIZERS[self.coarseness(now).max(AT_ONCE)];
        match self.fidelity(now, false) {
            Fidelity::ExactText { .. } if self.rate().is_some() => Fidelity::ExactText { quantizer },
            Fidelity::ExactText { .. } | Fidelity::Lossy { .. } | Fidelity::Lossless => Fidelity::Lossy { quantizer },
        }
    }

    /// Coarser when each of the last frames took the path longer than 50 ms, finer below 20 ms.
    fn adapt_to_path(&mut self) {
        let Some(rate) = self.rate().filter(|rate| *rate > 0) else { return };
        let ms = self.recent_bytes * 1_000 / rate;
        self.path_level = match self.path_level {
            level if ms > 50 => (level + 1).min(QUANTIZERS.len() - 1),
            level if ms < 20 => level.saturating_sub(1),
            level => level,
        };
    }

    /// Coarser when motion costs more than its limit, finer when it costs far less.
    fn adapt_to_motion(&mut self, now: u64) {
        if now < self.levelled_at + PATIENCE || self.motion.len() < 3 {
            return;
        }
        let moving = self.motion.iter().map(|(_, bytes)| bytes).sum::<u64>() * 1_000 / MOTION;
        let level = match self.motion_level {
            level if moving > MOTION_LIMIT => (level + 1).min(QUANTIZERS.len() - 1),
            level if moving < MOTION_LIMIT / 2 => level.saturating_sub(1),
            level => level,
        };
        if level != self.motion_level {
            (self.motion_level, self.levelled_at) = (level, now);
        }
    }
}
