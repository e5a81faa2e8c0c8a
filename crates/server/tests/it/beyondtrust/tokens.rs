//! Access tokens.

use serde_json::Value;

use super::{FORM, basic};
use crate::fixture::Fixture;

#[test]
fn a_token_is_issued_for_every_form_of_request() {
    let fixture = Fixture::open("bt-oauth");
    let (id, secret) = fixture.account("Collector", &["evidence:read"]);
    let authorization = basic(&id, &secret);
    let credentials = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let json = ("content-type", "application/json");
    let ways: [(&[(&str, &str)], &str); 4] = [
        (&[FORM, ("authorization", &authorization)], "grant_type=client_credentials"),
        (&[json, ("authorization", &authorization)], r#"{"grant_type":"client_credentials"}"#),
        (&[FORM], &credentials),
        (&[FORM, ("authorization", &authorization.replace("Basic", "basic"))], "grant_type=client_credentials&scope=x"),
    ];
    for (headers, body) in ways {
        let answer = fixture.ask("POST", "/oauth2/token", headers, body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(token.len(), 40);
        let expected = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#);
        assert_eq!((answer.status, answer.text), (200, expected));
    }
    let refusals = [
        (basic(&id, "wrong"), "grant_type=client_credentials", 401, "invalid_client"),
        (basic("nobody", &secret), "grant_type=client_credentials", 401, "invalid_client"),
        ("nonsense".into(), "grant_type=client_credentials", 401, "invalid_client"),
        (authorization.clone(), "grant_type=password", 400, "unsupported_grant_type"),
        (authorization.clone(), "", 400, "invalid_request"),
    ];
    for (authorization, body, status, error) in refusals {
        let answer = fixture.ask("POST", "/oauth2/token", &[FORM, ("authorization", &authorization)], body);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)));
    }
}

#[test]
fn the_thirty_first_token_ends_the_oldest_and_a_new_secret_ends_all() {
    let fixture = Fixture::open("bt-ring");
    let (id, secret) = fixture.account("Script", &["sessions:read"]);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let give = || fixture.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials").json();
    let tokens: Vec<String> = (0..31).map(|_| give()["access_token"].as_str().unwrap().to_owned()).collect();
    let works = |token: &str| {
        let bearer = format!("Bearer {token}");
        fixture.ask("GET", "/api/command?action=get_api_info", &[("authorization", &bearer)], "").status
    };
    assert_eq!([works(&tokens[0]), works(&tokens[1]), works(&tokens[30])], [401, 200, 200]);
    let (status, made) = fixture.post("/api/accounts/1/secret", &Value::Null);
    assert_eq!((status, made["account"]["client_id"].as_str()), (200, Some(id.as_str())));
    assert_eq!([works(&tokens[1]), works(&tokens[30])], [401, 401]);
    assert_eq!(give()["error"], "invalid_client", "the old secret is of no use");
}
