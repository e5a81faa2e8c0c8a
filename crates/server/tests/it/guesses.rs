//! Guesses are limited, however they are spelt and wherever they seem to come from, and nobody else is locked out.

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage};

fn sign_in(stage: &Stage, login: &str, password: &str, headers: &[(&str, &str)]) -> crate::stage::Answer {
    let body = json!({ "login": login, "password": password }).to_string();
    let headers = [&[("content-type", "application/json")], headers].concat();
    stage.ask("POST", "/api/sign-in", &headers, &body)
}

fn look(stage: &Stage, key: &str, from: &str) -> (u16, Value) {
    stage.post_as("/api/join/look", &json!({ "by": "key", "key": key }), &[("x-forwarded-for", from)])
}

#[test]
fn a_name_is_one_however_it_is_spelt() {
    let stage = Stage::open("spelt");
    let spelt =
        ["tom", " tom", "tom\t", "TOM", "\u{2003}tom", "ＴＯＭ", "to\u{ad}m", "t\u{200b}om", "T om", "tom\u{3000}"];
    let answers: Vec<u16> = (0..30)
        .map(|n: usize| {
            // Blanks that make each one another text.
            let name = format!("{}{}", " ".repeat(n / spelt.len()), spelt[n % spelt.len()]);
            sign_in(&stage, &name, "not this one", &[("x-forwarded-for", "192.0.2.1")]).status
        })
        .collect();
    assert_eq!(answers.iter().filter(|a| **a == 401).count(), 10, "{answers:?}");
    assert_eq!(answers[29], 429);
}

#[test]
fn strangers_lock_nobody_out_of_their_account() {
    let stage = Stage::open("strangers");
    let signed_in = sign_in(&stage, "tom", PASSWORD, &[("x-forwarded-for", "192.0.2.1")]);
    assert_eq!(signed_in.status, 204);
    let device = signed_in
        .cookies
        .iter()
        .find_map(|c| c.split(';').next().filter(|c| c.starts_with("deskside-device=")))
        .unwrap();
    // A hundred strangers, and one in the owner's own network.
    for n in 0..100 {
        sign_in(&stage, "tom", "not this one", &[("x-forwarded-for", &format!("10.0.{n}.1"))]);
        sign_in(&stage, "tom", "not this one", &[("x-forwarded-for", "192.0.2.1")]);
    }
    let table = [
        // In the stranger's own network: without a sign of the owner nobody can tell them apart.
        ("192.0.2.1", "", 429),
        ("192.0.2.1", device, 204),
        ("198.51.100.1", "", 204),
        ("198.51.100.2", "deskside-device=1.aa.bb", 204),
    ];
    for (from, cookie, status) in table {
        let answer = sign_in(&stage, "tom", PASSWORD, &[("x-forwarded-for", from), ("cookie", cookie)]);
        assert_eq!(answer.status, status, "{from} {cookie}");
    }
    let wrong = |cookie: &str| {
        let headers = [("x-forwarded-for", "203.0.113.1"), ("cookie", cookie)];
        sign_in(&stage, "tom", "not this one", &headers).status
    };
    // The device of somebody else helps nobody, and one's own does not help for ever.
    let forged = format!("{}0", &device[..device.len() - 1]);
    assert_eq!((0..20).filter(|_| wrong(&forged) == 401).count(), 3);
    assert!((10..14).contains(&(0..20).filter(|_| wrong(device) == 401).count()));
}

#[test]
fn guesses_from_elsewhere_keep_no_customer_out() {
    let stage = Stage::open("elsewhere");
    let (_, key, _) = stage.generate();
    let (_, _, link) = stage.generate();
    let (_, resume) = stage.customer_enters(&link, "browser");
    let answers: Vec<u16> =
        (0..400).map(|n| look(&stage, "000000000", &format!("10.{}.{}.1", n / 200, n % 200)).0).collect();
    assert!(answers.iter().all(|a| *a == 404), "each is heard");
    assert_eq!(look(&stage, &key, "198.51.100.1").0, 200, "a right key from a fresh network");
    // Who shares the attacker's network comes back, and by a link.
    let attacker = [("x-forwarded-for", "10.0.0.1")];
    let refused = (0..50).filter(|_| look(&stage, "000000000", "10.0.0.1").0 == 429).count();
    assert!(refused >= 40, "{refused}");
    for _ in 0..50 {
        assert_eq!(stage.post_as("/api/join/resume", &json!({ "token": resume }), &attacker).0, 200);
    }
    let (_, _, link) = stage.generate();
    let link = json!({ "by": "link", "token": link });
    assert_eq!(stage.post_as("/api/join/look", &link, &attacker).0, 200);
    let wrong = json!({ "by": "link", "token": "made up" });
    let answers: Vec<u16> = (0..40).map(|_| stage.post_as("/api/join/look", &wrong, &attacker).0).collect();
    assert_eq!((answers[0], answers[39]), (404, 429));
}

#[test]
fn what_a_client_claims_to_be_is_not_believed() {
    let stage = Stage::open("claims");
    let guess = |lines: &[&str]| {
        let headers: Vec<(&str, &str)> =
            lines.iter().map(|l| ("x-forwarded-for", *l)).chain([("content-type", "application/json")]).collect();
        stage.ask("POST", "/api/join/look", &headers, r#"{"by":"key","key":"000000000"}"#).status
    };
    let claims: Vec<String> = (0..15).map(|n| format!("203.0.113.{n}")).collect();
    // Before what the proxy wrote, in its line or in one of its own.
    let one: Vec<u16> = claims.iter().map(|claim| guess(&[&format!("{claim}, 192.0.2.1")])).collect();
    let two: Vec<u16> = claims.iter().map(|claim| guess(&[claim, "192.0.2.2"])).collect();
    for answers in [one, two] {
        assert_eq!(answers.iter().filter(|a| **a == 404).count(), 10, "{answers:?}");
    }
    // In bytes that are no text, which a proxy passes on like any: each is still counted as who the proxy saw.
    for seen in ["192.0.2.3", "192.0.2.4"] {
        let strange: Vec<String> =
            claims.iter().map(|claim| raw_guess(&stage, &format!("{claim} ü, {seen}"))).collect();
        assert_eq!(strange.iter().filter(|a| *a == "404").count(), 10, "{seen}: {strange:?}");
    }
    let six: Vec<u16> = (0..15).map(|n| guess(&[&format!("2001:db8::{n}")])).collect();
    assert_eq!(six.iter().filter(|a| **a == 404).count(), 10, "one network of IPv6: {six:?}");
}

/// The status of a guess with such a line of addresses, whatever bytes it is of.
fn raw_guess(stage: &Stage, line: &str) -> String {
    let body = r#"{"by":"key","key":"000000000"}"#;
    let question = format!(
        "POST /api/join/look HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {line}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = stage.tcp();
    std::io::Write::write_all(&mut stream, question.as_bytes()).unwrap();
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[test]
fn wrong_tokens_are_counted_and_a_right_one_is_never_refused() {
    let stage = Stage::open("wrong-tokens");
    let token = json!({ "name": "Script", "scopes": ["sessions:read"], "days": 1 });
    let right = format!("Bearer {}", stage.post("/api/tokens", &token).1["token"].as_str().unwrap());
    let ask = |method: &str, path: &str, bearer: &str, from: &str| {
        stage.ask(method, path, &[("authorization", bearer), ("x-forwarded-for", from)], "").status
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
        stage.ask("POST", "/oauth2/token", &form, body).status
    };
    let answers: Vec<u16> = (0..60).map(|_| secret("10.0.9.1")).collect();
    assert_eq!((answers[0], answers[29], answers[59]), (401, 401, 429), "{answers:?}");
}

#[test]
fn strangers_are_not_told_what_is_wrong_with_a_directory() {
    let stage = Stage::open("directory");
    // Nobody listens there.
    let directory = json!({ "enabled": true, "url": "ldap://127.0.0.1:9", "base": "dc=secret" });
    let (status, problem) = stage.put("/api/directory", &directory);
    assert_eq!(status, 200, "{problem}");
    let answer = sign_in(&stage, "grace", "whatever she types", &[]);
    let problem = answer.json();
    let words = "Your organisation's directory cannot be reached at the moment. Please try again later.";
    assert_eq!((answer.status, problem["message"].as_str()), (502, Some(words)));
}

#[test]
fn a_wrong_sign_in_takes_as_long_for_everybody() {
    let stage = Stage::open("timing");
    let user = json!({ "login": "gone", "name": "G", "email": "g@a.example", "team": "", "password": PASSWORD });
    let (status, made) = stage.post("/api/users", &user);
    assert_eq!(status, 201);
    let mut change = json!({
        "name": "G", "email": "g@a.example", "team": "", "administrator": false, "disabled": true, "password": "",
        "may_watch": true, "may_export": false, "may_delete": false, "reach": "team"
    });
    change["role"] = json!(0);
    assert_eq!(stage.put(&format!("/api/users/{}", made["id"]), &change).0, 200);
    for login in ["tom", "gone", "nobody"] {
        let begun = std::time::Instant::now();
        assert_eq!(sign_in(&stage, login, "not this one", &[]).status, 401);
        assert!(begun.elapsed().as_millis() >= 400, "{login}");
    }
}
