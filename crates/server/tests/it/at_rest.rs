//! The data folder: who can read it, and what it contains.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, PASSWORD},
    outbound::Listener,
    races::code,
};

/// Everything in a folder, with its permissions.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut all = vec![(folder.display().to_string(), fs::metadata(folder).unwrap().permissions().mode() & 0o777)];
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
        match entry.metadata().unwrap() {
            about if about.is_dir() => all.extend(modes(&entry.path())),
            about => all.push((entry.path().display().to_string(), about.permissions().mode() & 0o777)),
        }
    }
    all
}

fn open_to_others(folder: &Path) -> Vec<(String, u32)> {
    modes(folder).into_iter().filter(|(_, mode)| mode & 0o077 != 0).collect()
}

#[test]
fn other_users_cannot_read_the_data_folder() {
    let mut fixture = Fixture::open("at-rest-modes");
    let (_, _, link) = fixture.generate();
    let (_, resume) = fixture.customer_enters(&link, "browser");
    let bearer = [("authorization", format!("Bearer {resume}"))];
    let bearer = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(fixture.ask("POST", "/api/join/posts?name=a.txt", &bearer, "hello").status, 201);
    let all = modes(fixture.folder());
    for name in ["deskside.sqlite", "deskside.sqlite-wal", "vault.key", "identity.key", "sealing/keys.json", "posts/"] {
        assert!(all.iter().any(|(path, _)| path.contains(name)), "{name} is not there: {all:?}");
    }
    assert_eq!(open_to_others(fixture.folder()), []);
    // A folder of an older version, or a copied one.
    fixture.restart(|fixture| {
        for (path, _) in modes(fixture.folder()) {
            let mode = if Path::new(&path).is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    });
    assert_eq!(open_to_others(fixture.folder()), []);
    assert_eq!(fixture.get("/api/me").0, 200);
}

fn rt(url: &str, token: &str) -> Value {
    json!({
        "kind": "request_tracker", "name": "RT", "url": url, "token": token, "events": [], "authority": "",
        "enabled": false, "retry_seconds": 5, "retry_hours": 1
    })
}

/// Whether the service desk receives this token.
fn desk_receives_token(fixture: &Fixture, desk: &Listener, token: &str) -> bool {
    let (status, tested) = fixture.post("/api/receivers/1/test", &Value::Null);
    assert_eq!(status, 200, "{tested}");
    desk.requests().last().is_some_and(|said| said.contains(&format!("token {token}\r\n")))
}

fn signs_in(fixture: &Fixture, secret: &str) -> bool {
    let body = json!({ "login": "tom", "password": PASSWORD, "code": code(secret, 0) });
    // A code works once, and no time has passed since the last one.
    fixture.sql("UPDATE user SET totp_step = 0");
    fixture.post_as("/api/sign-in", &body, &[]).0 == 204
}

fn holds(fixture: &Fixture, secret: &str) -> bool {
    fixture.database().windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn secrets_of_other_systems_are_encrypted_in_the_database() {
    let mut fixture = Fixture::open("at-rest-secrets");
    let desk = Listener::open(|_, _| ("200 OK", vec![], "{}".into()));
    let openid = json!({ "issuer": "https://id.example", "client_id": "x", "client_secret": "openid-s3cret" });
    assert_eq!(fixture.put("/api/openid", &openid).0, 200);
    let directory = json!({ "url": "ldaps://a.example", "bind_password": "directory-s3cret" });
    assert_eq!(fixture.put("/api/directory", &directory).0, 200);
    assert_eq!(fixture.put("/api/mailbox", &json!({ "host": "a.example", "password": "mailbox-s3cret" })).0, 200);
    assert_eq!(fixture.post("/api/receivers", &rt(&desk.url, "desk-s3cret")).0, 201);
    let hook = json!({
        "kind": "webhook", "name": "Hook", "url": desk.url, "token": "", "events": [], "authority": "",
        "enabled": false, "retry_seconds": 5, "retry_hours": 1
    });
    let hook = fixture.post("/api/receivers", &hook).1["secret"].as_str().unwrap().to_owned();
    let totp = fixture.post("/api/me/second", &Value::Null).1["secret"].as_str().unwrap().to_owned();
    assert_eq!(fixture.put("/api/me/second", &json!({ "code": code(&totp, 0) })).0, 200);
    let all = ["openid-s3cret", "directory-s3cret", "mailbox-s3cret", "desk-s3cret", &hook, &totp];
    for secret in all {
        assert!(!holds(&fixture, secret), "{secret}");
    }
    // They still work, also after a restart.
    assert!(desk_receives_token(&fixture, &desk, "desk-s3cret") && signs_in(&fixture, &totp));
    fixture.restart(|_| ());
    assert!(desk_receives_token(&fixture, &desk, "desk-s3cret") && signs_in(&fixture, &totp));

    // A folder of the previous version has plain texts. They are sealed at the start.
    let old =
        [("openid-0ld", 2, "client_secret"), ("directory-0ld", 3, "bind_password"), ("mailbox-0ld", 5, "password")];
    let totp = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    fixture.restart(|fixture| {
        for (secret, kind, field) in old {
            fixture
                .sql(&format!("UPDATE setting SET body = json_set(body, '$.{field}', '{secret}') WHERE id = {kind}"));
        }
        fixture.sql("UPDATE receiver SET secret = 'desk-0ld'");
        fixture.sql(&format!("UPDATE user SET totp = '{totp}'"));
        assert!(holds(fixture, "desk-0ld") && holds(fixture, totp) && holds(fixture, "mailbox-0ld"));
    });
    for secret in ["openid-0ld", "directory-0ld", "mailbox-0ld", "desk-0ld", totp] {
        assert!(!holds(&fixture, secret), "{secret}");
    }
    assert!(desk_receives_token(&fixture, &desk, "desk-0ld") && signs_in(&fixture, totp));

    // Without the vault's key none of them works, and recovery codes still do.
    fixture.restart(|fixture| fs::remove_file(fixture.folder().join("vault.key")).unwrap());
    assert!(!desk_receives_token(&fixture, &desk, "desk-0ld") && !signs_in(&fixture, totp));
}
