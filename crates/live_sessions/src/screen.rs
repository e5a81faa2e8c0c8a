//! The shared screen on its way: what a late viewer needs, who watches, and how far everybody has come.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::{FrameKind, ParticipantId, PictureFormat, Right};
use session::Session;
use tokio::sync::mpsc;

use crate::recorder::Frame;

/// A late viewer gets the last keyframe and what followed, up to so many bytes; beyond, a new keyframe is asked for.
const BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// How many frames may wait for one viewer. Pacing keeps this near zero; a viewer that lets it fill starts anew.
const QUEUE: usize = 256;
/// A viewer whose oldest picture is under way for longer, or that has more under way, is left out until the next
/// keyframe, so that it slows nobody else.
const LATE: Duration = Duration::from_secs(2);
const LATE_BYTES: usize = 4 * 1024 * 1024;
/// Keyframes cost everybody: for viewers that fell behind there is one in so long.
const KEY_EVERY: Duration = Duration::from_secs(5);

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
    /// When a keyframe was asked for the last time for a viewer that had fallen behind.
    key_asked: Option<Instant>,
}

struct Viewer {
    who: ParticipantId,
    frames: mpsc::Sender<Arc<Frame>>,
    drawn: u32,
    /// The last picture that was sent to it.
    sent: u32,
    /// Pictures on their way to it: number, bytes, and since when.
    under_way: VecDeque<(u32, usize, Instant)>,
    /// The best that it can show.
    format: PictureFormat,
    /// It fell too far behind the others, and waits for a keyframe.
    behind: bool,
}

/// What the customer's program is to be told after a viewer has drawn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Paced {
    /// The quickest viewer has drawn up to here.
    pub drawn: Option<u32>,
    /// A viewer that fell behind has room again.
    pub key_needed: bool,
}

impl Screen {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding the screen")
    }

    /// Passes a frame on to every viewer who may see it. `now` says how the session stands: asked where no other frame and no
    /// end of the sharing can come in between, so that nothing is kept or shown behind that.
    pub fn pass(&self, frame: Frame, now: impl FnOnce() -> Arc<Session>) {
        let frame = Arc::new(frame);
        let mut inner = self.inner();
        let session = now();
        if !session.may_view() {
            return;
        }
        inner.size = Some((frame.header.width, frame.header.height));
        match frame.header.kind {
            FrameKind::PointerShape => drop(inner.pointer.insert(1, frame.clone())),
            FrameKind::PointerAt => drop(inner.pointer.insert(2, frame.clone())),
            FrameKind::Picture { key, .. } => inner.remember(key, &frame),
        }
        let alone = inner.viewers.len() == 1;
        let may = |viewer: &Viewer| session.may(viewer.who, Right::View);
        inner.viewers.retain(|_, viewer| if may(viewer) { viewer.pass(&frame, alone) } else { viewer.misses() });
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

    /// A viewer comes, and starts with what is shown at this moment.
    pub fn watch(&self, connection: u64, who: ParticipantId, now: impl FnOnce() -> Arc<Session>) -> Subscription {
        let (sender, frames) = mpsc::channel(QUEUE);
        let mut inner = self.inner();
        let may = now().may(who, Right::View);
        let backlog: Vec<_> = inner.backlog.iter().chain(inner.pointer.values()).filter(|_| may).cloned().collect();
        let sent = inner.backlog.iter().filter(|_| may).map(|frame| frame.header.seq).max().unwrap_or(0);
        let viewer = Viewer {
            who,
            frames: sender,
            drawn: 0,
            sent,
            under_way: VecDeque::new(),
            format: PictureFormat::Gbr,
            behind: false,
        };
        inner.viewers.insert(connection, viewer);
        let key_needed = inner.size.is_some() && (inner.backlog_broken || inner.backlog.is_empty());
        Subscription { backlog, frames, key_needed }
    }

    /// A viewer can show this; returns what all can show when that changes.
    pub fn shows(&self, connection: u64, format: PictureFormat) -> Option<PictureFormat> {
        let mut inner = self.inner();
        let before = inner.format();
        inner.viewers.get_mut(&connection)?.format = format;
        let after = inner.format();
        (before != after).then_some(after)
    }

    /// What all viewers can show.
    pub fn format(&self) -> PictureFormat {
        self.inner().format()
    }

    /// A viewer goes; returns what all others can show when that changes.
    pub fn leave(&self, connection: u64) -> Option<PictureFormat> {
        let mut inner = self.inner();
        let before = inner.format();
        inner.viewers.remove(&connection);
        let after = inner.format();
        (before != after).then_some(after)
    }

    /// A viewer has drawn a frame. The quickest viewer paces the program; who is slower gets what it can take.
    pub fn drawn(&self, now: Instant, connection: u64, seq: u32) -> Paced {
        let mut inner = self.inner();
        let before = inner.quickest();
        let Some(viewer) = inner.viewers.get_mut(&connection) else { return Paced::default() };
        // Nobody has drawn what was not sent to them yet.
        let seq = seq.min(viewer.sent);
        viewer.drawn = viewer.drawn.max(seq);
        while viewer.under_way.front().is_some_and(|(number, ..)| *number <= seq) {
            viewer.under_way.pop_front();
        }
        let drained = viewer.behind && viewer.under_way.is_empty();
        let key_needed = drained && inner.key_asked.is_none_or(|at| now.duration_since(at) > KEY_EVERY);
        if key_needed {
            inner.key_asked = Some(now);
        }
        let after = inner.quickest();
        Paced { drawn: (after > before).then_some(after), key_needed }
    }

    /// Sharing stopped: nothing of it is kept.
    pub fn stop(&self) {
        let mut inner = self.inner();
        let viewers = std::mem::take(&mut inner.viewers);
        *inner = Inner { viewers, ..Inner::default() };
        for viewer in inner.viewers.values_mut() {
            (viewer.drawn, viewer.sent, viewer.behind) = (0, 0, false);
            viewer.under_way.clear();
        }
    }
}

impl Viewer {
    /// A frame is not for it: what builds on that is of no use to it either.
    fn misses(&mut self) -> bool {
        self.behind = true;
        self.stays()
    }

    /// Whether it still listens.
    fn stays(&self) -> bool {
        !self.frames.is_closed()
    }

    /// Hands a frame on; false when the viewer is gone or does not read at all.
    fn pass(&mut self, frame: &Arc<Frame>, alone: bool) -> bool {
        let waiting: usize = self.under_way.iter().map(|(_, bytes, _)| bytes).sum();
        let late = self.under_way.front().is_some_and(|(.., since)| frame.arrived.duration_since(*since) > LATE);
        if !alone && (waiting > LATE_BYTES || late) {
            self.behind = true;
        } else if frame.is_key() {
            self.behind = false;
        }
        if self.behind {
            return self.stays();
        }
        if matches!(frame.header.kind, FrameKind::Picture { .. }) {
            self.sent = self.sent.max(frame.header.seq);
            self.under_way.push_back((frame.header.seq, frame.bytes.len(), frame.arrived));
        }
        self.frames.try_send(frame.clone()).is_ok()
    }
}

impl Inner {
    fn format(&self) -> PictureFormat {
        self.viewers.values().map(|v| v.format).max().unwrap_or(PictureFormat::Gbr)
    }

    fn quickest(&self) -> u32 {
        self.viewers.values().map(|v| v.drawn).max().unwrap_or(0)
    }

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

#[cfg(test)]
mod tests {
    use protocol::{Client, Event, IncidentRef, Pause, Role, SessionId, Timestamp, UserRef, WhyWithdrawn};
    use session::Policy;

    use bytes::Bytes;
    use protocol::Header;

    use super::*;

    fn picture(seq: u32, key: bool, arrived: Instant) -> Frame {
        let kind = FrameKind::Picture { key, lossless: false };
        let header = Header { kind, width: 64, height: 64, seq, time: 0, length: 4, read: 0, encoded: 0, regions: 0 };
        Frame { header, bytes: Bytes::from_static(&[0; 1000]), arrived }
    }

    fn numbers(frames: &mut mpsc::Receiver<Arc<Frame>>) -> Vec<u32> {
        std::iter::from_fn(|| frames.try_recv().ok()).map(|f| f.header.seq).collect()
    }

    /// A session in which a technician may see the screen, and nobody by the second number.
    fn shared() -> Session {
        let one = UserRef { id: 1, name: String::new() };
        let about = IncidentRef { id: 1, number: String::new(), subject: String::new(), customer: String::new() };
        let joined = |id, role, user| Event::Joined {
            id: ParticipantId(id),
            role,
            name: String::new(),
            client: if role == Role::Customer { Client::Program } else { Client::Console },
            user,
            rights: vec![],
            by_role: None,
        };
        let by = ParticipantId(2);
        let mut session = Session::new(SessionId::from_random([0; 16]), Policy::default());
        for event in [
            Event::Created { incident: about, owner: one, organisation: String::new(), rules: None },
            joined(1, Role::Technician, Some(1)),
            joined(2, Role::Customer, None),
            Event::Granted { by, rights: vec![Right::View] },
        ] {
            session.apply(Timestamp(1), &event);
        }
        session
    }

    const HELPER: ParticipantId = ParticipantId(1);

    fn watch(screen: &Screen, connection: u64) -> Subscription {
        screen.watch(connection, HELPER, || Arc::new(shared()))
    }

    fn pass(screen: &Screen, frame: Frame) {
        screen.pass(frame, || Arc::new(shared()));
    }

    #[test]
    fn a_late_viewer_is_shown_nothing_that_was_withdrawn_or_paused_in_the_moment() {
        let by = ParticipantId(2);
        let withdrawn = Event::Withdrawn { right: Right::View, why: WhyWithdrawn::Customer };
        for event in [withdrawn, Event::Paused { by, why: Pause::Customer }, Event::Left { id: HELPER }] {
            let now = || {
                let mut session = shared();
                session.apply(Timestamp(2), &event);
                Arc::new(session)
            };
            let start = Instant::now();
            let screen = Screen::default();
            let mut early = watch(&screen, 1);
            pass(&screen, picture(1, true, start));
            assert_eq!(numbers(&mut early.frames), [1]);
            assert_eq!(watch(&screen, 2).backlog.len(), 1);
            // It is known already, and the relay has not been told to stop.
            assert_eq!(screen.watch(3, HELPER, now).backlog.len(), 0, "{event:?}");
            // A frame that was judged before, and passes after.
            screen.stop();
            screen.pass(picture(2, true, start), now);
            assert_eq!(numbers(&mut early.frames), [0; 0], "{event:?}");
            let kept = watch(&screen, 4).backlog.len();
            assert_eq!(kept, usize::from(matches!(event, Event::Left { .. })), "{event:?}");
        }
    }

    #[test]
    fn a_slow_viewer_slows_nobody_and_comes_back_with_a_keyframe() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let screen = Screen::default();
        let (mut quick, mut slow) = (watch(&screen, 1), watch(&screen, 2));
        pass(&screen, picture(1, true, at(0)));
        for seq in 2..100 {
            let now = at(u64::from(seq) * 33);
            pass(&screen, picture(seq, false, now));
            assert_eq!(screen.drawn(now, 1, seq).drawn, Some(seq), "the quick viewer paces");
        }
        assert_eq!(numbers(&mut quick.frames).len(), 99);
        let had = numbers(&mut slow.frames);
        assert!(had.len() < 70, "no more than two seconds wait for the slow viewer: {}", had.len());
        // It catches up with what it was sent: a keyframe is asked for, once.
        let last = *had.last().unwrap();
        assert_eq!(screen.drawn(at(4_000), 2, last), Paced { drawn: None, key_needed: true });
        assert_eq!(screen.drawn(at(4_010), 2, last), Paced { drawn: None, key_needed: false });
        pass(&screen, picture(100, false, at(4_020)));
        pass(&screen, picture(101, true, at(4_030)));
        pass(&screen, picture(102, false, at(4_040)));
        assert_eq!(numbers(&mut slow.frames), [101, 102], "nothing before the keyframe is of any use");
    }

    #[test]
    fn nobody_has_drawn_what_was_not_sent() {
        let start = Instant::now();
        let screen = Screen::default();
        let _one = watch(&screen, 1);
        assert_eq!(screen.drawn(start, 1, 9).drawn, None);
        pass(&screen, picture(1, true, start));
        assert_eq!(screen.drawn(start, 1, u32::MAX).drawn, Some(1));
        pass(&screen, picture(2, false, start));
        assert_eq!(screen.drawn(start, 1, 2).drawn, Some(2), "what is drawn now still counts");
        let _late = watch(&screen, 2);
        assert_eq!(screen.drawn(start, 1, u32::MAX).drawn, None);
    }

    #[test]
    fn a_single_slow_viewer_is_paced_and_never_left_out() {
        let start = Instant::now();
        let screen = Screen::default();
        let mut only = watch(&screen, 1);
        pass(&screen, picture(1, true, start));
        pass(&screen, picture(2, false, start + Duration::from_secs(9)));
        assert_eq!(numbers(&mut only.frames), [1, 2]);
    }
}
