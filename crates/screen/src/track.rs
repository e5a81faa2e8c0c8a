//! Which blocks must be coded: those that changed, and those that are still coarser than the screen.

use crate::{Bitmap, Pacer, Rect};

/// A block of libaom's active map, in pixels.
pub(crate) const BLOCK: u16 = 16;
/// A superblock: libaom codes a partly active one anew as a whole, so staleness is counted in these.
const SUPERBLOCK: u16 = 64;
/// A superblock is refined when nothing on the screen has changed for this long, in milliseconds: a lossless frame takes
/// the encoder 30 ms, in which a key press would have to wait.
const QUIET: u64 = 300;
/// Or when it has not changed itself for this long, whatever else moves.
const LONG_QUIET: u64 = 1_000;
/// What changes again and again at this pace, as a caret that blinks, is not refined in between...
const PACE: std::ops::Range<u64> = 200..1_500;
/// ... once it has done so this often, ...
const RESTLESS: u8 = 4;
/// ... but after so much quiet: a refinement for each blink would cost more than the blinks.
const RESTLESS_QUIET: u64 = 900;
/// A change of more than this part of the screen is shown coarser at first: it is there sooner.
const LARGE_PART: usize = 4;
/// The quantiser for large changes and keyframes, at least.
const LARGE_QUANTISER: u32 = 38;
/// No lossless frame covers more than this part of the screen, so that new damage never waits long.
const REFINE_PART: usize = 8;
/// Beside motion a lossless frame is no larger than what the path takes in so many milliseconds.
const BESIDE_MOTION: u64 = 50;
/// What a superblock without loss is believed to take before one was coded, in bytes.
const LOSSLESS_BYTES: u64 = 2_000;
/// A new keyframe for the sake of seeking: after so many bytes of other frames, at the next large change after a rest, ...
const KEY_AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// ... or after so many at any large change: what moves without a rest would stutter at each.
const KEY_AT_LAST_BYTES: u64 = 8 * 1024 * 1024;

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
    /// How often in a row a superblock changed at the pace of a caret.
    restless: Vec<u8>,
    /// When anything changed last.
    damaged_at: u64,
    /// What is damaged now is the first after a rest.
    after_rest: bool,
    key_wanted: bool,
    bytes_since_key: u64,
    /// What a superblock without loss takes, in bytes.
    lossless_bytes: u64,
}

impl Tracker {
    /// A screen of which the viewers know nothing.
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

    /// When [`Tracker::plan`] may have something to refine although nothing else happens.
    pub fn due(&self) -> Option<u64> {
        self.stale.iter().map(|(column, row)| self.settles(column, row)).min()
    }

    /// A plan was carried out and took so many bytes; `differs` says of a rectangle whether the viewers' picture still
    /// differs there from the screen.
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

    /// Whether something has changed just now.
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

    /// When a stale superblock may be refined, if nothing else happens.
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
