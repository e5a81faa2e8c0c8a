//! Everything that grows on the server has a limit, and reports when it is reached.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use protocol::{
    Answer, ClientMessage, Event, Fault, FrameKind, Header, MAX_EVENT_BYTES, RefusalReason, Right, ServerMessage,
    encode,
};
use serde_json::json;
use web_transport_trait::SendStream;

use crate::{
    capacity,
    fixture::Fixture,
    tools::{next_job, pair},
    wire::grant,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_cannot_send_texts_without_limit() {
    let fixture = Fixture::open("bounds-fault");
    let (session, mut technician, mut customer) = pair(&fixture).await;
    grant(&mut technician, &mut customer, &[Right::Files]).await;
    let program = tokio::spawn(async move {
        let (_, mut sender) = next_job(&customer).await;
        let fault = Fault::Other { why: "x".repeat(7_000_000) };
        sender.write_all(&encode(&Answer::Fault { fault })).await.unwrap();
        sender.finish().unwrap();
        let _ = sender.closed().await;
        customer
    });
    let at = format!("/api/sessions/{session}/files/leaving/1");
    let (status, problem) = tokio::task::block_in_place(|| fixture.post(&at, &json!({ "path": "/film" })));
    assert_eq!(status, 422);
    assert!(problem.to_string().len() < 2_000, "{} bytes of a problem", problem.to_string().len());
    let _customer = program.await.unwrap();
    let failed = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::FileFailed { .. }));
    let reported = technician.until(failed).await.unwrap();
    assert!(encode(&reported).len() < MAX_EVENT_BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_who_writes_too_often_is_refused_and_stays_connected() {
    let fixture = Fixture::open("bounds-chat");
    let (_, mut technician, mut customer) = pair(&fixture).await;
    for nonce in 1..=100 {
        customer.send(&ClientMessage::Chat { text: "and another one".into(), nonce }).await;
    }
    let refused = customer.until(|m| matches!(m, ServerMessage::Refused { .. })).await;
    let Some(ServerMessage::Refused { why, text, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((why, text.as_str()), (RefusalReason::TooOften, "this happened too often; please wait a moment"));
    technician.send(&ClientMessage::Chat { text: "One at a time, please.".into(), nonce: 1 }).await;
    let said = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(&entry.event, Event::Chat { text, .. } if text.starts_with("One")));
    assert!(customer.until(said).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_upload_leaves_no_file() {
    let fixture = Fixture::open("bounds-half");
    let (session, ..) = pair(&fixture).await;
    let folder = fixture.database_file().with_file_name("posts");
    let files = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
    let reached = |wanted: usize| {
        let end = Instant::now() + Duration::from_secs(60);
        while files() != wanted {
            assert!(Instant::now() < end, "{} files", files());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    tokio::task::block_in_place(|| {
        let host = fixture.url.trim_start_matches("http://");
        let mut line = std::net::TcpStream::connect(host).unwrap();
        let head = format!(
            "POST /api/sessions/{session}/posts?name=half HTTP/1.1\r\nhost: {host}\r\ncookie: {}\r\n\
             content-length: 100000\r\n\r\nhalf",
            fixture.cookie
        );
        line.write_all(head.as_bytes()).unwrap();
        reached(1);
        drop(line);
        reached(0);
        // A file over the limit is refused before it is uploaded.
        let mut line = std::net::TcpStream::connect(host).unwrap();
        line.write_all(head.replace("100000", "600000000").as_bytes()).unwrap();
        let mut answer = [0; 12];
        std::io::Read::read_exact(&mut line, &mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn resizing_is_reported_now_and_then_and_the_last_size_always() {
    let fixture = Fixture::open("bounds-sizes");
    assert_eq!(fixture.put("/api/settings", &json!({ "record": false })).0, 200);
    let (_, mut technician, mut customer) = pair(&fixture).await;
    grant(&mut technician, &mut customer, &[Right::View]).await;
    let payload = capacity::key();
    let frame = |n: u16| {
        let kind = FrameKind::Picture { key: true, refines: false };
        let (width, seq) = (100 + n, u32::from(n));
        let length = u32::try_from(payload.len()).unwrap();
        let header = Header { kind, width, height: 100, seq, time: 0, length, read: 0, encoded: 0, regions: 0 };
        [header.to_bytes().as_slice(), &payload].concat()
    };
    const SIZES: u16 = 2_000;
    let frames: Vec<u8> = (1..=SIZES).flat_map(frame).collect();
    let _screen = customer.stream(&[b"S".as_slice(), &frames].concat()).await;
    let mut reported = 0;
    let last =
        |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.screen == Some((100 + SIZES, 100)));
    loop {
        let message = technician.next().await.expect("the connection stays open");
        let resized = |e: &Event| matches!(e, Event::ScreenResized { .. });
        reported += usize::from(matches!(&message, ServerMessage::Happened { entry } if resized(&entry.event)));
        if last(&message) {
            break;
        }
    }
    assert!((1..60).contains(&reported), "{reported} sizes were reported");
}

#[test]
fn hand_over_tokens_are_limited_and_end_with_the_session() {
    let fixture = Fixture::open("bounds-handover");
    let (session, _, link) = fixture.generate();
    let (_, resume) = fixture.customer_enters(&link, "browser");
    let hand_over = || {
        let (status, handed) = fixture.post_as("/api/join/handover", &json!({ "token": resume }), &[]);
        assert_eq!(status, 200, "{handed}");
        handed["token"].as_str().unwrap().to_owned()
    };
    let works = |token: &str| {
        let pass = json!({ "by": "handover", "token": token });
        fixture.post_as("/api/join/look", &pass, &[]).0 == 200
    };
    let tokens: Vec<String> = (0..12).map(|_| hand_over()).collect();
    assert_eq!(tokens.iter().filter(|token| works(token)).count(), 5);
    assert!(works(tokens.last().unwrap()));
    assert_eq!(fixture.post(&format!("/api/sessions/{session}/close"), &serde_json::Value::Null).0, 204);
    assert!(!tokens.iter().any(|token| works(token)));
}
