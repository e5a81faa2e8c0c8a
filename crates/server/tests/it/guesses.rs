//! Limits on guesses: they hold whatever the spelling and the apparent address, and lock nobody else out.

use serde_json::{Value, json};

use crate::fixture::{Fixture, PASSWORD};

fn sign_in(fixture: &Fixture, login: &str, password: &str, headers: &[(&str, &str)]) -> crate::fixture::Answer {
    let body = json!({ "login": login, "password": password }).to_string();
    let headers = [&[("content-type", "application/json")], headers].concat();
    fixture.ask("POST", "/api/sign-in", &headers, &body)
}

fn look(fixture: &Fixture, key: &str, from: &str) -> (u16, Value) {
    fixture.post_as("/api/join/look", &json!({ "by": "key", "key": key }), &[("x-forwarded-for", from)])
}

#[test]
fn spellings_of_a_user_name_share_one_limit() {
    let fixture = Fixture::open("spelt");
    let spelt =
        ["tom", " tom", "tom\t", "TOM", "\u{2003}tom", "ＴＯＭ", "to\u{ad}m", "t\u{200b}om", "T om", "tom\u{3000}"];
    let answers: Vec<u16> = (0..30)
        .map(|n: usize| {
            // Spaces make each attempt a different text.
            let name = format!("{}{}", " ".repeat(n / spelt.len()), spelt[n % spelt.len()]);
            sign_in(&fixture, &name, "not this one", &[("x-forwarded-for", "192.0.2.1")]).status
        })
        .collect();
    assert_eq!(answers.iter().filter(|a| **a == 401).count(), 10, "{answers:?}");
    assert_eq!(answers[29], 429);
}

#[test]
fn strangers_cannot_lock_out_an_account() {
    let fixture = Fixture::open("strangers");
    let signed_in = sign_in(&fixture, "tom", PASSWORD, &[("x-forwarded-for", "192.0.2.1")]);
    assert_eq!(signed_in.status, 204);
    let device = signed_in
        .cookies
        .iter()
        .find_map(|c| c.split(';').next().filter(|c| c.starts_with("deskside-device=")))
        .unwrap();
    // A hundred strangers, one of them in the owner's network.
    for n in 0..100 {
        sign_in(&fixture, "tom", "not this one", &[("x-forwarded-for", &format!("10.0.{n}.1"))]);
        sign_in(&fixture, "tom", "not this one", &[("x-forwarded-for", "192.0.2.1")]);
    }
    let table = [
        // In a stranger's network nothing distinguishes the owner from the stranger.
        ("192.0.2.1", "", 429),
        ("192.0.2.1", device, 204),
        ("198.51.100.1", "", 204),
        ("198.51.100.2", "deskside-device=1.aa.bb", 204),
    ];
    for (from, cookie, status) in table {
        let answer = sign_in(&fixture, "tom", PASSWORD, &[("x-forwarded-for", from), ("cookie", cookie)]);
        assert_eq!(answer.status, status, "{from} {cookie}");
    }
    let wrong = |cookie: &str| {
        let headers = [("x-forwarded-for", "203.0.113.1"), ("cookie", cookie)];
        sign_in(&fixture, "tom", "not this one", &headers).status
    };
    // Another person's device does not help, and one's own only for a limited number of attempts.
    let (rest, last) = device.split_at(device.len() - 1);
    let forged = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    assert_eq!((0..20).filter(|_| wrong(&forged) == 401).count(), 3);
    assert!((10..14).contains(&(0..20).filter(|_| wrong(device) == 401).count()));
}

#[test]
fn guesses_from_one_network_do_not_block_customers_of_another() {
    let fixture = Fixture::open("elsewhere");
    let (_, key, _) = fixture.generate();
    let (_, _, link) = fixture.generate();
    let (_, resume) = fixture.customer_enters(&link, "browser");
    let answers: Vec<u16> =
        (0..400).map(|n| look(&fixture, "000000000", &format!("10.{}.{}.1", n / 200, n % 200)).0).collect();
    assert!(answers.iter().all(|a| *a == 404), "each guess is checked");
    assert_eq!(look(&fixture, &key, "198.51.100.1").0, 200, "a valid key from a new network");
    // Customers in the attacker's network can still come back, and join by link.
    let attacker = [("x-forwarded-for", "10.0.0.1")];
    let refused = (0..50).filter(|_| look(&fixture, "000000000", "10.0.0.1").0 == 429).count();
    assert!(refused >= 40, "{refused}");
    for _ in 0..50 {
        assert_eq!(fixture.post_as("/api/join/resume", &json!({ "token": resume }), &attacker).0, 200);
    }
    let (_, _, link) = fixture.generate();
    let link = json!({ "by": "link", "token": link });
    assert_eq!(fixture.post_as("/api/join/look", &link, &attacker).0, 200);
    let wrong = json!({ "by": "link", "token": "made up" });
    let answers: Vec<u16> = (0..40).map(|_| fixture.post_as("/api/join/look", &wrong, &attacker).0).collect();
    assert_eq!((answers[0], answers[39]), (404, 429));
}

#[test]
fn forged_forwarded_addresses_are_ignored() {
    let fixture = Fixture::open("claims");
    let guess = |lines: &[&str]| {
        let headers: Vec<(&str, &str)> =
            lines.iter().map(|l| ("x-forwarded-for", *l)).chain([("content-type", "application/json")]).collect();
        fixture.ask("POST", "/api/join/look", &headers, r#"{"by":"key","key":"000000000"}"#).status
    };
    let claims: Vec<String> = (0..15).map(|n| format!("203.0.113.{n}")).collect();
    // Forged addresses before the proxy's, in the same header line or in another one.
    let one: Vec<u16> = claims.iter().map(|claim| guess(&[&format!("{claim}, 192.0.2.1")])).collect();
    let two: Vec<u16> = claims.iter().map(|claim| guess(&[claim, "192.0.2.2"])).collect();
    for answers in [one, two] {
        assert_eq!(answers.iter().filter(|a| **a == 404).count(), 10, "{answers:?}");
    }
    // With bytes that are not text, which a proxy forwards: each still counts for the address that the proxy saw.
    for seen in ["192.0.2.3", "192.0.2.4"] {
        let strange: Vec<String> =
            claims.iter().map(|claim| raw_guess(&fixture, &format!("{claim} ü, {seen}"))).collect();
        assert_eq!(strange.iter().filter(|a| *a == "404").count(), 10, "{seen}: {strange:?}");
    }
    let six: Vec<u16> = (0..15).map(|n| guess(&[&format!("2001:db8::{n}")])).collect();
    assert_eq!(six.iter().filter(|a| **a == 404).count(), 10, "one network of IPv6: {six:?}");
}

/// The status of a guess with this header of addresses, in any bytes.
fn raw_guess(fixture: &Fixture, line: &str) -> String {
    let body = r#"{"by":"key","key":"000000000"}"#;
    let question = format!(
        "POST /api/join/look HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {line}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = fixture.tcp();
    std::io::Write::write_all(&mut stream, question.as_bytes()).unwrap();
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[test]
fn wrong_tokens_are_limited_and_a_valid_one_never_is() {
    let fixture = Fixture::open("wrong-tokens");
    let token = json!({ "name": "Script", "scopes": ["sessions:read"], "days": 1 });
    let right = format!("Bearer {}", fixture.post("/api/tokens", &token).1["token"].as_str().unwrap());
    let ask = |method: &str, path: &str, bearer: &str, from: &str| {
        fixture.ask(method, path, &[("authorization", bearer), ("x-forwarded-for", from)], "").status
    };
    let doors = [
        ("GET", "/api/v1/sessions", 401),
        ("GET", "/api/command?action=get_api_info", 401),
        ("GET", "/api/lanes/made-up", 404),
    ];
    for (n, (method, path, status)) in doors.into_iter().enumerate() {
        let from = format!("10.0.{n}.1");
        let answers: Vec<u16> = (0..60).map(|_| ask(method, path, "Bearer made-up", &from)).collect();
        assert_eq!((answers[0], answers[29], answers[59]), (status, status, 429), "{path}: {answers:?}");
        assert_eq!(ask("GET", "/api/v1/sessions", &right, &from), 200);
        assert_eq!(ask(method, path, "Bearer made-up", "198.51.100.1"), status, "elsewhere");
    }
    let secret = |from: &str| {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("x-forwarded-for", from)];
        let body = "grant_type=client_credentials&client_id=a&client_secret=b";
        fixture.ask("POST", "/oauth2/token", &form, body).status
    };
    let answers: Vec<u16> = (0..60).map(|_| secret("10.0.9.1")).collect();
    assert_eq!((answers[0], answers[29], answers[59]), (401, 401, 429), "{answers:?}");
}

#[test]
fn strangers_do_not_see_errors_of_the_directory() {
    let fixture = Fixture::open("directory");
    // Nothing listens at this address.
    let directory = json!({ "enabled": true, "url": "ldap://127.0.0.1:9", "base": "dc=secret" });
    let (status, problem) = fixture.put("/api/directory", &directory);
    assert_eq!(status, 200, "{problem}");
    let answer = sign_in(&fixture, "grace", "whatever she types", &[]);
    let problem = answer.json();
    let words = "Your organisation's directory cannot be reached at the moment. Please try again later.";
    assert_eq!((answer.status, problem["message"].as_str()), (502, Some(words)));
}

#[test]
fn a_failed_sign_in_takes_the_same_time_for_every_name() {
    let fixture = Fixture::open("timing");
    let user = json!({ "login": "gone", "name": "G", "email": "g@a.example", "team": "", "password": PASSWORD });
    let (status, made) = fixture.post("/api/users", &user);
    assert_eq!(status, 201);
    let mut change = json!({
        "name": "G", "email": "g@a.example", "team": "", "administrator": false, "disabled": true, "password": "",
        "may_watch": true, "may_export": false, "may_delete": false, "reach": "team"
    });
    change["role"] = json!(0);
    assert_eq!(fixture.put(&format!("/api/users/{}", made["id"]), &change).0, 200);
    for login in ["tom", "gone", "nobody"] {
        let begun = std::time::Instant::now();
        assert_eq!(sign_in(&fixture, login, "not this one", &[]).status, 401);
        assert!(begun.elapsed().as_millis() >= 400, "{login}");
    }
}
