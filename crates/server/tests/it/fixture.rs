//! A running server with an organisation, and clients that speak its wire protocol.

mod peer;

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};

pub(crate) use peer::{AcceptAnyCertificate, Peer};

pub(crate) const PASSWORD: &str = "a password of a test";

/// A time limit for tests that hang, far longer than anything takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A folder in memory, where there is one: the database syncs at every event, and a build's writes can delay that.
fn memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { env!("CARGO_TARGET_TMPDIR").into() }
}

/// The server, with a data folder of its own.
pub(crate) struct Fixture {
    child: Child,
    arguments: Vec<String>,
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
    pub(crate) cookie: String,
    pub(crate) setup_token: String,
    incident: i64,
}

/// The network environment of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    Direct,
    Tls,
    Guarded,
}

/// A started program.
struct Started {
    child: Child,
    /// The line that the start waited for.
    said: String,
    log: Arc<Mutex<String>>,
}

/// Starts the program, and waits until it prints this.
fn launch(arguments: &[String], words: &str) -> Started {
    let mut child = Command::new(env!("CARGO_BIN_EXE_deskside-server"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains(words) {
        said.clear();
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "the server ended before it started");
    }
    let log = Arc::new(Mutex::new(String::new()));
    let sink = log.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = lines.read(&mut bytes) {
            sink.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    });
    Started { child, said: said.trim().to_owned(), log }
}

impl Fixture {
    pub(crate) fn open(name: &str) -> Self {
        Self::start(name, Kind::Usual, &[]).seeded()
    }

    /// A server with more options.
    pub(crate) fn open_with(name: &str, options: &[&str]) -> Self {
        Self::start(name, Kind::Usual, options).seeded()
    }

    /// A server that has not been set up.
    pub(crate) fn open_new(name: &str) -> Self {
        Self::start(name, Kind::Usual, &[])
    }

    /// The same, with a self-signed certificate.
    pub(crate) fn open_with_tls_and(name: &str, options: &[&str]) -> Self {
        Self::start(name, Kind::Tls, options).seeded()
    }

    /// A server without a proxy.
    pub(crate) fn open_directly(name: &str) -> Self {
        Self::start(name, Kind::Direct, &[]).seeded()
    }

    /// A server with a self-signed certificate.
    pub(crate) fn open_with_tls(name: &str) -> Self {
        Self::start(name, Kind::Tls, &[]).seeded()
    }

    /// A server that may not connect to this machine.
    pub(crate) fn open_guarded(name: &str) -> Self {
        Self::start(name, Kind::Guarded, &[]).seeded()
    }

    fn start(name: &str, kind: Kind, options: &[&str]) -> Self {
        let data = memory().join(format!("deskside-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&data);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = |list: &[&str]| -> Vec<String> { list.iter().map(|o| (*o).to_owned()).collect() };
        let mut arguments = own(&["--listen", &format!("127.0.0.1:{port}"), "--grace-seconds", "2"]);
        arguments.extend(own(&["--data", &data.display().to_string()]));
        // Without a support program, whatever else has been built.
        for option in ["--support-program", "--support-program-windows"] {
            arguments.extend(own(&[option, &data.join("none").display().to_string()]));
        }
        arguments.extend(match kind {
            Kind::Direct => vec![],
            Kind::Usual | Kind::Tls | Kind::Guarded => own(&["--trusted-proxies", "127.0.0.1"]),
        });
        arguments.extend(match kind {
            Kind::Guarded => vec![],
            Kind::Usual | Kind::Direct | Kind::Tls => own(&["--outbound-networks", "127.0.0.0/8,::1"]),
        });
        let tls = kind == Kind::Tls;
        arguments.extend(if tls { certificate(&data) } else { vec![] });
        arguments.extend(own(options));
        let Started { child, said, log } = launch(&arguments, "/setup#");
        let setup_token = said.split_once("/setup#").unwrap().1.to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{}://localhost:{port}", if tls { "https" } else { "http" });
        let trust = ureq::tls::TlsConfig::builder().disable_verification(tls).build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Without reuse, so that a connection closed after a refusal is not taken for an open one.
            .max_idle_connections(0)
            .max_redirects_will_error(false)
            .tls_config(trust)
            .build();
        let agent: ureq::Agent = agent.into();
        Self { child, arguments, url, data, log, agent, cookie: String::new(), setup_token, incident: 0 }
    }

    /// Kills the server, runs `between`, and starts it again on the same data folder.
    pub(crate) fn restart(&mut self, between: impl FnOnce(&Self)) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        between(self);
        let Started { child, log, .. } = launch(&self.arguments, "Deskside is at");
        (self.child, self.log) = (child, log);
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.data
    }

    fn seeded(mut self) -> Self {
        let user = json!({ "login": "tom", "name": "Tom", "email": "tom@a.example", "team": "", "password": PASSWORD });
        let body = json!({ "token": self.setup_token, "organisation": "Acme", "user": user });
        let answer = self.agent.post(format!("{}/api/setup", self.url)).send_json(&body).unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        let customer =
            self.post("/api/customers", &json!({ "name": "Ada", "email": "ada@b.example", "company": "" })).1;
        let incident = json!({
            "customer": customer["id"], "subject": "Secret subject", "description": "", "status": "new",
            "priority": "normal", "owner": null, "team": ""
        });
        self.incident = self.post("/api/incidents", &incident).1["id"].as_i64().unwrap();
        self
    }

    /// The server's processor time in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }

    /// The server's resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        resident_kib(self.child.id())
    }

    /// The server's peak resident memory.
    pub(crate) fn peak_kib(&self) -> u64 {
        status_kib(self.child.id(), "VmHWM")
    }

    /// How many sockets the server has open.
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = files.filter_map(|f| std::fs::read_link(f.unwrap().path()).ok());
        targets.filter(|t| t.to_string_lossy().starts_with("socket:")).count()
    }

    /// A connection on which nothing has been sent.
    pub(crate) fn tcp(&self) -> std::net::TcpStream {
        let port = self.url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
    }

    /// Sends a request as the signed-in technician; returns status and body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_as(path, body, &[("cookie", &self.cookie)])
    }

    pub(crate) fn post_as(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.send_json(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or(Value::Null))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.put(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let mut answer = request.send_json(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or(Value::Null))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
    }

    /// The same for a response that may break off at any byte; `None` if it does.
    pub(crate) fn get_whole(&self, path: &str) -> Option<(u16, String)> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("cookie", &self.cookie);
        let mut answer = request.call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    /// Sends any request as anybody.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = self.agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        // The first of several headers with the same name.
        let mut headers = std::collections::BTreeMap::new();
        for (name, value) in answer.headers() {
            let value = value.to_str().unwrap_or_default().to_owned();
            headers.entry(name.to_string()).or_insert(value);
        }
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies = cookies.map(|v| v.to_str().unwrap_or_default().to_owned()).collect();
        Answer {
            cookies,
            status: answer.status().as_u16(),
            headers,
            text: answer.body_mut().read_to_string().unwrap_or_default(),
        }
    }

    /// The file of the database.
    pub(crate) fn database_file(&self) -> PathBuf {
        self.data.join("deskside.sqlite")
    }

    /// Changes the database as time or an older version would.
    pub(crate) fn sql(&self, statement: &str) {
        let url = format!("sqlite://{}", self.data.join("deskside.sqlite").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db = sea_orm::Database::connect(url).await.unwrap();
            sea_orm::ConnectionTrait::execute_unprepared(&db, statement).await.unwrap();
            db.close().await.unwrap();
        });
    }

    /// All bytes of the database and its log.
    pub(crate) fn database(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.data).unwrap().map(|f| f.unwrap().path());
        let files = files.filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().contains(".sqlite")));
        let bytes: Vec<u8> = files.flat_map(|f| std::fs::read(f).unwrap()).collect();
        assert!(!bytes.is_empty());
        bytes
    }

    /// An account of another system: its id and its secret.
    pub(crate) fn account(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let body = json!({ "name": name, "comments": "", "scopes": scopes, "enabled": true });
        let (status, made) = self.post("/api/accounts", &body);
        assert_eq!(status, 201, "{made}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["account"]["client_id"]), text(&made["client_secret"]))
    }

    /// A session with its key and link: (session, key, link token).
    pub(crate) fn generate(&self) -> (String, String, String) {
        let (status, issued) = self.post(&format!("/api/incidents/{}/sessions", self.incident), &Value::Null);
        assert_eq!(status, 201, "{issued}");
        let text = |name: &str| issued[name].as_str().unwrap().to_owned();
        let token = text("link").split_once('#').unwrap().1.to_owned();
        (text("session"), text("key"), token)
    }

    pub(crate) fn technician_ticket(&self, session: &str) -> String {
        let (status, admission) = self.post(&format!("/api/sessions/{session}/ticket"), &Value::Null);
        assert_eq!(status, 200, "{admission}");
        admission["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) fn customer_ticket(&self, link: &str, client: &str) -> String {
        self.customer_enters(link, client).0
    }

    /// The customer's ticket and resume token.
    pub(crate) fn customer_enters(&self, link: &str, client: &str) -> (String, String) {
        let body = json!({ "pass": { "by": "link", "token": link }, "client": client });
        // Each customer has an address of their own, because thirty a minute from one are the limit.
        static CUSTOMERS: AtomicU16 = AtomicU16::new(1);
        let [a, b] = CUSTOMERS.fetch_add(1, Relaxed).to_be_bytes();
        let from = format!("192.0.{a}.{b}");
        let (status, entered) = self.post_as("/api/join/enter", &body, &[("x-forwarded-for", &from)]);
        assert_eq!(status, 200, "{entered}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&entered["admission"]["ticket"]), text(&entered["resume"]))
    }

    /// A customer's ticket for coming back.
    pub(crate) fn customer_returns(&self, resume: &str) -> String {
        let (status, admission) = self.post_as("/api/join/resume", &json!({ "token": resume }), &[]);
        assert_eq!(status, 200, "{admission}");
        admission["ticket"].as_str().unwrap().to_owned()
    }

    /// The log, once it contains this.
    pub(crate) async fn log_with(&self, words: &str) -> String {
        self.log_with_times(words, 1).await
    }

    /// The log, once it contains this a number of times.
    pub(crate) async fn log_with_times(&self, words: &str, times: usize) -> String {
        let end = tokio::time::Instant::now() + TIMEOUT;
        loop {
            let log = self.log.lock().unwrap().clone();
            if log.matches(words).count() >= times {
                return log;
            }
            assert!(tokio::time::Instant::now() < end, "the log never contains {words}: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A process's processor time in seconds.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // User and system time, in hundredths of a second (proc(5)).
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The resident memory of a process.
pub(crate) fn resident_kib(process: u32) -> u64 {
    status_kib(process, "VmRSS")
}

fn status_kib(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The server's response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
}

/// Options for a certificate for localhost, which openssl creates in that folder.
pub(crate) fn certificate(folder: &std::path::Path) -> Vec<String> {
    std::fs::create_dir_all(folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (file("cert.pem"), file("key.pem"));
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost";
    let made = Command::new("openssl")
        .args(request.split(' '))
        // A server certificate that is not a certificate authority.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    vec!["--tls-certificate".into(), certificate, "--tls-key".into(), key]
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
