use serde_json::{Value, json};

use crate::fixture::{Fixture, PASSWORD};

#[test]
fn a_page_of_another_origin_cannot_change_anything() {
    let fixture = Fixture::open("origin");
    let note = json!({ "text": "written by another site" });
    let headers = [("cookie", fixture.cookie.as_str()), ("origin", "https://evil.example")];
    assert_eq!(fixture.post_as("/api/incidents/1/notes", &note, &headers).0, 403);
    let own = [("cookie", fixture.cookie.as_str()), ("origin", fixture.url.as_str())];
    assert_eq!(fixture.post_as("/api/incidents/1/notes", &note, &own).0, 201);
}

#[test]
fn a_foreign_page_cannot_open_the_wire() {
    let fixture = Fixture::open("wire-origin");
    let mut answer = ureq::get(format!("{}/wire", fixture.url))
        .config()
        .http_status_as_error(false)
        .build()
        .header("origin", "https://evil.example")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "qmux-02.deskside")
        .call()
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "this page does not belong to this server");
}

#[test]
fn nobody_reads_anything_without_signing_in() {
    let fixture = Fixture::open("signed-out");
    let (session, ..) = fixture.generate();
    let stranger: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let paths = [
        "/api/me".to_owned(),
        "/api/incidents".into(),
        "/api/incidents/1".into(),
        "/api/customers".into(),
        "/api/users".into(),
        "/api/technicians".into(),
        "/api/settings".into(),
        "/api/sessions".into(),
        format!("/api/sessions/{session}"),
        format!("/api/sessions/{session}/transcript.txt"),
        format!("/api/sessions/{session}/transcript.json"),
        "/api/playback/token/recording.webm".into(),
        "/api/playback/token/pointer".into(),
        "/api/playback/token/activity".into(),
        "/api/playback/token/subtitles.vtt".into(),
        "/api/sealing-keys".into(),
        "/api/integrations".into(),
        "/api/receivers/1/deliveries".into(),
        "/api/openid".into(),
        "/api/v1/sessions".into(),
        "/api/command?action=get_api_info".into(),
        "/api/config/v1/user".into(),
        "/api/past?q=printer".into(),
        "/api/report?from=0&until=1".into(),
        "/api/report.csv?from=0&until=1".into(),
        "/api/mails".into(),
        "/api/mails/1".into(),
        "/api/mails/1/html".into(),
    ];
    for path in paths {
        assert_eq!(stranger.get(format!("{}{path}", fixture.url)).call().unwrap().status(), 401, "{path}");
    }
}

#[test]
fn https_servers_send_strict_transport_security() {
    let header = |fixture: &Fixture, path: &str| {
        fixture.ask("GET", path, &[], "").headers.get("strict-transport-security").cloned()
    };
    let (secure, plain) = (Fixture::open_with_tls("hsts"), Fixture::open("no-hsts"));
    for path in ["/", "/sign-in", "/api/me", "/api/command", "/nothing/here"] {
        assert_eq!(header(&secure, path).as_deref(), Some("max-age=31536000"), "{path}");
        assert_eq!(header(&plain, path), None, "{path}");
    }
}

#[test]
fn the_setup_link_works_once() {
    let fixture = Fixture::open("setup");
    let user = json!({ "login": "eve", "name": "Eve", "email": "e@e.example", "team": "", "password": PASSWORD });
    for token in ["", "guess", &fixture.setup_token] {
        let body = json!({ "token": token, "organisation": "Mine", "user": user });
        assert_eq!(fixture.post_as("/api/setup", &body, &[]).0, 404);
    }
}

#[test]
fn keys_and_passwords_cannot_be_guessed_for_long() {
    let fixture = Fixture::open("guess");
    let wrong = json!({ "by": "key", "key": "000000000" });
    let answers: Vec<(u16, Value)> = (0..35).map(|_| fixture.post_as("/api/join/look", &wrong, &[])).collect();
    assert_eq!(answers[0].0, 404);
    assert!(answers[0].1["message"].as_str().unwrap().contains("may be mistyped"), "{}", answers[0].1);
    assert_eq!(answers[34].0, 429);
    let wrong = json!({ "login": "tom", "password": "not this one" });
    let answers: Vec<u16> = (0..12).map(|_| fixture.post_as("/api/sign-in", &wrong, &[]).0).collect();
    assert_eq!((answers[0], answers[11]), (401, 429));
}

#[test]
fn signing_out_everywhere_ends_every_sign_in() {
    let fixture = Fixture::open("sign-out");
    assert_eq!(fixture.get("/api/me").0, 200);
    assert_eq!(fixture.post("/api/sign-out-everywhere", &Value::Null).0, 200 + 4);
    assert_eq!(fixture.get("/api/me").0, 401);
}

#[test]
fn revoked_keys_and_links_are_invalid_and_reveal_nothing() {
    let fixture = Fixture::open("revoked");
    let (session, key, link) = fixture.generate();
    let by_key = json!({ "by": "key", "key": key });
    let by_link = json!({ "by": "link", "token": link });
    assert_eq!(fixture.post_as("/api/join/look", &by_key, &[]).0, 200);
    assert_eq!(fixture.post_as("/api/join/look", &by_link, &[]).0, 200);
    for what in ["key", "link"] {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let url = format!("{}/api/sessions/{session}/{what}", fixture.url);
        agent.delete(url).header("cookie", &fixture.cookie).call().unwrap();
    }
    for pass in [by_key, by_link] {
        let (status, answer) = fixture.post_as("/api/join/look", &pass, &[]);
        assert_eq!(status, 404);
        assert!(!answer.to_string().contains("Secret subject"));
    }
}

#[test]
fn invalid_input_is_rejected_with_a_sentence() {
    let fixture = Fixture::open("bad-input");
    let long = "x".repeat(300);
    let incident = |change: Value| {
        let mut body = json!({ "customer": 1, "subject": "s", "description": "", "status": "new", "priority": "normal", "owner": null, "team": "" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let table = [
        ("/api/incidents", incident(json!({ "subject": long }))),
        ("/api/incidents", incident(json!({ "customer": 99 }))),
        ("/api/incidents", incident(json!({ "status": "exploded" }))),
        ("/api/incidents", incident(json!({ "surprise": 1 }))),
        ("/api/customers", json!({ "name": "", "email": "a@b.example", "company": "" })),
        ("/api/customers", json!({ "name": "A", "email": "not an address", "company": "" })),
        ("/api/incidents/1/notes", json!({ "text": "  " })),
    ];
    for (path, body) in table {
        assert_eq!(fixture.post(path, &body).0, 422, "{path} {body}");
    }
    assert_eq!(fixture.get("/api/sessions/../../etc/passwd").0, 404);
    assert_eq!(fixture.get("/api/sessions/..%2F..%2Fetc/transcript.txt").0, 404);
    assert_eq!(fixture.get("/api/playback/..%2F..%2Fetc/recording.webm").0, 403);
}
