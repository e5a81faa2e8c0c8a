//! The Configuration API.

use serde_json::{Value, json};

use super::{Site, token};

#[test]
fn the_configuration_is_paged_filtered_and_checked() {
    let site = Site::open("bt-config");
    let team = |name: &str| site.config("POST", "/team", &json!({ "name": name }));
    let first = team("Team 0");
    assert_eq!(
        (first.status, first.headers["location"].clone()),
        (201, format!("{}/api/config/v1/team/1", site.fixture.url))
    );
    assert_eq!(
        first.text,
        r#"{"id":1,"name":"Team 0","code_name":"team_0","comments":"","persistent_queue":true,"public_portal_ids":[1]}"#
    );
    (1..12).for_each(|n| assert_eq!(team(&format!("Team {n}")).status, 201));
    let page = site.config("GET", "/team?per_page=5&current_page=2", &Value::Null);
    let header = |name: &str| page.headers[name].clone();
    let at = format!("{}/api/config/v1/team?per_page=5&current_page=", site.fixture.url);
    assert_eq!(
        header("link"),
        format!("<{at}1>; rel=\"first\", <{at}1>; rel=\"previous\", <{at}3>; rel=\"next\", <{at}3>; rel=\"last\"")
    );
    let counts = ["current-page", "last-page", "per-page", "total"].map(|n| header(&format!("x-bt-pagination-{n}")));
    assert_eq!(counts, ["2", "3", "5", "12"]);
    assert!(page.text.starts_with(r#"[{"id":6,"name":"Team 5","#) && page.text.contains("},{"), "{}", page.text);
    assert_eq!(site.config("GET", "/team?name=TEAM%203", &Value::Null).json().as_array().unwrap().len(), 1);

    // People.
    let users = site.config("GET", "/user", &Value::Null);
    assert!(users.text.starts_with(r#"[{"id":1,"#), "{}", users.text);
    assert_eq!(users.json()[0]["username"], "tom");
    // Members of an administrator's team see the administrator's sessions, so other systems cannot choose that team.
    assert_eq!(site.config("POST", "/team/1/user", &json!({ "user_id": 1, "role": "member" })).status, 403);
    site.fixture.sql("UPDATE user SET team = 1 WHERE id = 1");
    assert_eq!(site.config("GET", "/team/1/user", &Value::Null).text, r#"[{"team_id":1,"user_id":1,"role":"member"}]"#);
    assert_eq!(site.config("PATCH", "/team/1", &json!({ "name": "Helpers" })).json()["name"], "Helpers");
    let me: Value = serde_json::from_str(&site.fixture.get("/api/me").1).unwrap();
    assert_eq!(me["account"]["team"], "Helpers", "who is in a team moves with its name");
    assert_eq!(site.config("DELETE", "/team/1/user/1", &Value::Null).status, 403);
    assert_eq!(site.config("DELETE", "/team/1", &Value::Null).status, 204);
    assert_eq!(site.config("GET", "/team/1", &Value::Null).status, 404);
    let ida =
        json!({ "login": "ida", "name": "Ida", "email": "i@a.example", "team": "", "password": "staple battery" });
    assert_eq!(site.fixture.post("/api/users", &ida).0, 201);
    let renamed =
        site.config("PATCH", "/user/2", &json!({ "public_display_name": "Tom B.", "email_address": "t@a.example" }));
    assert_eq!((renamed.status, renamed.json()["private_display_name"].clone()), (200, "Tom B.".into()));

    // Invalid requests.
    let table = [
        ("POST", "/team", json!({}), 422),
        ("POST", "/team", json!({ "name": 7 }), 422),
        ("POST", "/team", json!({ "name": "Team 5" }), 422),
        ("POST", "/team", json!({ "name": "A", "code_name": "a b" }), 422),
        ("POST", "/team", json!({ "name": "A", "colour": "red" }), 422),
        ("GET", "/team?colour=red", Value::Null, 422),
        ("POST", "/team", json!({ "name": "A\nB" }), 422),
        ("POST", "/team", json!({ "name": "A\u{202e}B" }), 422),
        ("PATCH", "/user/1", json!({ "public_display_name": "A\r\nB" }), 422),
        ("POST", "/team", json!([1]), 422),
        ("GET", "/team?per_page=4", Value::Null, 422),
        ("GET", "/team?per_page=101", Value::Null, 422),
        ("GET", "/team/x", Value::Null, 404),
        ("GET", "/nothing", Value::Null, 404),
        ("PUT", "/team", json!({}), 405),
        ("POST", "/user", json!({}), 405),
        ("PATCH", "/user/1", json!({ "email_address": "nonsense" }), 422),
        ("PATCH", "/user/1", json!({ "enabled": false }), 403),
        ("DELETE", "/user/1", Value::Null, 403),
        ("POST", "/team/2/user", json!({ "user_id": "1" }), 422),
    ];
    for (method, path, body, status) in table {
        let answer = site.config(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.json()["message"].is_string());
    }
    let invalid = site.config("POST", "/team", &json!({}));
    assert_eq!(
        invalid.text,
        r#"{"message":"The given data was invalid.","errors":{"name":["The name field is required."]}}"#
    );
    assert_eq!(site.config("OPTIONS", "/team", &Value::Null).headers["allow"], "GET,HEAD,POST");
    assert_eq!(site.config("HEAD", "/team", &Value::Null).status, 200);
    assert_eq!(site.config("GET", "/jump-client?name=pc-7", &Value::Null).text, "[]");
    for path in ["/public-portal", "/session-policy", "/rep-status", "/api-account"] {
        assert!(site.config("GET", path, &Value::Null).text.starts_with(r#"[{"id":1,"#), "{path}");
    }
    let policy =
        json!({ "name": "Pay roll", "team": "", "kind": "", "rights": [], "record": true, "unrecorded": "go_on" });
    assert_eq!(site.fixture.put("/api/rules", &json!({ "roles": [], "policies": [policy] })).0, 200);
    let policies = site.config("GET", "/session-policy", &Value::Null).text;
    assert!(
        policies.contains(r#""code_name":"default""#) && policies.contains(r#""code_name":"pay_roll""#),
        "{policies}"
    );
    let reader = format!("Bearer {}", token(&site.fixture, &["people:read"]));
    let as_reader =
        |method: &str| site.fixture.ask(method, "/api/config/v1/team", &[("authorization", &reader)], "").status;
    assert_eq!([as_reader("GET"), as_reader("POST")], [200, 403]);
    assert_eq!(site.fixture.ask("GET", "/get_mech_list?version=3", &[], "").json()["default_mech"], "password");
}
