//! A disk that does not answer: what passes through goes on, and what was wished is neither lost nor doubled.

use std::time::Duration;

use protocol::{Answer, Client, ClientMessage, Event, Input, Job, Right, ServerMessage, encode};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    stage::{Peer, Stage},
    tools::{next_job, pair},
    wire::grant,
};

/// Nobody else commits to the database until this lets them.
struct Held(DatabaseConnection);

impl Held {
    async fn take(stage: &Stage) -> Self {
        let mut options = ConnectOptions::new(format!("sqlite://{}", stage.database_file().display()));
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
    // What was said before the answer to this ping has been heard.
    peer.send(&ClientMessage::Ping { t: nonce }).await;
    peer.until(|m| matches!(m, ServerMessage::Pong { t, .. } if *t == nonce)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_press_does_not_wait_for_a_disk_nor_does_anything_else_that_passes() {
    let stage = Stage::open("slow-keys");
    let (session, mut technician, mut customer) = pair(&stage).await;
    grant(&mut technician, &mut customer, &[Right::View, Right::Control, Right::Files]).await;
    let held = Held::take(&stage).await;
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
    assert_eq!(tokio::task::block_in_place(|| stage.get(&path)).0, 403, "the program's own no");
    let mut customer = program.await.unwrap();

    // All that was before the disk answered: only now is the message stored, and told.
    held.release().await;
    let told = |m: &ServerMessage| says("while the disk is slow")(m) || matches!(m, ServerMessage::Refused { .. });
    let first = technician.until(told).await.unwrap();
    assert!(says("while the disk is slow")(&first), "the disk was given up before the key arrived: {first:?}");
    assert!(customer.until(says("while the disk is slow")).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wished_is_stored_although_its_connection_is_gone_when_the_disk_answers() {
    let stage = Stage::open("slow-gone");
    let (session, _, link) = stage.generate();
    let mut technician = Peer::connect(&stage, &stage.technician_ticket(&session), Client::Console).await;
    let (ticket, resume) = stage.customer_enters(&link, "program");
    let mut customer = Peer::connect(&stage, &ticket, Client::Program).await;
    assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    let held = Held::take(&stage).await;
    chat(&mut customer, "and then the line broke", 1).await;
    drop(customer);
    held.release().await;
    assert!(technician.until(says("and then the line broke")).await.is_some());
    // The timeline goes on from there.
    let mut customer = Peer::connect(&stage, &stage.customer_returns(&resume), Client::Program).await;
    let _ = tokio::time::timeout(Duration::from_secs(60), chat(&mut customer, "back again", 2)).await;
    assert!(technician.until(says("back again")).await.is_some());
}
