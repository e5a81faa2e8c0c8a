//! Items that work once work only once when many use them at the same time.

use std::sync::Barrier;

use protocol::{Client, Job, Right, ServerMessage};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::{
    fixture::{Fixture, PASSWORD},
    outbound::Listener,
    tools,
    wire::grant,
};

/// How many requests run at once; fewer than the throttle allows.
const MANY: usize = 8;

/// Runs the same function many times at once.
fn at_once<T: Send>(act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(MANY);
    std::thread::scope(|scope| {
        let one = |n| {
            let (start, act) = (&start, &act);
            scope.spawn(move || {
                start.wait();
                act(n)
            })
        };
        let all: Vec<_> = (0..MANY).map(one).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Posts without a sign-in, from an address that nobody else uses.
fn post(fixture: &Fixture, n: usize, path: &str, body: &Value) -> (u16, Value) {
    fixture.post_as(path, body, &[("x-forwarded-for", &format!("192.0.2.{}", n + 1))])
}

fn enter(fixture: &Fixture, n: usize, pass: &Value) -> bool {
    post(fixture, n, "/api/join/enter", &json!({ "pass": pass, "client": "browser" })).0 == 200
}

fn account(login: &str) -> Value {
    json!({ "login": login, "name": login, "email": "e@a.example", "team": "", "password": PASSWORD })
}

/// The code that an authenticator shows a number of steps from now.
pub(crate) fn code(secret: &str, step: i64) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("tom".to_owned()).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now.checked_add_signed(30 * step).unwrap()).to_string()
}

/// Activates a second factor; returns its secret and the recovery codes.
fn second_factor(fixture: &Fixture) -> (String, Vec<String>) {
    let secret = offer(fixture);
    // The previous step, so that the next sign-in has a code of its own.
    let (status, recovery) = fixture.put("/api/me/second", &json!({ "code": code(&secret, -1) }));
    assert_eq!(status, 200, "{recovery}");
    (secret, recovery["codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned()).collect())
}

fn offer(fixture: &Fixture) -> String {
    let (status, offered) = fixture.post("/api/me/second", &Value::Null);
    assert_eq!(status, 200, "{offered}");
    offered["secret"].as_str().unwrap().to_owned()
}

fn sign_in_with(fixture: &Fixture, code: &str) -> Vec<bool> {
    let body = json!({ "login": "tom", "password": PASSWORD, "code": code });
    at_once(|n| post(fixture, n, "/api/sign-in", &body).0 == 204)
}

/// A session with its customer and technician; returns its number and the customer's resume token.
fn running(fixture: &Fixture) -> (String, String) {
    let (session, _, link) = fixture.generate();
    let (_, resume) = fixture.customer_enters(&link, "browser");
    fixture.technician_ticket(&session);
    (session, resume)
}

fn setup_link(fixture: &Fixture) -> Vec<bool> {
    at_once(|n| {
        let user = account(&format!("admin-{n}"));
        let body = json!({ "token": fixture.setup_token, "organisation": "Mine", "user": user });
        post(fixture, n, "/api/setup", &body).0 == 204
    })
}

fn user_name(fixture: &Fixture) -> Vec<bool> {
    let answers = at_once(|_| fixture.post("/api/users", &account("eve")).0);
    assert!(answers.iter().all(|status| [201, 409].contains(status)), "{answers:?}");
    answers.iter().map(|status| *status == 201).collect()
}

fn session_key(fixture: &Fixture) -> Vec<bool> {
    let (_, key, _) = fixture.generate();
    at_once(|n| enter(fixture, n, &json!({ "by": "key", "key": key })))
}

fn session_link(fixture: &Fixture) -> Vec<bool> {
    let (_, _, link) = fixture.generate();
    at_once(|n| enter(fixture, n, &json!({ "by": "link", "token": link })))
}

/// Half use the key, half the link.
fn key_and_link(fixture: &Fixture) -> Vec<bool> {
    let (_, key, link) = fixture.generate();
    let passes = [json!({ "by": "key", "key": key }), json!({ "by": "link", "token": link })];
    at_once(|n| enter(fixture, n, &passes[n % 2]))
}

fn handover(fixture: &Fixture) -> Vec<bool> {
    let (_, resume) = running(fixture);
    let (status, handed) = post(fixture, 0, "/api/join/handover", &json!({ "token": resume }));
    assert_eq!(status, 200, "{handed}");
    at_once(|n| enter(fixture, n, &json!({ "by": "handover", "token": handed["token"] })))
}

fn expert(fixture: &Fixture) -> Vec<bool> {
    let (session, _) = running(fixture);
    let invitation = json!({ "name": "Grace", "rights": [] });
    let (status, invited) = fixture.post(&format!("/api/sessions/{session}/experts"), &invitation);
    assert_eq!(status, 201, "{invited}");
    let token = invited["link"].as_str().unwrap().split_once('#').unwrap().1;
    at_once(|n| post(fixture, n, "/api/expert/enter", &json!({ "token": token })).0 == 200)
}

/// Of many keys issued at once only the last one is valid, with its link.
fn issued_keys(fixture: &Fixture) -> Vec<bool> {
    let (session, ..) = fixture.generate();
    let issued = at_once(|_| fixture.post(&format!("/api/sessions/{session}/key"), &Value::Null));
    let open = |pass: Value| post(fixture, 0, "/api/join/look", &pass).0 == 200;
    let works = |(status, issued): &(u16, Value)| {
        assert_eq!(*status, 200, "{issued}");
        let link = issued["link"].as_str().unwrap().split_once('#').unwrap().1;
        let by_key = open(json!({ "by": "key", "key": issued["key"] }));
        assert_eq!(open(json!({ "by": "link", "token": link })), by_key, "a key and its link belong together");
        by_key
    };
    issued.iter().map(works).collect()
}

fn queue(fixture: &Fixture) -> Vec<bool> {
    let (session, ..) = fixture.generate();
    let (status, moved) =
        fixture.post(&format!("/api/sessions/{session}/transfer"), &json!({ "to": "general", "note": "" }));
    assert_eq!(status, 204, "{moved}");
    at_once(|_| fixture.post(&format!("/api/sessions/{session}/take"), &Value::Null).0 == 204)
}

fn rating(fixture: &Fixture) -> Vec<bool> {
    let (session, resume) = running(fixture);
    assert_eq!(fixture.post(&format!("/api/sessions/{session}/close"), &Value::Null).0, 204);
    let rating = json!({ "token": resume, "stars": 5, "comment": "" });
    at_once(|n| post(fixture, n, "/api/join/rate", &rating).0 == 204)
}

fn totp_code(fixture: &Fixture) -> Vec<bool> {
    let (secret, _) = second_factor(fixture);
    sign_in_with(fixture, &code(&secret, 0))
}

fn recovery_code(fixture: &Fixture) -> Vec<bool> {
    let (_, recovery) = second_factor(fixture);
    let signed_in = sign_in_with(fixture, &recovery[0]);
    // The other codes remain valid.
    assert_eq!(
        post(fixture, 9, "/api/sign-in", &json!({ "login": "tom", "password": PASSWORD, "code": recovery[1] })).0,
        204
    );
    signed_in
}

fn offered_factor(fixture: &Fixture) -> Vec<bool> {
    let code = code(&offer(fixture), 0);
    at_once(|_| fixture.put("/api/me/second", &json!({ "code": code })).0 == 200)
}

/// No answer here is valid; the one that finds the challenge learns that, and the others that it is gone.
fn passkey_question(fixture: &Fixture) -> Vec<bool> {
    let (status, asked) = post(fixture, 0, "/api/sign-in/passkey/begin", &Value::Null);
    assert_eq!(status, 200, "{asked}");
    let response = json!({ "authenticatorData": "AA", "clientDataJSON": "AA", "signature": "AA", "userHandle": "AA" });
    let credential = json!({ "id": "AA", "rawId": "AA", "type": "public-key", "response": response, "extensions": {} });
    let answer = json!({ "name": asked["name"], "credential": credential });
    let answers = at_once(|n| post(fixture, n, "/api/sign-in/passkey", &answer).0);
    assert!(answers.iter().all(|status| [401, 409].contains(status)), "{answers:?}");
    answers.iter().map(|status| *status == 401).collect()
}

fn idempotency_key(fixture: &Fixture) -> Vec<bool> {
    let token = json!({ "name": "Script", "scopes": ["sessions:read", "sessions:write"], "days": 1 });
    let bearer = format!("Bearer {}", fixture.post("/api/tokens", &token).1["token"].as_str().unwrap());
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "one")];
    let body = json!({ "queue": { "is": "general" }, "external_key": "INC7" }).to_string();
    let answers = at_once(|_| fixture.ask("POST", "/api/v1/sessions", &headers, &body));
    let first =
        |answer: &crate::fixture::Answer| answer.status == 201 && !answer.headers.contains_key("idempotent-replayed");
    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)));
    let sessions = fixture.ask("GET", "/api/v1/sessions", &headers[..1], "").json();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "{sessions}");
    answers.iter().map(first).collect()
}

/// Many sessions for one ticket of another system belong to one incident of one customer.
fn ticket_elsewhere(fixture: &Fixture) -> Vec<bool> {
    let token = json!({ "name": "Script", "scopes": ["sessions:write"], "days": 1 });
    let bearer = format!("Bearer {}", fixture.post("/api/tokens", &token).1["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let customer = json!({ "name": "Grace", "email": "grace@b.example" });
    let body = json!({ "queue": { "is": "general" }, "external_key": "INC7", "customer": customer }).to_string();
    let answers = at_once(|_| fixture.ask("POST", "/api/v1/sessions", &headers, &body).status);
    assert_eq!(answers, [201; MANY]);
    let customers: Value = serde_json::from_str(&fixture.get("/api/customers").1).unwrap();
    let graces = customers.as_array().unwrap().iter().filter(|c| c["name"] == "Grace").count();
    assert_eq!(graces, 1, "{customers}");
    let incidents: Value = serde_json::from_str(&fixture.get("/api/incidents").1).unwrap();
    incidents.as_array().unwrap().iter().filter(|i| i["number"] == "INC7").map(|_| true).collect()
}

/// An OpenID provider that issues no token.
fn provider() -> Listener {
    Listener::open(|own, path| match path {
        "/.well-known/openid-configuration" => ("200 OK", vec![], description(own).to_string()),
        "/keys" => ("200 OK", vec![], json!({ "keys": [] }).to_string()),
        _ => ("400 Bad Request", vec![], json!({ "error": "invalid_grant" }).to_string()),
    })
}

fn description(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

/// Each request that gets through asks the provider for a token.
fn pending_login(fixture: &Fixture) -> Vec<bool> {
    let provider = provider();
    let rules = json!({ "enabled": true, "name": "Acme", "issuer": provider.url, "client_id": "deskside" });
    assert_eq!(fixture.put("/api/openid", &rules).0, 200);
    let away = fixture.ask("GET", "/sign-in/openid/start", &[], "");
    let url = url::Url::parse(&away.headers["location"]).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let cookie = away.headers["set-cookie"].split(';').next().unwrap().to_owned();
    let back = format!("/sign-in/openid?state={state}&code=x");
    at_once(|_| assert_eq!(fixture.ask("GET", &back, &[("cookie", &cookie)], "").status, 303));
    vec![true; provider.requests().iter().filter(|head| head.starts_with("POST /token ")).count()]
}

#[test]
fn single_use_items_work_once_under_concurrency() {
    type Race = fn(&Fixture) -> Vec<bool>;
    let races: [(&str, Race); 17] = [
        ("setup-link", setup_link),
        ("user-name", user_name),
        ("session-key", session_key),
        ("session-link", session_link),
        ("key-and-link", key_and_link),
        ("handover", handover),
        ("expert", expert),
        ("issued-keys", issued_keys),
        ("queue", queue),
        ("rating", rating),
        ("totp-code", totp_code),
        ("recovery-code", recovery_code),
        ("offered-factor", offered_factor),
        ("passkey-question", passkey_question),
        ("idempotency-key", idempotency_key),
        ("ticket-elsewhere", ticket_elsewhere),
        ("openid-journey", pending_login),
    ];
    let mut wrong = Vec::new();
    for (name, race) in races {
        let fixture = if name == "setup-link" { Fixture::open_new(name) } else { Fixture::open(name) };
        let times = race(&fixture).into_iter().filter(|success| *success).count();
        if times != 1 {
            wrong.push(format!("{name}: {times} times"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_and_side_channels_are_taken_once() {
    let fixture = Fixture::open_directly("races-wire");
    let (session, _, _) = fixture.generate();
    let ticket = fixture.technician_ticket(&session);
    let peers =
        futures::future::join_all((0..MANY).map(|_| crate::fixture::Peer::connect(&fixture, &ticket, Client::Console)));
    let welcomed = futures::future::join_all(
        peers
            .await
            .into_iter()
            .map(|mut peer| async move { matches!(peer.next().await, Some(ServerMessage::Welcome { .. })) }),
    );
    assert_eq!(welcomed.await.into_iter().filter(|w| *w).count(), 1, "a ticket");

    let (session, mut technician, mut program) = tools::pair(&fixture).await;
    grant(&mut technician, &mut program, &[Right::Files]).await;
    crate::leaving::measured(&mut technician).await;
    let at = format!("/api/sessions/{session}/files/leaving/7");
    std::thread::scope(|scope| {
        scope.spawn(|| fixture.post(&at, &json!({ "path": "/home/ada/file.txt" })));
        let runtime = tokio::runtime::Handle::current();
        let (job, _stream) = tokio::task::block_in_place(|| runtime.block_on(tools::next_job(&program)));
        let Job::Fetch { lane: Some(token), .. } = job else { panic!("{job:?}") };
        let path = format!("/api/lanes/{token}");
        let taken = at_once(|_| fixture.ask("POST", &path, &[], "what is in the file").status != 404);
        assert_eq!(taken.into_iter().filter(|t| *t).count(), 1, "a side channel");
    });
}

/// Of many tokens requested at once at most thirty remain valid.
#[test]
fn the_limit_on_tokens_holds_for_concurrent_requests() {
    let fixture = Fixture::open("races-tokens");
    let (id, secret) = fixture.account("Script", &["sessions:read"]);
    let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let give = |_| -> Vec<String> {
        let one =
            || fixture.ask("POST", "/oauth2/token", &form, &body).json()["access_token"].as_str().unwrap().to_owned();
        (0..6).map(|_| one()).collect()
    };
    let tokens: Vec<String> = at_once(give).into_iter().flatten().collect();
    let lives = |token: &&String| {
        let bearer = format!("Bearer {token}");
        fixture.ask("GET", "/api/command?action=get_api_info", &[("authorization", &bearer)], "").status == 200
    };
    assert_eq!((tokens.len(), tokens.iter().filter(lives).count()), (48, 30));
}
