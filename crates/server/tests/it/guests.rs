//! Whoever was in a session and should be no more: tickets, links, keys and tokens from before let nobody in, wherever the
//! session stands.

use protocol::{Client, Phase, Presence, Right, Role, ServerMessage, SessionState};
use serde_json::{Value, json};

use crate::{
    leavers::{Person, ends, state},
    stage::{Peer, Stage},
    wire::grant,
};

/// Where a session stands when somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Waiting,
    Active,
    Held,
}

const STANDS: [Stand; 3] = [Stand::Waiting, Stand::Active, Stand::Held];

fn at(session: &str, what: &str) -> String {
    format!("/api/sessions/{session}/{what}")
}

/// The secret of a link.
fn token(answer: &Value) -> String {
    answer["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned()
}

/// An invitation of an expert by this person.
fn invite(stage: &Stage, host: &Person, session: &str, name: &str) -> String {
    let (status, made) = host.post(stage, &at(session, "experts"), &json!({ "name": name, "rights": ["view"] }));
    assert_eq!(status, 201, "{made}");
    token(&made)
}

/// Who comes by such a link: their connection, and the token by which they come back.
async fn expert(stage: &Stage, link: &str) -> (Peer, String) {
    let (status, entered) = stage.post_as("/api/expert/enter", &json!({ "token": link }), &[]);
    assert_eq!(status, 200, "{entered}");
    let ticket = entered["admission"]["ticket"].as_str().unwrap();
    let mut peer = Peer::connect(stage, ticket, Client::Console).await;
    assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (peer, entered["resume"].as_str().unwrap().to_owned())
}

/// This person comes in, and reads how the session stands.
async fn enters(stage: &Stage, person: &Person, session: &str) -> (Peer, Box<SessionState>) {
    let mut peer = Peer::connect(stage, &person.ticket(stage, session), Client::Console).await;
    let Some(ServerMessage::Welcome { state, .. }) = peer.next().await else { panic!("not let in") };
    assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (peer, state)
}

/// What a person holds of their session, all of it given out before they go.
struct Before {
    session: String,
    connection: Peer,
    ticket: String,
    open_link: String,
    guest: Peer,
    guest_resume: String,
    key: String,
    link: String,
    /// The customer's connection, once one has come.
    customer: Option<Peer>,
}

impl Before {
    async fn of(stage: &Stage, owner: &Person, stand: Stand) -> Self {
        let (session, _, _) = stage.generate();
        let to = json!({ "to": "technician", "technician": owner.id, "note": "" });
        assert_eq!(stage.post(&at(&session, "transfer"), &to).0, 204);
        let (status, issued) = owner.post(stage, &at(&session, "key"), &Value::Null);
        assert_eq!(status, 200, "{issued}");
        let (key, link) = (issued["key"].as_str().unwrap().to_owned(), token(&issued));
        let connection = owner.connect(stage, &session).await;
        let customer = match stand {
            Stand::Waiting => None,
            Stand::Active | Stand::Held => {
                let mut peer = Peer::connect(stage, &stage.customer_ticket(&link, "program"), Client::Program).await;
                assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
                Some(peer)
            }
        };
        let (guest, guest_resume) = expert(stage, &invite(stage, owner, &session, "Max")).await;
        let (open_link, ticket) = (invite(stage, owner, &session, "Mia"), owner.ticket(stage, &session));
        if stand == Stand::Held {
            assert_eq!(owner.post(stage, &at(&session, "hold"), &Value::Null).0, 204);
        }
        Self { session, connection, ticket, open_link, guest, guest_resume, key, link, customer }
    }

    /// Neither the owner of before nor whom they let in comes back by any of it.
    async fn is_dead(&mut self, stage: &Stage, name: &str) {
        ends(&mut self.connection, name).await;
        ends(&mut self.guest, name).await;
        let back = Peer::connect(stage, &self.ticket, Client::Console).await.next().await;
        assert!(back.is_none(), "{name}: by a ticket");
        for (path, token) in [
            ("/api/expert/look", &self.open_link),
            ("/api/expert/enter", &self.open_link),
            ("/api/join/resume", &self.guest_resume),
        ] {
            assert_eq!(stage.post_as(path, &json!({ "token": token }), &[]).0, 404, "{name}: {path}");
        }
    }

    /// Whether key and link still let a customer in.
    fn lets_a_customer_in(&self, stage: &Stage) -> [bool; 2] {
        let passes = [json!({ "by": "key", "key": self.key }), json!({ "by": "link", "token": self.link })];
        passes.map(|pass| stage.post_as("/api/join/look", &pass, &[]).0 == 200)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_a_session_away_is_out_wherever_it_stands() {
    let stage = Stage::open("guests-given");
    let [eva, ida] = ["eva", "ida"].map(|login| Person::hire(&stage, login, "Support"));
    for stand in STANDS {
        for (way, to) in [
            ("transfer", json!({ "to": "technician", "technician": ida.id, "note": "" })),
            ("queue", json!({ "to": "general", "note": "" })),
        ] {
            let name = format!("{stand:?}, {way}");
            let mut before = Before::of(&stage, &eva, stand).await;
            assert_eq!(eva.post(&stage, &at(&before.session, "transfer"), &to).0, 204, "{name}");
            before.is_dead(&stage, &name).await;
            assert_eq!(eva.post(&stage, &at(&before.session, "ticket"), &Value::Null).0, 409, "{name}");
            // The customer's own way in stays as it was.
            assert_eq!(before.lets_a_customer_in(&stage), [stand == Stand::Waiting; 2], "{name}");
            if way == "queue" {
                assert_eq!(ida.post(&stage, &at(&before.session, "take"), &Value::Null).0, 204, "{name}");
            } else if stand != Stand::Waiting {
                assert_eq!(ida.post(&stage, &at(&before.session, "reopen"), &Value::Null).0, 204, "{name}");
            }
            let (_, now) = enters(&stage, &ida, &before.session).await;
            let in_it = |p: &&protocol::Participant| p.presence != Presence::Gone && p.role != Role::Customer;
            let names: Vec<String> = now.participants.iter().filter(in_it).map(|p| p.name.clone()).collect();
            assert_eq!(names, ["ida"], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_technician_has_made_lets_nobody_in() {
    let stage = Stage::open("guests-disabled");
    let ida = Person::hire(&stage, "ida", "Support");
    for (n, stand) in STANDS.into_iter().enumerate() {
        let eva = Person::hire(&stage, &format!("eva{n}"), "Support");
        let mut before = Before::of(&stage, &eva, stand).await;
        eva.change(&stage, "disabled", json!(true));
        let name = format!("{stand:?}");
        before.is_dead(&stage, &name).await;
        assert_eq!(before.lets_a_customer_in(&stage), [false; 2], "{name}");
        if let Some(customer) = &mut before.customer {
            let left = state(customer, |s| s.phase == Phase::Held).await;
            assert!(left.invitations.is_empty() && left.grants.is_empty(), "{name}");
        }
        // Their colleagues go on, with a key of their own.
        assert_eq!(ida.post(&stage, &at(&before.session, "take"), &Value::Null).0, 204, "{name}");
        assert_eq!(enters(&stage, &ida, &before.session).await.1.owner.name, "ida");
        let again = ida.post(&stage, &at(&before.session, "key"), &Value::Null).0;
        assert_eq!(again, if stand == Stand::Waiting { 200 } else { 409 }, "{name}");
    }
    // The key goes with whoever made it, also where the session is another's by now.
    let eva = Person::hire(&stage, "eva", "Support");
    let mut before = Before::of(&stage, &eva, Stand::Waiting).await;
    let to = json!({ "to": "technician", "technician": ida.id, "note": "" });
    assert_eq!(eva.post(&stage, &at(&before.session, "transfer"), &to).0, 204);
    assert_eq!(before.lets_a_customer_in(&stage), [true; 2]);
    eva.change(&stage, "disabled", json!(true));
    before.is_dead(&stage, "given away").await;
    assert_eq!(before.lets_a_customer_in(&stage), [false; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_disabled_behind_the_servers_back_lets_nobody_in_either() {
    // As between the moment in which the account is disabled and the one in which its sessions hear of it.
    let stage = Stage::open("guests-behind");
    let eva = Person::hire(&stage, "eva", "Support");
    let before = Before::of(&stage, &eva, Stand::Waiting).await;
    let sql = format!("UPDATE user SET disabled = true WHERE id = {}", eva.id);
    tokio::task::block_in_place(|| std::thread::scope(|s| s.spawn(|| stage.sql(&sql)).join().unwrap()));
    assert!(Peer::connect(&stage, &before.ticket, Client::Console).await.next().await.is_none());
    assert_eq!(stage.post_as("/api/expert/enter", &json!({ "token": before.open_link }), &[]).0, 404);
    assert_eq!(stage.post_as("/api/join/resume", &json!({ "token": before.guest_resume }), &[]).0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_let_go_does_not_come_back_by_a_ticket_from_before() {
    let stage = Stage::open("guests-dismissed");
    let [eva, ida] = ["eva", "ida"].map(|login| Person::hire(&stage, login, "Support"));
    let mut before = Before::of(&stage, &eva, Stand::Active).await;
    let share = json!({ "technician": ida.id });
    assert_eq!(eva.post(&stage, &at(&before.session, "share"), &share).0, 204);
    let (mut sharer, now) = enters(&stage, &ida, &before.session).await;
    let ticket = ida.ticket(&stage, &before.session);
    let who = now.participants.iter().find(|p| p.name == "ida").unwrap().id;
    before.connection.send(&protocol::ClientMessage::Dismiss { who }).await;
    ends(&mut sharer, "let go").await;
    assert!(Peer::connect(&stage, &ticket, Client::Console).await.next().await.is_none());
    assert_eq!(ida.post(&stage, &at(&before.session, "ticket"), &Value::Null).0, 409);
    let gone = |p: &protocol::Participant| p.id == who && p.presence == Presence::Gone;
    let left = state(&mut before.connection, |s| s.participants.iter().any(gone)).await;
    assert!(left.shared_with.is_empty());
    assert_eq!(eva.post(&stage, &at(&before.session, "share"), &share).0, 204);
    enters(&stage, &ida, &before.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_gives_less_counts_for_guests_too() {
    let stage = Stage::open("guests-role");
    let role =
        |rights: &[Right]| json!({ "roles": [{ "id": 0, "name": "Trainee", "rights": rights }], "policies": [] });
    let (status, _) = stage.put("/api/rules", &role(&[Right::View, Right::Control, Right::Files]));
    assert_eq!(status, 200);
    let eva = Person::hire(&stage, "eva", "Support");
    let mut before = Before::of(&stage, &eva, Stand::Active).await;
    grant(&mut before.connection, before.customer.as_mut().unwrap(), &[Right::View]).await;
    let max = |s: &SessionState| s.participants.iter().find(|p| p.name == "Max").map(|p| p.rights.clone());
    let now = state(&mut before.guest, |s| s.grants == [Right::View]).await;
    assert_eq!(max(&now), Some(vec![Right::View]));
    eva.change(&stage, "role", json!(1));
    let (status, answer) = stage.put(
        "/api/rules",
        &json!({ "roles": [{ "id": 1, "name": "Trainee", "rights": [Right::Files] }], "policies": [] }),
    );
    assert_eq!(status, 200, "{answer}");
    let now = state(&mut before.guest, |s| max(s) == Some(vec![])).await;
    assert_eq!(now.grants, [Right::View], "the customer's answer stands, and the guest sees nothing of it");
}
