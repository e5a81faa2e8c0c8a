//! The server on data folders of other versions.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

/// A database of the last version without numbered migrations.
const BEFORE: &str = include_str!("../../../store/tests/data/before.sql");

/// A data folder of the previous version, with more SQL applied to its database.
fn folder(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vault.key"), [7; 32]).unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("deskside.sqlite").display());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let db = Database::connect(url).await.unwrap();
        db.execute_unprepared(BEFORE).await.unwrap();
        db.execute_unprepared(more).await.unwrap();
        db.close().await.unwrap();
    });
    folder
}

fn server(data: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskside-server"));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data);
    command
}

/// A server that ends with the test.
struct Running(Child);

impl Running {
    /// Starts it, and waits until it listens.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Deskside is at")), "the server ended before it started");
        // The pipe must be read, or the server blocks.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn technicians_of_the_version_before_sign_in_and_find_their_incidents() {
    let folder = folder("");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Twice: the second start finds nothing to upgrade.
    for _ in 0..2 {
        let _server = Running::start(server(folder.path(), port));
        let url = format!("http://localhost:{port}");
        let body = json!({ "login": "mara", "password": "mara before the upgrade", "code": "" });
        let answer = ureq::post(format!("{url}/api/sign-in")).send_json(&body).unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let get = |path: &str| -> Value {
            let request = ureq::get(format!("{url}{path}")).header("cookie", &cookie);
            request.call().unwrap().body_mut().read_json().unwrap()
        };
        let found = get("/api/incidents?whose=all&q=strasse");
        assert_eq!(found[0]["subject"], "Drucker im Büro, Straße 5: Größe A3", "{found}");
        assert_eq!(get("/api/incidents/1")["incident"]["customer"]["name"], "Ada Löwenstein");
    }
}

#[test]
fn a_database_of_a_newer_version_stops_the_start() {
    let newer = store::SCHEMA_VERSION + 1;
    let folder = folder(&format!(
        "CREATE TABLE schema_version (number integer NOT NULL PRIMARY KEY, name varchar NOT NULL, \
         applied integer NOT NULL); INSERT INTO schema_version VALUES ({newer}, 'later', 0)"
    ));
    let database = folder.path().join("deskside.sqlite");
    let before = fs::read(&database).unwrap();
    let ended = server(folder.path(), 0).output().unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    for words in [format!("has version {newer}"), format!("versions up to {}", store::SCHEMA_VERSION)] {
        assert!(said.contains(&words), "{said}");
    }
    assert!(fs::read(&database).unwrap() == before);
}
