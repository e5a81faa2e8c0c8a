//! Roles and policies in the web API: which are accepted, which are refused, and their effect on sessions.

use std::time::Duration;

use protocol::{Client, ClientMessage, FrameKind, Right, ServerMessage};
use serde_json::{Value, json};
use web_transport_trait::Session;

use crate::{
    capacity,
    fixture::{Fixture, Peer},
    wire::grant,
};

fn role(id: i32, name: &str, rights: &[Right]) -> Value {
    json!({ "id": id, "name": name, "rights": rights })
}

fn policy(name: &str, kind: &str, rights: &[Right]) -> Value {
    json!({ "name": name, "team": "", "kind": kind, "rights": rights, "record": true, "unrecorded": "stop_sharing" })
}

#[test]
fn invalid_rules_are_rejected_with_a_reason() {
    let fixture = Fixture::open("rules");
    let good = json!({ "roles": [role(0, "Trainee", &[Right::View])], "policies": [policy("Pay", "Payroll", &[])] });
    let (status, kept) = fixture.put("/api/rules", &good);
    assert_eq!((status, &kept["roles"][0]["id"]), (200, &json!(1)));
    let twice = json!({ "roles": [kept["roles"][0], role(0, "Trainee", &[])], "policies": [] });
    let unknown = json!({ "roles": [role(7, "X", &[])], "policies": [] });
    let default = json!({ "roles": [], "policies": [policy("Default", "", &[])] });
    let many: Vec<Value> = (0..101).map(|n| policy(&format!("P{n}"), "", &[])).collect();
    let many = json!({ "roles": [], "policies": many });
    let odd = json!({ "roles": [{ "id": 0, "name": "A", "rights": ["fly"] }], "policies": [] });
    for wrong in [&twice, &unknown, &default, &many, &odd] {
        assert_eq!(fixture.put("/api/rules", wrong).0, 422, "{wrong}");
    }
    let all: Value = serde_json::from_str(&fixture.get("/api/rules").1).unwrap();
    assert_eq!(all, kept);
    assert_eq!(fixture.ask("GET", "/api/rules", &[], "").status, 401);
    let asked = |technician: i32, policy: &str| {
        fixture.get(&format!("/api/rules/verdicts?technician={technician}&policy={policy}"))
    };
    assert_eq!((asked(1, "None").0, asked(99, "Pay").0), (404, 404));
    let verdicts: Value = serde_json::from_str(&asked(1, "Pay").1).unwrap();
    assert_eq!(verdicts[1], json!({ "right": "control", "why_not": "policy", "needs": ["view"] }));
}

/// A second technician with this role: the account id and the sign-in cookie.
fn colleague(fixture: &Fixture, role: i32) -> (Value, String) {
    let tom = json!({ "login": "ida", "name": "Ida", "email": "i@b.example", "team": "", "password": "staple battery horse" });
    let (status, made) = fixture.post("/api/users", &tom);
    assert_eq!(status, 201, "{made}");
    let known =
        ["name", "email", "team", "administrator", "disabled", "may_watch", "may_export", "may_delete", "reach"];
    let mut change = made.clone();
    change.as_object_mut().unwrap().retain(|key, _| known.contains(&key.as_str()));
    change["password"] = json!("");
    let at = format!("/api/users/{}", made["id"]);
    change["role"] = json!(9);
    assert_eq!(fixture.put(&at, &change).0, 422, "there is no such role");
    change["role"] = json!(role);
    assert_eq!(fixture.put(&at, &change).0, 200);
    let body = json!({ "login": "ida", "password": "staple battery horse" }).to_string();
    let signed_in = fixture.ask("POST", "/api/sign-in", &[("content-type", "application/json")], &body);
    let cookie = signed_in.headers["set-cookie"].split(';').next().unwrap().to_owned();
    (made["id"].clone(), cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_view_gets_no_picture() {
    let fixture = Fixture::open("rules-screen");
    let rules = json!({ "roles": [role(0, "Writer", &[Right::Clipboard])], "policies": [] });
    assert_eq!(fixture.put("/api/rules", &rules).0, 200);
    let (ida, cookie) = colleague(&fixture, 1);
    let (session, _, link) = fixture.generate();
    let mut eva = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let mut customer = Peer::connect(&fixture, &fixture.customer_ticket(&link, "program"), Client::Program).await;
    customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
    assert_eq!(fixture.post(&format!("/api/sessions/{session}/share"), &json!({ "technician": ida })).0, 204);
    let ticket = fixture.post_as(&format!("/api/sessions/{session}/ticket"), &Value::Null, &[("cookie", &cookie)]).1;
    let mut writer = Peer::connect(&fixture, ticket["ticket"].as_str().unwrap(), Client::Console).await;
    writer.send(&ClientMessage::Ask { rights: vec![Right::View] }).await;
    let said = writer.until(|m| matches!(m, ServerMessage::Refused { .. })).await.unwrap();
    assert!(format!("{said:?}").contains("your role does not allow this"), "{said:?}");

    grant(&mut eva, &mut customer, &[Right::View]).await;
    let kind = FrameKind::Picture { key: true, refines: false };
    let _screen = customer.stream(&[b"S".as_slice(), &capacity::frame(kind, 1, 0, &capacity::key())].concat()).await;
    eva.session.accept_uni().await.expect("the picture arrives where it may be seen");
    let quiet = tokio::time::timeout(Duration::from_millis(500), writer.session.accept_uni()).await;
    assert!(quiet.is_err(), "a picture for somebody whose role does not see the screen");
}
