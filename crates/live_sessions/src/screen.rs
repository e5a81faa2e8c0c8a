//! The relay of the shared screen: the backlog for late viewers, the viewers, and how far each has drawn.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::{FrameKind, ParticipantId, Right};
use session::Session;
use tokio::sync::mpsc;

use crate::recorder::Frame;

/// Largest backlog in bytes: the last keyframe and the pictures after it, for late viewers. Beyond it, a new keyframe
/// is requested for them.
const BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// The most pictures in the backlog. Decoding and drawing one takes a browser some 3 ms, however small it is
/// (docs/performance.md), and coding a keyframe the customer's side some 70: more pictures than these take a late viewer
/// longer than a new keyframe.
const BACKLOG_PICTURES: usize = 32;
/// How many frames may wait for one viewer. Pacing keeps this near zero; a viewer whose queue fills up is disconnected
/// from the screen and starts again.
const QUEUE: usize = 256;
/// A viewer whose oldest pending picture is older than this, or that has more bytes pending, is skipped until the next
/// keyframe, so that it does not slow down the others.
const LATE: Duration = Duration::from_secs(2);
const LATE_BYTES: usize = 4 * 1024 * 1024;
/// Shortest interval between keyframes for viewers that fell behind. Each one costs all viewers bandwidth.
const KEY_EVERY: Duration = Duration::from_secs(5);

/// What a viewer starts with.
pub struct Subscription {
    pub backlog: Vec<Arc<Frame>>,
    pub frames: mpsc::Receiver<Arc<Frame>>,
    /// Whether the customer's program must be asked for a keyframe.
    pub key_needed: bool,
}

/// The relay of one shared screen.
#[derive(Default)]
pub struct Screen {
    inner: Mutex<Inner>,
    /// How long the last frame took through the server, in tenths of a millisecond.
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
    /// When a keyframe was last requested for a viewer that fell behind.
    key_requested: Option<Instant>,
}

struct Viewer {
    who: ParticipantId,
    frames: mpsc::Sender<Arc<Frame>>,
    drawn: u32,
    /// The last picture that was sent to it.
    sent: u32,
    /// Pictures that it has not drawn yet: number, bytes, and time of arrival.
    pending: VecDeque<(u32, usize, Instant)>,
    /// It fell too far behind, and waits for a keyframe.
    behind: bool,
}

/// What to tell the customer's program after a viewer has drawn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Paced {
    /// The number of the last picture that the quickest viewer has drawn, if that changed.
    pub drawn: Option<u32>,
    /// Whether a viewer that fell behind has caught up, and needs a keyframe.
    pub key_needed: bool,
}

impl Screen {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("lock is not poisoned")
    }

    /// Relays a frame to every viewer who may see it. `now` reads the session under the screen's lock, so that no frame
    /// is stored or shown after sharing has ended.
    pub fn relay(&self, frame: Frame, now: impl FnOnce() -> Arc<Session>) {
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
        inner.viewers.retain(|_, viewer| if may(viewer) { viewer.send(&frame, alone) } else { viewer.skip() });
    }

    /// Measures how long a frame took through the server, when it is handed to a viewer's connection.
    pub fn measure_relay_time(&self, frame: &Frame) {
        let tenths = frame.arrived.elapsed().as_micros() / 100;
        self.relay_time.store(u32::try_from(tenths).unwrap_or(u32::MAX), Relaxed);
    }

    /// How long the last frame took through the server, in tenths of a millisecond.
    pub fn relay_time(&self) -> u32 {
        self.relay_time.load(Relaxed)
    }

    /// Adds a viewer, and returns the frames that it starts with.
    pub fn subscribe(&self, connection: u64, who: ParticipantId, now: impl FnOnce() -> Arc<Session>) -> Subscription {
        let (sender, frames) = mpsc::channel(QUEUE);
        let mut inner = self.inner();
        let may = now().may(who, Right::View);
        let backlog: Vec<_> = inner.backlog.iter().chain(inner.pointer.values()).filter(|_| may).cloned().collect();
        let sent = inner.backlog.iter().filter(|_| may).map(|frame| frame.header.seq).max().unwrap_or(0);
        let viewer = Viewer { who, frames: sender, drawn: 0, sent, pending: VecDeque::new(), behind: false };
        inner.viewers.insert(connection, viewer);
        let key_needed = inner.size.is_some() && (inner.backlog_broken || inner.backlog.is_empty());
        Subscription { backlog, frames, key_needed }
    }

    /// Removes a viewer.
    pub fn unsubscribe(&self, connection: u64) {
        self.inner().viewers.remove(&connection);
    }

    /// Notes that a viewer has drawn a picture. The quickest viewer paces the program; slower ones are sent what they
    /// can take.
    pub fn drawn(&self, now: Instant, connection: u64, seq: u32) -> Paced {
        let mut inner = self.inner();
        let before = inner.quickest();
        let Some(viewer) = inner.viewers.get_mut(&connection) else { return Paced::default() };
        // Ignore pictures that were not sent to this viewer.
        let seq = seq.min(viewer.sent);
        viewer.drawn = viewer.drawn.max(seq);
        while viewer.pending.front().is_some_and(|(number, ..)| *number <= seq) {
            viewer.pending.pop_front();
        }
        let drained = viewer.behind && viewer.pending.is_empty();
        let key_needed = drained && inner.key_requested.is_none_or(|at| now.duration_since(at) > KEY_EVERY);
        if key_needed {
            inner.key_requested = Some(now);
        }
        let after = inner.quickest();
        Paced { drawn: (after > before).then_some(after), key_needed }
    }

    /// Forgets everything that was shown, when sharing stops.
    pub fn stop(&self) {
        let mut inner = self.inner();
        let viewers = std::mem::take(&mut inner.viewers);
        *inner = Inner { viewers, ..Inner::default() };
        for viewer in inner.viewers.values_mut() {
            (viewer.drawn, viewer.sent, viewer.behind) = (0, 0, false);
            viewer.pending.clear();
        }
    }
}

impl Viewer {
    /// Skips a frame that the viewer may not see. It cannot use pictures that build on it either.
    fn skip(&mut self) -> bool {
        self.behind = true;
        self.is_connected()
    }

    /// Whether its connection still reads frames.
    fn is_connected(&self) -> bool {
        !self.frames.is_closed()
    }

    /// Sends a frame. Returns false when the viewer is gone or its queue is full.
    fn send(&mut self, frame: &Arc<Frame>, alone: bool) -> bool {
        let waiting: usize = self.pending.iter().map(|(_, bytes, _)| bytes).sum();
        let late = self.pending.front().is_some_and(|(.., since)| frame.arrived.duration_since(*since) > LATE);
        if !alone && (waiting > LATE_BYTES || late) {
            self.behind = true;
        } else if frame.is_key() {
            self.behind = false;
        }
        if self.behind {
            return self.is_connected();
        }
        if matches!(frame.header.kind, FrameKind::Picture { .. }) {
            self.sent = self.sent.max(frame.header.seq);
            self.pending.push_back((frame.header.seq, frame.bytes.len(), frame.arrived));
        }
        self.frames.try_send(frame.clone()).is_ok()
    }
}

impl Inner {
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
        if self.backlog_bytes > BACKLOG_BYTES || self.backlog.len() == BACKLOG_PICTURES {
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
        let kind = FrameKind::Picture { key, refines: false };
        let header = Header { kind, width: 64, height: 64, seq, time: 0, length: 4, read: 0, encoded: 0, regions: 0 };
        Frame { header, bytes: Bytes::from_static(&[0; 1000]), arrived }
    }

    fn numbers(frames: &mut mpsc::Receiver<Arc<Frame>>) -> Vec<u32> {
        std::iter::from_fn(|| frames.try_recv().ok()).map(|f| f.header.seq).collect()
    }

    /// A session in which the technician may see the screen.
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

    const TECHNICIAN: ParticipantId = ParticipantId(1);

    fn subscribe(screen: &Screen, connection: u64) -> Subscription {
        screen.subscribe(connection, TECHNICIAN, || Arc::new(shared()))
    }

    fn relay(screen: &Screen, frame: Frame) {
        screen.relay(frame, || Arc::new(shared()));
    }

    #[test]
    fn a_late_viewer_starts_with_few_pictures_or_a_new_keyframe() {
        let (screen, start) = (Screen::default(), Instant::now());
        let most = BACKLOG_PICTURES as u32;
        (1..=most).for_each(|seq| relay(&screen, picture(seq, seq == 1, start)));
        let late = subscribe(&screen, 1);
        assert_eq!((late.backlog.len(), late.key_needed), (BACKLOG_PICTURES, false));
        relay(&screen, picture(most + 1, false, start));
        let late = subscribe(&screen, 2);
        assert_eq!((late.backlog.len(), late.key_needed), (0, true));
        relay(&screen, picture(most + 2, true, start));
        assert_eq!(subscribe(&screen, 3).backlog.len(), 1);
    }

    #[test]
    fn a_late_viewer_sees_nothing_that_was_just_withdrawn_or_paused() {
        let by = ParticipantId(2);
        let withdrawn = Event::Withdrawn { right: Right::View, why: WhyWithdrawn::Customer };
        for event in [withdrawn, Event::Paused { by, why: Pause::Customer }, Event::Left { id: TECHNICIAN }] {
            let now = || {
                let mut session = shared();
                session.apply(Timestamp(2), &event);
                Arc::new(session)
            };
            let start = Instant::now();
            let screen = Screen::default();
            let mut early = subscribe(&screen, 1);
            relay(&screen, picture(1, true, start));
            assert_eq!(numbers(&mut early.frames), [1]);
            assert_eq!(subscribe(&screen, 2).backlog.len(), 1);
            // The session knows of it, and the relay was not stopped yet.
            assert_eq!(screen.subscribe(3, TECHNICIAN, now).backlog.len(), 0, "{event:?}");
            // A frame that was allowed before, and arrives after.
            screen.stop();
            screen.relay(picture(2, true, start), now);
            assert_eq!(numbers(&mut early.frames), [0; 0], "{event:?}");
            let kept = subscribe(&screen, 4).backlog.len();
            assert_eq!(kept, usize::from(matches!(event, Event::Left { .. })), "{event:?}");
        }
    }

    #[test]
    fn a_slow_viewer_delays_nobody_and_resumes_with_a_keyframe() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let screen = Screen::default();
        let (mut quick, mut slow) = (subscribe(&screen, 1), subscribe(&screen, 2));
        relay(&screen, picture(1, true, at(0)));
        for seq in 2..100 {
            let now = at(u64::from(seq) * 33);
            relay(&screen, picture(seq, false, now));
            assert_eq!(screen.drawn(now, 1, seq).drawn, Some(seq), "the quick viewer paces");
        }
        assert_eq!(numbers(&mut quick.frames).len(), 99);
        let had = numbers(&mut slow.frames);
        assert!(had.len() < 70, "no more than two seconds wait for the slow viewer: {}", had.len());
        // It catches up: a keyframe is requested, once.
        let last = *had.last().unwrap();
        assert_eq!(screen.drawn(at(4_000), 2, last), Paced { drawn: None, key_needed: true });
        assert_eq!(screen.drawn(at(4_010), 2, last), Paced { drawn: None, key_needed: false });
        relay(&screen, picture(100, false, at(4_020)));
        relay(&screen, picture(101, true, at(4_030)));
        relay(&screen, picture(102, false, at(4_040)));
        assert_eq!(numbers(&mut slow.frames), [101, 102], "pictures before the keyframe are skipped");
    }

    #[test]
    fn pictures_that_were_not_sent_do_not_count_as_drawn() {
        let start = Instant::now();
        let screen = Screen::default();
        let _one = subscribe(&screen, 1);
        assert_eq!(screen.drawn(start, 1, 9).drawn, None);
        relay(&screen, picture(1, true, start));
        assert_eq!(screen.drawn(start, 1, u32::MAX).drawn, Some(1));
        relay(&screen, picture(2, false, start));
        assert_eq!(screen.drawn(start, 1, 2).drawn, Some(2), "a picture that was sent counts");
        let _late = subscribe(&screen, 2);
        assert_eq!(screen.drawn(start, 1, u32::MAX).drawn, None);
    }

    #[test]
    fn a_single_slow_viewer_is_paced_and_never_skipped() {
        let start = Instant::now();
        let screen = Screen::default();
        let mut only = subscribe(&screen, 1);
        relay(&screen, picture(1, true, start));
        relay(&screen, picture(2, false, start + Duration::from_secs(9)));
        assert_eq!(numbers(&mut only.frames), [1, 2]);
    }
}
