//! Former participants: their tickets, links, keys and tokens admit nobody, in any phase of the session.

use protocol::{Client, Phase, Presence, Right, Role, ServerMessage, SessionState};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, Peer},
    leavers::{Person, ends, state},
    wire::grant,
};

/// The phase of a session when somebody leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PhaseBefore {
    Waiting,
    Active,
    Held,
}

const PHASES: [PhaseBefore; 3] = [PhaseBefore::Waiting, PhaseBefore::Active, PhaseBefore::Held];

fn at(session: &str, what: &str) -> String {
    format!("/api/sessions/{session}/{what}")
}

/// The token in a link.
fn token(answer: &Value) -> String {
    answer["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned()
}

/// Invites an expert as this person.
fn invite(fixture: &Fixture, host: &Person, session: &str, name: &str) -> String {
    let (status, made) = host.post(fixture, &at(session, "experts"), &json!({ "name": name, "rights": ["view"] }));
    assert_eq!(status, 201, "{made}");
    token(&made)
}

/// Joins by an expert's link; returns the connection and the resume token.
async fn expert(fixture: &Fixture, link: &str) -> (Peer, String) {
    let (status, entered) = fixture.post_as("/api/expert/enter", &json!({ "token": link }), &[]);
    assert_eq!(status, 200, "{entered}");
    let ticket = entered["admission"]["ticket"].as_str().unwrap();
    let mut peer = Peer::connect(fixture, ticket, Client::Console).await;
    assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (peer, entered["resume"].as_str().unwrap().to_owned())
}

/// This person connects; returns the connection and the session's state.
async fn enters(fixture: &Fixture, person: &Person, session: &str) -> (Peer, Box<SessionState>) {
    let mut peer = Peer::connect(fixture, &person.ticket(fixture, session), Client::Console).await;
    let Some(ServerMessage::Welcome { state, .. }) = peer.next().await else { panic!("not let in") };
    assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    (peer, state)
}

/// The credentials of a session, all issued before the person leaves it.
struct Credentials {
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

impl Credentials {
    async fn of(fixture: &Fixture, owner: &Person, phase: PhaseBefore) -> Self {
        let (session, _, _) = fixture.generate();
        let to = json!({ "to": "technician", "technician": owner.id, "note": "" });
        assert_eq!(fixture.post(&at(&session, "transfer"), &to).0, 204);
        let (status, issued) = owner.post(fixture, &at(&session, "key"), &Value::Null);
        assert_eq!(status, 200, "{issued}");
        let (key, link) = (issued["key"].as_str().unwrap().to_owned(), token(&issued));
        let connection = owner.connect(fixture, &session).await;
        let customer = match phase {
            PhaseBefore::Waiting => None,
            PhaseBefore::Active | PhaseBefore::Held => {
                let mut peer =
                    Peer::connect(fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
                assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
                Some(peer)
            }
        };
        let (guest, guest_resume) = expert(fixture, &invite(fixture, owner, &session, "Max")).await;
        let (open_link, ticket) = (invite(fixture, owner, &session, "Mia"), owner.ticket(fixture, &session));
        if phase == PhaseBefore::Held {
            assert_eq!(owner.post(fixture, &at(&session, "hold"), &Value::Null).0, 204);
        }
        Self { session, connection, ticket, open_link, guest, guest_resume, key, link, customer }
    }

    /// Asserts that none of the credentials admits anybody.
    async fn assert_admits_nobody(&mut self, fixture: &Fixture, name: &str) {
        ends(&mut self.connection, name).await;
        ends(&mut self.guest, name).await;
        let back = Peer::connect(fixture, &self.ticket, Client::Console).await.next().await;
        assert!(back.is_none(), "{name}: by a ticket");
        for (path, token) in [
            ("/api/expert/look", &self.open_link),
            ("/api/expert/enter", &self.open_link),
            ("/api/join/resume", &self.guest_resume),
        ] {
            assert_eq!(fixture.post_as(path, &json!({ "token": token }), &[]).0, 404, "{name}: {path}");
        }
    }

    /// Whether the key and the link still admit a customer.
    fn lets_a_customer_in(&self, fixture: &Fixture) -> [bool; 2] {
        let passes = [json!({ "by": "key", "key": self.key }), json!({ "by": "link", "token": self.link })];
        passes.map(|pass| fixture.post_as("/api/join/look", &pass, &[]).0 == 200)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_transfer_old_credentials_admit_nobody_in_any_phase() {
    let fixture = Fixture::open("guests-given");
    let [eva, ida] = ["eva", "ida"].map(|login| Person::hire(&fixture, login, "Support"));
    for phase in PHASES {
        for (way, to) in [
            ("transfer", json!({ "to": "technician", "technician": ida.id, "note": "" })),
            ("queue", json!({ "to": "general", "note": "" })),
        ] {
            let name = format!("{phase:?}, {way}");
            let mut credentials = Credentials::of(&fixture, &eva, phase).await;
            assert_eq!(eva.post(&fixture, &at(&credentials.session, "transfer"), &to).0, 204, "{name}");
            credentials.assert_admits_nobody(&fixture, &name).await;
            assert_eq!(eva.post(&fixture, &at(&credentials.session, "ticket"), &Value::Null).0, 409, "{name}");
            // The customer's key and link stay as they were.
            assert_eq!(credentials.lets_a_customer_in(&fixture), [phase == PhaseBefore::Waiting; 2], "{name}");
            if way == "queue" {
                assert_eq!(ida.post(&fixture, &at(&credentials.session, "take"), &Value::Null).0, 204, "{name}");
            } else if phase != PhaseBefore::Waiting {
                assert_eq!(ida.post(&fixture, &at(&credentials.session, "reopen"), &Value::Null).0, 204, "{name}");
            }
            let (_, now) = enters(&fixture, &ida, &credentials.session).await;
            let in_it = |p: &&protocol::Participant| p.presence != Presence::Gone && p.role != Role::Customer;
            let names: Vec<String> = now.participants.iter().filter(in_it).map(|p| p.name.clone()).collect();
            assert_eq!(names, ["ida"], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_technician_issued_admits_nobody() {
    let fixture = Fixture::open("guests-disabled");
    let ida = Person::hire(&fixture, "ida", "Support");
    for (n, phase) in PHASES.into_iter().enumerate() {
        let eva = Person::hire(&fixture, &format!("eva{n}"), "Support");
        let mut credentials = Credentials::of(&fixture, &eva, phase).await;
        eva.change(&fixture, "disabled", json!(true));
        let name = format!("{phase:?}");
        credentials.assert_admits_nobody(&fixture, &name).await;
        assert_eq!(credentials.lets_a_customer_in(&fixture), [false; 2], "{name}");
        if let Some(customer) = &mut credentials.customer {
            let left = state(customer, |s| s.phase == Phase::Held).await;
            assert!(left.invitations.is_empty() && left.grants.is_empty(), "{name}");
        }
        // Colleagues continue, with a new key.
        assert_eq!(ida.post(&fixture, &at(&credentials.session, "take"), &Value::Null).0, 204, "{name}");
        assert_eq!(enters(&fixture, &ida, &credentials.session).await.1.owner.name, "ida");
        let again = ida.post(&fixture, &at(&credentials.session, "key"), &Value::Null).0;
        assert_eq!(again, if phase == PhaseBefore::Waiting { 200 } else { 409 }, "{name}");
    }
    // A key ends with its issuer, even if the session belongs to somebody else by now.
    let eva = Person::hire(&fixture, "eva", "Support");
    let mut credentials = Credentials::of(&fixture, &eva, PhaseBefore::Waiting).await;
    let to = json!({ "to": "technician", "technician": ida.id, "note": "" });
    assert_eq!(eva.post(&fixture, &at(&credentials.session, "transfer"), &to).0, 204);
    assert_eq!(credentials.lets_a_customer_in(&fixture), [true; 2]);
    eva.change(&fixture, "disabled", json!(true));
    credentials.assert_admits_nobody(&fixture, "given away").await;
    assert_eq!(credentials.lets_a_customer_in(&fixture), [false; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_an_account_disabled_in_the_database_admit_nobody() {
    // As in the moment between disabling the account and telling its sessions.
    let fixture = Fixture::open("guests-behind");
    let eva = Person::hire(&fixture, "eva", "Support");
    let credentials = Credentials::of(&fixture, &eva, PhaseBefore::Waiting).await;
    let sql = format!("UPDATE user SET disabled = true WHERE id = {}", eva.id);
    tokio::task::block_in_place(|| std::thread::scope(|s| s.spawn(|| fixture.sql(&sql)).join().unwrap()));
    assert!(Peer::connect(&fixture, &credentials.ticket, Client::Console).await.next().await.is_none());
    assert_eq!(fixture.post_as("/api/expert/enter", &json!({ "token": credentials.open_link }), &[]).0, 404);
    assert_eq!(fixture.post_as("/api/join/resume", &json!({ "token": credentials.guest_resume }), &[]).0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_participant_cannot_return_with_an_old_ticket() {
    let fixture = Fixture::open("guests-dismissed");
    let [eva, ida] = ["eva", "ida"].map(|login| Person::hire(&fixture, login, "Support"));
    let mut credentials = Credentials::of(&fixture, &eva, PhaseBefore::Active).await;
    let share = json!({ "technician": ida.id });
    assert_eq!(eva.post(&fixture, &at(&credentials.session, "share"), &share).0, 204);
    let (mut sharer, now) = enters(&fixture, &ida, &credentials.session).await;
    let ticket = ida.ticket(&fixture, &credentials.session);
    let who = now.participants.iter().find(|p| p.name == "ida").unwrap().id;
    credentials.connection.send(&protocol::ClientMessage::Dismiss { who }).await;
    ends(&mut sharer, "let go").await;
    assert!(Peer::connect(&fixture, &ticket, Client::Console).await.next().await.is_none());
    assert_eq!(ida.post(&fixture, &at(&credentials.session, "ticket"), &Value::Null).0, 409);
    let gone = |p: &protocol::Participant| p.id == who && p.presence == Presence::Gone;
    let left = state(&mut credentials.connection, |s| s.participants.iter().any(gone)).await;
    assert!(left.shared_with.is_empty());
    assert_eq!(eva.post(&fixture, &at(&credentials.session, "share"), &share).0, 204);
    enters(&fixture, &ida, &credentials.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_rights_from_a_role_affects_guests_too() {
    let fixture = Fixture::open("guests-role");
    let role =
        |rights: &[Right]| json!({ "roles": [{ "id": 0, "name": "Trainee", "rights": rights }], "policies": [] });
    let (status, _) = fixture.put("/api/rules", &role(&[Right::View, Right::Control, Right::Files]));
    assert_eq!(status, 200);
    let eva = Person::hire(&fixture, "eva", "Support");
    let mut credentials = Credentials::of(&fixture, &eva, PhaseBefore::Active).await;
    grant(&mut credentials.connection, credentials.customer.as_mut().unwrap(), &[Right::View]).await;
    let max = |s: &SessionState| s.participants.iter().find(|p| p.name == "Max").map(|p| p.rights.clone());
    let now = state(&mut credentials.guest, |s| s.grants == [Right::View]).await;
    assert_eq!(max(&now), Some(vec![Right::View]));
    eva.change(&fixture, "role", json!(1));
    let (status, answer) = fixture.put(
        "/api/rules",
        &json!({ "roles": [{ "id": 1, "name": "Trainee", "rights": [Right::Files] }], "policies": [] }),
    );
    assert_eq!(status, 200, "{answer}");
    let now = state(&mut credentials.guest, |s| max(s) == Some(vec![])).await;
    assert_eq!(now.grants, [Right::View], "the customer's grant stays, and the guest sees nothing");
}
