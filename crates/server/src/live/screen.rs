//! The shared screen on its way: what a late viewer needs, who watches, and how far everybody has come.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use protocol::{FrameKind, Header};
use tokio::sync::mpsc;

/// A late viewer gets the last keyframe and what followed, up to so many bytes; beyond, a new keyframe is asked for.
const BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// How many frames may wait for one viewer. Pacing keeps this near zero; a viewer that lets it fill starts anew.
const QUEUE: usize = 256;

/// A frame as it came: the header that the relay reads, and all bytes, which it passes on.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Header,
    /// Header, regions and payload.
    pub bytes: Bytes,
    /// When the last byte of it was read.
    pub arrived: std::time::Instant,
}

impl Frame {
    /// Whether decoding can start here.
    pub fn is_key(&self) -> bool {
        matches!(self.header.kind, FrameKind::Picture { key: true, .. })
    }
}

/// What a viewer starts with.
pub struct Subscription {
    pub backlog: Vec<Arc<Frame>>,
    pub frames: mpsc::Receiver<Arc<Frame>>,
    /// The customer's program must be asked for a keyframe.
    pub key_needed: bool,
}

/// The relay's memory of one shared screen.
#[derive(Default)]
pub struct Screen {
    inner: Mutex<Inner>,
    /// How long the last picture stayed here, in tenths of a millisecond.
    relay_time: AtomicU32,
}

#[derive(Default)]
struct Inner {
    backlog: Vec<Arc<Frame>>,
    backlog_bytes: usize,
    backlog_broken: bool,
    pointer: HashMap<u8, Arc<Frame>>,
    size: Option<(u16, u16)>,
    viewers: HashMap<u64, Viewer>,
}

struct Viewer {
    frames: mpsc::Sender<Arc<Frame>>,
    drawn: u32,
}

impl Screen {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding the screen")
    }

    /// Whether the frame is the first of a sharing, or of another size than the one before.
    pub fn is_news(&self, frame: &Frame) -> bool {
        self.inner().size != Some((frame.header.width, frame.header.height))
    }

    /// Passes a frame on to every viewer.
    pub fn pass(&self, frame: Frame) {
        let frame = Arc::new(frame);
        let mut inner = self.inner();
        inner.size = Some((frame.header.width, frame.header.height));
        match frame.header.kind {
            FrameKind::PointerShape => drop(inner.pointer.insert(1, frame.clone())),
            FrameKind::PointerAt => drop(inner.pointer.insert(2, frame.clone())),
            FrameKind::Picture { key, .. } => inner.remember(key, &frame),
        }
        inner.viewers.retain(|_, viewer| viewer.frames.try_send(frame.clone()).is_ok());
    }

    /// A frame was handed to a viewer's connection.
    pub fn passed(&self, frame: &Frame) {
        let tenths = frame.arrived.elapsed().as_micros() / 100;
        self.relay_time.store(u32::try_from(tenths).unwrap_or(u32::MAX), Relaxed);
    }

    /// How long the last frame stayed in the server, in tenths of a millisecond.
    pub fn relay_time(&self) -> u32 {
        self.relay_time.load(Relaxed)
    }

    /// A viewer comes.
    pub fn watch(&self, connection: u64) -> Subscription {
        let (sender, frames) = mpsc::channel(QUEUE);
        let mut inner = self.inner();
        inner.viewers.insert(connection, Viewer { frames: sender, drawn: 0 });
        let key_needed = inner.size.is_some() && (inner.backlog_broken || inner.backlog.is_empty());
        let backlog = inner.backlog.iter().chain(inner.pointer.values()).cloned().collect();
        Subscription { backlog, frames, key_needed }
    }

    /// A viewer goes.
    pub fn leave(&self, connection: u64) {
        self.inner().viewers.remove(&connection);
    }

    /// A viewer has drawn a frame; returns how far the slowest viewer is.
    pub fn drawn(&self, connection: u64, seq: u32) -> Option<u32> {
        let mut inner = self.inner();
        inner.viewers.get_mut(&connection)?.drawn = seq;
        inner.viewers.values().map(|v| v.drawn).min()
    }

    /// Sharing stopped: nothing of it is kept.
    pub fn stop(&self) {
        let mut inner = self.inner();
        let viewers = std::mem::take(&mut inner.viewers);
        *inner = Inner { viewers, ..Inner::default() };
        inner.viewers.values_mut().for_each(|v| v.drawn = 0);
    }
}

impl Inner {
    fn remember(&mut self, key: bool, frame: &Arc<Frame>) {
        if key {
            self.backlog.clear();
            self.backlog_bytes = 0;
            self.backlog_broken = false;
        }
        if self.backlog_broken {
            return;
        }
        self.backlog_bytes += frame.bytes.len();
        if self.backlog_bytes > BACKLOG_BYTES {
            self.backlog.clear();
            self.backlog_broken = true;
        } else {
            self.backlog.push(frame.clone());
        }
    }
}
