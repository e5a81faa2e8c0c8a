//! A modified support program: how much it can make the server store and compute.

use std::time::Duration;

use protocol::{
    Answer, Client, ClientMessage, Event, FrameKind, HEADER_BYTES, Header, Job, Pause, Right, ServerMessage, SessionId,
    ShellInput, Timestamp, UserRef, encode,
};
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::Value;
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    capacity,
    fixture::{Fixture, Peer},
    recording::{KEY, SharedScreen, policy},
    tools::{next_job, pair},
    wire::grant,
};

/// A keyframe of a few bytes that claims this size, as far as the server parses it (AV1 specification, 5.5).
fn claim(width: u16, height: u16) -> Vec<u8> {
    let sides = [(12, 4), (12, 4), (u32::from(width) - 1, 13), (u32::from(height) - 1, 13)];
    // Profile 1; no still picture, no timing information, no delay; one operating point of level 8, main tier.
    let before = [(1, 3), (0, 3), (0, 1), (0, 5), (0, 12), (8, 5), (0, 1)];
    let bits: String = before.iter().chain(&sides).map(|(value, count)| format!("{value:0count$b}")).collect();
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')) << (8 - bits.len());
    let mut unit = vec![0x0A, 40];
    unit.extend(bits.as_bytes().chunks(8).map(byte));
    unit.resize(42, 0);
    // A shown frame without content.
    unit.extend([0x32, 2, 0x10, 0]);
    unit
}

/// A frame whose header matches its picture.
fn frame(kind: FrameKind, (width, height): (u16, u16), seq: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let header = Header { kind, width, height, seq, time: 0, length, read: 0, encoded: 0, regions: 0 };
    assert_eq!(header.to_bytes().len(), HEADER_BYTES);
    [&header.to_bytes()[..], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tiny_frame_that_claims_a_huge_screen_costs_a_small_placeholder() {
    let fixture = Fixture::open("claim");
    policy(&fixture, true, "stop_sharing");
    let mut shown = SharedScreen::open(&fixture).await;
    let before = fixture.peak_kib();
    let largest = (8_192, 4_352);
    for seq in 1..=8 {
        let _screen = shown.send(&[frame(KEY, largest, seq, &claim(largest.0, largest.1))]).await;
        assert_eq!(shown.seen(1).await, [seq]);
        shown.customer.send(&ClientMessage::Pause { why: Pause::Customer }).await;
        shown.customer.send(&ClientMessage::Resume {}).await;
        shown.event(|e| matches!(e, Event::Resumed { .. })).await;
    }
    let (bytes, files) = shown.remains(&fixture).await;
    assert_eq!(files, [".activity", ".pointer", ".video"]);
    assert!(bytes.is_some_and(|bytes| bytes < 200_000), "{bytes:?} bytes of placeholders");
    let taken = fixture.peak_kib().saturating_sub(before);
    assert!(taken < 200_000, "{taken} KiB for what nobody has seen");
}

/// Restarts the server, and appends events to a session's stored timeline as the server would have.
fn append_events(fixture: &mut Fixture, session: &str, events: &[Event]) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| fixture.restart(|fixture| runtime.block_on(append(fixture, session, events))));
}

async fn append(fixture: &Fixture, session: &str, events: &[Event]) {
    let db = Database::connect(format!("sqlite://{}", fixture.database_file().display())).await.unwrap();
    let sql = |text: String| Statement::from_string(sea_orm::DbBackend::Sqlite, text);
    let last = format!("SELECT seq, at, hash FROM event WHERE session = '{session}' ORDER BY seq DESC LIMIT 1");
    let last = db.query_one_raw(sql(last)).await.unwrap().unwrap();
    let (first, at) = (last.try_get::<i32>("", "seq").unwrap() + 1, last.try_get::<i64>("", "at").unwrap());
    let mut hash = evidence::unhex(&last.try_get::<String>("", "hash").unwrap()).unwrap();
    let id = SessionId::try_from(session.to_owned()).unwrap();
    for (seq, event) in (first..).zip(events) {
        let stored = session::link(&id, &hash, seq.cast_unsigned(), Timestamp(at.cast_unsigned()), event);
        hash = stored.hash;
        let (body, hex) = (stored.body, evidence::hex(&hash));
        let row = format!("('{session}', {seq}, {at}, '{body}', '{hex}')");
        db.execute_raw(sql(format!("INSERT INTO event (session, seq, at, body, hash) VALUES {row}"))).await.unwrap();
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_a_size_limit_and_participants_are_told() {
    let mut fixture = Fixture::open("recorded-to-the-end");
    policy(&fixture, true, "stop_sharing");
    let mut shown = SharedScreen::open(&fixture).await;
    let segment = Event::Recorded { pictures: 1, bytes: 32 << 30, sha256: String::new() };
    append_events(&mut fixture, &shown.session, &[segment]);
    shown.again(&fixture).await;
    let _screen = shown.send(&[frame(KEY, (64, 64), 1, &capacity::key())]).await;
    let full = "the recording of one session has up to 32 GB; please go on in a new session";
    shown.event(|e| matches!(e, Event::RecordingFailed { reason } if reason == full)).await;
    shown.event(|e| matches!(e, Event::Withdrawn { right: Right::View, .. })).await;
    // Nothing that cannot be recorded is requested.
    shown.technician.send(&ClientMessage::Ask { rights: vec![Right::View] }).await;
    let refused = |m: &ServerMessage| matches!(m, ServerMessage::Refused { text, .. } if text == full);
    assert!(shown.technician.until(refused).await.is_some());
}

/// Opens a technician's shell of this width; returns what its terminal shows.
async fn shell_of(technician: &Peer, columns: u16) -> String {
    let (mut keys, mut page) = technician.session.open_bi().await.unwrap();
    keys.write_all(&encode(&ShellInput::Size { columns, rows: 24 })).await.unwrap();
    let mut shown = Vec::new();
    while let Ok(Some(bytes)) = page.read_chunk(65_536).await {
        shown.extend_from_slice(&bytes);
    }
    String::from_utf8(shown).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_cannot_be_recorded_is_not_opened() {
    let fixture = Fixture::open("unrecorded-shell");
    let (session, mut technician, mut customer) = pair(&fixture).await;
    grant(&mut technician, &mut customer, &[Right::Shell]).await;
    // A file is in the place of the folder for shell recordings.
    let shells = fixture.folder().join("shells");
    std::fs::write(&shells, "in the way").unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(60), shell_of(&technician, 41)).await.unwrap();
    assert!(refused.contains("The shell cannot be opened"), "{refused}");
    std::fs::remove_file(&shells).unwrap();
    let program = tokio::spawn(async move {
        let (job, mut sender) = next_job(&customer).await;
        assert_eq!(job, Job::Shell { columns: 42, rows: 24 }, "the one before never reached the program");
        sender.write_all(&encode(&Answer::Done {})).await.unwrap();
        sender.write_all(b"$ ").await.unwrap();
        sender.finish().unwrap();
        let _ = sender.closed().await;
        customer
    });
    assert_eq!(shell_of(&technician, 42).await, "$ ");
    let _customer = program.await.unwrap();
    let closed = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::ShellEnded { .. }));
    technician.until(closed).await.unwrap();
    let page: Value = serde_json::from_str(&fixture.get(&format!("/api/sessions/{session}")).1).unwrap();
    let shells = page["entries"].as_array().unwrap().iter().filter(|e| e["event"]["type"] == "shell_started").count();
    assert_eq!((shells, std::fs::read_dir(fixture.folder().join("shells")).unwrap().count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_ends_with_a_reason_when_its_recording_fails() {
    let fixture = Fixture::open("long-shell");
    let (_, mut technician, mut customer) = pair(&fixture).await;
    grant(&mut technician, &mut customer, &[Right::Shell]).await;
    let program = tokio::spawn(async move {
        let (_, mut sender) = next_job(&customer).await;
        sender.write_all(&encode(&Answer::Done {})).await.unwrap();
        // Until the server accepts no more.
        while sender.write_all(&[b'x'; 65_536]).await.is_ok() {}
        customer
    });
    let shown = shell_of(&technician, 80).await;
    let why = "the recording of a shell is limited to 64 MB; please open another shell";
    assert!(shown.ends_with(&format!("The shell ends: {why}.\u{1b}[0m\r\n")), "{}", &shown[shown.len() - 200..]);
    let said = |m: &ServerMessage| match m {
        ServerMessage::Happened { entry } => {
            matches!(&entry.event, Event::ShellEnded { sha256, .. } if sha256.len() == 64)
        }
        _ => false,
    };
    technician.until(said).await.expect("its recording is complete");
    let _customer = program.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_read_gets_no_copy_of_the_timeline() {
    let mut fixture = Fixture::open("deaf");
    let mut shown = SharedScreen::open(&fixture).await;
    let by = UserRef { id: 1, name: "Tom".into() };
    let long = vec![Event::Noted { by, text: "x".repeat(60_000) }; 400];
    append_events(&mut fixture, &shown.session, &long);
    shown.again(&fixture).await;
    let before = fixture.peak_kib();
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let ticket = fixture.technician_ticket(&shown.session);
        let mut peer = Peer::connect_limited(&fixture, &ticket, Client::Console, 100_000).await;
        peer.until(|m| matches!(m, ServerMessage::Happened { .. })).await.expect("the timeline begins");
        deaf.push(peer);
    }
    let taken = fixture.peak_kib() - before;
    assert!(taken < 100_000, "{taken} KiB for eight readers of 24 MB that do not read");
}
