//! Keys and buttons that a technician holds on the customer's desktop are released when their right to hold them ends.

use std::time::Duration;

use protocol::{Client, ClientMessage, Framed, Input, MAX_INPUT_BYTES, Right, ServerMessage, encode};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    fixture::{Fixture, Peer},
    wire::{grant, pair},
};

type Sending = <qmux::Session as Session>::SendStream;
type Receiving = <qmux::Session as Session>::RecvStream;

/// Reads the input that reaches the support program.
struct InputReader {
    stream: Receiving,
    framed: Framed,
}

impl InputReader {
    async fn at(customer: &Peer) -> Self {
        let accepted = tokio::time::timeout(Duration::from_secs(60), customer.session.accept_uni()).await;
        let mut stream = accepted.expect("a stream for input").unwrap();
        let mut kind = [0];
        stream.read(&mut kind).await.unwrap();
        assert_eq!(&kind, b"I");
        Self { stream, framed: Framed::new(MAX_INPUT_BYTES) }
    }

    async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.framed.next_message().unwrap() {
                return input;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.stream.read_chunk(4_096)).await;
            self.framed.push(&chunk.expect("input arrives").unwrap().expect("the stream goes on"));
        }
    }
}

fn control(down: bool) -> Input {
    Input::Key { code: "ControlLeft".into(), key: "Control".into(), down }
}

/// A technician who holds a key, with the customer's grant.
async fn holding(fixture: &Fixture) -> (Peer, Peer, Sending, InputReader) {
    let (mut technician, mut customer) = pair(fixture).await;
    grant(&mut technician, &mut customer, &[Right::View, Right::Control]).await;
    let controls = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.control.is_some());
    customer.until(controls).await.unwrap();
    let hand = technician.stream(&[b"I".as_slice(), &encode(&control(true))].concat()).await;
    let mut arriving = InputReader::at(&customer).await;
    assert_eq!(arriving.next().await, control(true));
    (technician, customer, hand, arriving)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_input_stream_releases_held_keys() {
    let fixture = Fixture::open("input-ends");
    let (_technician, _customer, mut hand, mut arriving) = holding(&fixture).await;
    hand.finish().unwrap();
    assert_eq!(arriving.next().await, Input::ReleaseAll {});
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_releases_held_keys() {
    let fixture = Fixture::open("input-cut");
    let (technician, _customer, _hand, mut arriving) = holding(&fixture).await;
    technician.session.close(0, "cut");
    assert_eq!(arriving.next().await, Input::ReleaseAll {});
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_control_releases_held_keys_and_stops_input() {
    let fixture = Fixture::open("input-withdrawn");
    let (mut technician, mut customer, mut hand, mut arriving) = holding(&fixture).await;
    customer.send(&ClientMessage::Withdraw { right: Right::Control }).await;
    assert_eq!(arriving.next().await, Input::ReleaseAll {});
    hand.write_all(&encode(&control(true))).await.unwrap();
    grant(&mut technician, &mut customer, &[Right::View, Right::Control]).await;
    let controls =
        |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.grants.contains(&Right::Control));
    technician.until(controls).await.unwrap();
    hand.write_all(&encode(&Input::Text { text: "again".into() })).await.unwrap();
    let mut next = arriving.next().await;
    // Input that was sent before the new grant was known may still count under it; then it is released like any other.
    if next == control(true) {
        next = arriving.next().await;
    }
    assert_eq!(next, Input::Text { text: "again".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_second_page_of_a_technician_releases_held_keys() {
    let fixture = Fixture::open("input-pages");
    let (session, _, link) = fixture.generate();
    let mut first = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let mut customer = Peer::connect(&fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
    assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    grant(&mut first, &mut customer, &[Right::View, Right::Control]).await;
    let mut second = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    assert!(second.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    let _hand = second.stream(&[b"I".as_slice(), &encode(&control(true))].concat()).await;
    let mut arriving = InputReader::at(&customer).await;
    assert_eq!(arriving.next().await, control(true));
    second.session.close(0, "closed");
    assert_eq!(arriving.next().await, Input::ReleaseAll {});
}
