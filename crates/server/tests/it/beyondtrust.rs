//! BeyondTrust's API, used as its public clients use it.

mod command_v2;
mod commands;
mod config;
mod identity;
mod limits;
mod pages;
mod people;
mod reports;
mod tokens;

use std::sync::LazyLock;

use expect_test::Expect;
use serde_json::Value;

use crate::fixture::{Answer, Fixture};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const EVERYTHING: [&str; 5] = ["sessions:read", "sessions:write", "evidence:read", "people:read", "people:write"];

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

pub(crate) fn token(fixture: &Fixture, scopes: &[&str]) -> String {
    let (id, secret) = fixture.account("ServiceNow", scopes);
    let headers = [FORM, ("authorization", &basic(&id, &secret))];
    let answer = fixture.ask("POST", "/oauth2/token", &headers, "grant_type=client_credentials");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// An installation with an API account that has every scope.
struct Site {
    fixture: Fixture,
    bearer: String,
}

impl Site {
    fn open(name: &str) -> Self {
        let fixture = Fixture::open(name);
        let bearer = format!("Bearer {}", token(&fixture, &EVERYTHING));
        Self { fixture, bearer }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.fixture.ask(method, path, &[FORM, ("authorization", &self.bearer)], body)
    }

    fn command(&self, parameters: &str) -> String {
        let answer = self.ask("POST", "/api/command", parameters);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["content-type"], "text/xml; charset=UTF-8");
        answer.text
    }

    fn report(&self, parameters: &str) -> String {
        self.ask("POST", "/api/reporting", parameters).text
    }

    fn config(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers =
            [("content-type", "application/json"), ("accept", "application/json"), ("authorization", &self.bearer)];
        self.fixture.ask(method, &format!("/api/config/v1{path}"), &headers, &body)
    }
}

/// A document in a comparable form: values that differ from run to run are replaced by their kind, one element on each
/// line.
fn shape(text: &str, site: &Site) -> String {
    static REPLACED: LazyLock<[(regex::Regex, &str); 9]> = LazyLock::new(|| {
        let r = |pattern: &str| regex::Regex::new(pattern).unwrap();
        [
            (r(r"h%3D[0-9a-f]{40}"), "h%3DMAC"),
            (r(r"[0-9a-f]{32}"), "HEX32"),
            (r(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "TIME"),
            (r(r"\b1[789]\d{8}\b"), "UNIX"),
            (r(r"<short_key>\d{7}<"), "<short_key>7DIGITS<"),
            (r(r"duration>\d\d:\d\d:\d\d<"), "duration>HH:MM:SS<"),
            (r(r"<seconds_involved>\d+<"), "<seconds_involved>N<"),
            (r(r"<lseq>\d+<"), "<lseq>N<"),
            (r("><"), ">\n<"),
        ]
    });
    let text = text.replace(&site.fixture.url, "https://HOST");
    REPLACED.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

fn check(site: &Site, text: &str, expected: Expect) {
    expected.assert_eq(&shape(text, site));
}

/// The text of the first element with this name.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("<{name}")).unwrap_or_else(|| panic!("no {name} in {text}"));
    let rest = &text[start..];
    rest[rest.find('>').unwrap() + 1..].split("</").next().unwrap()
}
