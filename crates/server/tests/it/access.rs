//! What other technicians cannot do: read live links, widen their reach, escape a policy, return with an old ticket.

use protocol::{Client, ServerMessage};
use serde_json::{Value, json};

use crate::{
    api::bearer,
    fixture::{Fixture, Peer},
};

const WORDS: &str = "staple battery horse";

/// A technician's account id and sign-in cookie.
fn person(fixture: &Fixture, login: &str, team: &str, reach: &str) -> (i64, String) {
    let email = format!("{login}@b.example");
    let new = json!({ "login": login, "name": login, "email": email, "team": team, "password": WORDS });
    let (status, made) = fixture.post("/api/users", &new);
    assert_eq!(status, 201, "{made}");
    let change = json!({ "name": login, "email": email, "team": team, "administrator": false, "disabled": false,
        "password": "", "may_watch": true, "may_export": true, "may_delete": true, "reach": reach });
    assert_eq!(fixture.put(&format!("/api/users/{}", made["id"]), &change).0, 200);
    let body = json!({ "login": login, "password": WORDS }).to_string();
    let signed_in = fixture.ask("POST", "/api/sign-in", &[("content-type", "application/json")], &body);
    let cookie = signed_in.headers["set-cookie"].split(';').next().unwrap().to_owned();
    (made["id"].as_i64().unwrap(), cookie)
}

fn read(fixture: &Fixture, path: &str, cookie: &str) -> String {
    let answer = fixture.ask("GET", path, &[("cookie", cookie)], "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

/// An incident of this team and type, owned by its creator.
fn incident(fixture: &Fixture, team: &str, kind: &str) -> Value {
    let new = json!({ "customer": 1, "subject": "Wages", "description": "", "status": "new", "priority": "normal",
        "owner": null, "team": team, "kind": kind });
    let (status, made) = fixture.post("/api/incidents", &new);
    assert_eq!(status, 201, "{made}");
    made
}

/// Changes an incident as somebody; returns the status.
fn change(fixture: &Fixture, incident: &Value, cookie: &str, to: &Value) -> u16 {
    let mut body = json!({ "customer": 1, "owner": incident["owner"]["id"] });
    for field in ["subject", "description", "status", "priority", "team", "kind"] {
        body[field] = incident[field].clone();
    }
    body.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
    let headers = [("cookie", cookie), ("content-type", "application/json")];
    fixture.ask("PUT", &format!("/api/incidents/{}", incident["id"]), &headers, &body.to_string()).status
}

#[test]
fn only_its_author_can_read_a_live_link_and_only_until_it_is_used() {
    let fixture = Fixture::open("access-mail");
    let (_, other) = person(&fixture, "ida", "", "all");
    let (status, issued) = fixture.post("/api/incidents/1/sessions", &Value::Null);
    assert_eq!(status, 201, "{issued}");
    let (link, key) = (issued["link"].as_str().unwrap(), issued["key"].as_str().unwrap());
    let secret = link.split_once('#').unwrap().1;
    let grouped = format!("{} {} {}", &key[..3], &key[3..6], &key[6..]);
    let text = format!("Open {link}\nor type {grouped}, that is {key}. See you!");
    let draft = json!({ "to": "ada@b.example", "subject": format!("Your key {grouped}"), "text": text });
    let (status, mail) = fixture.post(&format!("/api/sessions/{}/mail", issued["session"].as_str().unwrap()), &draft);
    assert_eq!((status, mail["sent"].as_bool()), (200, Some(false)), "{mail}");
    assert_eq!(fixture.post("/api/incidents/1/notes", &json!({ "text": format!("Sent {link} ({grouped})") })).0, 201);

    let shows = |text: &str| [secret, key, &grouped].map(|words| text.contains(words));
    let places = ["/api/mails", "/api/mails/1", "/api/mails/1/html", "/api/incidents/1"];
    for path in places {
        let theirs = read(&fixture, path, &other);
        assert_eq!(shows(&theirs), [false; 3], "{path}: {theirs}");
        assert!(path == "/api/incidents/1" || theirs.contains("See you!"), "{path}: {theirs}");
    }
    for path in &places[..3] {
        assert_eq!(shows(&read(&fixture, path, &fixture.cookie)), [true; 3], "{path}");
    }
    let kept = fixture.database();
    for words in [secret, key, &grouped] {
        assert!(!kept.windows(words.len()).any(|w| w == words.as_bytes()), "{words} is in the database");
    }

    fixture.customer_ticket(secret, "browser");
    for path in places {
        assert_eq!(shows(&read(&fixture, path, &fixture.cookie)), [false; 3], "{path}: no longer valid");
    }
}

#[test]
fn live_links_and_keys_are_removed_from_all_texts() {
    let fixture = Fixture::open("access-texts");
    let (status, issued) = fixture.post("/api/incidents/1/sessions", &Value::Null);
    assert_eq!(status, 201, "{issued}");
    let (link, key) = (issued["link"].as_str().unwrap(), issued["key"].as_str().unwrap());
    let (session, secret) = (issued["session"].as_str().unwrap(), link.split_once('#').unwrap().1);
    let escaped: String = secret.bytes().map(|b| format!("%{b:02x}")).collect();
    let wide = format!("{}    {}    {}", &key[..3], &key[3..6], &key[6..]);
    let post = |path: &str, body: &Value| {
        let (status, answer) = fixture.post(path, body);
        assert!((200..300).contains(&status), "{path}: {answer}");
        answer.to_string()
    };
    let bearer = bearer(&fixture, &["sessions:write"]);
    let mut answers = String::new();
    for live in [link, key, &wide, &escaped] {
        let customer =
            json!({ "name": format!("Ada {live}"), "email": "eve@b.example", "company": format!("Acme {live}") });
        answers += &post("/api/customers", &customer);
        let incident = json!({ "customer": 1, "subject": format!("About {live}"), "description": live, "status": "new",
            "priority": "normal", "owner": null, "team": "", "kind": format!("Kind {live}") });
        answers += &post("/api/incidents", &incident);
        answers += &post("/api/canned", &json!({ "title": live, "text": format!("Use {live}."), "team": "" }));
        answers += &post("/api/incidents/1/notes", &json!({ "text": live }));
        post(&format!("/api/sessions/{session}/notes"), &json!({ "text": format!("He has {live}.") }));
        let draft = json!({ "to": format!("\"{live}\" <ada@b.example>"), "subject": "Hello", "text": "Hello." });
        answers += &post("/api/incidents/1/mails", &draft);
        let new = json!({ "queue": { "is": "general" }, "subject": format!("Is it {live}?"),
            "customer": { "name": live }, "attributes": { "note": live } });
        let (status, made) = fixture.post_as("/api/v1/sessions", &new, &[("authorization", &bearer)]);
        assert_eq!(status, 201, "{made}");
    }
    for path in ["/api/customers", "/api/incidents", "/api/canned", "/api/mails", "/api/incidents/1"] {
        answers += &read(&fixture, path, &fixture.cookie);
    }
    answers += &read(&fixture, &format!("/api/sessions/{session}"), &fixture.cookie);
    let kept = fixture.database();
    for live in [secret, key, &wide, &escaped] {
        assert!(!answers.contains(live), "{live} is shown");
        assert!(!kept.windows(live.len()).any(|w| w == live.as_bytes()), "{live} is in the database");
    }
    assert!(answers.contains("Ada [link removed]") && answers.contains("Use [key removed]."), "{answers}");
}

#[test]
fn nobody_widens_their_reach_by_moving_an_incident() {
    let fixture = Fixture::open("access-move");
    let (ann, owner) = person(&fixture, "ann", "A", "team");
    let (bob, outside) = person(&fixture, "bob", "B", "team");
    let (_, own) = person(&fixture, "cid", "A", "own");
    let about = incident(&fixture, "A", "");
    let made =
        fixture.post_as(&format!("/api/incidents/{}/sessions", about["id"]), &Value::Null, &[("cookie", &owner)]);
    assert_eq!(made.0, 201, "{}", made.1);
    let session = format!("/api/sessions/{}", made.1["session"].as_str().unwrap());
    let sees = |cookie: &str| fixture.ask("GET", &session, &[("cookie", cookie)], "").status;
    assert_eq!([sees(&owner), sees(&outside), sees(&own)], [200, 403, 403]);
    let moves = |cookie: &str, to: Value| change(&fixture, &about, cookie, &to);
    // Neither by moving it nor by making themselves its owner first.
    assert_eq!(moves(&outside, json!({ "team": "B" })), 403);
    assert_eq!(moves(&outside, json!({ "team": "" })), 403);
    assert_eq!(moves(&outside, json!({ "owner": bob })), 403);
    assert_eq!(moves(&outside, json!({ "kind": "Question" })), 403);
    assert_eq!(sees(&outside), 403);
    // Everybody may change fields that do not affect access.
    assert_eq!(moves(&outside, json!({ "status": "waiting" })), 200);
    // Somebody who cannot see its sessions cannot show them to others.
    assert_eq!(moves(&own, json!({ "team": "B" })), 403);
    assert_eq!(moves(&own, json!({ "owner": ann })), 200);
    let theirs = read(&fixture, &format!("/api/incidents/{}", about["id"]), &outside);
    assert!(theirs.contains("\"out_of_reach\":true") && theirs.contains("\"history\":null"), "{theirs}");
    // Anybody may take an incident without a team, but not other people's sessions on it.
    let loose = incident(&fixture, "", "");
    assert_eq!(change(&fixture, &loose, &outside, &json!({ "team": "B", "owner": bob })), 200);
    let loose = incident(&fixture, "", "");
    let at = format!("/api/incidents/{}/sessions", loose["id"]);
    assert_eq!(fixture.post_as(&at, &Value::Null, &[("cookie", &owner)]).0, 201);
    assert_eq!(change(&fixture, &loose, &outside, &json!({ "team": "B" })), 403);
    // Its own people can hand it over with its sessions.
    assert_eq!(moves(&owner, json!({ "team": "B", "owner": bob })), 200);
    assert_eq!(sees(&outside), 200);
}

#[test]
fn nobody_sends_the_invitations_of_others_to_another_address() {
    let fixture = Fixture::open("access-address");
    let (ann, owner) = person(&fixture, "ann", "A", "team");
    let (_, outside) = person(&fixture, "bob", "B", "team");
    let about = incident(&fixture, "A", "");
    let at = format!("/api/incidents/{}", about["id"]);
    let json = ("content-type", "application/json");
    let address = |cookie: &str, name: &str, email: &str| {
        let body = json!({ "name": name, "email": email, "company": "" }).to_string();
        fixture.ask("PUT", "/api/customers/1", &[("cookie", cookie), json], &body).status
    };
    // Without an open session anybody may edit the customer.
    assert_eq!(address(&outside, "Ada", "ada.new@b.example"), 200);
    let made = fixture.post_as(&format!("{at}/sessions"), &Value::Null, &[("cookie", &owner)]);
    assert_eq!(made.0, 201, "{}", made.1);
    assert_eq!(address(&outside, "Ada", "bob@evil.example"), 403);
    assert_eq!(address(&outside, "Ada Byron", "ada.new@b.example"), 200, "a name is not an address");
    // Nor by changing the incident's customer.
    let (status, other) = fixture.post_as(
        "/api/customers",
        &json!({ "name": "Bob", "email": "bob@evil.example", "company": "" }),
        &[("cookie", &outside)],
    );
    assert_eq!(status, 201, "{other}");
    assert_eq!(change(&fixture, &about, &outside, &json!({ "customer": other["id"] })), 403);
    assert_eq!(change(&fixture, &about, &owner, &json!({ "owner": ann, "customer": other["id"] })), 200);
    assert_eq!(change(&fixture, &about, &owner, &json!({ "owner": ann })), 200);
    // Somebody who can see the session may; the journals of all their open incidents note it.
    assert_eq!(address(&owner, "Ada Byron", "ada@c.example"), 200);
    for path in ["/api/incidents/1", &at] {
        let journal = read(&fixture, path, &outside);
        let said = "the customer's mail address: ada.new@b.example → ada@c.example";
        assert!(journal.contains(said) && !journal.contains("evil"), "{journal}");
    }
    // After the session anybody may change the address again.
    let session = made.1["session"].as_str().unwrap();
    let closed = fixture.post_as(&format!("/api/sessions/{session}/close"), &Value::Null, &[("cookie", &owner)]);
    assert_eq!(closed.0, 204, "{}", closed.1);
    assert_eq!(address(&outside, "Ada", "ada@d.example"), 200);
}

#[test]
fn nobody_escapes_a_policy_by_moving_an_incident() {
    let fixture = Fixture::open("access-shed");
    let policy = |name: &str, team: &str, kind: &str, rights: Value, record: bool| json!({ "name": name, "team": team, "kind": kind, "rights": rights, "record": record, "unrecorded": "stop_sharing" });
    let rules = json!({ "roles": [], "policies": [
        policy("Secret", "", "Secret", json!([]), true),
        policy("Wages", "Pay", "Wages", json!(["view"]), true),
        policy("Quiet", "Pay", "Quiet", json!(["view"]), false),
        policy("Pay", "Pay", "", json!(["view", "control"]), true),
    ] });
    assert_eq!(fixture.put("/api/rules", &rules).0, 200);
    let (_, ann) = person(&fixture, "ann", "Pay", "team");
    let (_, lead) = person(&fixture, "eve", "", "all");
    person(&fixture, "kim", "IT", "own");
    let about = incident(&fixture, "Pay", "Wages");
    let moves = |cookie: &str, to: Value| change(&fixture, &about, cookie, &to);
    assert_eq!(moves(&ann, json!({ "kind": "Letter" })), 403, "more rights");
    assert_eq!(moves(&ann, json!({ "kind": "Quiet" })), 403, "no recording");
    assert_eq!(moves(&ann, json!({ "team": "IT" })), 403, "no policy");
    assert_eq!(moves(&ann, json!({ "team": "" })), 403, "nobody's");
    assert_eq!(moves(&ann, json!({ "kind": "Secret" })), 200, "less");
    assert_eq!(change(&fixture, &about, &ann, &json!({ "kind": "Wages" })), 403, "and not back");
    assert_eq!(moves(&lead, json!({ "kind": "Wages" })), 200);
    // Evidence would be deleted sooner.
    let mut settings: Value = serde_json::from_str(&fixture.get("/api/settings").1).unwrap();
    settings["retention"] = json!([{ "team": "", "kind": "Short", "days": 1 }, { "team": "", "kind": "", "days": 90 },
        { "team": "Pay", "kind": "", "days": 9 }]);
    assert_eq!(fixture.put("/api/settings", &settings).0, 200);
    let plain = incident(&fixture, "Pay", "");
    assert_eq!(change(&fixture, &plain, &ann, &json!({ "kind": "Short" })), 403);
    // A renamed team keeps its rules, and a team with rules cannot be removed.
    let bearer =
        fixture.post("/api/tokens", &json!({ "name": "S", "scopes": ["people:write", "people:read"], "days": 1 })).1;
    let bearer = format!("Bearer {}", bearer["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let teams = fixture.ask("GET", "/api/v1/teams", &headers, "").json();
    let id = teams.as_array().unwrap().iter().find(|t| t["name"] == "Pay").unwrap()["id"].clone();
    let at = format!("/api/v1/teams/{id}");
    assert_eq!(fixture.ask("DELETE", &at, &headers, "").status, 409);
    assert_eq!(fixture.ask("PATCH", &at, &headers, r#"{"name":"Payroll"}"#).status, 200);
    let rules: Value = serde_json::from_str(&fixture.get("/api/rules").1).unwrap();
    assert_eq!(rules["policies"][1]["team"], "Payroll");
    let settings: Value = serde_json::from_str(&fixture.get("/api/settings").1).unwrap();
    assert_eq!(settings["retention"][2], json!({ "team": "Payroll", "kind": "", "days": 9 }));
    assert_eq!(incident(&fixture, "Payroll", "Wages")["team"], "Payroll");
    assert_eq!(change(&fixture, &plain, &ann, &json!({ "team": "Payroll", "kind": "Short" })), 403);
    let theirs = fixture.ask("GET", "/api/incidents?whose=team", &[("cookie", &ann)], "").json();
    let theirs: Vec<_> = theirs.as_array().unwrap().iter().map(|i| (&i["id"], &i["team"])).collect();
    assert!(theirs.contains(&(&plain["id"], &json!("Payroll"))), "{theirs:?}");
}

#[test]
fn only_administrators_make_a_team_by_naming_it() {
    let fixture = Fixture::open("access-teams");
    let (_, ann) = person(&fixture, "ann", "A", "team");
    let about = incident(&fixture, "A", "");
    assert_eq!(change(&fixture, &about, &ann, &json!({ "team": "a" })), 422, "a misspelt team");
    let template = |cookie: &str, team: &str| {
        let body = json!({ "title": "T", "text": "Hello.", "team": team });
        fixture.post_as("/api/canned", &body, &[("cookie", cookie)]).0
    };
    assert_eq!([template(&ann, "a"), template(&ann, "A")], [422, 201]);
    // An administrator names it once, and then it is there.
    assert_eq!(incident(&fixture, "a", "")["team"], "a");
    assert_eq!(change(&fixture, &about, &ann, &json!({ "team": "a" })), 200);
    assert_eq!(template(&ann, "a"), 403, "another team's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_invalid_after_its_holder_transferred_the_session() {
    let fixture = Fixture::open("access-ticket");
    let (ida, theirs) = person(&fixture, "ida", "", "team");
    let (session, _, link) = fixture.generate();
    let mut owner = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
    let mut customer = Peer::connect(&fixture, &fixture.customer_ticket(&link, "browser"), Client::Browser).await;
    customer.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
    owner.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.unwrap();
    let old = fixture.technician_ticket(&session);
    let to = json!({ "to": "technician", "technician": ida, "note": "" });
    assert_eq!(fixture.post(&format!("/api/sessions/{session}/transfer"), &to).0, 204);
    assert_eq!(
        fixture.post_as(&format!("/api/sessions/{session}/reopen"), &Value::Null, &[("cookie", &theirs)]).0,
        204
    );
    let mut back = Peer::connect(&fixture, &old, Client::Console).await;
    assert!(back.next().await.is_none(), "an old ticket admits nobody");
    let ticket = fixture.post_as(&format!("/api/sessions/{session}/ticket"), &Value::Null, &[("cookie", &theirs)]).1;
    let mut heir = Peer::connect(&fixture, ticket["ticket"].as_str().unwrap(), Client::Console).await;
    assert!(heir.until(|m| matches!(m, ServerMessage::CaughtUp {})).await.is_some());
}

#[test]
fn no_api_lets_other_systems_change_an_administrator() {
    let fixture = Fixture::open("access-people");
    let (id, _) = person(&fixture, "ida", "", "team");
    let scopes = ["people:read", "people:write"];
    let bearer = fixture.post("/api/tokens", &json!({ "name": "S", "scopes": scopes, "days": 1 })).1;
    let bearer = format!("Bearer {}", bearer["token"].as_str().unwrap());
    let ask = |method: &str, path: &str, body: &Value| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        fixture.ask(method, path, &headers, &body).status
    };
    for (user, expected) in [(1, [403; 6]), (id, [200, 200, 200, 200, 204, 200])] {
        let (ours, theirs) = (format!("/api/v1/technicians/{user}"), format!("/api/config/v1/user/{user}"));
        let answers = [
            ask("PATCH", &ours, &json!({ "name": "Renamed" })),
            ask("PATCH", &ours, &json!({ "disabled": true })),
            ask("PATCH", &theirs, &json!({ "public_display_name": "Renamed" })),
            ask("PATCH", &theirs, &json!({ "enabled": false })),
            ask("DELETE", &theirs, &Value::Null),
            ask("PATCH", &theirs, &json!({ "email_address": "x@y.example" })),
        ];
        assert_eq!(answers, expected, "{user}");
    }
    // As in the console: the last administrator stays, and nobody locks themselves out.
    let me: Value = serde_json::from_str(&fixture.get("/api/me").1).unwrap();
    let mut own = me["account"].clone();
    own.as_object_mut().unwrap().retain(|k, _| !["id", "login", "external", "second"].contains(&k.as_str()));
    own["password"] = json!("");
    let with = |change: Value| {
        let mut body = own.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    assert_eq!(fixture.put("/api/users/1", &with(json!({ "disabled": true }))).0, 409);
    assert_eq!(fixture.put("/api/users/1", &with(json!({ "administrator": false }))).0, 409);
    let raised = with(json!({ "administrator": true, "name": "ida", "email": "ida@b.example" }));
    assert_eq!(fixture.put(&format!("/api/users/{id}"), &raised).0, 200);
    assert_eq!(fixture.put("/api/users/1", &with(json!({ "administrator": false }))).0, 409, "not one's own either");
    assert_eq!(fixture.put("/api/users/1", &with(json!({ "name": "Thomas" }))).0, 200);
}

#[test]
fn concurrent_changes_by_administrators_do_not_undo_each_other() {
    let fixture = Fixture::open("one-thing");
    let new = json!({ "login": "x", "name": "Xenia", "email": "x@example.org", "team": "", "password": "correct horse battery" });
    let made = fixture.post("/api/users", &new).1;
    let path = format!("/api/users/{}", made["id"]);
    assert_eq!(fixture.put(&path, &json!({ "disabled": true, "may_delete": true })).0, 200);
    let (status, after) = fixture.put(&path, &json!({ "email": "xenia@example.org" }));
    assert_eq!((status, &after["email"]), (200, &json!("xenia@example.org")));
    assert_eq!(
        (&after["disabled"], &after["may_delete"], &after["name"]),
        (&json!(true), &json!(true), &json!("Xenia"))
    );

    assert_eq!(fixture.put("/api/settings", &json!({ "record": false })).0, 200);
    let (status, after) = fixture.put("/api/settings", &json!({ "key_minutes": 20 }));
    assert_eq!((status, &after["record"], &after["key_minutes"]), (200, &json!(false), &json!(20)));
    let (status, why) = fixture.put("/api/settings", &json!({ "colour": "red" }));
    assert!(status == 422 && why.to_string().contains("colour"), "{status} {why}");
}
