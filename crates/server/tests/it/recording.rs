//! Recording, and what happens when it fails: the session's own policy decides, and the files on disk prove it.

use std::time::Duration;

use protocol::{Client, ClientMessage, Event, FrameKind, HEADER_BYTES, Header, Pause, Right, ServerMessage};
use serde_json::{Value, json};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    capacity::{self, frame},
    fixture::{Fixture, Peer},
    wire::grant,
};

pub(crate) const KEY: FrameKind = FrameKind::Picture { key: true, refines: false };
const DELTA: FrameKind = FrameKind::Picture { key: false, refines: false };

/// Sessions from now on have this policy, and the settings say the opposite.
pub(crate) fn policy(fixture: &Fixture, record: bool, unrecorded: &str) {
    let policy = json!({ "name": "Own", "team": "", "kind": "", "rights": Right::ALL, "record": record, "unrecorded": unrecorded });
    assert_eq!(fixture.put("/api/rules", &json!({ "roles": [], "policies": [policy] })).0, 200);
    let opposite = if unrecorded == "go_on" { "stop_sharing" } else { "go_on" };
    settings(fixture, !record, opposite);
}

fn settings(fixture: &Fixture, record: bool, unrecorded: &str) {
    let mut settings: Value = serde_json::from_str(&fixture.get("/api/settings").1).unwrap();
    settings["record"] = json!(record);
    settings["unrecorded"] = json!(unrecorded);
    let (status, answer) = fixture.put("/api/settings", &settings);
    assert_eq!(status, 200, "{answer}");
}

/// A session in which the customer shares the screen.
pub(crate) struct SharedScreen {
    pub(crate) session: String,
    pub(crate) technician: Peer,
    pub(crate) customer: Peer,
    resume: String,
}

impl SharedScreen {
    pub(crate) async fn open(fixture: &Fixture) -> Self {
        let (session, _, link) = fixture.generate();
        let technician = Peer::connect(fixture, &fixture.technician_ticket(&session), Client::Console).await;
        let (ticket, resume) = fixture.customer_enters(&link, "program");
        let customer = Peer::connect(fixture, &ticket, Client::Program).await;
        let mut shown = Self { session, technician, customer, resume };
        shown.caught_up().await;
        shown.allow().await;
        shown
    }

    async fn caught_up(&mut self) {
        for peer in [&mut self.technician, &mut self.customer] {
            peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
        }
    }

    async fn allow(&mut self) {
        grant(&mut self.technician, &mut self.customer, &[Right::View]).await;
    }

    /// Everybody reconnects after a restart of the server.
    pub(crate) async fn again(&mut self, fixture: &Fixture) {
        self.technician = Peer::connect(fixture, &fixture.technician_ticket(&self.session), Client::Console).await;
        self.customer = Peer::connect(fixture, &fixture.customer_returns(&self.resume), Client::Program).await;
        self.caught_up().await;
    }

    /// The customer's program sends these frames.
    pub(crate) async fn send(&self, frames: &[Vec<u8>]) -> <qmux::Session as Session>::SendStream {
        self.customer.stream(&[&b"S"[..], &frames.concat()].concat()).await
    }

    /// The next of these events, as the technician reads it.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        let happened = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if fits(&entry.event));
        match self.technician.until(happened).await {
            Some(ServerMessage::Happened { entry }) => entry.event,
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the first frames on the technician's next stream.
    pub(crate) async fn seen(&self, count: usize) -> Vec<u32> {
        let mut stream = self.technician.session.accept_uni().await.unwrap();
        let (mut bytes, mut seen) = (Vec::new(), Vec::new());
        while seen.len() < count {
            let chunk = tokio::time::timeout(Duration::from_secs(60), stream.read_chunk(65_536)).await;
            bytes.extend_from_slice(&chunk.expect("a frame arrives in time").unwrap().expect("and then one more"));
            // After the stream's type byte.
            seen.clear();
            let mut rest = bytes.get(1..).unwrap_or_default();
            while let Some(header) = rest.first_chunk::<HEADER_BYTES>().map(|h| Header::from_bytes(h).unwrap()) {
                let Some(after) = rest.get(header.frame_bytes()..) else { break };
                seen.push(header.seq);
                rest = after;
            }
        }
        seen
    }

    /// Ends the session; returns what the timeline says was stored, and the files on disk.
    pub(crate) async fn remains(&self, fixture: &Fixture) -> (Option<u64>, Vec<String>) {
        assert_eq!(fixture.post(&format!("/api/sessions/{}/close", self.session), &Value::Null).0, 204);
        self.stored(fixture).await
    }

    /// The same, of a session that has ended.
    async fn stored(&self, fixture: &Fixture) -> (Option<u64>, Vec<String>) {
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let page: Value = serde_json::from_str(&fixture.get(&format!("/api/sessions/{}", self.session)).1).unwrap();
            if page["history"]["stored"] == true {
                return (page["history"]["recording_bytes"].as_u64(), self.on_disk(fixture));
            }
            assert!(tokio::time::Instant::now() < end, "it is never stored: {page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn on_disk(&self, fixture: &Fixture) -> Vec<String> {
        let Ok(list) = std::fs::read_dir(fixture.folder().join("recordings")) else { return vec![] };
        let names = list.map(|f| f.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter_map(|n| n.strip_prefix(&self.session).map(str::to_owned)).collect();
        names.sort();
        names
    }
}

fn sharing(event: &Event) -> bool {
    matches!(event, Event::SharingStarted { .. })
}

fn is_recorded(event: &Event) -> bool {
    matches!(event, Event::SharingStarted { recorded: true, .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded_by_its_own_policy_also_after_a_restart() {
    for record in [true, false] {
        let mut fixture = Fixture::open(&format!("recorded-{record}"));
        policy(&fixture, record, "stop_sharing");
        let mut shown = SharedScreen::open(&fixture).await;
        let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
        assert_eq!(is_recorded(&shown.event(sharing).await), record);
        assert_eq!(shown.seen(1).await, [1]);
        // The policy has been deleted; the session keeps the one that it began with.
        assert_eq!(fixture.put("/api/rules", &json!({ "roles": [], "policies": [] })).0, 200);
        fixture.restart(|_| {});
        shown.again(&fixture).await;
        let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
        assert_eq!(is_recorded(&shown.event(sharing).await), record, "after a restart");
        assert_eq!(shown.seen(1).await, [1]);
        let (bytes, files) = shown.remains(&fixture).await;
        match record {
            true => assert_eq!(files, [".activity", ".pointer", ".video"]),
            false => assert_eq!(files, [""; 0]),
        }
        assert_eq!(bytes.is_some(), record, "{bytes:?}");
    }
}

/// A file is in the place of the recordings' folder, so nothing can be recorded.
fn obstruct(fixture: &Fixture) {
    let folder = fixture.folder().join("recordings");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::write(folder, "in the way").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_stops_when_recording_fails_and_the_policy_requires_it() {
    let fixture = Fixture::open("unrecorded-stop");
    policy(&fixture, true, "stop_sharing");
    obstruct(&fixture);
    let mut shown = SharedScreen::open(&fixture).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    shown.event(|e| matches!(e, Event::Withdrawn { right: Right::View, .. })).await;
    // Once it is possible again, the screen is shown and recorded; the earlier picture never arrived.
    std::fs::remove_file(fixture.folder().join("recordings")).unwrap();
    shown.allow().await;
    let _again = shown.send(&[frame(KEY, 2, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [2]);
    assert_eq!(shown.remains(&fixture).await.1, [".activity", ".pointer", ".video"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_continues_unrecorded_when_the_policy_allows_it() {
    let mut fixture = Fixture::open("unrecorded-go-on");
    policy(&fixture, true, "go_on");
    // The settings would require the recording.
    settings(&fixture, true, "stop_sharing");
    obstruct(&fixture);
    let mut shown = SharedScreen::open(&fixture).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    assert_eq!(shown.seen(1).await, [1]);
    fixture.restart(|fixture| std::fs::remove_file(fixture.folder().join("recordings")).unwrap());
    shown.again(&fixture).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert!(!is_recorded(&shown.event(sharing).await), "participants were told that it is not recorded");
    assert_eq!(shown.seen(1).await, [1]);
    assert_eq!(shown.remains(&fixture).await, (None, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_policy_decides_whether_disk_space_is_needed() {
    let full = u64::MAX / (1 << 21);
    let fixture = Fixture::open_with("room", &["--disk-floor-mib", &full.to_string()]);
    for (record, unrecorded, refused) in [
        (true, "stop_sharing", true),
        (true, "end_session", true),
        (true, "go_on", false),
        (false, "stop_sharing", false),
    ] {
        policy(&fixture, record, unrecorded);
        let (session, _, link) = fixture.generate();
        let mut technician = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
        let mut customer = Peer::connect(&fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
        technician.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
        customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
        // Control also shows the screen, and a shell is recorded too.
        for right in [Right::Control, Right::Shell] {
            technician.send(&ClientMessage::Ask { rights: vec![right] }).await;
            let answer = technician.until(|m| match m {
                ServerMessage::Refused { .. } => true,
                ServerMessage::State { state, .. } => state.asked.contains(&right),
                _ => false,
            });
            let answer = answer.await.unwrap();
            let is_refused = matches!(answer, ServerMessage::Refused { .. });
            assert_eq!(is_refused, refused, "{right:?} {record} {unrecorded}: {answer:?}");
            if !refused {
                customer.send(&ClientMessage::Answer { rights: vec![] }).await;
                let denied =
                    |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.asked.is_empty());
                technician.until(denied).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_storing_is_reported_and_an_administrator_can_retry_it() {
    let fixture = Fixture::open("store-again");
    policy(&fixture, true, "stop_sharing");
    let shown = SharedScreen::open(&fixture).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [1]);
    // A folder is in the place of the video file.
    let obstacle = fixture.folder().join("recordings").join(format!("{}.new", shown.session));
    std::fs::create_dir(&obstacle).unwrap();
    let again = format!("/api/sessions/{}/store", shown.session);
    assert_eq!(fixture.post(&again, &Value::Null).0, 409, "nothing has failed yet");
    assert_eq!(fixture.post(&format!("/api/sessions/{}/close", shown.session), &Value::Null).0, 204);
    fixture.log_with("evidence not stored").await;
    let page: Value = serde_json::from_str(&fixture.get(&format!("/api/sessions/{}", shown.session)).1).unwrap();
    assert!(page["unstored"]["why"].as_str().unwrap().contains("directory"), "{}", page["unstored"]);
    assert_eq!((&page["unstored"]["given_up"], &page["may"]["store"]), (&json!(false), &json!(true)));
    // Each wait is longer than the one before, and an administrator can retry at once.
    for tries in 2..=5 {
        assert_eq!(fixture.post(&again, &Value::Null).0, 202);
        fixture.log_with_times("evidence not stored", tries).await;
    }
    let log = fixture.log_with("retry_in").await;
    assert!(log.contains("160s"), "{log}");
    std::fs::remove_dir(&obstacle).unwrap();
    assert_eq!(fixture.post(&again, &Value::Null).0, 202);
    assert_eq!(shown.stored(&fixture).await.1, [".activity", ".pointer", ".video"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrecordable_frame_is_not_shown_where_recording_is_required() {
    let fixture = Fixture::open("unrecordable");
    policy(&fixture, true, "stop_sharing");
    let mut shown = SharedScreen::open(&fixture).await;
    for (kind, bytes) in [(KEY, &b"AV1!"[..]), (KEY, &capacity::delta()[..])] {
        let _screen = shown.send(&[frame(kind, 1, 0, bytes)]).await;
        shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
        shown.event(|e| matches!(e, Event::Withdrawn { right: Right::View, .. })).await;
        shown.allow().await;
    }
    // Also in the middle of a good recording.
    let _screen = shown.send(&[frame(KEY, 2, 0, &capacity::key()), frame(DELTA, 3, 0, b"AV1!")]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    assert_eq!(shown.seen(1).await, [2], "nothing unrecordable arrived before");
    shown.allow().await;
    let _again = shown.send(&[frame(KEY, 4, 0, &capacity::key()), frame(DELTA, 5, 0, &capacity::delta())]).await;
    assert_eq!(shown.seen(2).await, [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrecordable_frame_is_shown_where_nothing_is_recorded() {
    let fixture = Fixture::open("unrecordable-allowed");
    policy(&fixture, false, "stop_sharing");
    let shown = SharedScreen::open(&fixture).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, b"AV1!")]).await;
    assert_eq!(shown.seen(1).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_build_on_an_unrecorded_one_are_not_shown() {
    let fixture = Fixture::open("deltas");
    policy(&fixture, true, "stop_sharing");
    let mut shown = SharedScreen::open(&fixture).await;
    let mut screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [1]);
    // The recording has a placeholder instead of the frame; a program that simply continues is not shown.
    shown.customer.send(&ClientMessage::Pause { why: Pause::Customer }).await;
    shown.customer.send(&ClientMessage::Resume {}).await;
    shown.event(|e| matches!(e, Event::Resumed { .. })).await;
    shown.customer.until(|m| matches!(m, ServerMessage::NeedKeyframe {})).await.unwrap();
    screen.write_all(&frame(DELTA, 2, 0, &capacity::delta())).await.unwrap();
    shown.customer.until(|m| matches!(m, ServerMessage::NeedKeyframe {})).await.expect("a keyframe is requested again");
    let next = [frame(KEY, 3, 0, &capacity::key()), frame(DELTA, 4, 0, &capacity::delta())];
    let _again = shown.send(&next).await;
    assert_eq!(shown.seen(2).await, [3, 4]);
}
