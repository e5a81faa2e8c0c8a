use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use protocol::{
    Client, ClientMessage, Event, FrameKind, Input, Presence, RefusalReason, Right, Role, ServerMessage, encode,
};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    capacity,
    fixture::{Fixture, Peer},
};

/// A new message: each has a nonce of its own.
fn chat(text: &str) -> ClientMessage {
    static NONCE: AtomicU32 = AtomicU32::new(1);
    ClientMessage::Chat { text: text.into(), nonce: NONCE.fetch_add(1, Ordering::Relaxed) }
}

fn says(message: &ServerMessage, words: &str) -> bool {
    matches!(message, ServerMessage::Happened { entry } if matches!(&entry.event, Event::Chat { text, .. } if text == words))
}

pub(crate) async fn pair(fixture: &Fixture) -> (Peer, Peer) {
    let (session, _, link) = fixture.generate();
    let mut technician = Peer::connect(fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let mut customer = Peer::connect(fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
    assert!(technician.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (technician, customer)
}

/// Asserts that the session still works for both.
async fn unharmed(technician: &mut Peer, customer: &mut Peer, words: &str) {
    technician.send(&chat(words)).await;
    assert!(customer.until(|m| says(m, words)).await.is_some(), "the session was harmed");
}

/// Every right that a technician may request on Linux.
fn asked() -> Vec<Right> {
    Right::ALL.into_iter().filter(|r| *r != Right::Elevate).collect()
}

pub(crate) async fn grant(technician: &mut Peer, customer: &mut Peer, answer: &[Right]) {
    technician.send(&ClientMessage::Ask { rights: asked() }).await;
    let question = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if !state.asked.is_empty());
    customer.until(question).await.unwrap();
    customer.send(&ClientMessage::Answer { rights: answer.to_vec() }).await;
    let granted = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if !state.grants.is_empty());
    technician.until(granted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_admits_once_and_only_what_it_is_for() {
    let fixture = Fixture::open("tickets");
    let (session, _, link) = fixture.generate();
    for ticket in ["", "made up", &"x".repeat(5_000)] {
        assert!(Peer::connect(&fixture, ticket, Client::Console).await.next().await.is_none(), "{ticket}");
    }
    let ticket = fixture.technician_ticket(&session);
    assert!(Peer::connect(&fixture, &ticket, Client::Program).await.next().await.is_none(), "a technician's ticket");
    let ticket = fixture.technician_ticket(&session);
    let mut first = Peer::connect(&fixture, &ticket, Client::Console).await;
    assert!(matches!(first.next().await, Some(ServerMessage::Welcome { .. })));
    assert!(Peer::connect(&fixture, &ticket, Client::Console).await.next().await.is_none(), "used already");
    let ticket = fixture.customer_ticket(&link, "browser");
    assert!(Peer::connect(&fixture, &ticket, Client::Console).await.next().await.is_none(), "a customer's ticket");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_without_the_control_grant_never_reaches_the_customer() {
    let fixture = Fixture::open("input");
    let (mut technician, mut customer) = pair(&fixture).await;
    let text = |text: &str| encode(&Input::Text { text: text.into() });
    let dropped = "input outside the grant is dropped";
    let _before = technician.stream(&[b"I".as_slice(), &text("before any grant"), &text("and again")].concat()).await;
    fixture.log_with_times(dropped, 1).await;
    unharmed(&mut technician, &mut customer, "one").await;
    grant(&mut technician, &mut customer, &[Right::View]).await;
    let hand = technician.stream(&[b"I".as_slice(), &text("with view only")].concat()).await;
    let log = fixture.log_with_times(dropped, 2).await;
    assert_eq!(log.matches(dropped).count(), 2, "logged once a stream, not once a message");
    unharmed(&mut technician, &mut customer, "two").await;
    grant_control_and_check(technician, customer, hand).await;
}

/// After the grant exactly one input arrives, the one that was sent under it.
async fn grant_control_and_check(
    mut technician: Peer,
    mut customer: Peer,
    mut hand: <qmux::Session as Session>::SendStream,
) {
    technician.send(&ClientMessage::Ask { rights: asked() }).await;
    let question = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if !state.asked.is_empty());
    customer.until(question).await.unwrap();
    customer.send(&ClientMessage::Answer { rights: vec![Right::View, Right::Control] }).await;
    let controls = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.grants.len() == 2);
    technician.until(controls).await.unwrap();
    hand.write_all(&encode(&Input::Text { text: "allowed".into() })).await.unwrap();
    let mut stream = customer.session.accept_uni().await.unwrap();
    let mut bytes = Vec::new();
    let expected = [b"I".as_slice(), &encode(&Input::Text { text: "allowed".into() })].concat();
    while bytes.len() < expected.len() {
        let chunk = tokio::time::timeout(Duration::from_secs(60), stream.read_chunk(4_096)).await;
        bytes.extend_from_slice(&chunk.expect("the input arrives").unwrap().unwrap());
    }
    assert_eq!(bytes, expected, "only what the grant covers");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_outside_the_grant_reach_nobody() {
    let fixture = Fixture::open("frames");
    let (mut technician, mut customer) = pair(&fixture).await;
    let kind = FrameKind::Picture { key: true, refines: false };
    let _screen = customer.stream(&[b"S".as_slice(), &capacity::frame(kind, 1, 0, &capacity::key())].concat()).await;
    unharmed(&mut technician, &mut customer, "still here").await;
    let frame = tokio::time::timeout(Duration::from_millis(500), technician.session.accept_uni()).await;
    assert!(frame.is_err(), "a frame arrived that nobody allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_reconnects_early_gets_acknowledgements_of_its_new_frames() {
    let fixture = Fixture::open("replaced");
    let (session, _, link) = fixture.generate();
    let mut technician = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let (ticket, resume) = fixture.customer_enters(&link, "program");
    let mut old = Peer::connect(&fixture, &ticket, Client::Program).await;
    assert!(old.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    grant(&mut technician, &mut old, &[Right::View]).await;
    let picture = |seq| {
        let kind = FrameKind::Picture { key: true, refines: false };
        [b"S".as_slice(), &capacity::frame(kind, seq, 0, &capacity::key())].concat()
    };
    let shared = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.screen.is_some());
    let drawn = |wanted: u32| move |m: &ServerMessage| matches!(m, ServerMessage::Drawn { seq } if *seq == wanted);
    // Frames that have not arrived are not acknowledged.
    let _before = old.stream(&picture(40)).await;
    technician.until(shared).await.unwrap();
    technician.session.accept_uni().await.unwrap();
    technician.send(&ClientMessage::Drawn { seq: 40 }).await;
    old.until(drawn(40)).await.unwrap();
    let mut new = Peer::connect(&fixture, &fixture.customer_returns(&resume), Client::Program).await;
    new.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
    let _after = new.stream(&picture(1)).await;
    technician.until(|m| matches!(m, ServerMessage::State { state, .. } if state.screen.is_none())).await.unwrap();
    technician.until(shared).await.unwrap();
    technician.session.accept_uni().await.unwrap();
    technician.send(&ClientMessage::Drawn { seq: 1 }).await;
    assert!(new.until(drawn(1)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_input_ends_the_connection_and_not_the_session() {
    let fixture = Fixture::open("malformed");
    let table: [(&str, Vec<u8>); 5] = [
        ("not JSON", [4u32.to_be_bytes().as_slice(), b"oops"].concat()),
        ("an unknown command", encode(&serde_json::json!({ "type": "sudo" }))),
        ("a field too many", encode(&serde_json::json!({ "type": "pause", "please": true }))),
        ("an announcement of 4 GiB", u32::MAX.to_be_bytes().to_vec()),
        ("a chat beyond the frame limit", encode(&chat(&"x".repeat(100_000)))),
    ];
    for (name, bytes) in table {
        let (session, _, link) = fixture.generate();
        let ticket = fixture.customer_ticket(&link, "browser");
        let mut customer = Peer::connect(&fixture, &ticket, Client::Browser).await;
        assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
        // The server may close the connection before it has read everything.
        let _ = customer.sender.write_all(&bytes).await;
        while customer.next().await.is_some() {}
        let mut technician = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
        assert!(matches!(technician.next().await, Some(ServerMessage::Welcome { .. })), "{name} harmed the session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unexpected_streams_end_the_connection() {
    let fixture = Fixture::open("streams");
    let (mut technician, customer) = pair(&fixture).await;
    let _input = customer.stream(b"I").await;
    let dropped = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Dropped { .. }));
    assert!(technician.until(dropped).await.is_some(), "a customer cannot send input");
    let _screen = technician.stream(b"S").await;
    while technician.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_of_4000_characters_fits_and_one_more_is_refused_clearly() {
    let fixture = Fixture::open("chat");
    let (mut technician, mut customer) = pair(&fixture).await;
    let longest = "ß".repeat(4_000);
    technician.send(&chat(&longest)).await;
    assert!(customer.until(|m| says(m, &longest)).await.is_some());
    technician.send(&chat(&"ß".repeat(4_001))).await;
    let refused = technician.until(|m| matches!(m, ServerMessage::Refused { .. })).await;
    let Some(ServerMessage::Refused { why, text, .. }) = refused else { panic!("not refused") };
    assert_eq!((why, text.as_str()), (RefusalReason::TooLong, "a message may have up to 4,000 characters"));
    unharmed(&mut technician, &mut customer, "go on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_the_connection_that_sends_it() {
    let fixture = Fixture::open("flood");
    let (mut technician, mut customer) = pair(&fixture).await;
    for t in 0..5_000 {
        customer.send(&ClientMessage::Ping { t }).await;
    }
    while customer.next().await.is_some() {}
    let alone = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Dropped { .. }));
    assert!(technician.until(alone).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_secrets_are_not_logged() {
    let fixture = Fixture::open("log");
    let (session, key, link) = fixture.generate();
    let ticket = fixture.technician_ticket(&session);
    let mut technician = Peer::connect(&fixture, &ticket, Client::Console).await;
    technician.send(&chat("my password is hunter2")).await;
    technician.until(|m| says(m, "my password is hunter2")).await.unwrap();
    let mut customer = Peer::connect(&fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
    let _odd = customer.stream(b"?").await;
    while customer.next().await.is_some() {}
    let log = fixture.log_with("an unexpected stream").await;
    let cookie = fixture.cookie.split_once('=').unwrap().1.to_owned();
    for secret in ["hunter2", "Ada", "ada@b.example", "Secret subject", &key, &link, &ticket, &cookie] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_read_is_disconnected() {
    let fixture = Fixture::open("deaf");
    let (session, _, link) = fixture.generate();
    let mut technician = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    // A technician who joins later finds the customer there without an event.
    assert!(technician.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    let (ticket, resume) = fixture.customer_enters(&link, "program");
    let deaf = Peer::connect_limited(&fixture, &ticket, Client::Program, 200).await;
    let joined = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.participants.iter().any(|p| p.role == Role::Customer && p.presence == Presence::Here));
    assert!(technician.until(joined).await.is_some());
    // The same customer reconnects elsewhere, and the older connection ends although it cannot be notified.
    let mut back = Peer::connect(&fixture, &fixture.customer_returns(&resume), Client::Program).await;
    assert!(back.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    let ended = tokio::time::timeout(Duration::from_secs(60), deaf.session.closed()).await;
    assert!(ended.is_ok(), "the older connection is still open");
    back.send(&ClientMessage::Chat { text: "I am the one".into(), nonce: 1 }).await;
    let said =
        |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Chat { .. }));
    assert!(technician.until(said).await.is_some());
}
