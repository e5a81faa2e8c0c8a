//! A fixture for tests: a server with people, an incident, and sessions in every state.

mod walk;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use live_sessions::LiveSession;
use platform::{clock, paths, secret};
use protocol::{Client, Event, Role};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use session::{Actor, Command};
use store::{
    setting, stored_time,
    tables::{
        IncidentSource, admission, api_account, api_token, customer, delivery, incident, login, mail_row,
        message_template, receiver, user,
    },
    teams::{self, TeamId},
};

use crate::{accounts::Scope, compose, config::Config, routes, state::AppState};

/// The secret of a person: a cookie, a bearer token, or the customer's token.
pub fn token(person: &str) -> String {
    format!("token-of-{person}").replace(':', "-")
}
/// The configuration of a server that listens nowhere, with this data folder.
pub fn config(data: PathBuf) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: "http://localhost:1".to_owned().into(),
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
        outbound: platform::outbound::Outbound::default(),
    }
}

/// A server with people, an incident of team A, and sessions: a running, a waiting, a queued and an ended one.
pub struct World {
    pub app: AppState,
    pub router: Router,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The accounts: id, name, team, reach, and whether they may watch, export and delete.
pub const ACCOUNTS: [(i32, &str, &str, &str, bool); 7] = [
    (1, "administrator", "", "own", false),
    (2, "outside", "B", "team", true),
    (3, "colleague", "A", "team", false),
    (4, "participant", "B", "own", true),
    (5, "supervisor", "A", "team", false),
    (6, "owner", "A", "own", false),
    (7, "lead", "", "all", true),
];

/// A folder for one test, in memory if possible.
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
        let app = compose::open(&config(folder.clone())).await.unwrap();
        tokio::spawn(app.archive.clone().store_ended());
        app.sessions.load().await.unwrap();
        // Everybody reconnects.
        for live in app.sessions.all() {
            for who in live.read(|s| s.participants().to_vec()).await {
                let _ = live.act(&Actor::Server, Command::Return { id: who.id, client: who.client }).await;
            }
        }
        Self { router: routes::router(app.clone()), app, folder }
    }

    /// The same world after a restart of its server.
    pub async fn restarted(self) -> Self {
        self.app.db.clone().close().await.unwrap();
        let folder = self.folder.clone();
        // Keep the folder.
        std::mem::forget(self);
        Self::open(folder).await
    }

    /// A fresh copy of the template.
    pub async fn from_template(template: &Path, name: &str) -> Self {
        let folder = folder(name);
        let _ = std::fs::remove_dir_all(&folder);
        copy(template, &folder);
        Self::open(folder).await
    }

    /// Closes the database. Background tasks of the server continue, but hold little memory.
    pub async fn close(self) {
        self.app.db.clone().close().await.unwrap();
    }

    /// The session with this letter in the table.
    pub fn session(&self, letter: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("session-{letter}"))).unwrap()
    }
}

async fn act(live: &Arc<LiveSession>, by: &Actor, command: Command) {
    live.act(by, command).await.unwrap();
}

/// A session of the owner on the incident, with its customer, another participant, and a file of each kind.
async fn session(app: &AppState) -> Arc<LiveSession> {
    let about = incident::Entity::find_by_id(1).one(&app.db).await.unwrap().unwrap();
    let owner = protocol::UserRef { id: 6, name: "owner".into() };
    let live = crate::desk::session_start::session(&app.desk, &about, owner.clone(), None).await.unwrap();
    let by = Actor::Technician(owner.clone());
    let join = |role, user: Option<i32>, client, name: &str| Command::Join {
        role,
        name: name.into(),
        client,
        user,
        by_role: None,
        by_key: false,
    };
    act(&live, &by, Command::IssueKey { life: None }).await;
    act(&live, &Actor::Server, join(Role::Technician, Some(6), Client::Console, "owner")).await;
    act(&live, &Actor::Server, join(Role::Customer, None, Client::Program, "Ada")).await;
    let with = protocol::UserRef { id: 4, name: "participant".into() };
    act(&live, &by, Command::ShareWith { with }).await;
    act(&live, &Actor::Server, join(Role::Technician, Some(4), Client::Console, "participant")).await;
    let from = protocol::ParticipantId(1);
    let sum = secret::hash("x");
    for event in [
        Event::FilePosted { from, number: 1, name: "x".into(), bytes: 1, sha256: sum.clone() },
        Event::ScreenshotTaken { by: from, number: 2, sha256: sum.clone() },
        Event::SystemInfoRead { by: from, number: 3, sha256: sum.clone() },
        Event::ShellStarted { by: from, number: 4 },
        Event::ShellEnded { number: 4, sha256: sum },
    ] {
        live.record_event(event).await.unwrap();
    }
    let data = &app.archive.data;
    for path in
        [paths::post(data, &live.id, 1), paths::screenshot(data, &live.id, 2), paths::system_info(data, &live.id, 3)]
    {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
    }
    vault_file(app, paths::shell(data, &live.id, 4));
    live
}

/// Creates a file of the vault.
fn vault_file(app: &AppState, path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = app.archive.vault.create(std::fs::File::create(path).unwrap()).unwrap();
    std::io::Write::write_all(&mut file, b"something").unwrap();
    file.finish().unwrap();
}

/// The team with this name; the first is A.
async fn named(app: &AppState, name: &str) -> Option<TeamId> {
    teams::named_or_new(&app.db, name).await.unwrap()
}

async fn people(app: &AppState) {
    named(app, "A").await;
    let (now, later) = (stored_time(clock::now()), stored_time(clock::now().plus(3_600_000)));
    for (id, name, team, reach, rights) in ACCOUNTS {
        let row = user::ActiveModel {
            id: Set(id),
            login: Set(name.into()),
            name: Set(name.into()),
            email: Set(format!("{name}@desk.example")),
            team: Set(named(app, team).await),
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

async fn desk(app: &AppState) {
    let now = stored_time(clock::now());
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
        team: Set(named(app, "A").await),
        desk: Set(IncidentSource::BuiltIn),
        ticket: text(""),
        stamp: text(""),
        created: Set(now),
        updated: Set(now),
        ..Default::default()
    };
    about.insert(&app.db).await.unwrap();
    for team in ["", "B"] {
        let team = Set(named(app, team).await);
        let template = message_template::ActiveModel { title: text("x"), text: text("x"), team, ..Default::default() };
        template.insert(&app.db).await.unwrap();
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
    let policy = |name: &str, kind: &str, rights: &[protocol::Right]| live_sessions::rules::SessionPolicy {
        name: name.into(),
        team: None,
        kind: kind.into(),
        rights: rights.to_vec(),
        record: true,
        unrecorded: protocol::Unrecorded::EndSession,
    };
    let rules = live_sessions::rules::Rules {
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

/// Creates the fixture in a folder, to be copied for each test.
pub async fn template(name: &str) -> PathBuf {
    let folder = folder(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let app = compose::open(&config(folder.clone())).await.unwrap();
    tokio::spawn(app.archive.clone().store_ended());
    people(&app).await;
    desk(&app).await;
    let (over, running) = (session(&app).await, session(&app).await);
    let who = running.read(|s| s.customer().map(|c| c.id)).await.unwrap();
    let resume = admission::ActiveModel {
        hash: Set(secret::hash(&token("customer"))),
        session: Set(running.id.to_string()),
        participant: Set(who.0.into()),
        handover: Set(false),
        until: Set(stored_time(clock::now().plus(3_600_000))),
    };
    resume.insert(&app.db).await.unwrap();
    let about = incident::Entity::find_by_id(1).one(&app.db).await.unwrap().unwrap();
    let owner = protocol::UserRef { id: 6, name: "owner".into() };
    let waiting = crate::desk::session_start::session(&app.desk, &about, owner.clone(), None).await.unwrap();
    let by = Actor::Technician(owner.clone());
    act(&waiting, &by, Command::IssueKey { life: None }).await;
    let queue = protocol::Queue::Team { team: "A".into() };
    let queued = crate::desk::session_start::session(&app.desk, &about, owner, Some((queue, &by))).await.unwrap();
    act(&over, &by, Command::Close).await;
    // Its evidence is complete when it is no longer in the registry.
    while app.sessions.get(&over.id).is_some() {
        tokio::task::yield_now().await;
    }
    for path in paths::evidence(&app.archive.data, &over.id) {
        vault_file(&app, path);
    }
    for (letter, live) in [("R", &running), ("W", &waiting), ("Q", &queued), ("E", &over)] {
        std::fs::write(folder.join(format!("session-{letter}")), live.id.as_str()).unwrap();
    }
    app.db.clone().close().await.unwrap();
    folder
}
