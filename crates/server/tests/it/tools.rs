//! Files, clipboard and other tools against the server alone: without a grant nothing reaches the support program.

use protocol::{Answer, Client, ClientMessage, Event, Fault, Framed, Job, Right, ServerMessage, encode};
use serde_json::json;
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    fixture::{Fixture, Peer},
    wire::grant,
};

pub(crate) async fn pair(fixture: &Fixture) -> (String, Peer, Peer) {
    let (session, _, link) = fixture.generate();
    let mut technician = Peer::connect(fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let mut customer = Peer::connect(fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
    assert!(technician.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (session, technician, customer)
}

/// The next job, and the stream for its answer.
pub(crate) async fn next_job(program: &Peer) -> (Job, <qmux::Session as Session>::SendStream) {
    let (sender, mut receiver) = program.session.accept_bi().await.unwrap();
    let mut framed = Framed::new(65_536);
    loop {
        match framed.next_message().unwrap() {
            Some(job) => return (job, sender),
            None => framed.push(&receiver.read_chunk(4_096).await.unwrap().unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_its_grant_never_reaches_the_program() {
    let fixture = Fixture::open("jobs");
    let (session, mut technician, mut customer) = pair(&fixture).await;
    let at = |path: &str| format!("/api/sessions/{session}/{path}");
    let refused = || {
        let (status, body) = fixture.get(&at("files?path=/"));
        assert_eq!(status, 409, "{body}");
        for (path, body) in [
            ("files/folder", json!({ "path": "/x" })),
            ("files/rename", json!({ "path": "/x", "name": "y" })),
            ("files/delete", json!({ "path": "/x" })),
            ("system", json!({})),
            ("processes/1/end", json!({ "name": "init" })),
            ("restart", json!({})),
        ] {
            assert_eq!(fixture.post(&at(path), &body).0, 409, "{path}");
        }
        assert_eq!(fixture.get(&at("clipboard")).0, 409);
        assert_eq!(fixture.post(&at("files/leaving/1"), &json!({ "path": "/etc/passwd" })).0, 409);
        assert_eq!(fixture.get(&at("files/leaving/1?path=/etc/passwd")).0, 409);
    };
    refused();
    // A different right does not help.
    grant(&mut technician, &mut customer, &[Right::View, Right::Control]).await;
    refused();
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(300), customer.session.accept_bi()).await;
    assert!(quiet.is_err(), "a job reached the program");

    // With the grant it does, and the program's own refusal is shown.
    technician.send(&ClientMessage::Ask { rights: vec![Right::Files] }).await;
    let asked = |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if !state.asked.is_empty());
    customer.until(asked).await.unwrap();
    customer.send(&ClientMessage::Answer { rights: vec![Right::Files] }).await;
    let granted =
        |m: &ServerMessage| matches!(m, ServerMessage::State { state, .. } if state.grants.contains(&Right::Files));
    technician.until(granted).await.unwrap();
    let program = tokio::spawn(async move {
        let (job, mut sender) = next_job(&customer).await;
        assert_eq!(job, Job::List { path: "/".into() });
        sender.write_all(&encode(&Answer::Fault { fault: Fault::NoPermission })).await.unwrap();
        sender.finish().unwrap();
        let _ = sender.closed().await;
        customer
    });
    let (status, body) = tokio::task::block_in_place(|| fixture.get(&at("files?path=/")));
    let _customer = program.await.unwrap();
    assert_eq!((status, body.contains("no permission")), (403, true), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_never_sent_to_a_customer() {
    let fixture = Fixture::open("notes");
    let (session, mut technician, mut customer) = pair(&fixture).await;
    let secret = "he sounded drunk";
    assert_eq!(fixture.post(&format!("/api/sessions/{session}/notes"), &json!({ "text": secret })).0, 204);
    let noted = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Noted { .. }));
    assert!(technician.until(noted).await.is_some());
    technician.send(&ClientMessage::Chat { text: "after it".into(), nonce: 7 }).await;
    loop {
        let message = customer.next().await.expect("the connection stays open");
        assert!(!serde_json::to_string(&message).unwrap().contains(secret), "{message:?}");
        if matches!(&message, ServerMessage::Happened { entry } if matches!(entry.event, Event::Chat { .. })) {
            break;
        }
    }
    let (_, transcript) = fixture.get(&format!("/api/sessions/{session}/transcript.txt"));
    assert!(transcript.contains(secret), "technicians read it in the transcript");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_file_needs_a_participant_and_a_plain_name() {
    let fixture = Fixture::open("posts");
    let (session, ..) = pair(&fixture).await;
    let posts = format!("/api/sessions/{session}/posts");
    assert_eq!(fixture.post(&format!("{posts}?name=note.txt"), &json!("hello")).0, 201);
    for name in ["..%2Fnote.txt", "a%5Cb", "", "%2E%2E"] {
        assert_eq!(fixture.post(&format!("{posts}?name={name}"), &json!("x")).0, 422, "{name}");
    }
    assert_eq!(fixture.get(&format!("{posts}/1")), (200, "\"hello\"".into()));
    assert_eq!(fixture.get(&format!("{posts}/2")).0, 404);
    // Without a token of the session nothing can be read or posted.
    for token in ["", "Bearer ", "Bearer made-up"] {
        let (status, _) = fixture.post_as("/api/join/posts?name=x", &json!("x"), &[("authorization", token)]);
        assert!(status == 401 || status == 404, "{token}: {status}");
    }
}
