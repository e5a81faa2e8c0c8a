//! The Command API in JSON.

use protocol::{Client, ServerMessage};
use serde_json::{Value, json};

use super::{Site, token};
use crate::fixture::{Answer, Peer};

fn ask(site: &Site, method: &str, path: &str, body: &Value) -> Answer {
    ask_as(site, &site.bearer, method, path, body)
}

fn ask_as(site: &Site, bearer: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("content-type", "application/json"), ("accept", "application/json"), ("authorization", bearer)];
    site.fixture.ask(method, &format!("/api/command/v2{path}"), &headers, &body)
}

fn get(site: &Site, path: &str) -> Value {
    let answer = ask(site, "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_session_from_its_key_to_its_end() {
    let site = Site::open("bt2-session");
    let order = json!({
        "queue_type": "general", "ttl": 1800, "priority": 1, "external_key": "INC7",
        "custom_attributes": { "floor": "3" }
    });
    let made = ask(&site, "POST", "/session-key", &order);
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((made["queue"].as_str(), made["external_key"].as_str()), (Some("general"), Some("INC7")));
    let key = made["short_key"].as_str().unwrap();
    assert!(made["key_url"].as_str().unwrap().contains("/?ak="));
    let body = json!({ "pass": { "by": "key", "key": key }, "client": "program" });
    let (_, entered) = site.fixture.post_as("/api/join/enter", &body, &[]);
    let ticket = entered["admission"]["ticket"].as_str().unwrap();
    let mut customer = Peer::connect(&site.fixture, ticket, Client::Program).await;
    customer.until(|m| matches!(m, ServerMessage::Welcome { .. })).await.unwrap();

    let clients = get(&site, "/client");
    let of = |kind: &str| clients.as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone();
    let (rep, asset) = (of("access_console"), of("asset_client"));
    assert_eq!((rep["username"].as_str(), rep["user_id"].as_i64()), (Some("tom"), Some(1)));
    let lsid = asset["lsid"].as_str().unwrap();
    assert_eq!(get(&site, "/client?type=asset_client").as_array().unwrap().len(), 1);
    assert_eq!(get(&site, &format!("/client/{}", asset["id"]))["lsid"], lsid);
    let connections = get(&site, &format!("/client/{}/connections", asset["id"]));
    assert_eq!(connections["connections"][0]["purpose"], "primary");
    assert_eq!(connections["events"][0]["message"], "Connected");
    let count = &get(&site, "/appliance/client-count")[0];
    assert_eq!((&count["access_consoles"], &count["asset_clients"]), (&json!(1), &json!(1)));

    let path = format!("/session/{lsid}");
    assert_eq!(
        get(&site, &path),
        json!([
            { "code_name": "external_key", "display_name": "External Key", "value": "INC7" },
            { "code_name": "floor", "display_name": "floor", "value": "3" },
        ])
    );
    let set = ask(&site, "PATCH", &path, &json!({ "floor": "", "desk": "12" }));
    assert_eq!((set.status, set.json()), (200, json!({ "message": "Session attributes were set" })));
    assert_eq!(get(&site, &path)[1]["code_name"], "desk");
    let many: serde_json::Map<String, Value> = (0..31).map(|n| (format!("a{n}"), json!("x"))).collect();
    let table = [
        (json!({ "floor": 3 }), 422),
        (json!({ "floor": "x".repeat(1_025) }), 422),
        (json!({ "a b": "x" }), 422),
        (Value::Object(many), 400),
    ];
    for (body, status) in table {
        assert_eq!(ask(&site, "PATCH", &path, &body).status, status, "{body}");
    }
    assert_eq!(ask(&site, "DELETE", &path, &Value::Null).status, 204);
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(ask(&site, method, &path, &Value::Null).status, 404, "it is over: {method}");
    }
}

#[test]
fn information_and_invalid_requests() {
    let site = Site::open("bt2-info");
    let info = get(&site, "/info");
    assert_eq!(
        (info["product"].as_str(), info["permissions"]["perm_command"].as_str()),
        (Some("rs"), Some("full_access"))
    );
    assert_eq!(info["permissions"]["perm_configuration"], true);
    assert!(info["current_time"].as_str().unwrap().ends_with("+00:00"));
    let health = get(&site, "/health");
    assert_eq!((health["failover_role"].as_str(), health["cluster_role"].as_str()), (Some("none"), Some("single")));
    assert_eq!(get(&site, "/appliance")[0]["id"], health["appliance_id"]);
    assert_eq!(get(&site, "/user")[0]["display_name"], "Tom");
    assert_eq!(site.config("POST", "/team", &json!({ "name": "Network" })).status, 201);
    assert_eq!(get(&site, "/team")[0]["code_name"], "network");
    assert_eq!(get(&site, "/team/network/issue")[0]["title"], "Network");
    let document = get(&site, "/openapi.yaml");
    assert!(document["paths"]["/session/{lsid}"]["delete"].is_object());
    let nobody = format!("/session/{}", "0".repeat(32));
    let table = [
        ("GET", "/info?colour=red", Value::Null, 400),
        ("GET", "/client?type=printer", Value::Null, 422),
        ("GET", "/client/999", Value::Null, 404),
        ("GET", "/client/x", Value::Null, 404),
        ("GET", nobody.as_str(), Value::Null, 404),
        ("GET", "/session/../../etc", Value::Null, 404),
        ("GET", "/nothing", Value::Null, 404),
        ("POST", "/info", json!({}), 405),
        ("PUT", "/user", json!({}), 405),
        ("POST", "/failover-role", json!({ "role": "backup" }), 422),
        ("POST", "/failover-role", json!({ "colour": "red" }), 400),
        ("POST", "/user/999/logout", Value::Null, 404),
        ("POST", "/user/1/logout", Value::Null, 422),
        ("POST", "/session-key", json!({}), 422),
        ("POST", "/session-key", json!({ "queue_type": "rep" }), 422),
        ("POST", "/session-key", json!({ "queue_type": "team", "queue_id": 99 }), 422),
        ("POST", "/session-key", json!({ "queue_type": "general", "rep_username": "tom" }), 422),
        ("POST", "/session-key", json!({ "queue_type": "general", "ttl": "soon" }), 422),
        ("POST", "/session-key", json!({ "queue_type": "general", "colour": "red" }), 400),
    ];
    for (method, path, body, status) in table {
        let answer = ask(&site, method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert!(answer.json()["message"].is_string(), "{method} {path}: {}", answer.text);
    }
    assert_eq!(ask(&site, "OPTIONS", "/user", &Value::Null).headers["allow"], "GET,HEAD");
    assert_eq!(ask(&site, "HEAD", "/user", &Value::Null).status, 200);
    // A reader may only read, and an account without the scopes may do nothing.
    let reader = format!("Bearer {}", token(&site.fixture, &["sessions:read"]));
    assert_eq!(ask_as(&site, &reader, "GET", "/user", &Value::Null).status, 200);
    assert_eq!(ask_as(&site, &reader, "POST", "/session-key", &json!({ "queue_type": "general" })).status, 403);
    let other = format!("Bearer {}", token(&site.fixture, &["people:read"]));
    assert_eq!(ask_as(&site, &other, "GET", "/user", &Value::Null).status, 403);
    assert_eq!(ask_as(&site, "Bearer x", "GET", "/user", &Value::Null).status, 401);
    // Signing a technician out needs the scope to change people.
    let writer = format!("Bearer {}", token(&site.fixture, &["sessions:write"]));
    assert_eq!(ask_as(&site, &writer, "POST", "/user/1/logout", &Value::Null).status, 403);
}
