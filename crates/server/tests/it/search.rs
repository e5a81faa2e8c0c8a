//! Search in every list finds what people mean.

use serde_json::{Value, json};

use crate::fixture::Fixture;

fn found(fixture: &Fixture, list: &str, typed: &str) -> Vec<String> {
    let typed: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
    let (status, text) = fixture.get(&format!("{list}{}q={typed}", if list.contains('?') { '&' } else { '?' }));
    assert_eq!(status, 200, "{text}");
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let name = |row: &Value| row["name"].as_str().or(row["subject"].as_str()).unwrap().to_owned();
    let mut names: Vec<String> = rows.iter().map(name).collect();
    names.sort_unstable();
    names
}

fn customer(fixture: &Fixture, name: &str, email: &str, company: &str) -> Value {
    let (status, made) = fixture.post("/api/customers", &json!({ "name": name, "email": email, "company": company }));
    assert_eq!(status, 201, "{made}");
    made["id"].clone()
}

#[test]
fn search_ignores_case_and_accents_and_takes_wildcards_literally() {
    let fixture = Fixture::open("search");
    customer(&fixture, "ÖZGÜR Müller", "oezguer@b.example", "Straßenbau");
    let emile = customer(&fixture, "Émile & Fils 50%", "emile_f@b.example", "");
    customer(&fixture, "打印机公司", "office@bücher.example", "");
    for (typed, names) in [
        ("özgür", &["ÖZGÜR Müller"][..]),
        ("MÜLLER", &["ÖZGÜR Müller"]),
        ("muller ozgur", &["ÖZGÜR Müller"]),
        ("strasse", &["ÖZGÜR Müller"]),
        ("STRASSENBAU", &["ÖZGÜR Müller"]),
        ("émile", &["Émile & Fils 50%"]),
        ("e\u{301}mile", &["Émile & Fils 50%"]),
        ("%", &["Émile & Fils 50%"]),
        ("_", &["Émile & Fils 50%"]),
        ("50%", &["Émile & Fils 50%"]),
        ("印机", &["打印机公司"]),
        ("机", &["打印机公司"]),
        ("BÜCHER", &["打印机公司"]),
        ("\\", &[]),
        ("'", &[]),
    ] {
        assert_eq!(found(&fixture, "/api/customers", typed), names, "{typed}");
    }
    let mut incident = json!({
        "customer": emile, "subject": "Größe 100% falsch", "description": "请重启打印机谢谢", "status": "new",
        "priority": "normal", "owner": null, "team": ""
    });
    let made = fixture.post("/api/incidents", &incident).1;
    for (typed, hit) in [
        ("GRÖSSE", true),
        ("grosse", true),
        ("%", true),
        ("打印机", true),
        ("émile falsch", true),
        ("INC-1002", true),
        ("_x", false),
        ("richtig", false),
    ] {
        let names = found(&fixture, "/api/incidents", typed);
        assert_eq!(names.iter().any(|n| n == "Größe 100% falsch"), hit, "{typed}: {names:?}");
    }
    // Changes are found at once.
    incident["subject"] = "Ganz richtig".into();
    incident["description"] = "".into();
    assert_eq!(fixture.put(&format!("/api/incidents/{}", made["id"]), &incident).0, 200);
    assert_eq!(found(&fixture, "/api/incidents", "RICHTIG"), ["Ganz richtig"]);
    assert_eq!(found(&fixture, "/api/incidents", "größe"), [""; 0]);
}

#[test]
fn customers_are_matched_by_their_whole_mail_address_in_any_case() {
    let fixture = Fixture::open("known");
    let (status, made) = fixture.post("/api/tokens", &json!({ "name": "S", "scopes": ["sessions:write"], "days": 1 }));
    assert_eq!(status, 201, "{made}");
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let come = |name: &str, email: &str| {
        let body = json!({ "queue": { "is": "general" }, "customer": { "name": name, "email": email } });
        fixture.post_as("/api/v1/sessions", &body, &[("authorization", &bearer)]).0
    };
    let long = |end: &str| format!("case+{}@{}.{}", "k".repeat(50), "d".repeat(60), end);
    for (name, email) in [
        ("Ann", long("one.example")),
        ("Bob", long("two.example")),
        ("Anna", "anna@bücher.example".into()),
        ("Anna again", "ANNA@xn--bcher-kva.example".into()),
        ("Ada", "ADA@B.example".into()),
        // The same name without a mail address is another customer.
        ("Ada", String::new()),
    ] {
        assert_eq!(come(name, &email), 201, "{name}");
    }
    assert_eq!(come("Eva", &format!("{}@b.example", "e".repeat(300))), 422);
    assert_eq!(found(&fixture, "/api/customers", ""), ["Ada", "Ada", "Ann", "Anna", "Bob"]);
}

#[test]
fn customers_beyond_the_list_are_found_by_search() {
    let fixture = Fixture::open("many");
    for n in 0..201 {
        customer(&fixture, &format!("Customer {n:03}"), &format!("c{n}@b.example"), "");
    }
    customer(&fixture, "Zoë Żak", "zoe@b.example", "Łódź");
    assert_eq!(found(&fixture, "/api/customers", "zoe lodz"), ["Zoë Żak"]);
    assert_eq!(found(&fixture, "/api/customers", "customer 200"), ["Customer 200"]);
}
