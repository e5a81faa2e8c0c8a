//! The REST API: scopes, idempotency, sessions and errors.

use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture};

struct ApiClient {
    fixture: Fixture,
    bearer: String,
}

impl ApiClient {
    fn open(name: &str, scopes: &[&str]) -> Self {
        let fixture = Fixture::open(name);
        let bearer = bearer(&fixture, scopes);
        Self { fixture, bearer }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let own = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.fixture.ask(method, &format!("/api/v1{path}"), &[&own, headers].concat(), &body)
    }
}

pub(crate) fn bearer(fixture: &Fixture, scopes: &[&str]) -> String {
    let (status, made) = fixture.post("/api/tokens", &json!({ "name": "Script", "scopes": scopes, "days": 1 }));
    assert_eq!(status, 201, "{made}");
    format!("Bearer {}", made["token"].as_str().unwrap())
}

fn general() -> Value {
    json!({ "queue": { "is": "general" }, "external_key": "INC7" })
}

#[test]
fn a_token_is_limited_to_its_scopes() {
    let client = ApiClient::open("api-scopes", &["sessions:read"]);
    let status = |method: &str, path: &str, body: Value| client.ask(method, path, &[], &body).status;
    assert_eq!(status("GET", "/sessions", Value::Null), 200);
    let table = [
        ("POST", "/sessions", general()),
        ("GET", "/technicians", Value::Null),
        ("POST", "/teams", json!({ "name": "A" })),
        ("GET", "/sessions/0123456789abcdef0123456789abcdef/transcript", Value::Null),
    ];
    for (method, path, body) in table {
        let answer = client.ask(method, path, &[], &body);
        assert_eq!(answer.status, 403, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("This token may not "), "{}", answer.text);
    }
    for authorization in ["", "Bearer", "Bearer x", "Basic eDp5", "bearer deskside_"] {
        let answer = client.fixture.ask("GET", "/api/v1/sessions", &[("authorization", authorization)], "");
        assert_eq!((answer.status, answer.headers["www-authenticate"].as_str()), (401, "Bearer"), "{authorization}");
    }
    // The console's cookie does not work here, nor a token in the console's API.
    let cookie = [("cookie", client.fixture.cookie.as_str())];
    assert_eq!(client.fixture.ask("GET", "/api/v1/sessions", &cookie, "").status, 401);
    let token = [("authorization", client.bearer.as_str())];
    assert_eq!(client.fixture.ask("GET", "/api/users", &token, "").status, 401);
    // The database contains no secret.
    let kept = client.fixture.database();
    let secret = client.bearer.trim_start_matches("Bearer ");
    assert!(!kept.windows(secret.len()).any(|w| w == secret.as_bytes()));
}

#[test]
fn a_request_with_an_idempotency_key_is_executed_once() {
    let client = ApiClient::open("api-once", &["sessions:read", "sessions:write"]);
    let make = |key: &str, body: &Value| client.ask("POST", "/sessions", &[("idempotency-key", key)], body);
    let first = make("a", &general());
    let again = make("a", &general());
    assert_eq!((first.status, again.status, &first.text), (201, 201, &again.text));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let count = || client.ask("GET", "/sessions", &[], &Value::Null).json()["items"].as_array().unwrap().len();
    assert_eq!(count(), 1);
    let other = make("a", &json!({ "queue": { "is": "general" } }));
    assert_eq!((other.status, count()), (422, 1));
    assert_eq!((make("b", &general()).status, count()), (201, 2));
    // A refusal is stored as well.
    let wrong = json!({ "queue": { "is": "team", "team": "nobody" } });
    let refused = [make("c", &wrong), make("c", &wrong)];
    assert_eq!(
        refused.each_ref().map(|a| (a.status, a.headers["content-type"].as_str())),
        [(422, "application/problem+json"); 2]
    );
    assert_eq!(make("", &general()).status, 422);
    // Keys of different callers are independent.
    let stranger = bearer(&client.fixture, &["sessions:write"]);
    let headers =
        [("authorization", stranger.as_str()), ("content-type", "application/json"), ("idempotency-key", "a")];
    let theirs = client.fixture.ask("POST", "/api/v1/sessions", &headers, &general().to_string());
    assert!(theirs.status == 201 && theirs.text != first.text);
    let key = first.json()["key"].as_str().unwrap().to_owned();
    let kept = client.fixture.database();
    assert!(!kept.windows(9).any(|w| w == key.as_bytes()), "answers are kept encrypted");
}

#[test]
fn a_session_is_created_listed_transferred_and_closed() {
    let client = ApiClient::open(
        "api-session",
        &["sessions:read", "sessions:write", "evidence:read", "people:read", "people:write"],
    );
    assert_eq!(client.ask("POST", "/teams", &[], &json!({ "name": "Support" })).status, 201);
    for n in 0..5 {
        let new = json!({ "queue": { "is": "team", "team": "Support" }, "external_key": format!("INC{}", n % 2),
            "subject": "Printer", "customer": { "name": "Ada", "email": "ada@b.example" }, "attributes": { "n": n.to_string() } });
        assert_eq!(client.ask("POST", "/sessions", &[], &new).status, 201);
    }
    let mut seen = Vec::new();
    let mut path = "/sessions?limit=2".to_owned();
    loop {
        let page = client.ask("GET", &path, &[], &Value::Null).json();
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|s| s["attributes"]["n"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/sessions?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"], "the newest first, each once");
    let of_one = client.ask("GET", "/sessions?external_key=INC1", &[], &Value::Null).json();
    assert_eq!(of_one["items"].as_array().unwrap().len(), 2);
    let session = &of_one["items"][0];
    assert_eq!((session["incident"].as_str(), session["customer"].as_str()), (Some("INC1"), Some("Ada")));
    assert_eq!(session["queue"], json!({ "is": "team", "team": "Support" }));
    assert_eq!(
        client.ask("GET", "/queues", &[], &Value::Null).json(),
        json!([{ "team": null, "waiting": 0 }, { "team": "Support", "waiting": 5 }])
    );
    let id = session["id"].as_str().unwrap();
    let act = |what: &str, body: Value| client.ask("POST", &format!("/sessions/{id}/{what}"), &[], &body).status;
    assert_eq!(act("transfer", json!({ "queue": { "is": "technician", "technician": 1 }, "note": "Yours" })), 204);
    assert_eq!(act("transfer", json!({ "queue": { "is": "technician", "technician": 1 } })), 409);
    assert_eq!(act("transfer", json!({ "queue": { "is": "technician", "technician": 9 } })), 422);
    assert_eq!(act("keys", Value::Null), 200);
    assert_eq!(act("close", Value::Null), 204);
    assert!([404, 409].contains(&act("close", Value::Null)));
    let read = client.ask("GET", &format!("/sessions/{id}"), &[], &Value::Null).json();
    assert_eq!((read["state"].as_str(), read["owner"].as_i64()), (Some("ended"), Some(1)));
    let transcript = client.ask("GET", &format!("/sessions/{id}/transcript"), &[], &Value::Null).json();
    assert!(transcript["lines"].as_array().unwrap().iter().any(|l| l["text"].as_str().unwrap().contains("ended")));
}

#[test]
fn invalid_requests_are_rejected_with_a_reason() {
    let client = ApiClient::open("api-mistakes", &["sessions:read", "sessions:write", "people:read", "people:write"]);
    let table = [
        ("POST", "/sessions", json!({}), 422),
        ("POST", "/sessions", json!({ "queue": { "is": "nowhere" } }), 422),
        ("POST", "/sessions", json!({ "queue": { "is": "general" }, "colour": "red" }), 422),
        ("POST", "/sessions", json!({ "queue": { "is": "general" }, "link_seconds": 5 }), 422),
        ("POST", "/sessions", json!({ "queue": { "is": "general" }, "customer": { "email": "nonsense" } }), 422),
        ("POST", "/sessions", json!({ "queue": { "is": "general" }, "attributes": { "a b": "1" } }), 422),
        ("GET", "/sessions?limit=0", Value::Null, 422),
        ("GET", "/sessions?colour=red", Value::Null, 400),
        ("GET", "/sessions?after=nonsense", Value::Null, 422),
        ("GET", "/sessions/x", Value::Null, 404),
        ("GET", "/nothing", Value::Null, 404),
        ("PUT", "/sessions", Value::Null, 405),
        ("POST", "/teams", json!({ "name": "" }), 422),
        ("PATCH", "/technicians/1", json!({ "disabled": true }), 403),
        // A list is not accepted as an object, even with one value for each field.
        ("PATCH", "/technicians/1", json!([null, null]), 422),
        (
            "POST",
            "/technicians",
            json!({ "login": "x", "name": "X", "email": "x@a.example", "password": "short" }),
            422,
        ),
    ];
    for (method, path, body, status) in table {
        let answer = client.ask(method, path, &[], &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert_eq!(answer.json()["status"], status);
    }
    let raw = |kind: &str, body: &str| {
        let headers = [("authorization", client.bearer.as_str()), ("content-type", kind)];
        client.fixture.ask("POST", "/api/v1/sessions", &headers, body).status
    };
    assert_eq!([raw("application/json", "{"), raw("text/plain", "{}")], [400, 415]);
    assert_eq!(client.ask("GET", "/sessions", &[], &Value::Null).json()["items"], json!([]));
}
