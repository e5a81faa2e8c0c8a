//! Identity management: users, security providers, groups, and the lists for which Deskside has no data.

use serde_json::{Value, json};

use super::Site;
use crate::fixture::PASSWORD;

/// An installation with a technician besides its administrator; returns the technician's id.
fn with_eva(name: &str) -> (Site, i64) {
    let site = Site::open(name);
    let eva = json!({ "login": "eva", "name": "Eva", "email": "eva@a.example", "team": "", "password": PASSWORD });
    let (status, eva) = site.fixture.post("/api/users", &eva);
    assert_eq!(status, 201, "{eva}");
    (site, eva["id"].as_i64().unwrap())
}

fn rows(site: &Site, path: &str) -> Vec<Value> {
    let answer = site.config("GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert!(answer.headers.contains_key("x-bt-pagination-total"), "{path}");
    answer.json().as_array().unwrap().clone()
}

#[test]
fn users_refer_to_existing_providers_and_groups() {
    let (site, eva) = with_eva("bt-identity");
    let role = json!({ "id": 0, "name": "Trainee", "rights": ["view"] });
    assert_eq!(site.fixture.put("/api/rules", &json!({ "roles": [role], "policies": [] })).0, 200);
    let change = json!({
        "name": "Eva", "email": "eva@a.example", "team": "", "administrator": false, "disabled": false, "password": "",
        "may_watch": true, "may_export": false, "may_delete": false, "reach": "team", "role": 1
    });
    assert_eq!(site.fixture.put(&format!("/api/users/{eva}"), &change).0, 200);
    let providers = rows(&site, "/security-provider");
    let policies = rows(&site, "/group-policy");
    for user in rows(&site, "/user") {
        let provider = &user["security_provider_id"];
        assert!(providers.iter().any(|p| p["id"] == *provider), "{user}");
        assert_eq!(
            site.config("GET", &format!("/security-provider/{provider}"), &Value::Null).json()["name"],
            "Local Users"
        );
        let held = rows(&site, &format!("/user/{}/group-policies", user["id"]));
        assert_eq!(held.len(), 1, "{user}");
        let policy = policies.iter().find(|p| p["id"] == held[0]["id"]).unwrap();
        let members = rows(&site, &format!("/group-policy/{}/member", policy["id"]));
        let member = members.iter().find(|m| m["user_id"] == user["id"]).unwrap();
        assert_eq!(member["security_provider_id"], *provider);
        let one = format!("/group-policy/{}/member/{}", policy["id"], member["id"]);
        assert_eq!(site.config("GET", &one, &Value::Null).json(), *member);
    }
    assert_eq!(rows(&site, &format!("/user/{eva}/group-policies"))[0]["name"], "Trainee");
    assert_eq!(site.config("GET", "/group-policy/2", &Value::Null).json()["name"], "Trainee");
    for path in ["/security-provider/9", "/group-policy/99", "/group-policy/99/member", "/user/99/group-policies"] {
        assert_eq!(site.config("GET", path, &Value::Null).status, 404, "{path}");
    }
    // Filters: known ones apply, those without data are ignored, and unknown ones are an error.
    let table = [
        ("/user?security_provider_id=1", Ok(2)),
        ("/user?security_provider_id=2", Ok(0)),
        ("/user?username=EVA", Ok(1)),
        ("/user?username=eva&security_provider_id=2", Ok(0)),
        ("/user?colour=red", Err(422)),
        ("/team?code_name=nothing", Ok(0)),
        ("/group-policy?name=trainee", Ok(1)),
        ("/jump-client?fqdn=pc.example&console_user=ada", Ok(0)),
        ("/jump-client?colour=red", Err(422)),
        ("/jump-group?code_name=x", Ok(0)),
        ("/vault/account?include_personal=true", Ok(0)),
        ("/rep-status?name=busy", Ok(1)),
        ("/api-account?name=servicenow", Ok(1)),
    ];
    for (path, expected) in table {
        let answer = site.config("GET", path, &Value::Null);
        let seen = if answer.status == 200 { Ok(answer.json().as_array().unwrap().len()) } else { Err(answer.status) };
        assert_eq!(seen, expected, "{path}: {}", answer.text);
    }
}

#[test]
fn every_list_of_the_specification_is_there() {
    let site = Site::open("bt-lists");
    let document = site.config("GET", "/openapi.yaml", &Value::Null);
    assert_eq!(document.headers["content-type"], "application/yaml");
    let paths = document.json()["paths"].as_object().unwrap().clone();
    assert!(paths.len() > 45, "{}", paths.len());
    for path in paths.keys() {
        let path = path.replace("{id}", "1");
        // Items of missing parents are 404 where Deskside has that resource.
        if path == "/team/1/user" {
            continue;
        }
        let answer = site.config("GET", &path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.json().is_array(), "{path}");
        for header in ["link", "x-bt-pagination-current-page", "x-bt-pagination-last-page", "x-bt-pagination-per-page"]
        {
            assert!(answer.headers.contains_key(header), "{path} {header}");
        }
        assert_eq!(
            site.config("OPTIONS", &path, &Value::Null).headers["allow"].split(',').next(),
            Some("GET"),
            "{path}"
        );
        assert_eq!(site.config("GET", &format!("{path}?no_such_filter=1"), &Value::Null).status, 422, "{path}");
    }
    for path in ["/jump-client", "/vault/account", "/vendor", "/jump-item/web-jump", "/endpoint-automation/job"] {
        assert_eq!(site.config("GET", path, &Value::Null).text, "[]");
        assert_eq!(site.config("POST", path, &json!({ "name": "x" })).status, 405, "{path}");
        assert_eq!(site.config("GET", &format!("{path}/7"), &Value::Null).status, 404, "{path}");
    }
}

#[test]
fn identity_management_changes_what_it_may() {
    let (site, eva) = with_eva("bt-change");
    let path = format!("/user/{eva}");
    let change = |body: Value| site.config("PATCH", &path, &body);
    let table = [
        (json!({ "failed_logins": 0 }), 200),
        (json!({ "failed_logins": 3 }), 422),
        (json!({ "preferred_email_language": "de-de" }), 200),
        (json!({ "preferred_email_language": "../de" }), 422),
        (json!({ "preferred_email_language": 7 }), 422),
        (json!({ "two_factor_required": false }), 200),
        (json!({ "two_factor_required": true }), 422),
        (json!({ "password": "short" }), 422),
        (json!({ "password": "x".repeat(201) }), 422),
        (json!({ "password": null }), 422),
        (json!({ "username": "eva" }), 200),
        (json!({ "username": "mallory" }), 422),
        (json!({ "perm_admin": true }), 422),
        (json!({ "enabled": "yes" }), 422),
        (json!({ "email_address": "eva@b.example\r\nBcc: x@y.example" }), 422),
        (json!({ "colour": "red" }), 422),
    ];
    for (body, status) in table {
        let answer = change(body.clone());
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        if status == 422 {
            assert!(answer.json()["errors"].is_object(), "{body}: {}", answer.text);
        }
    }
    let read = site.config("GET", &path, &Value::Null).json();
    assert_eq!(read["preferred_email_language"], "de-de");
    // Sending back what was read changes nothing.
    let same = change(read.clone());
    assert_eq!((same.status, same.json()), (200, read));
    // The new password works, and the old one does not.
    assert_eq!(change(json!({ "password": "another password of hers" })).status, 200);
    let sign_in =
        |password: &str| site.fixture.post_as("/api/sign-in", &json!({ "login": "eva", "password": password }), &[]).0;
    assert_eq!([sign_in(PASSWORD), sign_in("another password of hers")], [401, 204]);
    assert_eq!(site.config("POST", "/user/provision", &json!({ "user_ids": [eva] })).status, 204);
    assert_eq!(site.config("POST", "/user/provision", &json!({ "user_ids": "all" })).status, 422);
    assert_eq!(site.config("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(sign_in("another password of hers"), 401, "who is deleted is disabled");
}
