//! Executes plans: the tracker decides, the encoder codes.

use crate::{Aom, Bitmap, CodecError, Encoder, Format, Pacer, Picture, Plan, Rect, Request, Tracker};

/// One coded picture.
#[derive(Clone, Debug)]
pub struct Coded {
    /// Its number, counted from 1.
    pub seq: u32,
    /// Whether it can be decoded without any other.
    pub key: bool,
    /// Whether every block that it codes equals the screen.
    pub lossless: bool,
    /// Outside of these regions nothing changed. Empty for a keyframe, which changes everything.
    pub regions: Vec<Rect>,
    /// One temporal unit.
    pub data: Vec<u8>,
}

/// The encoder of one screen: its newest pixels, what the viewers have, and what their path can take.
pub struct Coder {
    picture: Picture,
    tracker: Tracker,
    encoder: Aom,
    threads: u32,
    format: Format,
    /// The path to the viewers.
    pub pacer: Pacer,
    seq: u32,
    last_time: Option<u64>,
}

impl Coder {
    /// A screen of this size, coded with this many threads.
    pub fn new(width: u16, height: u16, threads: u32) -> Result<Self, CodecError> {
        Ok(Self {
            picture: Picture::new(width, height),
            tracker: Tracker::new(width, height),
            encoder: Aom::new(width, height, threads, Format::Gbr)?,
            threads,
            format: Format::Gbr,
            pacer: Pacer::new(),
            seq: 0,
            last_time: None,
        })
    }

    /// The screen was resized. Frame numbers and times continue.
    pub fn resize(&mut self, width: u16, height: u16) -> Result<(), CodecError> {
        self.encoder = Aom::new(width, height, self.threads, self.format)?;
        self.picture = Picture::new(width, height);
        self.tracker = Tracker::new(width, height);
        self.pacer.restart();
        Ok(())
    }

    /// The viewers can show this format.
    pub fn use_format(&mut self, format: Format) -> Result<(), CodecError> {
        if format != self.format {
            self.format = format;
            self.encoder = Aom::new(self.picture.width(), self.picture.height(), self.threads, format)?;
            self.want_key();
        }
        Ok(())
    }

    /// Adds changed pixels: BGRX, `rect.width` pixels a row.
    pub fn update(&mut self, now: u64, rect: Rect, bgrx: &[u8]) {
        self.picture.copy_bgrx(rect, bgrx);
        self.tracker.damage(now, rect);
    }

    /// A viewer lost its decoder's state.
    pub fn want_key(&mut self) {
        self.tracker.want_key();
        self.pacer.restart();
    }

    /// Whether [`Coder::next`] would code something now.
    pub fn ready(&self, now: u64) -> bool {
        self.tracker.plan(now, &self.pacer).is_some()
    }

    /// When [`Coder::next`] may have something to refine even if nothing changes.
    pub fn due(&self) -> Option<u64> {
        self.tracker.due()
    }

    /// Whether the viewers' picture equals the screen once they have drawn everything.
    pub fn exact(&self) -> bool {
        self.tracker.exact()
    }

    /// The newest pixels.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The next frame number. Other frames of the same stream use the same count.
    pub fn number(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }

    /// Codes the next frame, if there is anything to code.
    pub fn next(&mut self, now: u64) -> Result<Option<Coded>, CodecError> {
        let Some(plan) = self.tracker.plan(now, &self.pacer) else { return Ok(None) };
        let (key, quantiser, active) = match &plan {
            Plan::Key { quantiser } => {
                (true, *quantiser, Bitmap::over(self.picture.width(), self.picture.height(), crate::track::BLOCK))
            }
            Plan::Change { quantiser, active } => (false, *quantiser, active.clone()),
            Plan::Refine { active } => (false, 0, active.clone()),
        };
        // Two frames within a millisecond still need two different times.
        let time = self.last_time.map_or(now, |last| now.max(last + 1));
        self.last_time = Some(time);
        let regions = if key { vec![] } else { self.tracker.touched(&active) };
        let data = self.encoder.encode(&self.picture, time, &Request { key, quantiser, active })?;
        let seq = self.number();
        // Staleness is measured on the encoder's own reconstruction; a lossless frame leaves none.
        let reconstruction = if quantiser == 0 { None } else { Some(self.encoder.reconstruction()?) };
        let differs = |rect| reconstruction.as_ref().is_some_and(|r| r.differs(&self.picture, rect));
        self.tracker.done(&plan, data.len() as u64, differs);
        if matches!(plan, Plan::Change { .. }) {
            self.pacer.moved(now, data.len() as u64);
        }
        self.pacer.sent(now, seq, data.len() as u64);
        Ok(Some(Coded { seq, key, lossless: quantiser == 0, regions, data }))
    }
}
