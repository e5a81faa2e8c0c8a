//! What is recorded, and what happens when it cannot be: the session's own policy decides, and the disk says what was done.

use std::time::Duration;

use protocol::{Client, ClientMessage, Event, FrameKind, HEADER_BYTES, Header, Pause, Right, ServerMessage};
use serde_json::{Value, json};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    capacity::{self, frame},
    stage::{Peer, Stage},
    wire::grant,
};

pub(crate) const KEY: FrameKind = FrameKind::Picture { key: true, lossless: false };
const DELTA: FrameKind = FrameKind::Picture { key: false, lossless: false };

/// Every session from now on has this policy, and the settings say the opposite.
pub(crate) fn policy(stage: &Stage, record: bool, unrecorded: &str) {
    let policy = json!({ "name": "Own", "team": "", "kind": "", "rights": Right::ALL, "record": record, "unrecorded": unrecorded });
    assert_eq!(stage.put("/api/rules", &json!({ "roles": [], "policies": [policy] })).0, 200);
    let opposite = if unrecorded == "go_on" { "stop_sharing" } else { "go_on" };
    settings(stage, !record, opposite);
}

fn settings(stage: &Stage, record: bool, unrecorded: &str) {
    let mut settings: Value = serde_json::from_str(&stage.get("/api/settings").1).unwrap();
    settings["record"] = json!(record);
    settings["unrecorded"] = json!(unrecorded);
    let (status, answer) = stage.put("/api/settings", &settings);
    assert_eq!(status, 200, "{answer}");
}

/// A session in which the customer has allowed the screen.
pub(crate) struct Shown {
    pub(crate) session: String,
    pub(crate) technician: Peer,
    pub(crate) customer: Peer,
    resume: String,
}

impl Shown {
    pub(crate) async fn open(stage: &Stage) -> Self {
        let (session, _, link) = stage.generate();
        let technician = Peer::connect(stage, &stage.technician_ticket(&session), Client::Console).await;
        let (ticket, resume) = stage.customer_enters(&link, "program");
        let customer = Peer::connect(stage, &ticket, Client::Program).await;
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

    /// Everybody comes back after the server was away.
    pub(crate) async fn again(&mut self, stage: &Stage) {
        self.technician = Peer::connect(stage, &stage.technician_ticket(&self.session), Client::Console).await;
        self.customer = Peer::connect(stage, &stage.customer_returns(&self.resume), Client::Program).await;
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

    /// The numbers of the frames that come by the technician's next stream, so many of them.
    pub(crate) async fn seen(&self, count: usize) -> Vec<u32> {
        let mut stream = self.technician.session.accept_uni().await.unwrap();
        let (mut bytes, mut seen) = (Vec::new(), Vec::new());
        while seen.len() < count {
            let chunk = tokio::time::timeout(Duration::from_secs(60), stream.read_chunk(65_536)).await;
            bytes.extend_from_slice(&chunk.expect("a frame arrives in time").unwrap().expect("and then one more"));
            // Behind the letter of the stream.
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

    /// Ends the session; what the timeline says was stored of the screen, and what lies on the disk.
    pub(crate) async fn remains(&self, stage: &Stage) -> (Option<u64>, Vec<String>) {
        assert_eq!(stage.post(&format!("/api/sessions/{}/close", self.session), &Value::Null).0, 204);
        self.stored(stage).await
    }

    /// The same, of a session that has ended.
    async fn stored(&self, stage: &Stage) -> (Option<u64>, Vec<String>) {
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let page: Value = serde_json::from_str(&stage.get(&format!("/api/sessions/{}", self.session)).1).unwrap();
            if page["history"]["stored"] == true {
                return (page["history"]["recording_bytes"].as_u64(), self.on_disk(stage));
            }
            assert!(tokio::time::Instant::now() < end, "it is never stored: {page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn on_disk(&self, stage: &Stage) -> Vec<String> {
        let Ok(list) = std::fs::read_dir(stage.folder().join("recordings")) else { return vec![] };
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
        let mut stage = Stage::open(&format!("recorded-{record}"));
        policy(&stage, record, "stop_sharing");
        let mut shown = Shown::open(&stage).await;
        let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
        assert_eq!(is_recorded(&shown.event(sharing).await), record);
        assert_eq!(shown.seen(1).await, [1]);
        // The policy is gone meanwhile; the session keeps the one that it began with.
        assert_eq!(stage.put("/api/rules", &json!({ "roles": [], "policies": [] })).0, 200);
        stage.restart(|_| {});
        shown.again(&stage).await;
        let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
        assert_eq!(is_recorded(&shown.event(sharing).await), record, "after a restart");
        assert_eq!(shown.seen(1).await, [1]);
        let (bytes, files) = shown.remains(&stage).await;
        match record {
            true => assert_eq!(files, [".activity", ".pointer", ".video"]),
            false => assert_eq!(files, [""; 0]),
        }
        assert_eq!(bytes.is_some(), record, "{bytes:?}");
    }
}

/// Where recordings should lie there is a file: nothing can be recorded.
fn obstruct(stage: &Stage) {
    let folder = stage.folder().join("recordings");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::write(folder, "in the way").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_shown_no_more_where_the_policy_says_so() {
    let stage = Stage::open("unrecorded-stop");
    policy(&stage, true, "stop_sharing");
    obstruct(&stage);
    let mut shown = Shown::open(&stage).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    shown.event(|e| matches!(e, Event::Withdrawn { right: Right::View, .. })).await;
    // When there is room again it is shown and recorded; the picture before never arrived.
    std::fs::remove_file(stage.folder().join("recordings")).unwrap();
    shown.allow().await;
    let _again = shown.send(&[frame(KEY, 2, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [2]);
    assert_eq!(shown.remains(&stage).await.1, [".activity", ".pointer", ".video"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_goes_on_where_the_policy_says_so_and_stays_unrecorded() {
    let mut stage = Stage::open("unrecorded-go-on");
    policy(&stage, true, "go_on");
    // The settings would record, and stop.
    settings(&stage, true, "stop_sharing");
    obstruct(&stage);
    let mut shown = Shown::open(&stage).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    assert_eq!(shown.seen(1).await, [1]);
    stage.restart(|stage| std::fs::remove_file(stage.folder().join("recordings")).unwrap());
    shown.again(&stage).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert!(!is_recorded(&shown.event(sharing).await), "people were told that it is not recorded");
    assert_eq!(shown.seen(1).await, [1]);
    assert_eq!(shown.remains(&stage).await, (None, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn room_on_the_disk_is_asked_for_by_the_sessions_own_policy() {
    let full = u64::MAX / (1 << 21);
    let stage = Stage::open_with("room", &["--disk-floor-mib", &full.to_string()]);
    for (record, unrecorded, refused) in [
        (true, "stop_sharing", true),
        (true, "end_session", true),
        (true, "go_on", false),
        (false, "stop_sharing", false),
    ] {
        policy(&stage, record, unrecorded);
        let (session, _, link) = stage.generate();
        let mut technician = Peer::connect(&stage, &stage.technician_ticket(&session), Client::Console).await;
        let mut customer = Peer::connect(&stage, &stage.customer_ticket(&link, "program"), Client::Program).await;
        technician.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
        customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
        // Control shows the screen too, and a shell shows what is in its recording.
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
async fn what_could_not_be_stored_is_said_and_an_administrator_has_it_tried_again() {
    let stage = Stage::open("store-again");
    policy(&stage, true, "stop_sharing");
    let shown = Shown::open(&stage).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [1]);
    // Where the video should be written there is a folder.
    let obstacle = stage.folder().join("recordings").join(format!("{}.new", shown.session));
    std::fs::create_dir(&obstacle).unwrap();
    let again = format!("/api/sessions/{}/store", shown.session);
    assert_eq!(stage.post(&again, &Value::Null).0, 409, "nothing failed yet");
    assert_eq!(stage.post(&format!("/api/sessions/{}/close", shown.session), &Value::Null).0, 204);
    stage.log_with("the evidence cannot be stored").await;
    let page: Value = serde_json::from_str(&stage.get(&format!("/api/sessions/{}", shown.session)).1).unwrap();
    assert!(page["unstored"]["why"].as_str().unwrap().contains("directory"), "{}", page["unstored"]);
    assert_eq!((&page["unstored"]["given_up"], &page["may"]["store"]), (&json!(false), &json!(true)));
    // Each wait is longer than the one before, and whoever has mended it waits for none.
    for tries in 2..=5 {
        assert_eq!(stage.post(&again, &Value::Null).0, 202);
        stage.log_with_times("the evidence cannot be stored", tries).await;
    }
    let log = stage.log_with("again_in").await;
    assert!(log.contains("160s"), "{log}");
    std::fs::remove_dir(&obstacle).unwrap();
    assert_eq!(stage.post(&again, &Value::Null).0, 202);
    assert_eq!(shown.stored(&stage).await.1, [".activity", ".pointer", ".video"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_no_recording_can_hold_is_shown_to_nobody_where_it_must_be_recorded() {
    let stage = Stage::open("unrecordable");
    policy(&stage, true, "stop_sharing");
    let mut shown = Shown::open(&stage).await;
    for (kind, bytes) in [(KEY, &b"AV1!"[..]), (KEY, &capacity::delta()[..])] {
        let _screen = shown.send(&[frame(kind, 1, 0, bytes)]).await;
        shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
        shown.event(|e| matches!(e, Event::Withdrawn { right: Right::View, .. })).await;
        shown.allow().await;
    }
    // Also in the middle of what was recorded well.
    let _screen = shown.send(&[frame(KEY, 2, 0, &capacity::key()), frame(DELTA, 3, 0, b"AV1!")]).await;
    shown.event(|e| matches!(e, Event::RecordingFailed { .. })).await;
    assert_eq!(shown.seen(1).await, [2], "nothing came before what can be recorded");
    shown.allow().await;
    let _again = shown.send(&[frame(KEY, 4, 0, &capacity::key()), frame(DELTA, 5, 0, &capacity::delta())]).await;
    assert_eq!(shown.seen(2).await, [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_no_recording_can_hold_is_shown_where_nothing_is_recorded() {
    let stage = Stage::open("unrecordable-allowed");
    policy(&stage, false, "stop_sharing");
    let shown = Shown::open(&stage).await;
    let _screen = shown.send(&[frame(KEY, 1, 0, b"AV1!")]).await;
    assert_eq!(shown.seen(1).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_that_builds_on_what_the_recording_does_not_have() {
    let stage = Stage::open("deltas");
    policy(&stage, true, "stop_sharing");
    let mut shown = Shown::open(&stage).await;
    let mut screen = shown.send(&[frame(KEY, 1, 0, &capacity::key())]).await;
    assert_eq!(shown.seen(1).await, [1]);
    // In the recording a card takes the picture's place; a program that goes on as if nothing was is not shown.
    shown.customer.send(&ClientMessage::Pause { why: Pause::Customer }).await;
    shown.customer.send(&ClientMessage::Resume {}).await;
    shown.event(|e| matches!(e, Event::Resumed { .. })).await;
    shown.customer.until(|m| matches!(m, ServerMessage::NeedKeyframe {})).await.unwrap();
    screen.write_all(&frame(DELTA, 2, 0, &capacity::delta())).await.unwrap();
    shown.customer.until(|m| matches!(m, ServerMessage::NeedKeyframe {})).await.expect("it is asked for again");
    let next = [frame(KEY, 3, 0, &capacity::key()), frame(DELTA, 4, 0, &capacity::delta())];
    let _again = shown.send(&next).await;
    assert_eq!(shown.seen(2).await, [3, 4]);
}
