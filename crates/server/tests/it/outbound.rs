//! Configured addresses: which networks they can reach, and what comes back from there.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::fixture::Fixture;

/// A listener's response: a status, headers, a body.
type Answer = (&'static str, Vec<String>, String);

/// Another system on this machine, which records its requests.
pub(crate) struct Listener {
    pub(crate) url: String,
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Answers each request, given its own address and the requested path.
    pub(crate) fn open(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (own, url) = (requests.clone(), format!("http://localhost:{port}"));
        let here = url.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                // Every connection is recorded, even one without a valid request.
                own.lock().unwrap().push(String::new());
                let (mut head, mut length) = (String::new(), 0);
                while stream.read_line(&mut head).is_ok_and(|n| n > 2) {}
                for line in head.lines() {
                    if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                        length = n.trim().parse().unwrap_or(0);
                    }
                }
                let _ = stream.read_exact(&mut vec![0; length]);
                *own.lock().unwrap().last_mut().unwrap() = head.clone();
                let (status, headers, body) = answer(&here, head.split(' ').nth(1).unwrap_or_default());
                let headers: String = headers.into_iter().map(|h| format!("{h}\r\n")).collect();
                let first = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
                let _ = write!(stream.get_mut(), "{first}{headers}content-length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { url, port, requests }
    }

    /// The heads of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn hook(url: &str) -> Value {
    json!({
        "kind": "webhook", "name": "Hook", "url": url, "token": "", "events": [], "authority": "", "enabled": false,
        "retry_seconds": 5, "retry_hours": 1
    })
}

fn tested(fixture: &Fixture, url: &str) -> (bool, String) {
    let (status, made) = fixture.post("/api/receivers", &hook(url));
    assert_eq!(status, 201, "{url} {made}");
    let (status, tested) = fixture.post(&format!("/api/receivers/{}/test", made["receiver"]["id"]), &Value::Null);
    assert_eq!(status, 200, "{tested}");
    (tested["good"].as_bool().unwrap(), tested["answer"].as_str().unwrap().to_owned())
}

#[test]
fn configured_addresses_cannot_reach_this_machine() {
    let fixture = Fixture::open_guarded("outbound");
    let inner = Listener::open(|_, _| ("200 OK", vec![], "{}".into()));
    let port = inner.port;
    let hosts =
        ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0.0.0.0", "0", "[::ffff:127.0.0.1]", "[::1]"];
    for host in hosts {
        let (good, answer) = tested(&fixture, &format!("http://{host}:{port}/hook"));
        assert!(!good && answer.contains("this server does not connect to"), "{host}: {answer}");
    }
    for elsewhere in ["http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://[fe80::1]/"] {
        let (good, answer) = tested(&fixture, elsewhere);
        assert!(!good && answer.contains("this server does not connect to"), "{elsewhere}: {answer}");
    }
    let refused = |path: &str, body: Value| {
        let (status, answer) = fixture.post(path, &body);
        let words = answer["message"].as_str().unwrap_or_default().to_owned();
        assert!(status == 502 && words.contains("does not connect to"), "{path} {body}: {status} {answer}");
    };
    let issuer = format!("http://localhost:{port}");
    refused("/api/openid/test", json!({ "enabled": true, "name": "A", "issuer": issuer, "client_id": "x" }));
    for url in [format!("ldap://localhost:{port}"), format!("ldap://[::1]:{port}"), format!("ldaps://127.0.0.1:{port}")]
    {
        refused("/api/directory/test", json!({ "enabled": true, "url": url }));
    }
    refused("/api/mailbox/test", json!({ "enabled": true, "host": format!("localhost:{port}") }));
    assert_eq!(inner.requests(), Vec::<String>::new(), "a connection was made nevertheless");
    // A local socket is not a directory.
    let (status, answer) =
        fixture.post("/api/directory/test", &json!({ "enabled": false, "url": "ldapi://%2Fvar%2Frun%2Fx" }));
    assert!(status == 502 && answer["message"].as_str().unwrap().contains("must start with ldaps://"), "{answer}");
}

#[test]
fn allowed_addresses_are_reached_and_redirects_are_not_followed() {
    let fixture = Fixture::open("outbound-allowed");
    let second = Listener::open(|_, _| ("200 OK", vec![], "{}".into()));
    let to = format!("location: {}/elsewhere", second.url);
    let first = Listener::open(move |_, path| match path {
        "/moved" => ("307 Temporary Redirect", vec![to.clone()], "the inside of a page".into()),
        "/broken" => ("500 Internal Server Error", vec![], "the inside of a page".into()),
        _ => ("200 OK", vec![], "the inside of a page".into()),
    });
    for (path, expected) in [
        ("/", (true, "200 OK")),
        ("/moved", (false, "307 Temporary Redirect")),
        ("/broken", (false, "500 Internal Server Error")),
    ] {
        assert_eq!(tested(&fixture, &format!("{}{path}", first.url)), (expected.0, expected.1.to_owned()));
    }
    assert_eq!((first.requests().len(), second.requests().len()), (3, 0));
}
