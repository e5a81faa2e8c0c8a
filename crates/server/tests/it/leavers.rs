//! Technicians who are disabled, signed out or lose rights: their connections end, and their sessions continue without
//! them.

use std::{
    io::Read,
    sync::mpsc,
    time::{Duration, Instant},
};

use protocol::{
    Answer, Client, ClientMessage, Event, Input, Job, Phase, Queue, Right, ServerMessage, SessionState, encode,
};
use serde_json::{Value, json};
use web_transport_trait::SendStream;

use crate::{
    api, beyondtrust,
    fixture::{Fixture, PASSWORD, Peer},
    tools::next_job,
    wire::grant,
};

const JSON: (&str, &str) = ("content-type", "application/json");
/// Ends take effect within a second; a machine that also builds gets more.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A technician, signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: i64,
    login: String,
    account: Value,
    cookie: String,
}

impl Person {
    pub(crate) fn hire(fixture: &Fixture, login: &str, team: &str) -> Self {
        let new = json!({ "login": login, "name": login, "email": "e@b.example", "team": team, "password": PASSWORD });
        let (status, mut account) = fixture.post("/api/users", &new);
        assert_eq!(status, 201, "{account}");
        let known =
            ["name", "email", "team", "administrator", "disabled", "may_watch", "may_export", "may_delete", "reach"];
        let id = account["id"].as_i64().unwrap();
        account.as_object_mut().unwrap().retain(|key, _| known.contains(&key.as_str()));
        account["password"] = json!("");
        let cookie = sign_in(fixture, login, PASSWORD);
        Self { id, login: login.into(), account, cookie }
    }

    /// An administrator changes this account.
    pub(crate) fn change(&self, fixture: &Fixture, field: &str, value: Value) {
        let mut account = self.account.clone();
        account[field] = value;
        let (status, answer) = fixture.put(&format!("/api/users/{}", self.id), &account);
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) fn post(&self, fixture: &Fixture, path: &str, body: &Value) -> (u16, Value) {
        fixture.post_as(path, body, &[("cookie", &self.cookie)])
    }

    pub(crate) fn ticket(&self, fixture: &Fixture, session: &str) -> String {
        let (status, admission) = self.post(fixture, &format!("/api/sessions/{session}/ticket"), &Value::Null);
        assert_eq!(status, 200, "{admission}");
        admission["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn connect(&self, fixture: &Fixture, session: &str) -> Peer {
        let mut peer = Peer::connect(fixture, &self.ticket(fixture, session), Client::Console).await;
        assert!(peer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
        peer
    }

    /// A session in which the customer has granted everything that these tests ask for.
    async fn help(&self, fixture: &Fixture) -> (String, Peer, Peer) {
        let (session, _, link) = fixture.generate();
        let to = json!({ "to": "technician", "technician": self.id, "note": "" });
        assert_eq!(fixture.post(&format!("/api/sessions/{session}/transfer"), &to).0, 204);
        let mut technician = self.connect(fixture, &session).await;
        let mut customer = Peer::connect(fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
        assert!(customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
        grant(&mut technician, &mut customer, &[Right::View, Right::Control, Right::Files]).await;
        (session, technician, customer)
    }
}

fn sign_in(fixture: &Fixture, login: &str, password: &str) -> String {
    let body = json!({ "login": login, "password": password }).to_string();
    let answer = fixture.ask("POST", "/api/sign-in", &[JSON], &body);
    assert_eq!(answer.status, 204, "{}", answer.text);
    answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

/// Asserts that the server ends the connection at once.
pub(crate) async fn ends(peer: &mut Peer, why: &str) {
    let ended = tokio::time::timeout(AT_ONCE, peer.until(|_| false)).await;
    assert!(ended.is_ok(), "{why}: the connection stays open");
}

/// The first state that fits.
pub(crate) async fn state(peer: &mut Peer, fits: impl Fn(&SessionState) -> bool) -> SessionState {
    let message = peer.until(|m| matches!(m, ServerMessage::State { state, .. } if fits(state))).await;
    let Some(ServerMessage::State { state, .. }) = message else { panic!("no such state arrives") };
    *state
}

/// A download whose first half arrives; the channel tells when it breaks off.
fn download(fixture: &Fixture, person: &Person, session: &str) -> (mpsc::Receiver<()>, std::thread::JoinHandle<bool>) {
    let url = format!("{}/api/sessions/{session}/files/leaving/1?path=/film", fixture.url);
    let cookie = person.cookie.clone();
    let (begins, began) = mpsc::channel();
    let going = std::thread::spawn(move || {
        let mut answer = ureq::get(&url).header("cookie", &cookie).call().unwrap();
        let mut body = answer.body_mut().as_reader();
        let mut part = [0; 4_096];
        body.read_exact(&mut part).unwrap();
        begins.send(()).unwrap();
        std::io::copy(&mut body, &mut std::io::sink()).is_err()
    });
    (began, going)
}

type Direction = fn(&Fixture, &Person);

#[tokio::test(flavor = "multi_thread")]
async fn disabling_a_technician_disconnects_them_and_queues_their_session() {
    let fixture = Fixture::open("leavers");
    Person::hire(&fixture, "ida", "Support");
    let ways: [(&str, Direction); 4] = [
        ("console", |fixture, person| person.change(fixture, "disabled", json!(true))),
        ("rest", |fixture, person| {
            let headers = [JSON, ("authorization", &*api::bearer(fixture, &["people:write"]))];
            let at = format!("/api/v1/technicians/{}", person.id);
            assert_eq!(fixture.ask("PATCH", &at, &headers, r#"{"disabled":true}"#).status, 200);
        }),
        ("config", |fixture, person| {
            let bearer = format!("Bearer {}", beyondtrust::token(fixture, &["people:read", "people:write"]));
            let at = format!("/api/config/v1/user/{}", person.id);
            let answer = fixture.ask("PATCH", &at, &[JSON, ("authorization", &bearer)], r#"{"enabled":false}"#);
            assert_eq!(answer.status, 200, "{}", answer.text);
        }),
        ("config-delete", |fixture, person| {
            let bearer = format!("Bearer {}", beyondtrust::token(fixture, &["people:read", "people:write"]));
            let at = format!("/api/config/v1/user/{}", person.id);
            assert_eq!(fixture.ask("DELETE", &at, &[("authorization", &bearer)], "").status, 204);
        }),
    ];
    for (name, way) in ways {
        let eva = Person::hire(&fixture, &format!("eva-{name}"), "Support");
        let (session, mut technician, mut customer) = eva.help(&fixture).await;
        let waiting = eva.ticket(&fixture, &session);
        let (began, going) = download(&fixture, &eva, &session);
        let (job, mut file) = next_job(&customer).await;
        assert!(matches!(job, Job::Fetch { .. }), "{job:?}");
        let answer = Answer::File { size: Some(1_000_000), version: "1".into(), sums: false };
        file.write_all(&[encode(&answer), vec![7; 500_000]].concat()).await.unwrap();
        tokio::task::block_in_place(|| began.recv().unwrap());

        tokio::task::block_in_place(|| way(&fixture, &eva));
        let disabled = Instant::now();
        ends(&mut technician, name).await;
        assert!(tokio::task::block_in_place(|| going.join().unwrap()), "{name}: a download was completed");
        assert!(disabled.elapsed() < AT_ONCE, "{name}: {:?}", disabled.elapsed());
        assert_eq!(eva.post(&fixture, &format!("/api/sessions/{session}/ticket"), &Value::Null).0, 401);
        assert!(Peer::connect(&fixture, &waiting, Client::Console).await.next().await.is_none(), "{name}: a ticket");
        let left = state(&mut customer, |s| s.queue != Queue::Own).await;
        assert_eq!(left.queue, Queue::Team { team: "Support".into() });
        assert_eq!((left.phase, left.grants, left.control), (Phase::Held, vec![], None), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colleagues_continue_the_session_of_a_disabled_technician() {
    let fixture = Fixture::open("leavers-heir");
    let [eva, ida] = ["eva", "ida"].map(|login| Person::hire(&fixture, login, "Support"));
    let (session, mut technician, mut customer) = eva.help(&fixture).await;
    let share = json!({ "technician": ida.id });
    assert_eq!(eva.post(&fixture, &format!("/api/sessions/{session}/share"), &share).0, 204);
    let mut colleague = ida.connect(&fixture, &session).await;
    eva.change(&fixture, "disabled", json!(true));
    ends(&mut technician, "disabled").await;
    let heirs = state(&mut customer, |s| s.owner.name == "ida").await;
    assert_eq!((heirs.phase, heirs.grants), (Phase::Active, vec![]));
    grant(&mut colleague, &mut customer, &[Right::View]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_with_their_sign_in_and_the_technician_can_return() {
    let fixture = Fixture::open("leavers-sign-in");
    let ways: [(&str, bool, Direction); 4] = [
        ("sign-out", false, |fixture, person| {
            assert_eq!(person.post(fixture, "/api/sign-out", &Value::Null).0, 204);
        }),
        ("everywhere", true, |fixture, person| {
            assert_eq!(person.post(fixture, "/api/sign-out-everywhere", &Value::Null).0, 204);
        }),
        ("password", true, |fixture, person| person.change(fixture, "password", json!("another password"))),
        ("factor", true, |fixture, person| {
            let at = format!("/api/users/{}/second", person.id);
            assert_eq!(fixture.ask("DELETE", &at, &[("cookie", &fixture.cookie)], "").status, 204);
        }),
    ];
    for (name, all, way) in ways {
        let mut eva = Person::hire(&fixture, &format!("eva-{name}"), "Support");
        let (session, mut technician, mut customer) = eva.help(&fixture).await;
        let elsewhere = Person { cookie: sign_in(&fixture, &eva.login, PASSWORD), ..eva.clone() };
        let mut other = elsewhere.connect(&fixture, &session).await;
        let waiting = eva.ticket(&fixture, &session);
        tokio::task::block_in_place(|| way(&fixture, &eva));
        ends(&mut technician, name).await;
        assert!(Peer::connect(&fixture, &waiting, Client::Console).await.next().await.is_none(), "{name}: a ticket");
        if all {
            ends(&mut other, name).await;
            let password = if name == "password" { "another password" } else { PASSWORD };
            eva.cookie = sign_in(&fixture, &eva.login, password);
            other = eva.connect(&fixture, &session).await;
        }
        // It is still her session, with its grants.
        let hello = ClientMessage::Chat { text: "here I am".into(), nonce: 5 };
        other.send(&hello).await;
        let said = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Chat { .. }));
        assert!(customer.until(said).await.is_some(), "{name}");
        let now = state(&mut customer, |_| true).await;
        assert_eq!((now.owner.name, now.grants.len()), (eva.login.clone(), 3), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_rights_from_a_role_takes_effect_at_once() {
    let fixture = Fixture::open("leavers-role");
    let role = |id: i32, rights: &[Right]| json!({ "roles": [{ "id": id, "name": "Trainee", "rights": rights }], "policies": [] });
    assert_eq!(fixture.put("/api/rules", &role(0, &[Right::View, Right::Control, Right::Files])).0, 200);
    let eva = Person::hire(&fixture, "eva", "Support");
    let (session, mut technician, customer) = eva.help(&fixture).await;
    // Assigning the role changes nothing; then it loses a right.
    eva.change(&fixture, "role", json!(1));
    ends(&mut technician, "another role").await;
    let mut technician = eva.connect(&fixture, &session).await;
    assert_eq!(fixture.put("/api/rules", &role(1, &[Right::View])).0, 200);
    ends(&mut technician, "the role gives less").await;
    let mut technician = eva.connect(&fixture, &session).await;
    let _hand = technician.stream(&[b"I".as_slice(), &encode(&Input::Text { text: "a".into() })].concat()).await;
    fixture.log_with("input outside the grant is dropped").await;
    assert_eq!(
        fixture.ask("GET", &format!("/api/sessions/{session}/files?path=/"), &[("cookie", &eva.cookie)], "").status,
        409,
        "files"
    );
    technician.send(&ClientMessage::Ask { rights: vec![Right::Clipboard] }).await;
    assert!(technician.until(|m| matches!(m, ServerMessage::Refused { .. })).await.is_some());
    drop(customer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_who_loses_the_right_sees_nothing_more() {
    let fixture = Fixture::open("leavers-supervisor");
    let [eva, sam] = ["eva", "sam"].map(|login| Person::hire(&fixture, login, "Support"));
    let (session, _technician, _customer) = eva.help(&fixture).await;
    let at = format!("/api/sessions/{session}/supervise");
    let (status, admission) = sam.post(&fixture, &at, &Value::Null);
    assert_eq!(status, 200, "{admission}");
    let mut watching = Peer::connect(&fixture, admission["ticket"].as_str().unwrap(), Client::Console).await;
    assert!(watching.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
    sam.change(&fixture, "may_watch", json!(false));
    ends(&mut watching, "may not watch").await;
    assert_eq!(sam.post(&fixture, &at, &Value::Null).0, 403);
}
