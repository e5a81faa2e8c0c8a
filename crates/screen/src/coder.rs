//! Executes plans: the tracker decides, the encoder codes.

use av1::{Encoder, Error, Fidelity, InTurn, Jobs, Request};

use crate::{Pacer, Plan, Rect, Tracker, regions::regions, threads::Threads};

/// One coded picture.
#[derive(Clone, Debug)]
pub struct Coded {
    /// Its number, counted from 1.
    pub seq: u32,
    /// Whether it can be decoded without any other.
    pub key: bool,
    /// Whether it only makes exact what viewers have already seen.
    pub refines: bool,
    /// Outside of these regions nothing changed. Empty for a keyframe, which changes everything.
    pub regions: Vec<Rect>,
    /// One temporal unit.
    pub data: Vec<u8>,
}

/// The encoder of one screen: its newest pixels, what the viewers have, and what their path can take.
pub struct Coder {
    size: (u16, u16),
    tracker: Tracker,
    encoder: Encoder,
    threads: usize,
    /// The path to the viewers.
    pub pacer: Pacer,
    seq: u32,
}

impl Coder {
    /// A screen of this size, coded with this many threads.
    pub fn new(width: u16, height: u16, threads: usize) -> Result<Self, Error> {
        Ok(Self {
            size: (width, height),
            tracker: Tracker::new(width, height),
            encoder: Encoder::new(width.into(), height.into(), threads)?,
            threads,
            pacer: Pacer::new(),
            seq: 0,
        })
    }

    /// The screen was resized. Frame numbers continue.
    pub fn resize(&mut self, width: u16, height: u16) -> Result<(), Error> {
        self.encoder = Encoder::new(width.into(), height.into(), self.threads)?;
        self.tracker = Tracker::new(width, height);
        self.size = (width, height);
        self.pacer.restart();
        Ok(())
    }

    /// Adds changed pixels: BGRX, `rect.width` pixels a row.
    pub fn update(&mut self, now: u64, rect: Rect, bgrx: &[u8]) -> Result<(), Error> {
        self.encoder.write_bgrx(rect.into(), usize::from(rect.width) * 4, bgrx)?;
        self.tracker.damage(now, rect);
        Ok(())
    }

    /// A viewer lost its decoder's state.
    pub fn want_key(&mut self) {
        self.tracker.want_key();
        self.pacer.restart();
    }

    /// Whether [`Coder::next`] would code something now.
    pub fn ready(&self, now: u64) -> bool {
        self.tracker.plan(now, &self.pacer, self.encoder.stale()).is_some()
    }

    /// When [`Coder::next`] may have something to refine even if nothing changes.
    pub fn due(&self) -> Option<u64> {
        self.tracker.due(self.encoder.stale())
    }

    /// Whether the viewers' picture equals the screen once they have drawn everything.
    pub fn exact(&self) -> bool {
        !self.tracker.wants_key() && !self.encoder.is_damaged() && self.encoder.stale().is_empty()
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The next frame number. Other frames of the same stream use the same count.
    pub fn number(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }

    /// Codes the next frame, if there is anything to code.
    pub fn next(&mut self, now: u64) -> Result<Option<Coded>, Error> {
        let Some(plan) = self.tracker.plan(now, &self.pacer, self.encoder.stale()) else { return Ok(None) };
        let request = match &plan {
            Plan::Key { fidelity } => Request { key: true, fidelity: *fidelity, ..Request::LOSSLESS },
            Plan::Change { fidelity, motion } => {
                Request { fidelity: *fidelity, motion: motion.as_ref(), ..Request::LOSSLESS }
            }
            Plan::Refine { cells } => {
                Request { fidelity: Fidelity::Lossless, refine: Some(cells), ..Request::LOSSLESS }
            }
        };
        let jobs: &dyn Jobs = if self.threads > 1 { &Threads } else { &InTurn };
        let coded = self.encoder.encode(&request, jobs)?;
        let (seq, bytes) = (self.number(), coded.data.len() as u64);
        self.tracker.done(now, &plan, bytes);
        let refines = matches!(plan, Plan::Refine { .. });
        if matches!(plan, Plan::Change { .. }) {
            self.pacer.moved(now, bytes);
        }
        self.pacer.sent(now, seq, bytes);
        let regions = if coded.key { vec![] } else { regions(&coded.cells, self.size.0, self.size.1) };
        Ok(Some(Coded { seq, key: coded.key, refines, regions, data: coded.data }))
    }
}
