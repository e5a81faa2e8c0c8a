//! Screen sharing: a thread that sleeps until the screen changes, encodes what the path can take, and passes it on.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use protocol::{FrameKind, Header, MAX_SIDE, Region, ShareTrouble};
use screen::{Coder, Rect};
use session::Consent;
use tokio::sync::mpsc;

use crate::{
    capture::{self, Capture, CaptureUpdate, Waker},
    util::lock,
};

/// The most pictures a second: the refresh rate of screens.
const FRAME_TIME: Duration = Duration::from_millis(16);
/// How long an application may continue drawing before the screen is read.
const DRAWING: Duration = Duration::from_micros(500);
/// The longest sleep. It is a safeguard: every reason to wake comes as an event.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// How often to check whether the system still hides the screen.
const HIDDEN_CHECK: Duration = Duration::from_millis(100);

/// Pointer frames have no times of reading and encoding.
const NO_TIME: [Duration; 2] = [Duration::ZERO; 2];

/// A frame for the connection.
pub struct OutFrame {
    /// Whether a new stream starts here.
    pub key: bool,
    /// Its number.
    pub seq: u32,
    /// Header and payload.
    pub bytes: Bytes,
}

enum ShareCommand {
    Drawn(u32),
    Keyframe,
    Smooth(bool),
    Stop,
}

struct Running {
    commands: SyncSender<ShareCommand>,
    waker: Waker,
    /// Returns whether sharing ended without an error.
    thread: std::thread::JoinHandle<bool>,
}

/// Starts and stops sharing as the customer's consent requires.
pub struct ShareController {
    consent: Arc<Mutex<Consent>>,
    frames: mpsc::Sender<OutFrame>,
    running: Option<Running>,
    /// Sharing failed under the current grant: it is not tried again before a new one.
    failed: bool,
    smooth: bool,
    events: (mpsc::Sender<ShareEvent>, mpsc::Receiver<ShareEvent>),
}

/// What sharing reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareEvent {
    /// It failed and has ended.
    Failed(ShareTrouble),
    /// The system hides the screen.
    Hidden,
    /// The screen is visible again.
    Seen,
}

impl ShareController {
    pub fn new(consent: Arc<Mutex<Consent>>, frames: mpsc::Sender<OutFrame>) -> Self {
        Self { consent, frames, running: None, failed: false, smooth: false, events: mpsc::channel(4) }
    }

    /// Applies the current consent.
    pub fn follow(&mut self) {
        let may = lock(&self.consent).may_view();
        // The thread ends by itself when the consent does, or when it fails, perhaps before this call.
        if let Some(finished) = self.running.take_if(|running| running.thread.is_finished()) {
            self.failed |= !finished.thread.join().unwrap_or(false);
        }
        let runs = self.running.is_some();
        self.failed &= may;
        match (runs, may) {
            (false, true) if !self.failed => self.start(),
            (true, false) => self.stop(),
            _ => {}
        }
    }

    fn start(&mut self) {
        let (capture, waker) = match capture::open() {
            Ok(opened) => opened,
            Err(trouble) => {
                self.failed = true;
                let _ = self.events.0.try_send(ShareEvent::Failed(trouble));
                return;
            }
        };
        let (commands, queue) = sync_channel(256);
        let (consent, frames, events) = (self.consent.clone(), self.frames.clone(), self.events.0.clone());
        let run = move || {
            let shared = Share::new(capture, consent, frames, events.clone()).and_then(|mut share| share.run(&queue));
            if let Err(trouble) = shared {
                let _ = events.try_send(ShareEvent::Failed(trouble));
            }
            shared.is_ok()
        };
        let spawned = std::thread::Builder::new().name("share".into()).spawn(run);
        match spawned {
            Ok(thread) => {
                self.running = Some(Running { commands, waker, thread });
                self.command(ShareCommand::Smooth(self.smooth));
            }
            Err(_) => drop(self.events.0.try_send(ShareEvent::Failed(ShareTrouble::Encoder))),
        }
    }

    /// Stops at once.
    pub fn stop(&mut self) {
        self.command(ShareCommand::Stop);
        self.running = None;
    }

    /// The viewers have drawn all frames up to this one.
    pub fn drawn(&self, seq: u32) {
        self.command(ShareCommand::Drawn(seq));
    }

    /// A viewer needs a keyframe.
    pub fn need_keyframe(&self) {
        self.command(ShareCommand::Keyframe);
    }

    /// The technician prefers a smoother picture to a sharper one.
    pub fn prefer(&mut self, smooth: bool) {
        self.smooth = smooth;
        self.command(ShareCommand::Smooth(smooth));
    }

    fn command(&self, command: ShareCommand) {
        if let Some(running) = &self.running {
            let _ = running.commands.try_send(command);
            running.waker.wake();
        }
    }

    /// Waits for the next event.
    pub async fn next_event(&mut self) -> Option<ShareEvent> {
        let event = self.events.1.recv().await;
        if let Some(ShareEvent::Failed(_)) = event {
            self.running = None;
            self.failed = true;
        }
        event
    }
}

impl Drop for ShareController {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One screen share, on its thread.
struct Share {
    capture: Box<dyn Capture>,
    coder: Coder,
    consent: Arc<Mutex<Consent>>,
    frames: mpsc::Sender<OutFrame>,
    events: mpsc::Sender<ShareEvent>,
    started: Instant,
    /// Whether the first keyframe was sent: it opens the stream, so nothing may be sent before it.
    opened: bool,
    pointer: CaptureUpdate,
    /// How long the screen was read since the last picture.
    reading: Duration,
}

/// The sides of a frame have a limit; a larger frame would end the connection, again and again.
fn fits((width, height): (u16, u16)) -> Result<(u16, u16), ShareTrouble> {
    if width.max(height) > MAX_SIDE { Err(ShareTrouble::TooLarge) } else { Ok((width, height)) }
}

fn encoder_failed(error: screen::Error) -> ShareTrouble {
    tracing::error!(%error, "screen encoding failed");
    ShareTrouble::Encoder
}

impl Share {
    fn new(
        mut capture: Box<dyn Capture>,
        consent: Arc<Mutex<Consent>>,
        frames: mpsc::Sender<OutFrame>,
        events: mpsc::Sender<ShareEvent>,
    ) -> Result<Self, ShareTrouble> {
        let (width, height) = fits(capture.size())?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if cores >= 4 { 2 } else { 1 };
        let coder = Coder::new(width, height, threads).map_err(encoder_failed)?;
        let pointer = capture.pointer()?;
        Ok(Self {
            capture,
            coder,
            consent,
            frames,
            events,
            started: Instant::now(),
            opened: false,
            pointer,
            reading: Duration::ZERO,
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn run(&mut self, commands: &Receiver<ShareCommand>) -> Result<(), ShareTrouble> {
        self.read_screen()?;
        let mut next_frame = Instant::now();
        let mut damaged = false;
        loop {
            while let Ok(command) = commands.try_recv() {
                match command {
                    ShareCommand::Drawn(seq) => self.coder.pacer.drawn(self.now(), seq),
                    ShareCommand::Keyframe => {
                        self.coder.want_key();
                        self.pointer = self.capture.pointer()?;
                    }
                    ShareCommand::Smooth(smooth) => self.coder.pacer.smooth = smooth,
                    ShareCommand::Stop => return Ok(()),
                }
            }
            // The last check: before every picture, whatever the connection or the server believe.
            if !lock(&self.consent).may_view() {
                return Ok(());
            }
            let now = Instant::now();
            if now >= next_frame {
                if damaged && self.coder.pacer.may_send() {
                    self.read_screen()?;
                    damaged = false;
                }
                if let Some(rest) = self.send_picture()? {
                    next_frame = now + rest;
                }
                self.send_pointer()?;
            }
            let update = self.capture.wait(self.sleep(next_frame, damaged))?;
            if update.damaged && !damaged {
                // Applications draw in several steps; half of a drawing would cost a whole frame.
                next_frame = next_frame.max(Instant::now() + DRAWING);
            }
            damaged |= update.damaged;
            if update.hidden {
                if !self.wait_until_seen(commands)? {
                    return Ok(());
                }
                damaged = true;
            }
            if let Some(size) = update.size {
                let (width, height) = fits(size)?;
                self.coder.resize(width, height).map_err(encoder_failed)?;
                self.read_screen()?;
            }
            self.pointer.pointer_at = update.pointer_at.or(self.pointer.pointer_at);
            self.pointer.pointer_shape = update.pointer_shape.or_else(|| self.pointer.pointer_shape.take());
        }
    }

    /// Sends nothing while the system hides the screen; returns whether sharing continues after that.
    fn wait_until_seen(&mut self, commands: &Receiver<ShareCommand>) -> Result<bool, ShareTrouble> {
        let _ = self.events.try_send(ShareEvent::Hidden);
        while self.capture.wait(HIDDEN_CHECK)?.hidden {
            let stopped = commands.try_iter().any(|command| matches!(command, ShareCommand::Stop));
            if stopped || !lock(&self.consent).may_view() {
                return Ok(false);
            }
            std::thread::sleep(HIDDEN_CHECK);
        }
        let _ = self.events.try_send(ShareEvent::Seen);
        self.coder.want_key();
        Ok(true)
    }

    /// How long nothing can be due: until the next picture is allowed, something settles, or an event arrives.
    fn sleep(&self, next_frame: Instant, damaged: bool) -> Duration {
        let until_frame = next_frame.saturating_duration_since(Instant::now());
        let now = self.now();
        let pointer = self.pointer.pointer_at.is_some() || self.pointer.pointer_shape.is_some();
        if (damaged && self.coder.pacer.may_send()) || self.coder.ready(now) || (pointer && self.opened) {
            return until_frame;
        }
        // Refinement also waits for acknowledgements, but these wake the thread themselves.
        let settled = self.coder.due().filter(|due| *due > now).map(|due| Duration::from_millis(due - now));
        settled.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP).max(until_frame)
    }

    fn read_screen(&mut self) -> Result<(), ShareTrouble> {
        let now = self.now();
        let begun = Instant::now();
        let coder = &mut self.coder;
        let mut written = Ok(());
        self.capture.changes(&mut |rect, bgrx| {
            let result = coder.update(now, rect, bgrx);
            written = std::mem::replace(&mut written, Ok(())).and(result);
        })?;
        self.reading += begun.elapsed();
        written.map_err(encoder_failed)
    }

    /// Encodes and sends the next picture, if any; returns the minimum time from its start to the next picture.
    fn send_picture(&mut self) -> Result<Option<Duration>, ShareTrouble> {
        let begun = Instant::now();
        let Some(coded) = self.coder.next(self.now()).map_err(encoder_failed)? else { return Ok(None) };
        let times = [std::mem::take(&mut self.reading), begun.elapsed()];
        let kind = FrameKind::Picture { key: coded.key, refines: coded.refines };
        self.opened |= coded.key;
        self.send(kind, coded.seq, times, &coded.regions, &coded.data);
        // On a slow computer motion takes half of a core at most: its user works on it. A change that comes after a
        // refinement does not wait.
        Ok(Some(if coded.refines { Duration::ZERO } else { FRAME_TIME.max(2 * times[1]) }))
    }

    fn send_pointer(&mut self) -> Result<(), ShareTrouble> {
        if !self.opened {
            return Ok(());
        }
        if let Some(shape) = self.pointer.pointer_shape.take().filter(|s| !s.rgba.is_empty()) {
            let seq = self.coder.number();
            self.send(FrameKind::PointerShape, seq, NO_TIME, &[], &shape.to_bytes());
        }
        if let Some((x, y)) = self.pointer.pointer_at.take() {
            let seq = self.coder.number();
            self.send(FrameKind::PointerAt, seq, NO_TIME, &[], &[x.to_be_bytes(), y.to_be_bytes()].concat());
        }
        Ok(())
    }

    fn send(&self, kind: FrameKind, seq: u32, times: [Duration; 2], regions: &[Rect], payload: &[u8]) {
        let (width, height) = self.coder.size();
        let time = u32::try_from(self.now()).unwrap_or(u32::MAX);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let [read, encoded] = times.map(|t| u16::try_from(t.as_micros() / 100).unwrap_or(u16::MAX));
        // The coder returns at most eight regions.
        let count = regions.len() as u8;
        let header = Header { kind, width, height, seq, time, length, read, encoded, regions: count };
        let mut bytes = Vec::with_capacity(header.frame_bytes());
        bytes.extend(header.to_bytes());
        for Rect { x, y, width, height } in regions.iter().copied() {
            bytes.extend(Region { x, y, width, height }.to_bytes());
        }
        bytes.extend_from_slice(payload);
        let bytes = Bytes::from(bytes);
        // The queue is short and the pacer keeps it empty; when the connection is lost, the consent ends the thread.
        let _ = self.frames.blocking_send(OutFrame {
            key: matches!(kind, FrameKind::Picture { key: true, .. }),
            seq,
            bytes,
        });
    }
}
