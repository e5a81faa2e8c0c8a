//! A disk that does not respond: transient messages are still relayed, and commands are neither lost nor duplicated.

use std::time::Duration;

use protocol::{Answer, Client, ClientMessage, Event, Input, Job, Right, ServerMessage, encode};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    fixture::{Fixture, Peer},
    tools::{next_job, pair},
    wire::grant,
};

/// Blocks all other commits to the database until it is released.
struct BlockedDatabase(DatabaseConnection);

impl BlockedDatabase {
    async fn take(fixture: &Fixture) -> Self {
        let mut options = ConnectOptions::new(format!("sqlite://{}", fixture.database_file().display()));
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        db.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
        Self(db)
    }

    async fn release(self) {
        self.0.execute_unprepared("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}

fn says(words: &'static str) -> impl Fn(&ServerMessage) -> bool {
    move |m| matches!(m, ServerMessage::Happened { entry } if matches!(&entry.event, Event::Chat { text, .. } if text == words))
}

async fn chat(peer: &mut Peer, text: &str, nonce: u32) {
    peer.send(&ClientMessage::Chat { text: text.into(), nonce }).await;
    // Everything sent before the reply to this ping has been read.
    peer.send(&ClientMessage::Ping { t: nonce }).await;
    peer.until(|m| matches!(m, ServerMessage::Pong { t, .. } if *t == nonce)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_messages_do_not_wait_for_the_disk() {
    let fixture = Fixture::open("slow-keys");
    let (session, mut technician, mut customer) = pair(&fixture).await;
    grant(&mut technician, &mut customer, &[Right::View, Right::Control, Right::Files]).await;
    let blocked = BlockedDatabase::take(&fixture).await;
    chat(&mut technician, "while the disk is slow", 1).await;

    let key = Input::Text { text: "a".into() };
    let _hand = technician.stream(&[b"I".as_slice(), &encode(&key)].concat()).await;
    let mut hand = customer.session.accept_uni().await.unwrap();
    let (expected, mut bytes) = ([b"I".as_slice(), &encode(&key)].concat(), Vec::new());
    while bytes.len() < expected.len() {
        bytes.extend_from_slice(&hand.read_chunk(4_096).await.unwrap().unwrap());
    }
    assert_eq!(bytes, expected);
    technician.send(&ClientMessage::Typing {}).await;
    customer.until(|m| matches!(m, ServerMessage::Typing { .. })).await.unwrap();
    technician.send(&ClientMessage::NeedKeyframe {}).await;
    customer.until(|m| matches!(m, ServerMessage::NeedKeyframe {})).await.unwrap();
    let program = tokio::spawn(async move {
        let (job, mut sender) = next_job(&customer).await;
        assert_eq!(job, Job::List { path: "/".into() });
        let fault = protocol::Fault::NoPermission;
        sender.write_all(&encode(&Answer::Fault { fault })).await.unwrap();
        sender.finish().unwrap();
        let _ = sender.closed().await;
        customer
    });
    let path = format!("/api/sessions/{session}/files?path=/");
    assert_eq!(tokio::task::block_in_place(|| fixture.get(&path)).0, 403, "the program's own refusal");
    let mut customer = program.await.unwrap();

    // All of that was before the disk responded; only now is the message stored and sent.
    blocked.release().await;
    let reply = |m: &ServerMessage| says("while the disk is slow")(m) || matches!(m, ServerMessage::Refused { .. });
    let first = technician.until(reply).await.unwrap();
    assert!(says("while the disk is slow")(&first), "the disk was given up before the key arrived: {first:?}");
    assert!(customer.until(says("while the disk is slow")).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_stored_even_if_its_connection_breaks_meanwhile() {
    let fixture = Fixture::open("slow-gone");
    let (session, _, link) = fixture.generate();
    let mut technician = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let (ticket, resume) = fixture.customer_enters(&link, "program");
    let mut customer = Peer::connect(&fixture, &ticket, Client::Program).await;
    assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    let blocked = BlockedDatabase::take(&fixture).await;
    chat(&mut customer, "and then the line broke", 1).await;
    drop(customer);
    blocked.release().await;
    assert!(technician.until(says("and then the line broke")).await.is_some());
    // The timeline continues from there.
    let mut customer = Peer::connect(&fixture, &fixture.customer_returns(&resume), Client::Program).await;
    let _ = tokio::time::timeout(Duration::from_secs(60), chat(&mut customer, "back again", 2)).await;
    assert!(technician.until(says("back again")).await.is_some());
}
