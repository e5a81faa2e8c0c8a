//! Windows: threads watch the screen and keep a copy of it; the sharing thread sleeps until they report changes.
//!
//! Desktop Duplication tells what changed, and wakes only then. Where it is not available (some remote sessions, old
//! systems, Wine, rotated monitors), GDI reads the screen periodically and [`compare`] finds what changed.

mod compare;
mod desktop;
mod duplication;
mod gdi;
mod pointer;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use protocol::{PointerShape, ShareTrouble};
use screen::Rect;

use super::{Capture, CaptureUpdate};
use crate::{util::lock, window::screen_size};

/// More rectangles than this become their bounding box.
const MOST_RECTANGLES: usize = 256;

/// What the watching threads have seen.
#[derive(Default)]
struct Seen {
    size: (u16, u16),
    /// BGRX, row by row.
    pixels: Vec<u8>,
    changed: Vec<Rect>,
    resized: bool,
    pointer_at: Option<(u16, u16)>,
    pointer_shape: Option<PointerShape>,
    trouble: Option<ShareTrouble>,
    /// The secure desktop is shown: Windows asks for a password or a consent, or is locked.
    hidden: bool,
    woken: bool,
    /// Whether sharing has ended; the threads end, too.
    over: bool,
}

impl Seen {
    /// Starts again with a screen of this size.
    fn resize(&mut self, (width, height): (u16, u16)) {
        self.resized = self.size != (0, 0);
        self.size = (width, height);
        self.pixels = vec![0; usize::from(width) * usize::from(height) * 4];
        self.changed = vec![Rect { x: 0, y: 0, width, height }];
    }

    /// Marks these pixels as changed.
    fn change(&mut self, rect: Rect) {
        self.changed.extend(rect.clipped(self.size.0, self.size.1));
        if self.changed.len() > MOST_RECTANGLES {
            let left = self.changed.iter().map(|r| r.x).min().unwrap_or(0);
            let top = self.changed.iter().map(|r| r.y).min().unwrap_or(0);
            let right = self.changed.iter().map(|r| r.x + r.width).max().unwrap_or(0);
            let bottom = self.changed.iter().map(|r| r.y + r.height).max().unwrap_or(0);
            self.changed = vec![Rect { x: left, y: top, width: right - left, height: bottom - top }];
        }
    }

    /// The range of bytes of a part of a row.
    fn row(&self, x: u16, y: u16, width: u16) -> std::ops::Range<usize> {
        let from = (usize::from(y) * usize::from(self.size.0) + usize::from(x)) * 4;
        from..from + usize::from(width) * 4
    }
}

/// The state that the watching threads and the sharing thread share.
#[derive(Default)]
struct Watch {
    seen: Mutex<Seen>,
    wake: Condvar,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    fn is_over(&self) -> bool {
        self.seen().over
    }

    /// Checks whether the secure desktop is shown, and reports a change of that.
    fn check_desktop(&self) -> bool {
        let hidden = desktop::is_secure();
        let mut seen = self.seen();
        if std::mem::replace(&mut seen.hidden, hidden) != hidden {
            let (width, height) = seen.size;
            seen.changed = vec![Rect { x: 0, y: 0, width, height }];
            self.wake.notify_all();
        }
        hidden
    }

    /// Ends the sharing, because the screen cannot be read.
    fn fail(&self, trouble: ShareTrouble) {
        self.seen().trouble = Some(trouble);
        self.wake.notify_all();
    }
}

/// The watched screen.
pub struct Watched {
    watch: Arc<Watch>,
    scratch: Vec<u8>,
}

impl Watched {
    /// Starts the watching threads.
    pub fn open() -> Result<Self, ShareTrouble> {
        let watch = Arc::new(Watch::default());
        let size = screen_size().map_err(|_| ShareTrouble::NoScreen)?;
        watch.seen().resize(size);
        if let Err(error) = duplication::start(&watch) {
            tracing::info!(%error, "desktop duplication not available, reading the screen with GDI");
            gdi::start(&watch).map_err(|error| {
                tracing::error!(%error, "the screen cannot be captured");
                ShareTrouble::NoScreen
            })?;
        }
        Ok(Self { watch, scratch: Vec::new() })
    }

    /// Returns when there is something to report.
    pub fn waker(&self) -> impl Fn() + Send + 'static {
        let watch = Arc::downgrade(&self.watch);
        move || {
            if let Some(watch) = watch.upgrade() {
                watch.seen().woken = true;
                watch.wake.notify_all();
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.seen().over = true;
    }
}

impl Capture for Watched {
    fn size(&self) -> (u16, u16) {
        self.watch.seen().size
    }

    fn wait(&mut self, most: Duration) -> Result<CaptureUpdate, ShareTrouble> {
        let quiet = |seen: &mut Seen| {
            let pointer = seen.pointer_at.is_some() || seen.pointer_shape.is_some();
            seen.changed.is_empty() && !pointer && !seen.woken && !seen.hidden && seen.trouble.is_none()
        };
        let waited = self.watch.wake.wait_timeout_while(self.watch.seen(), most, quiet);
        let (mut seen, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(trouble) = seen.trouble {
            return Err(trouble);
        }
        seen.woken = false;
        let resized = std::mem::take(&mut seen.resized);
        Ok(CaptureUpdate {
            damaged: !seen.changed.is_empty(),
            size: resized.then_some(seen.size),
            pointer_at: seen.pointer_at.take(),
            pointer_shape: seen.pointer_shape.take(),
            hidden: seen.hidden,
        })
    }

    fn changes(&mut self, take: &mut dyn FnMut(Rect, &[u8])) -> Result<(), ShareTrouble> {
        let mut seen = self.watch.seen();
        for rect in std::mem::take(&mut seen.changed) {
            self.scratch.clear();
            for y in rect.y..rect.y + rect.height {
                self.scratch.extend_from_slice(&seen.pixels[seen.row(rect.x, y, rect.width)]);
            }
            take(rect, &self.scratch);
        }
        Ok(())
    }

    fn pointer(&mut self) -> Result<CaptureUpdate, ShareTrouble> {
        let (pointer_at, pointer_shape) = pointer::read();
        Ok(CaptureUpdate { pointer_at, pointer_shape, ..CaptureUpdate::default() })
    }
}
