//! Which blocks to code: those that changed, and those that are still coarser than the screen.

use crate::{Bitmap, Pacer, Rect};

/// A block of libaom's active map, in pixels.
pub(crate) const BLOCK: u16 = 16;
/// A superblock: libaom codes a partly active one as a whole, so staleness is tracked for these.
const SUPERBLOCK: u16 = 64;
/// A superblock is refined when nothing on the screen has changed for this long, in milliseconds. A lossless frame
/// takes the encoder 30 ms, and a key press would have to wait for it.
const QUIET: u64 = 300;
/// A superblock is also refined when it has not changed for this long, even if other parts move.
const LONG_QUIET: u64 = 1_000;
/// A superblock that changes repeatedly at this pace, such as a blinking caret, is not refined in between...
const PACE: std::ops::Range<u64> = 200..1_500;
/// ... once it has changed this often, ...
const RESTLESS: u8 = 4;
/// ... until it has been quiet for this long: refining after each blink would cost more than the blinks.
const RESTLESS_QUIET: u64 = 900;
/// A change of more than this part of the screen is coarser at first, so that it arrives sooner.
const LARGE_PART: usize = 4;
/// The least quantiser for large changes and keyframes.
const LARGE_QUANTISER: u32 = 38;
/// Most of the screen that one lossless frame covers, so that new damage never waits long.
const REFINE_PART: usize = 8;
/// During motion, a lossless frame is no larger than what the path takes in this many milliseconds.
const BESIDE_MOTION: u64 = 50;
/// The assumed size of a lossless superblock before one was coded, in bytes.
const LOSSLESS_BYTES: u64 = 2_000;
/// A new keyframe makes the recording seekable: after this many bytes of other frames, at the next large change after a
/// rest, ...
const KEY_AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// ... or after this many at any large change. Motion without rest would stutter at each keyframe.
const KEY_AT_LAST_BYTES: u64 = 8 * 1024 * 1024;

/// The most regions of a frame; the rest is one bounding box.
const MOST_REGIONS: usize = 8;

/// What to code next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The whole picture, decodable alone.
    Key {
        /// The quantiser.
        quantiser: u32,
    },
    /// The changed blocks.
    Change {
        /// The quantiser.
        quantiser: u32,
        /// The 16×16 blocks.
        active: Bitmap,
    },
    /// Settled blocks, losslessly.
    Refine {
        /// The 16×16 blocks.
        active: Bitmap,
    },
}

/// Collects damage and decides what to code next.
#[derive(Clone, Debug)]
pub struct Tracker {
    width: u16,
    height: u16,
    damaged: Bitmap,
    stale: Bitmap,
    changed_at: Vec<u64>,
    /// How often in a row a superblock changed at the pace of a caret.
    restless: Vec<u8>,
    /// When anything last changed.
    damaged_at: u64,
    /// Whether the current damage is the first after a rest.
    after_rest: bool,
    key_wanted: bool,
    bytes_since_key: u64,
    /// The measured size of a lossless superblock, in bytes.
    lossless_bytes: u64,
}

impl Tracker {
    /// A screen of which the viewers have nothing.
    pub fn new(width: u16, height: u16) -> Self {
        let stale = Bitmap::over(width, height, SUPERBLOCK);
        let changed_at = vec![0; stale.cells().len()];
        let restless = vec![0; stale.cells().len()];
        let damaged = Bitmap::over(width, height, BLOCK);
        Self {
            width,
            height,
            damaged,
            stale,
            changed_at,
            restless,
            damaged_at: 0,
            after_rest: false,
            key_wanted: true,
            bytes_since_key: 0,
            lossless_bytes: LOSSLESS_BYTES,
        }
    }

    /// These pixels changed.
    pub fn damage(&mut self, now: u64, rect: Rect) {
        let Some(rect) = rect.clipped(self.width, self.height) else { return };
        self.damaged.set_rect(rect, BLOCK);
        self.after_rest |= !self.moves(now);
        self.damaged_at = now;
        let mut touched = Bitmap::over(self.width, self.height, SUPERBLOCK);
        touched.set_rect(rect, SUPERBLOCK);
        for (column, row) in touched.iter() {
            let at = row * touched.columns() + column;
            let since = now - self.changed_at[at];
            // Several rectangles of one change count once.
            if since >= PACE.start {
                self.restless[at] = if PACE.contains(&since) { self.restless[at].saturating_add(1) } else { 0 };
            }
            self.changed_at[at] = now;
        }
    }

    /// A viewer needs a keyframe.
    pub fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// What to code now; `None` when there is nothing to do or the path is full.
    pub fn plan(&self, now: u64, pacer: &Pacer) -> Option<Plan> {
        if self.key_wanted {
            return Some(Plan::Key { quantiser: pacer.quantiser(now).max(LARGE_QUANTISER) });
        }
        if !self.damaged.is_empty() {
            if !pacer.may_send() {
                return None;
            }
            let large = self.damaged.count() * LARGE_PART > self.damaged.cells().len();
            let quantiser = if large { pacer.quantiser(now).max(LARGE_QUANTISER) } else { pacer.quantiser(now) };
            let enough = if self.after_rest { KEY_AFTER_BYTES } else { KEY_AT_LAST_BYTES };
            return Some(if large && self.bytes_since_key > enough {
                Plan::Key { quantiser }
            } else {
                Plan::Change { quantiser, active: self.damaged.clone() }
            });
        }
        if !pacer.may_send() {
            return None;
        }
        let mut most = (self.stale.cells().len() / REFINE_PART).max(1);
        if self.moves(now) {
            let path = pacer.rate().unwrap_or(0) * BESIDE_MOTION / 1_000 / self.lossless_bytes;
            most = most.min(usize::try_from(path).unwrap_or(most)).max(1);
        }
        let mut active = Bitmap::over(self.width, self.height, BLOCK);
        for (column, row) in self.settled(now).take(most) {
            active.set_rect(superblock(column, row), BLOCK);
        }
        (!active.is_empty()).then_some(Plan::Refine { active })
    }

    /// When [`Tracker::plan`] may have something to refine even if nothing changes.
    pub fn due(&self) -> Option<u64> {
        self.stale.iter().map(|(column, row)| self.settles(column, row)).min()
    }

    /// A plan was executed in this many bytes; `differs` tells of a rectangle whether the viewers' picture still
    /// differs from the screen there.
    pub fn done(&mut self, plan: &Plan, bytes: u64, mut differs: impl FnMut(Rect) -> bool) {
        self.bytes_since_key += bytes;
        match plan {
            Plan::Key { quantiser } => {
                self.key_wanted = false;
                self.bytes_since_key = 0;
                self.damaged.clear();
                self.after_rest = false;
                self.stale.clear();
                if *quantiser > 0 {
                    for (column, row) in all(&self.stale) {
                        if differs(superblock(column, row)) {
                            self.stale.set(column, row);
                        }
                    }
                }
            }
            Plan::Change { active, .. } => {
                for (column, row) in self.superblocks(active).iter() {
                    if differs(superblock(column, row)) {
                        self.stale.set(column, row);
                    } else {
                        self.stale.unset(column, row);
                    }
                }
                self.damaged.clear();
                self.after_rest = false;
            }
            Plan::Refine { active } => {
                let refined = self.superblocks(active);
                let each = bytes / refined.count().max(1) as u64;
                self.lossless_bytes = ((self.lossless_bytes + each) / 2).max(1);
                for (column, row) in refined.iter() {
                    self.stale.unset(column, row);
                }
            }
        }
    }

    /// The pixels that a frame with this map may change: whole superblocks.
    pub fn touched(&self, active: &Bitmap) -> Vec<Rect> {
        let superblocks = self.superblocks(active);
        let pixels = |[x, y, columns, rows]: [usize; 4]| {
            let at = |n: usize| u16::try_from(n * usize::from(SUPERBLOCK)).expect("blocks lie on a screen");
            let rect = Rect { x: at(x), y: at(y), width: at(columns), height: at(rows) };
            rect.clipped(self.width, self.height)
        };
        superblocks.rectangles(MOST_REGIONS).into_iter().filter_map(pixels).collect()
    }

    /// Whether the viewers' picture equals the screen once they have drawn what was coded.
    pub fn exact(&self) -> bool {
        !self.key_wanted && self.damaged.is_empty() && self.stale.is_empty()
    }

    /// Whether something has just changed.
    fn moves(&self, now: u64) -> bool {
        now < self.damaged_at + QUIET
    }

    fn superblocks(&self, active: &Bitmap) -> Bitmap {
        let mut superblocks = Bitmap::over(self.width, self.height, SUPERBLOCK);
        for (column, row) in active.iter() {
            superblocks.set(column / 4, row / 4);
        }
        superblocks
    }

    fn settled(&self, now: u64) -> impl Iterator<Item = (usize, usize)> {
        self.stale.iter().filter(move |(column, row)| self.settles(*column, *row) <= now)
    }

    /// When a stale superblock may be refined if nothing else happens.
    fn settles(&self, column: usize, row: usize) -> u64 {
        let at = row * self.stale.columns() + column;
        let own = self.changed_at[at] + if self.restless[at] < RESTLESS { 0 } else { RESTLESS_QUIET };
        (self.damaged_at + QUIET).min(self.changed_at[at] + LONG_QUIET).max(own)
    }
}

fn all(grid: &Bitmap) -> impl Iterator<Item = (usize, usize)> + use<> {
    let columns = grid.columns();
    (0..grid.cells().len()).map(move |i| (i % columns, i / columns))
}

fn superblock(column: usize, row: usize) -> Rect {
    let at = |n: usize| u16::try_from(n * usize::from(SUPERBLOCK)).expect("blocks lie on a screen");
    Rect { x: at(column), y: at(row), width: SUPERBLOCK, height: SUPERBLOCK }
}
