//! What to code next: what changed, and what has settled but is still coarser than the screen.

use av1::{Cells, Fidelity};

use crate::{Pacer, Rect};

/// The side of a superblock, in pixels. Times are kept for these.
const SUPERBLOCK: u16 = 64;
/// A superblock has settled when it has not changed for this long, in milliseconds...
const QUIET: u64 = 150;
/// ... or, if it changes again and again at this pace, for twice the time between two changes: refining each picture of
/// a slide show or blinking sign would cost more than they do.
const PACE: std::ops::Range<u64> = QUIET / 2..750;
/// Rectangles that are reported within this time belong to one change.
const ONE_CHANGE: u64 = 8;
/// A superblock is in motion when it has changed this often, ...
const MOTION_CHANGES: u8 = 4;
/// ... each time no later than this after the time before. Nobody types as fast in one place.
const MOTION_PACE: u64 = 100;
/// A change of more than this part of the screen is large.
const LARGE_PART: usize = 4;
/// How many cells are refined in one frame at most while something moves: a change that comes meanwhile waits some
/// milliseconds...
const REFINED_IN_MOTION: usize = 1_024;
/// ... and at rest: fewer pictures are quicker to decode for whoever opens the screen later.
const REFINED_AT_REST: usize = 4_096;
/// The shortest time between two refinements in milliseconds.
const REFINE_TIME: u64 = 16;
/// A refinement is no larger than what the path takes in this many milliseconds.
const REFINE_PATH: u64 = 50;
/// The assumed size of a refined cell before one was coded, in bytes.
const REFINED_BYTES: u64 = 32;
/// A new keyframe makes the recording seekable: after this many bytes of other frames, at the next large change after a
/// rest, ...
const KEY_AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// ... or after this many at any large change. Motion without rest would stutter at each keyframe.
const KEY_AT_LAST_BYTES: u64 = 8 * 1024 * 1024;
/// The screen rests when nothing has changed for this long.
const REST: u64 = 300;

/// What to code next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The whole picture, decodable alone.
    Key {
        /// What may be coded with loss.
        fidelity: Fidelity,
    },
    /// What changed.
    Change {
        /// What may be coded with loss.
        fidelity: Fidelity,
        /// Cells in motion, which are coded with loss although they may be text.
        motion: Option<Cells>,
    },
    /// Settled cells, without loss.
    Refine {
        /// The cells.
        cells: Cells,
    },
}

/// When and how often a superblock changed.
#[derive(Clone, Copy, Debug)]
struct History {
    changed_at: u64,
    /// How long it has to be quiet to be settled.
    wait: u64,
    /// Changes in a row at the pace of motion.
    changes: u8,
    /// Whether it changed since the last frame.
    is_damaged: bool,
}

/// Follows changes and decides what to code next.
#[derive(Clone, Debug)]
pub struct Tracker {
    width: u16,
    height: u16,
    columns: usize,
    superblocks: Vec<History>,
    /// How many superblocks changed since the last frame.
    damaged: usize,
    /// When anything last changed.
    damaged_at: u64,
    /// Whether the current damage is the first after a rest.
    after_rest: bool,
    refined_at: Option<u64>,
    key_wanted: bool,
    bytes_since_key: u64,
    /// The measured size of 64 refined cells, in bytes.
    refined_bytes: u64,
}

impl Tracker {
    /// A screen of which the viewers have nothing.
    pub fn new(width: u16, height: u16) -> Self {
        let columns = usize::from(width.div_ceil(SUPERBLOCK));
        let rows = usize::from(height.div_ceil(SUPERBLOCK));
        let history = History { changed_at: 0, wait: QUIET, changes: 0, is_damaged: false };
        Self {
            width,
            height,
            columns,
            superblocks: vec![history; columns * rows],
            damaged: 0,
            damaged_at: 0,
            after_rest: false,
            refined_at: None,
            key_wanted: true,
            bytes_since_key: 0,
            refined_bytes: 64 * REFINED_BYTES,
        }
    }

    /// These pixels changed.
    pub fn damage(&mut self, now: u64, rect: Rect) {
        let Some(rect) = rect.clipped(self.width, self.height) else { return };
        self.after_rest |= now >= self.damaged_at + REST;
        self.damaged_at = now;
        let range = |start: u16, length: u16| {
            usize::from(start / SUPERBLOCK)..usize::from(start).wrapping_add(length.into()).div_ceil(SUPERBLOCK.into())
        };
        for row in range(rect.y, rect.height) {
            for history in &mut self.superblocks[row * self.columns..][range(rect.x, rect.width)] {
                self.damaged += usize::from(!history.is_damaged);
                history.change(now);
            }
        }
    }

    /// A viewer needs a keyframe.
    pub fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// Whether a keyframe is due, whatever the path can take.
    pub fn wants_key(&self) -> bool {
        self.key_wanted
    }

    /// What to code now; `None` when there is nothing to do or the path is full. `stale` are the cells that viewers do
    /// not have exactly.
    pub fn plan(&self, now: u64, pacer: &Pacer, stale: &Cells) -> Option<Plan> {
        if self.key_wanted {
            return Some(Plan::Key { fidelity: pacer.fidelity_of_key(now) });
        }
        if !pacer.may_send() {
            return None;
        }
        if self.damaged > 0 {
            let is_large = self.damaged * LARGE_PART > self.superblocks.len();
            let enough = if self.after_rest { KEY_AFTER_BYTES } else { KEY_AT_LAST_BYTES };
            if is_large && self.bytes_since_key > enough {
                return Some(Plan::Key { fidelity: pacer.fidelity_of_key(now) });
            }
            let motion = Some(self.motion()).filter(|cells| !cells.is_empty());
            return Some(Plan::Change { fidelity: pacer.fidelity(now, motion.is_some()), motion });
        }
        if self.refined_at.is_some_and(|at| now < at + REFINE_TIME) {
            return None;
        }
        let cells = self.settled(now, pacer, stale);
        (!cells.is_empty()).then_some(Plan::Refine { cells })
    }

    /// When [`Tracker::plan`] may have something to refine even if nothing changes.
    pub fn due(&self, stale: &Cells) -> Option<u64> {
        let settles = stale.superblocks().map(|(column, row)| self.superblocks[row * self.columns + column].settles());
        let first = settles.min()?;
        Some(self.refined_at.map_or(first, |at| first.max(at + REFINE_TIME)))
    }

    /// A plan was executed in this many bytes.
    pub fn done(&mut self, now: u64, plan: &Plan, bytes: u64) {
        self.bytes_since_key += bytes;
        match plan {
            Plan::Key { .. } => {
                self.key_wanted = false;
                self.bytes_since_key = 0;
            }
            Plan::Change { .. } => {}
            Plan::Refine { cells } => {
                let each = bytes * 64 / cells.count().max(1) as u64;
                self.refined_bytes = ((self.refined_bytes + each) / 2).max(64);
                self.refined_at = Some(now);
                return;
            }
        }
        self.damaged = 0;
        self.after_rest = false;
        self.superblocks.iter_mut().for_each(|history| history.is_damaged = false);
    }

    /// The superblocks in motion.
    fn motion(&self) -> Cells {
        let mut cells = self.no_cells();
        let moving = self.superblocks.iter().enumerate().filter(|(_, h)| h.is_damaged && h.changes >= MOTION_CHANGES);
        moving.for_each(|(i, _)| cells.set_rect(self.superblock(i % self.columns, i / self.columns)));
        cells
    }

    /// The stale cells that may be refined now, as many as one frame and the path take.
    fn settled(&self, now: u64, pacer: &Pacer, stale: &Cells) -> Cells {
        let most = if now < self.damaged_at + REST { REFINED_IN_MOTION } else { REFINED_AT_REST };
        let path = pacer.rate().map_or(u64::MAX, |rate| rate * REFINE_PATH / 1_000 * 64 / self.refined_bytes);
        let most = usize::try_from(path).map_or(most, |path| path.clamp(64, most));
        let is_settled = |column: usize, row: usize| {
            let history = &self.superblocks[row / 8 * self.columns + column / 8];
            !history.is_damaged && history.settles() <= now
        };
        let mut cells = self.no_cells();
        let settled = stale.iter().filter(|(column, row)| is_settled(*column, *row));
        settled.take(most).for_each(|(column, row)| cells.set(column, row));
        cells
    }

    fn no_cells(&self) -> Cells {
        Cells::over(self.width.into(), self.height.into())
    }

    fn superblock(&self, column: usize, row: usize) -> av1::Rect {
        let side = usize::from(SUPERBLOCK);
        av1::Rect { x: column * side, y: row * side, width: side, height: side }
    }
}

impl History {
    fn change(&mut self, now: u64) {
        self.is_damaged = true;
        let since = now - self.changed_at;
        self.changed_at = now;
        if since < ONE_CHANGE {
            return;
        }
        self.changes = if since < MOTION_PACE { self.changes.saturating_add(1) } else { 1 };
        if PACE.contains(&since) {
            self.wait = 2 * since;
        } else if since >= PACE.end {
            self.wait = QUIET;
        }
    }

    fn settles(&self) -> u64 {
        self.changed_at + self.wait
    }
}
