//! Every route of the server, walked as every kind of person and compared with `table.txt`. The list of routes is the
//! router's own: a new one without a row fails the test.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, atomic},
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use protocol::{Client, Event, Role, SessionId};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, sea_query::Expr};
use session::{Actor, Command};
use tower::ServiceExt;

use crate::{
    accounts::Scope,
    api,
    app::{self, Shared, stored_time},
    config::Config,
    live::Live,
    paths, secret, serve,
    store::{
        setting,
        tables::{
            admission, api_account, api_token, canned, customer, delivery, incident, login, mail_row, receiver, team,
            tombstone_row, user,
        },
    },
};

/// Who walks, in the order of the table's columns.
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
/// Each request comes from an address of its own: tokens that open nothing are counted by network.
static ASKED: atomic::AtomicU32 = atomic::AtomicU32::new(0);

/// A row: a route, the address that is asked with its body, and the answers in the order of [`PEOPLE`].
struct Row<'a> {
    method: &'a str,
    /// Each person has a world of their own.
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

/// The secret by which somebody is known: a cookie, a bearer token, or the customer's token.
fn token(person: &str) -> String {
    format!("token-of-{person}").replace(':', "-")
}

/// How an answer stands in the table.
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

/// A server that nobody reaches, on this folder.
pub fn config(data: PathBuf) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: "http://localhost:1".into(),
        data,
        tls: None,
        smtp_url: None,
        smtp_ca: None,
        mail_from: "Desk <desk@localhost>".into(),
        trusted_proxies: vec![],
        max_connections: None,
        request_time: std::time::Duration::from_secs(60),
        support_programs: [
            (crate::programs::System::Linux, "/nowhere".into()),
            (crate::programs::System::Windows, "/nowhere".into()),
        ],
        grace_ms: 3_600_000,
        hold_ms: 3_600_000,
        disk_floor_bytes: 0,
        stop_seconds: 1,
        store: None,
        outbound: crate::outbound::Outbound::default(),
    }
}

/// A server with people, an incident of team A, and three sessions: one that goes on, one that waits, one that is over.
pub struct World {
    pub app: Shared,
    router: Router,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The accounts: number, name, team, reach, and the rights to watch, export and delete.
const ACCOUNTS: [(i32, &str, &str, &str, bool); 7] = [
    (1, "administrator", "", "own", false),
    (2, "outside", "B", "team", true),
    (3, "colleague", "A", "team", false),
    (4, "participant", "B", "own", true),
    (5, "supervisor", "A", "team", false),
    (6, "owner", "A", "own", false),
    (7, "lead", "", "all", true),
];

/// A folder in memory, where there is one, that this test alone uses.
pub fn folder(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let below = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    below.join(format!("deskside-walk-{}-{name}", std::process::id()))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

impl World {
    pub async fn open(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let app = serve::open(config(folder.clone())).await.unwrap();
        app.outbox.load(&app).await.unwrap();
        app.hub.load(&app).await.unwrap();
        // Whoever was connected is so again.
        for live in app.hub.all() {
            for who in live.ask(|s| s.participants().to_vec()).await {
                let _ = live.act(&app, &Actor::Server, Command::Return { id: who.id, client: who.client }).await;
            }
        }
        Self { router: api::router(app.clone()), app, folder }
    }

    /// The same world after a restart of its server.
    pub async fn restarted(self) -> Self {
        self.app.db.clone().close().await.unwrap();
        let folder = self.folder.clone();
        // The folder goes on.
        std::mem::forget(self);
        Self::open(folder).await
    }

    /// The same world once more, as it was at its beginning.
    pub async fn again(template: &Path, name: &str) -> Self {
        let folder = folder(name);
        let _ = std::fs::remove_dir_all(&folder);
        copy(template, &folder);
        Self::open(folder).await
    }

    /// Which session a letter of the table means.
    pub fn session(&self, letter: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("session-{letter}"))).unwrap()
    }

    async fn ask(&self, row: &Row<'_>, person: &str) -> u16 {
        let mut address = row.route.to_owned();
        let account = ACCOUNTS.iter().find(|(_, name, ..)| *name == person).map(|(id, ..)| *id);
        let mut query = Vec::new();
        for (name, value) in &row.parameters {
            let value = match *value {
                "R" | "W" | "Q" | "E" => self.session(value),
                "PLAY" => {
                    let id = SessionId::try_from(self.session("E")).unwrap();
                    let login = self.app.logins.take(&secret::hash(&token(person)));
                    self.app.playback.open(id, account.unwrap_or_default(), login, app::now())
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
        let [_, a, b, c] = ASKED.fetch_add(1, atomic::Ordering::Relaxed).to_be_bytes();
        let peer = ConnectInfo(std::net::SocketAddr::from(([10, a, b, c], 1)));
        let request = Request::builder().method(row.method).uri(address).header("content-type", kind).extension(peer);
        let request = match person {
            "stranger" => request,
            _ if account.is_some() => request.header("cookie", format!("deskside={token}")),
            _ => request.header("authorization", format!("Bearer {token}")),
        };
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        // The original answers most of its errors with 200: what it says of permission is read.
        let status = answer.status().as_u16();
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap_or_default();
        let denied = String::from_utf8_lossy(&text).contains("does not have permission");
        if denied { 403 } else { status }
    }
}

async fn act(app: &Shared, live: &Arc<Live>, by: &Actor, command: Command) {
    live.act(app, by, command).await.unwrap();
}

/// A session of the owner on the incident: with its customer, its participant, and something of everything.
async fn session(app: &Shared) -> Arc<Live> {
    let about = incident::Entity::find_by_id(1).one(&app.db).await.unwrap().unwrap();
    let owner = protocol::UserRef { id: 6, name: "owner".into() };
    let live = crate::desk::intake::session(app, &about, owner.clone(), None).await.unwrap();
    let by = Actor::Technician(owner.clone());
    let join = |role, user: Option<i32>, client, name: &str| Command::Join {
        role,
        name: name.into(),
        client,
        user,
        by_role: None,
        by_key: false,
    };
    act(app, &live, &by, Command::IssueKey { life: None }).await;
    act(app, &live, &Actor::Server, join(Role::Technician, Some(6), Client::Console, "owner")).await;
    act(app, &live, &Actor::Server, join(Role::Customer, None, Client::Program, "Ada")).await;
    let with = protocol::UserRef { id: 4, name: "participant".into() };
    act(app, &live, &by, Command::ShareWith { with }).await;
    act(app, &live, &Actor::Server, join(Role::Technician, Some(4), Client::Console, "participant")).await;
    let from = protocol::ParticipantId(1);
    let sum = secret::hash("x");
    for event in [
        Event::FilePosted { from, number: 1, name: "x".into(), bytes: 1, sha256: sum.clone() },
        Event::ScreenshotTaken { by: from, number: 2, sha256: sum.clone() },
        Event::SystemInfoRead { by: from, number: 3, sha256: sum.clone() },
        Event::ShellStarted { by: from, number: 4 },
        Event::ShellEnded { number: 4, sha256: sum },
    ] {
        live.record_deed(app, event).await.unwrap();
    }
    let data = &app.config.data;
    for path in
        [paths::post(data, &live.id, 1), paths::screenshot(data, &live.id, 2), paths::system_info(data, &live.id, 3)]
    {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
    }
    kept(app, paths::shell(data, &live.id, 4));
    live
}

/// A file of the vault.
fn kept(app: &Shared, path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = app.vault.create(std::fs::File::create(path).unwrap()).unwrap();
    std::io::Write::write_all(&mut file, b"something").unwrap();
    file.finish().unwrap();
}

async fn people(app: &Shared) {
    let (now, later) = (stored_time(app::now()), stored_time(app::now().plus(3_600_000)));
    for (id, name, team, reach, rights) in ACCOUNTS {
        let row = user::ActiveModel {
            id: Set(id),
            login: Set(name.into()),
            name: Set(name.into()),
            email: Set(format!("{name}@desk.example")),
            team: Set(team.into()),
            administrator: Set(name == "administrator"),
            disabled: Set(false),
            password: Set("-".into()),
            may_watch: Set(rights || name == "supervisor"),
            may_export: Set(rights),
            may_delete: Set(rights),
            reach: Set(reach.into()),
            role: Set(0),
            external: Set(String::new()),
            totp: Set(String::new()),
            totp_step: Set(0),
            recovery: Set(String::new()),
            email_language: Set(None),
        };
        row.insert(&app.db).await.unwrap();
        let row = login::ActiveModel {
            hash: Set(secret::hash(&token(name))),
            user: Set(id),
            until: Set(later),
            confirmed: Set(now),
        };
        row.insert(&app.db).await.unwrap();
    }
    for scope in Scope::ALL {
        let row = api_token::ActiveModel {
            hash: Set(secret::hash(&token(scope.word()))),
            account: Set(None),
            name: Set(scope.word().into()),
            scopes: Set(scope.word().into()),
            created: Set(now),
            until: Set(later),
            ..Default::default()
        };
        row.insert(&app.db).await.unwrap();
    }
}

async fn desk(app: &Shared) {
    let now = stored_time(app::now());
    let made = team::ActiveModel {
        name: Set("A".into()),
        code_name: Set("a".into()),
        comments: Set(String::new()),
        ..Default::default()
    };
    made.insert(&app.db).await.unwrap();
    let ada = customer::ActiveModel {
        name: Set("Ada".into()),
        email: Set("ada@b.example".into()),
        company: Set(String::new()),
        ..Default::default()
    };
    ada.insert(&app.db).await.unwrap();
    let text = |text: &str| Set(text.to_owned());
    let about = incident::ActiveModel {
        customer: Set(1),
        subject: text("Printer"),
        description: text(""),
        status: text("new"),
        priority: text("normal"),
        kind: text(""),
        owner: Set(Some(6)),
        team: text("A"),
        desk: text(""),
        ticket: text(""),
        stamp: text(""),
        created: Set(now),
        updated: Set(now),
        ..Default::default()
    };
    about.insert(&app.db).await.unwrap();
    for team in ["", "B"] {
        let said = canned::ActiveModel { title: text("x"), text: text("x"), team: text(team), ..Default::default() };
        said.insert(&app.db).await.unwrap();
    }
    let other = api_account::ActiveModel {
        name: text("X"),
        comments: text(""),
        client_id: text("x"),
        secret: text("x"),
        scopes: text(""),
        enabled: Set(true),
        created: Set(now),
        ..Default::default()
    };
    other.insert(&app.db).await.unwrap();
    let extra = api_token::ActiveModel {
        hash: text("x"),
        account: Set(None),
        name: text("X"),
        scopes: text(""),
        created: Set(now),
        until: Set(i64::MAX),
        ..Default::default()
    };
    extra.insert(&app.db).await.unwrap();
    let delivery = delivery::ActiveModel {
        receiver: Set(1),
        session: text("x"),
        seq: Set(1),
        event: text("session.rated"),
        created: Set(now),
        attempts: Set(0),
        due: Set(now),
        state: text("waiting"),
        answer: text(""),
        delivered: Set(None),
        ..Default::default()
    };
    delivery.insert(&app.db).await.unwrap();
    let policy = |name: &str, kind: &str, rights: &[protocol::Right]| crate::rules::SessionPolicy {
        name: name.into(),
        team: String::new(),
        kind: kind.into(),
        rights: rights.to_vec(),
        record: true,
        unrecorded: protocol::Unrecorded::EndSession,
    };
    let rules = crate::rules::Rules {
        roles: vec![],
        policies: vec![
            policy("Strict", "Strict", &[]),
            policy("Loose", "Loose", &protocol::Right::ALL),
            policy("Rest", "", &[protocol::Right::View]),
        ],
    };
    setting::save(&app.db, &app.secrets, &rules).await.unwrap();
    let mail = mail_row::ActiveModel {
        incident: Set(1),
        at: Set(now),
        sender: text("a@b.example"),
        recipient: text("ada@b.example"),
        subject: text("Hello"),
        text: text("Hello"),
        html: text("<p>Hello"),
        sent: Set(false),
        name: text("1@desk"),
        author: Set(6),
        sealed: text(""),
        ..Default::default()
    };
    mail.insert(&app.db).await.unwrap();
    let hook = receiver::ActiveModel {
        kind: text("webhook"),
        name: text("Hook"),
        url: text("http://127.0.0.1:1/"),
        secret: text("s"),
        events: text("session.rated"),
        authority: text(""),
        enabled: Set(false),
        retry_seconds: Set(5),
        retry_hours: Set(1),
        created: Set(now),
        ..Default::default()
    };
    hook.insert(&app.db).await.unwrap();
}

/// Makes the world into a folder.
pub async fn template(name: &str) -> PathBuf {
    let folder = folder(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let app = serve::open(config(folder.clone())).await.unwrap();
    people(&app).await;
    desk(&app).await;
    let (over, running) = (session(&app).await, session(&app).await);
    let who = running.ask(|s| s.customer().map(|c| c.id)).await.unwrap();
    let comes_back = admission::ActiveModel {
        hash: Set(secret::hash(&token("customer"))),
        session: Set(running.id.to_string()),
        participant: Set(who.0.into()),
        handover: Set(false),
        until: Set(stored_time(app::now().plus(3_600_000))),
    };
    comes_back.insert(&app.db).await.unwrap();
    let about = incident::Entity::find_by_id(1).one(&app.db).await.unwrap().unwrap();
    let owner = protocol::UserRef { id: 6, name: "owner".into() };
    let waiting = crate::desk::intake::session(&app, &about, owner.clone(), None).await.unwrap();
    let by = Actor::Technician(owner.clone());
    act(&app, &waiting, &by, Command::IssueKey { life: None }).await;
    let queue = protocol::Queue::Team { team: "A".into() };
    let queued = crate::desk::intake::session(&app, &about, owner, Some((queue, &by))).await.unwrap();
    act(&app, &over, &by, Command::Close).await;
    // What remains of it is complete when it is no longer among those that go on.
    while app.hub.get(&over.id).is_some() {
        tokio::task::yield_now().await;
    }
    for path in paths::evidence(&app.config.data, &over.id) {
        kept(&app, path);
    }
    for (letter, live) in [("R", &running), ("W", &waiting), ("Q", &queued), ("E", &over)] {
        std::fs::write(folder.join(format!("session-{letter}")), live.id.as_str()).unwrap();
    }
    app.db.clone().close().await.unwrap();
    folder
}

/// The routes of the router, as its own description names them: path and method, `ANY` for all of them.
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
    assert!(routes.len() > 100, "the router describes itself in another way: {described}");
    routes
}

/// The routes that have no row, and the rows that have no route.
fn unmatched(routes: &BTreeSet<(String, String)>, rows: &[Row<'_>]) -> Vec<String> {
    let any = |route: &str| routes.contains(&(route.to_owned(), "ANY".into()));
    let named = |row: &Row<'_>| {
        let method = if any(row.route) { "ANY" } else { row.method };
        (row.route.to_owned(), method.to_owned())
    };
    let named: BTreeSet<_> = rows.iter().map(named).collect();
    named.symmetric_difference(routes).map(|(route, method)| format!("{method} {route}")).collect()
}

/// What lists show of the sessions is what may be read of each.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_names_the_sessions_that_may_be_read_and_no_other() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("lists").await;
    let world = World::again(&template, "lists-read").await;
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
            let told = colleagues.as_array().unwrap().iter().find(|c| c["name"] == helper).unwrap();
            assert_eq!(told["sessions"], u32::from(running), "{name} is told how busy {helper} is");
        }
        for letter in ["R", "W", "Q", "E"] {
            let id = world.session(letter);
            let may = get(&format!("/api/sessions/{id}")).await.0 == 200;
            let listed = queue.as_array().unwrap().iter().any(|q| q["state"]["id"] == id.as_str());
            assert_eq!(listed, may && letter != "E", "{account} {name} {letter} in the queue");
            let told = journal
                .as_array()
                .unwrap()
                .iter()
                .find(|e| e["content"]["kind"] == "remote_support" && e["content"]["session"] == id.as_str());
            assert_eq!(told.unwrap()["content"]["history"].is_object(), may, "{name} {letter} in the journal");
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

/// Who deleted a session, and why, is told to whoever could have read it.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_of_a_deleted_session_is_seen_by_whoever_could_see_the_session() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("stones").await;
    for standing in ["kept", "not kept, as in older versions"] {
        let world = World::again(&template, "stones-read").await;
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
        let kept = standing == "kept";
        if !kept {
            let all = tombstone_row::Entity::update_many().col_expr(tombstone_row::Column::Standing, Expr::value(""));
            all.exec(&world.app.db).await.unwrap();
        }
        for ((account, name, team, reach, _), could) in ACCOUNTS.into_iter().zip(could) {
            let journal = ask(name, "GET", "/api/incidents/1", "").await.1["journal"].clone();
            let told = journal.as_array().unwrap().iter().find(|e| e["content"]["session"] == id.as_str()).unwrap();
            // Where nothing else is known the incident's team counts.
            let may = if kept { could } else { account == 1 || reach == "all" || (reach == "team" && team == "A") };
            let content = &told["content"];
            let seen = (content["tombstone"]["by"] == "lead", content["out_of_reach"] == false);
            assert_eq!(seen, (may, may), "{standing}, {name}: {content}");
        }
    }
    let _ = std::fs::remove_dir_all(&template);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_kind_of_person_as_the_table_says() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let template = template("routes").await;
    let reading = World::again(&template, "reading").await;
    let rows = rows();
    assert_eq!(unmatched(&routes(&reading.router), &rows), [""; 0], "these have no row in table.txt, or no route");
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        // What changes nothing is asked of one world; what does, of one of its own.
        let mut world = None;
        let mut answers = String::new();
        for person in PEOPLE {
            if row.alone || (row.method != "GET" && world.is_none()) {
                drop(world.take());
                world = Some(World::again(&template, &number.to_string()).await);
            }
            answers.push(letter(world.as_ref().unwrap_or(&reading).ask(row, person).await));
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
