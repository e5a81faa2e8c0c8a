//! One screen over one path: a virtual clock, a link with changing rate, delay and loss, and blackouts of seconds.
//!
//! The link is reliable and ordered, as a stream over QUIC or TCP is: a lost packet is sent again a round trip later,
//! and everything behind it waits.

use std::collections::VecDeque;

use screen::Pacer;

use crate::Chance;

const PACKET: u64 = 1_200;
/// How long the encoder takes for a picture, and the viewer to draw it, in milliseconds.
const ENCODE: u64 = 8;
const DRAW: u64 = 6;
/// The most pictures a second.
const FRAME_TIME: u64 = 16;
/// The size of a picture by its coarseness, in hundredths of the finest one's.
const SHARE: [u64; 4] = [100, 80, 65, 50];

/// The link's properties during a period.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// When the period begins, in milliseconds.
    pub from: u64,
    /// Bytes a second; 0 is a blackout.
    pub rate: u64,
    /// One-way delay, in milliseconds.
    pub delay: u64,
    /// Lost packets of a thousand.
    pub loss: u64,
}

/// A picture that was drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// When the pixels were read.
    pub read: u64,
    /// When the viewer had drawn them.
    pub at: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A run of the simulation.
pub struct Path {
    chance: Chance,
    periods: Vec<Period>,
    /// The size of a picture at the least coarseness, in bytes.
    size: u64,
    pacer: Pacer,
    /// When the link's queue is empty, and when the last packet arrives: packets stay in order.
    free_at: u64,
    last_arrival: u64,
    in_flight: VecDeque<(u64, u32, Drawn)>,
    acknowledgements: VecDeque<(u64, u32)>,
    seq: u32,
    /// Every picture that was drawn.
    pub drawn: Vec<Drawn>,
}

impl Path {
    /// A screen that changes all the time, over a link with these periods.
    pub fn new(seed: u64, size: u64, periods: Vec<Period>) -> Self {
        Self {
            chance: Chance::new(seed),
            periods,
            size,
            pacer: Pacer::new(),
            free_at: 0,
            last_arrival: 0,
            in_flight: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            seq: 0,
            drawn: Vec::new(),
        }
    }

    /// A link with eight random periods, at least one of them a blackout.
    pub fn random(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5EED);
        let mut from = 0;
        let mut periods = Vec::new();
        for spell in 0..8 {
            let blackout = spell == 3 || (spell > 0 && chance.once_in(6));
            let rate = if blackout { 0 } else { 60_000 << chance.below(7) };
            let (delay, loss) = (1 + chance.below(90), [0, 0, 5, 20, 50][chance.below(5) as usize]);
            periods.push(Period { from, rate, delay, loss });
            from += if blackout { 500 + chance.below(4_000) } else { 3_000 + chance.below(4_000) };
        }
        periods.push(Period { from, rate: 1_000_000, delay: 20, loss: 0 });
        Self::new(seed, 3_000 + chance.below(60_000), periods)
    }

    /// The link's properties at that time.
    pub fn period(&self, now: u64) -> Period {
        *self.periods.iter().rev().find(|p| p.from <= now).expect("the first period begins at zero")
    }

    /// When the link has a rate again.
    fn after_blackout(&self, now: u64) -> u64 {
        let mut at = now;
        while self.period(at).rate == 0 {
            at = self.periods.iter().map(|p| p.from).find(|from| *from > at).expect("blackouts end");
        }
        at
    }

    /// When this many bytes arrive if they are sent now.
    fn arrival(&mut self, now: u64, bytes: u64) -> u64 {
        let start = self.after_blackout(self.free_at.max(now));
        let period = self.period(start);
        self.free_at = start + (bytes * 1_000).div_ceil(period.rate);
        let mut arrival = self.free_at + period.delay;
        for _ in 0..bytes.div_ceil(PACKET) {
            while self.chance.below(1_000) < period.loss {
                arrival += 2 * period.delay + 10;
            }
        }
        // Packets in flight when a blackout begins are sent again after it.
        if self.period(arrival).rate == 0 {
            arrival = self.after_blackout(arrival) + 2 * period.delay;
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    /// Runs until `end` milliseconds.
    pub fn run(&mut self, end: u64) {
        let mut next = 0;
        for now in 0..end {
            while self.in_flight.front().is_some_and(|(at, ..)| *at <= now) {
                let (at, seq, drawn) = self.in_flight.pop_front().expect("the front was just read");
                self.drawn.push(drawn);
                let back = self.after_blackout(at) + self.period(at).delay;
                self.acknowledgements.push_back((back, seq));
            }
            while self.acknowledgements.front().is_some_and(|(at, _)| *at <= now) {
                let (_, seq) = self.acknowledgements.pop_front().expect("the front was just read");
                self.pacer.drawn(now, seq);
            }
            if now < next || !self.pacer.may_send() {
                continue;
            }
            next = now + FRAME_TIME;
            self.seq += 1;
            let bytes = self.size * SHARE[self.pacer.coarseness(now)] / 100;
            self.pacer.moved(now + ENCODE, bytes);
            self.pacer.sent(now + ENCODE, self.seq, bytes);
            let at = self.arrival(now + ENCODE, bytes) + DRAW;
            self.in_flight.push_back((at, self.seq, Drawn { read: now, at, bytes }));
        }
    }
}
