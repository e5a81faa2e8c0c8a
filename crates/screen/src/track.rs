//! Which blocks must be coded: those that changed, and those that are still coarser than the screen.

use crate::{Bitmap, Pacer, Rect};

/// A block of libaom's active map, in pixels.
pub(crate) const BLOCK: u16 = 16;
/// A superblock: libaom codes a partly active one anew as a whole, so staleness is counted in these.
const SUPERBLOCK: u16 = 64;
/// A superblock is refined when it has not changed for this long, in milliseconds.
const QUIET: u64 = 150;
/// No lossless frame covers more than this part of the screen, so that new damage never waits long.
const REFINE_PART: usize = 8;
/// A new keyframe for the sake of seeking: after so many bytes of other frames, at the next large change.
const KEY_AFTER_BYTES: u64 = 4 * 1024 * 1024;

/// No frame names more regions: what remains is one bounding box.
const MOST_REGIONS: usize = 8;

/// What to code next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The whole picture, decodable alone.
    Key {
        /// The quantiser.
        quantiser: u32,
    },
    /// The blocks that changed.
    Change {
        /// The quantiser.
        quantiser: u32,
        /// The 16×16 blocks.
        active: Bitmap,
    },
    /// Settled blocks, exactly.
    Refine {
        /// The 16×16 blocks.
        active: Bitmap,
    },
}

/// Gathers damage and decides what is coded next.
#[derive(Clone, Debug)]
pub struct Tracker {
    width: u16,
    height: u16,
    damaged: Bitmap,
    stale: Bitmap,
    changed_at: Vec<u64>,
    key_wanted: bool,
    bytes_since_key: u64,
}

impl Tracker {
    /// A screen of which the viewers know nothing.
    pub fn new(width: u16, height: u16) -> Self {
        let stale = Bitmap::over(width, height, SUPERBLOCK);
        let changed_at = vec![0; stale.cells().len()];
        let damaged = Bitmap::over(width, height, BLOCK);
        Self { width, height, damaged, stale, changed_at, key_wanted: true, bytes_since_key: 0 }
    }

    /// These pixels changed.
    pub fn damage(&mut self, now: u64, rect: Rect) {
        let Some(rect) = rect.clipped(self.width, self.height) else { return };
        self.damaged.set_rect(rect, BLOCK);
        let mut touched = Bitmap::over(self.width, self.height, SUPERBLOCK);
        touched.set_rect(rect, SUPERBLOCK);
        for (column, row) in touched.iter() {
            self.changed_at[row * touched.columns() + column] = now;
        }
    }

    /// A viewer needs a keyframe.
    pub fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// What to code now; `None` when there is nothing to do or the path is full.
    pub fn plan(&self, now: u64, pacer: &Pacer) -> Option<Plan> {
        if self.key_wanted {
            return Some(Plan::Key { quantiser: pacer.quantiser() });
        }
        if !self.damaged.is_empty() {
            if !pacer.may_send() {
                return None;
            }
            let quantiser = pacer.quantiser();
            let large = self.damaged.count() * 4 > self.damaged.cells().len();
            return Some(if large && self.bytes_since_key > KEY_AFTER_BYTES {
                Plan::Key { quantiser }
            } else {
                Plan::Change { quantiser, active: self.damaged.clone() }
            });
        }
        if !pacer.idle() {
            return None;
        }
        let most = (self.stale.cells().len() / REFINE_PART).max(1);
        let mut active = Bitmap::over(self.width, self.height, BLOCK);
        for (column, row) in self.settled(now).take(most) {
            active.set_rect(superblock(column, row), BLOCK);
        }
        (!active.is_empty()).then_some(Plan::Refine { active })
    }

    /// When [`Tracker::plan`] may have something to refine although nothing else happens.
    pub fn due(&self) -> Option<u64> {
        self.stale.iter().map(|(column, row)| self.changed(column, row) + QUIET).min()
    }

    /// A plan was carried out and took so many bytes.
    pub fn done(&mut self, plan: &Plan, bytes: u64) {
        self.bytes_since_key += bytes;
        match plan {
            Plan::Key { quantiser } => {
                self.key_wanted = false;
                self.bytes_since_key = 0;
                self.damaged.clear();
                if *quantiser > 0 { self.stale.fill() } else { self.stale.clear() }
            }
            Plan::Change { active, .. } => {
                for (column, row) in active.iter() {
                    self.stale.set(column / 4, row / 4);
                }
                self.damaged.clear();
            }
            Plan::Refine { active } => {
                let mut still = Bitmap::over(self.width, self.height, SUPERBLOCK);
                for (column, row) in self.stale.iter() {
                    if !active.get(column * 4, row * 4) {
                        still.set(column, row);
                    }
                }
                self.stale = still;
            }
        }
    }

    /// The pixels that a frame with this map may change: whole superblocks.
    pub fn touched(&self, active: &Bitmap) -> Vec<Rect> {
        let mut superblocks = Bitmap::over(self.width, self.height, SUPERBLOCK);
        for (column, row) in active.iter() {
            superblocks.set(column / 4, row / 4);
        }
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

    fn changed(&self, column: usize, row: usize) -> u64 {
        self.changed_at[row * self.stale.columns() + column]
    }

    fn settled(&self, now: u64) -> impl Iterator<Item = (usize, usize)> {
        self.stale.iter().filter(move |(column, row)| self.changed(*column, *row) + QUIET <= now)
    }
}

fn superblock(column: usize, row: usize) -> Rect {
    let at = |n: usize| u16::try_from(n * usize::from(SUPERBLOCK)).expect("blocks lie on a screen");
    Rect { x: at(column), y: at(row), width: SUPERBLOCK, height: SUPERBLOCK }
}
