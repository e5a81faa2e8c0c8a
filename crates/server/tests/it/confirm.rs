//! A stolen cookie: what it allows, and what needs a confirmed identity.

use serde_json::{Value, json};

use crate::fixture::{Fixture, PASSWORD};

const TEN_MINUTES: u32 = 600_000;

/// Sends a request with a cookie; returns status and body.
fn ask(fixture: &Fixture, cookie: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("cookie", cookie), ("content-type", "application/json")];
    let answer = fixture.ask(method, path, &headers, &body.to_string());
    (answer.status, serde_json::from_str(&answer.text).unwrap_or(Value::Null))
}

fn user(login: &str) -> Value {
    json!({ "login": login, "name": login, "email": "e@a.example", "team": "", "password": PASSWORD })
}

fn change(password: &str) -> Value {
    json!({
        "name": "Eve", "email": "mallory@c.example", "team": "", "administrator": true, "disabled": false,
        "password": password, "may_watch": true, "may_export": true, "may_delete": true, "reach": "all"
    })
}

fn sign_in(fixture: &Fixture, login: &str) -> String {
    let headers = [("content-type", "application/json")];
    let body = json!({ "login": login, "password": PASSWORD }).to_string();
    let answer = fixture.ask("POST", "/api/sign-in", &headers, &body);
    assert_eq!(answer.status, 204, "{}", answer.text);
    answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

/// Every request that changes how somebody signs in or what another system may do.
fn guarded() -> Vec<(&'static str, &'static str, Value)> {
    let account = json!({ "name": "Script", "comments": "", "scopes": ["people:write"], "enabled": true });
    let token = json!({ "name": "Script", "scopes": ["people:write"], "days": 1 });
    let openid = json!({ "enabled": true, "name": "Evil", "issuer": "https://evil.example", "client_id": "x" });
    let directory = json!({ "enabled": true, "url": "ldaps://evil.example" });
    let mailbox = json!({ "enabled": true, "host": "evil.example" });
    let receiver = json!({
        "kind": "webhook", "name": "Evil", "url": "https://evil.example", "token": "", "events": [], "authority": "",
        "enabled": true, "retry_seconds": 5, "retry_hours": 1
    });
    vec![
        ("POST", "/api/me/second", Value::Null),
        ("PUT", "/api/me/second", json!({ "code": "000000" })),
        ("DELETE", "/api/me/second", json!({ "code": "000000" })),
        ("POST", "/api/me/passkeys/begin", Value::Null),
        ("DELETE", "/api/me/passkeys/1", Value::Null),
        ("POST", "/api/users", user("mallory")),
        ("PUT", "/api/users/2", change("another password")),
        ("DELETE", "/api/users/2/second", Value::Null),
        ("PUT", "/api/openid", openid.clone()),
        ("POST", "/api/openid/test", openid),
        ("PUT", "/api/directory", directory.clone()),
        ("POST", "/api/directory/test", directory),
        ("PUT", "/api/mailbox", mailbox.clone()),
        ("POST", "/api/mailbox/test", mailbox),
        ("POST", "/api/accounts", account.clone()),
        ("PUT", "/api/accounts/1", account),
        ("POST", "/api/accounts/1/secret", Value::Null),
        ("DELETE", "/api/accounts/1", Value::Null),
        ("POST", "/api/tokens", token),
        ("DELETE", "/api/tokens/1", Value::Null),
        ("POST", "/api/receivers", receiver.clone()),
        ("PUT", "/api/receivers/1", receiver),
        ("POST", "/api/receivers/1/test", Value::Null),
        ("DELETE", "/api/receivers/1", Value::Null),
        ("POST", "/api/deliveries/1", Value::Null),
        ("DELETE", "/api/deliveries/1", Value::Null),
        ("PUT", "/api/settings", json!({ "password_form": "open_door" })),
        ("PUT", "/api/rules", json!({ "roles": [], "policies": [] })),
    ]
}

fn everything(fixture: &Fixture) -> Vec<String> {
    let paths =
        ["/api/users", "/api/openid", "/api/directory", "/api/mailbox", "/api/integrations", "/api/me/passkeys"];
    paths.map(|path| fixture.get(path).1).to_vec()
}

#[test]
fn a_cookie_alone_does_not_change_how_people_sign_in() {
    let fixture = Fixture::open("confirm");
    assert_eq!(fixture.post("/api/users", &user("eve")).0, 201);
    fixture.account("Collector", &["sessions:read"]);
    let before = everything(&fixture);
    let all = |cookie: &str| -> Vec<(u16, Value)> {
        guarded().into_iter().map(|(method, path, body)| ask(&fixture, cookie, method, path, &body)).collect()
    };
    let refused = |answers: Vec<(u16, Value)>| {
        for ((method, path, _), (status, answer)) in guarded().iter().zip(answers) {
            assert_eq!((status, answer["code"].as_str()), (403, Some("confirm")), "{method} {path} {answer}");
        }
        assert_eq!(everything(&fixture), before);
    };
    // A sign-in from this morning, and one from before confirmations existed.
    fixture.sql(&format!("UPDATE login SET confirmed = confirmed - {TEN_MINUTES}"));
    refused(all(&fixture.cookie));
    fixture.sql("UPDATE login SET confirmed = 0");
    refused(all(&fixture.cookie));
    // Everything else still works.
    assert_eq!(fixture.get("/api/me").0, 200);
    let customer = json!({ "name": "Bob", "email": "bob@b.example", "company": "" });
    assert_eq!(fixture.post("/api/customers", &customer).0, 201);

    // Somebody who is not an administrator is not asked for a password in vain.
    let eve = sign_in(&fixture, "eve");
    let (status, answer) = ask(&fixture, &eve, "POST", "/api/users", &user("mallory"));
    assert_eq!((status, &answer["code"]), (403, &Value::Null));

    let (_, ways) = ask(&fixture, &fixture.cookie, "GET", "/api/me/confirm", &Value::Null);
    assert_eq!(ways, json!({ "confirmed": false, "by": ["password"] }));
    for wrong in ["", "not this one", &PASSWORD[1..]] {
        assert_eq!(fixture.post("/api/me/confirm", &json!({ "by": "password", "password": wrong })).0, 422);
    }
    refused(all(&fixture.cookie));
    // Eve's password does not confirm Tom's identity, and vice versa.
    let right = json!({ "by": "password", "password": PASSWORD });
    assert_eq!(ask(&fixture, &eve, "POST", "/api/me/confirm", &right).0, 204);
    refused(all(&fixture.cookie));
    assert_eq!(fixture.post("/api/me/confirm", &right).0, 204);
    for ((method, path, _), (status, answer)) in guarded().iter().zip(all(&fixture.cookie)) {
        assert_ne!(answer["code"], "confirm", "{method} {path} {status}");
    }
    assert_ne!(everything(&fixture), before);
}

#[test]
fn changing_a_factor_or_password_signs_out_other_browsers() {
    let fixture = Fixture::open("confirm-others");
    let own = |cookie: &str| ask(&fixture, cookie, "GET", "/api/me", &Value::Null).0;
    let other = sign_in(&fixture, "tom");
    let (status, offered) = fixture.post("/api/me/second", &Value::Null);
    assert_eq!((status, own(&other)), (200, 200));
    let code = crate::races::code(offered["secret"].as_str().unwrap(), 0);
    assert_eq!(fixture.put("/api/me/second", &json!({ "code": code })).0, 200);
    assert_eq!([own(&other), own(&fixture.cookie)], [401, 200]);
    // Changing somebody's password, or one's own, ends all of their sign-ins.
    assert_eq!(fixture.post("/api/users", &user("eve")).0, 201);
    let eve = sign_in(&fixture, "eve");
    assert_eq!(ask(&fixture, &fixture.cookie, "PUT", "/api/users/2", &change("another password")).0, 200);
    assert_eq!(own(&eve), 401);
    assert_eq!(ask(&fixture, &fixture.cookie, "PUT", "/api/users/1", &change("another password")).0, 200);
    assert_eq!(own(&fixture.cookie), 401);
}

/// An administrator who sets an address does not get the secret that was entered for another one.
#[test]
fn a_stored_secret_is_not_sent_to_another_address() {
    let fixture = Fixture::open("confirm-secrets");
    let openid = |issuer: &str, secret: &str| json!({ "enabled": true, "name": "Acme", "issuer": issuer, "client_id": "x", "client_secret": secret });
    let directory = |url: &str, secret: &str| json!({ "enabled": true, "url": url, "bind_password": secret });
    let mailbox = |host: &str, secret: &str| json!({ "enabled": false, "host": host, "password": secret });
    let (good, evil) = ("https://id.example", "https://evil.example");
    let table = [
        ("/api/openid", openid(good, "s3cret"), openid(good, ""), openid(evil, ""), openid(evil, "theirs")),
        (
            "/api/directory",
            directory("ldaps://a.example", "s3cret"),
            directory("ldaps://a.example", ""),
            directory("ldaps://evil.example", ""),
            directory("ldaps://evil.example", "theirs"),
        ),
        (
            "/api/mailbox",
            mailbox("a.example", "s3cret"),
            mailbox("a.example", ""),
            mailbox("evil.example", ""),
            mailbox("evil.example", "theirs"),
        ),
    ];
    for (path, first, same, elsewhere, anew) in table {
        assert_eq!(fixture.put(path, &first).0, 200, "{path}");
        assert_eq!(fixture.put(path, &same).0, 200, "{path}");
        let (status, answer) = fixture.put(path, &elsewhere);
        assert_eq!(status, 422, "{path}");
        assert!(answer["message"].as_str().unwrap().contains("type the secret again"), "{path} {answer}");
        assert_eq!(fixture.post(&format!("{path}/test"), &elsewhere).0, 422, "{path}");
        assert_eq!(fixture.put(path, &anew).0, 200, "{path}");
    }
    let desk = |url: &str, token: &str| {
        json!({
            "kind": "request_tracker", "name": "RT", "url": url, "token": token, "events": [], "authority": "",
            "enabled": false, "retry_seconds": 5, "retry_hours": 1
        })
    };
    assert_eq!(fixture.post("/api/receivers", &desk("https://rt.example", "s3cret")).0, 201);
    assert_eq!(fixture.put("/api/receivers/1", &desk("https://rt.example", "")).0, 200);
    assert_eq!(fixture.put("/api/receivers/1", &desk(evil, "")).0, 422);
    assert_eq!(fixture.put("/api/receivers/1", &desk(evil, "theirs")).0, 200);
}
