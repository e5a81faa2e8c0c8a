//! Requests every route of the server as every kind of person, and compares the results with `table.txt`. The list of
//! routes comes from the router, so a new route without a row fails the test.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use platform::{clock, secret};
use protocol::SessionId;
use sea_orm::{EntityTrait, sea_query::Expr};
use store::tables::tombstone_row;
use tower::ServiceExt;

use super::{ACCOUNTS, World, template, token};

/// Who sends the requests, in the order of the table's columns.
const PEOPLE: [&str; 14] = [
    "stranger",
    "outside",
    "colleague",
    "participant",
    "supervisor",
    "owner",
    "lead",
    "administrator",
    "sessions:read",
    "sessions:write",
    "evidence:read",
    "people:read",
    "people:write",
    "customer",
];

const TABLE: &str = include_str!("table.txt");
/// Counts requests, to give each its own address: invalid tokens are counted by network.
static REQUESTS: atomic::AtomicU32 = atomic::AtomicU32::new(0);

/// A row: a route with its parameters and body, and the expected results in the order of [`PEOPLE`].
struct Row<'a> {
    method: &'a str,
    /// Whether each person needs a server of their own.
    alone: bool,
    route: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    body: &'a str,
    answers: String,
}

/// Reads `METHOD ROUTE name=value … | ANSWERS | BODY`.
fn rows() -> Vec<Row<'static>> {
    let row = |line: &'static str| {
        let mut parts = line.splitn(3, '|').map(str::trim);
        let mut asked = parts.next().unwrap_or_default().split_whitespace();
        let method = asked.next().unwrap_or_default();
        let (method, alone) = method.strip_suffix('!').map_or((method, false), |method| (method, true));
        let route = asked.next().unwrap_or_default();
        let parameters = asked.map(|p| p.split_once('=').unwrap_or_else(|| panic!("no value in {line}"))).collect();
        let answers = parts.next().unwrap_or_default().replace(' ', "");
        Row { method, alone, route, parameters, body: parts.next().unwrap_or_default(), answers }
    };
    TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(row).collect()
}

/// The letter for a response in the table.
fn letter(status: u16) -> char {
    match status {
        401 => '1',
        403 => '3',
        404 => '4',
        409 => '9',
        200..=399 => '.',
        400 | 405 | 413 | 415 | 422 | 426 => 'x',
        _ => '!',
    }
}

impl World {
    async fn ask(&self, row: &Row<'_>, person: &str) -> u16 {
        let mut address = row.route.to_owned();
        let account = ACCOUNTS.iter().find(|(_, name, ..)| *name == person).map(|(id, ..)| *id);
        let mut query = Vec::new();
        for (name, value) in &row.parameters {
            let value = match *value {
                "R" | "W" | "Q" | "E" => self.session(value),
                "PLAY" => {
                    let id = SessionId::try_from(self.session("E")).unwrap();
                    let login = self.app.auth.logins.take(&secret::hash(&token(person)));
                    self.app.playback.open(id, account.unwrap_or_default(), login, clock::now())
                }
                other => other.to_owned(),
            };
            let place = format!("{{{name}}}");
            match address.contains(&place) {
                true => address = address.replace(&place, &value),
                false => query.push(format!("{name}={value}")),
            }
        }
        if !query.is_empty() {
            address = format!("{address}?{}", query.join("&"));
        }
        let token = token(person);
        let body = row.body.replace("TOKEN", &token);
        let kind = if body.is_empty() { "text/plain" } else { "application/json" };
        let [_, a, b, c] = REQUESTS.fetch_add(1, atomic::Ordering::Relaxed).to_be_bytes();
        let peer = ConnectInfo(std::net::SocketAddr::from(([10, a, b, c], 1)));
        let request = Request::builder().method(row.method).uri(address).header("content-type", kind).extension(peer);
        let request = match person {
            "stranger" => request,
            _ if account.is_some() => request.header("cookie", format!("deskside={token}")),
            _ => request.header("authorization", format!("Bearer {token}")),
        };
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        // BeyondTrust's API responds to most errors with 200, so the text tells whether permission was denied.
        let status = answer.status().as_u16();
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap_or_default();
        let denied = String::from_utf8_lossy(&text).contains("does not have permission");
        if denied { 403 } else { status }
    }
}

/// The routes of the router, from its `Debug` output: path and method, `ANY` for all methods.
fn routes(router: &Router) -> BTreeSet<(String, String)> {
    let described = format!("{router:?}");
    let table = described.split("fallback_router").next().unwrap_or_default();
    let regex = |pattern: &str| regex::Regex::new(pattern).unwrap();
    let methods: HashMap<&str, &str> =
        regex(r#"RouteId\((\d+)\): MethodRouter\(.*?allow_header: (Skip|Bytes\(b"[A-Z,]*"\))"#)
            .captures_iter(table)
            .map(|c| (c.get(1).unwrap().as_str(), c.get(2).unwrap().as_str()))
            .collect();
    let mut routes = BTreeSet::new();
    for found in regex(r#"RouteId\((\d+)\): "([^"]*)""#).captures_iter(table) {
        match methods[&found[1]] {
            "Skip" => drop(routes.insert((found[2].to_owned(), "ANY".to_owned()))),
            allowed => {
                let allowed = allowed.trim_start_matches("Bytes(b\"").trim_end_matches("\")").split(',');
                routes.extend(allowed.filter(|m| *m != "HEAD").map(|m| (found[2].to_owned(), m.to_owned())));
            }
        }
    }
    assert!(routes.len() > 100, "the router's debug output has changed: {described}");
    routes
}

/// The routes without a row, and the rows without a route.
fn unmatched(routes: &BTreeSet<(String, String)>, rows: &[Row<'_>]) -> Vec<String> {
    let any = |route: &str| routes.contains(&(route.to_owned(), "ANY".into()));
    let named = |row: &Row<'_>| {
        let method = if any(row.route) { "ANY" } else { row.method };
        (row.route.to_owned(), method.to_owned())
    };
    let named: BTreeSet<_> = rows.iter().map(named).collect();
    named.symmetric_difference(routes).map(|(route, method)| format!("{method} {route}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_contain_the_sessions_that_may_be_read_and_no_others() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("lists").await;
    let world = World::from_template(&template, "lists-read").await;
    for (account, name, ..) in ACCOUNTS {
        let get = async |path: &str| {
            let request = Request::builder().uri(path).header("cookie", format!("deskside={}", token(name)));
            let answer = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default())
        };
        let (queue, past) = (get("/api/sessions").await.1, get("/api/past").await.1);
        let (found, report) =
            (get("/api/past?q=Printer").await.1, get("/api/report?from=0&until=9000000000000").await.1);
        let journal = get("/api/incidents/1").await.1["journal"].clone();
        let running = get(&format!("/api/sessions/{}", world.session("R"))).await.0 == 200;
        let colleagues = get("/api/technicians").await.1;
        for helper in ["owner", "participant"] {
            let colleague = colleagues.as_array().unwrap().iter().find(|c| c["name"] == helper).unwrap();
            assert_eq!(colleague["sessions"], u32::from(running), "{name} sees how busy {helper} is");
        }
        for letter in ["R", "W", "Q", "E"] {
            let id = world.session(letter);
            let may = get(&format!("/api/sessions/{id}")).await.0 == 200;
            let listed = queue.as_array().unwrap().iter().any(|q| q["state"]["id"] == id.as_str());
            assert_eq!(listed, may && letter != "E", "{account} {name} {letter} in the queue");
            let entry = journal
                .as_array()
                .unwrap()
                .iter()
                .find(|e| e["content"]["kind"] == "remote_support" && e["content"]["session"] == id.as_str());
            assert_eq!(entry.unwrap()["content"]["history"].is_object(), may, "{name} {letter} in the journal");
            if letter == "E" {
                for list in [&past, &found] {
                    assert_eq!(list.as_array().unwrap().iter().any(|p| p["session"] == id.as_str()), may, "{name}");
                }
                assert_eq!(report["total"]["sessions"], u32::from(may), "{name}");
            }
        }
    }
    let _ = std::fs::remove_dir_all(&template);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_seen_by_those_who_could_see_the_session() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("stones").await;
    for standing in ["stored", "not stored, as in older versions"] {
        let world = World::from_template(&template, "stones-read").await;
        let ask = async |name: &str, method: &str, path: &str, body: &str| {
            let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
            let request = request.header("cookie", format!("deskside={}", token(name)));
            let answer =
                world.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default())
        };
        let id = world.session("E");
        let mut could = Vec::new();
        for (_, name, ..) in ACCOUNTS {
            could.push(ask(name, "GET", &format!("/api/sessions/{id}"), "").await.0 == 200);
        }
        let why = r#"{"reason":"asked for"}"#;
        assert_eq!(ask("lead", "POST", &format!("/api/sessions/{id}/delete"), why).await.0, 204);
        let stored = standing == "stored";
        if !stored {
            let all = tombstone_row::Entity::update_many().col_expr(tombstone_row::Column::Standing, Expr::value(""));
            all.exec(&world.app.db).await.unwrap();
        }
        for ((account, name, team, reach, _), could) in ACCOUNTS.into_iter().zip(could) {
            let journal = ask(name, "GET", "/api/incidents/1", "").await.1["journal"].clone();
            let entry = journal.as_array().unwrap().iter().find(|e| e["content"]["session"] == id.as_str()).unwrap();
            // If only the incident is known, its team counts.
            let may = if stored { could } else { account == 1 || reach == "all" || (reach == "team" && team == "A") };
            let content = &entry["content"];
            let seen = (content["tombstone"]["by"] == "lead", content["out_of_reach"] == false);
            assert_eq!(seen, (may, may), "{standing}, {name}: {content}");
        }
    }
    let _ = std::fs::remove_dir_all(&template);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_responds_to_every_kind_of_person_as_the_table_says() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("routes").await;
    let reading = World::from_template(&template, "reading").await;
    let rows = rows();
    assert_eq!(unmatched(&routes(&reading.router), &rows), [""; 0], "these have no row in table.txt, or no route");
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        // Requests that change nothing share a server; the others get a new one.
        let mut world: Option<World> = None;
        let mut answers = String::new();
        for person in PEOPLE {
            if row.alone || (row.method != "GET" && world.is_none()) {
                if let Some(before) = world.take() {
                    before.close().await;
                }
                world = Some(World::from_template(&template, &number.to_string()).await);
            }
            answers.push(letter(world.as_ref().unwrap_or(&reading).ask(row, person).await));
        }
        if let Some(world) = world {
            world.close().await;
        }
        println!("row {number} {answers}");
        if answers != row.answers {
            let Row { method, route, parameters, answers: expected, .. } = row;
            wrong.push(format!("{method} {route} {parameters:?}: {answers}, and not {expected}"));
        }
    }
    let _ = std::fs::remove_dir_all(&template);
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
