//! Clients that open many connections, send little or send too much lock nobody else out.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::fixture::{Fixture, PASSWORD};

fn sign_in(fixture: &Fixture, from: &str) -> u16 {
    let right = json!({ "login": "tom", "password": PASSWORD });
    fixture.post_as("/api/sign-in", &right, &[("x-forwarded-for", from)]).0
}

#[test]
fn many_wrong_passwords_at_once_take_little_memory() {
    let fixture = Fixture::open("passwords");
    assert_eq!(sign_in(&fixture, "192.0.2.1"), 204);
    let before = fixture.resident_kib();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let one = |n: u32| {
            let wrong = json!({ "login": format!("somebody-{n}"), "password": "not this one" });
            let from = format!("10.{}.{}.1", n / 250, n % 250);
            fixture.post_as("/api/sign-in", &wrong, &[("x-forwarded-for", &from)]).0
        };
        let all: Vec<_> = (0..300).map(|n| scope.spawn(move || one(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|a| matches!(a, 401 | 503)), "{answers:?}");
    assert!(answers.contains(&401), "{answers:?}");
    let grown = fixture.peak_kib() - before;
    println!(
        "300 wrong passwords at once: {} MiB at most, {} MiB afterwards",
        grown / 1024,
        fixture.resident_kib() / 1024
    );
    assert!(grown < 200 * 1024, "{grown} KiB more");
    assert_eq!(sign_in(&fixture, "192.0.2.1"), 204);
}

#[test]
fn every_text_of_a_request_has_a_limit() {
    let fixture = Fixture::open("longest");
    let long = "x".repeat(5_000);
    let table = [
        ("/api/sign-in", json!({ "login": long, "password": "p" })),
        ("/api/sign-in", json!({ "login": "tom", "password": long })),
        ("/api/sign-in", json!({ "login": "tom", "password": "p", "code": long })),
        ("/api/setup", json!({ "token": long })),
        ("/api/join/look", json!({ "by": "link", "token": long })),
        ("/api/customers", json!({ "name": "A", "email": "a@b.example", "company": long })),
        ("/api/incidents", json!({ "a": { "b": [long] } })),
    ];
    for (path, body) in table {
        let (status, answer) = fixture.post(path, &body);
        assert_eq!(status, 422, "{path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("too long"), "{path}: {answer}");
    }
    assert_eq!(fixture.get(&format!("/api/past?q={long}")).0, 422);
    assert_eq!(fixture.get(&format!("/api/past?q={}", "x".repeat(9_000))).0, 413);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(fixture.ask("POST", "/oauth2/token", &form, &format!("grant_type={long}")).status, 422);
    let much = format!("\"{}\"", "x".repeat(40_000));
    assert_eq!(fixture.ask("POST", "/api/sign-in", &[("content-type", "application/json")], &much).status, 413);
    // Texts are limited whatever the content type.
    let json = format!(r#"{{"grant_type":"{long}"}}"#);
    let part =
        |name: &str, value: &str| format!("--b\r\ncontent-disposition: form-data; name={name}\r\n\r\n{value}\r\n");
    let table = [
        ("application/json; charset=utf-8", json.clone(), 422),
        ("application/jsonp", json.clone(), 422),
        ("APPLICATION/JSON", json.clone(), 422),
        ("text/plain", json, 422),
        ("multipart/form-data; boundary=b", part("grant_type", &long) + "--b--\r\n", 422),
        ("multipart/form-data; boundary=b", part("a", "b").repeat(201) + "--b--\r\n", 400),
        ("multipart/form-data; boundary=b", part("grant_type", "x") + "--b--\r\n", 400),
    ];
    for (kind, body, status) in table {
        let answer = fixture.ask("POST", "/oauth2/token", &[("content-type", kind)], &body);
        assert_eq!(answer.status, status, "{kind}: {}", answer.text);
    }
    let two = [("content-type", "text/plain"), ("content-type", "application/json")];
    assert_eq!(fixture.ask("POST", "/oauth2/token", &two, "{}").status, 422);
}

#[test]
fn unauthorized_requests_are_rejected_before_their_body_is_read() {
    let fixture = Fixture::open("unread-bodies");
    for (path, status) in [("/api/incidents", "401"), ("/api/nothing/of/the/kind", "404"), ("/api/v1/sessions", "401")]
    {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n"
        );
        let mut answer = [0; 12];
        says(&fixture, head.as_bytes()).read_exact(&mut answer).unwrap();
        assert_eq!(str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"), "{path}");
    }
}

/// Long bodies of one network that never arrive do not delay others.
#[test]
fn long_bodies_of_one_network_do_not_delay_others() {
    let fixture = Fixture::open("long-bodies");
    let mut lines: Vec<UnreadResponses> = (0..3).map(|_| UnreadResponses::open(&fixture)).collect();
    for line in &mut lines {
        for _ in 0..90 {
            line.asks("POST", "/api/sign-in", "10.0.0.1", Some(30_000));
        }
    }
    // Handled after all of these, on the same connection.
    let mut line = lines.pop().unwrap();
    line.asks("GET", "/api/join/welcome", "10.0.0.1", None);
    let mut requests = Vec::new();
    while !requests.windows(9).any(|bytes| bytes[3] == 1 && bytes[5..] == 181u32.to_be_bytes()) {
        let mut some = [0; 4_096];
        let length = line.stream.read(&mut some).unwrap();
        assert_ne!(length, 0, "the connection stays open");
        requests.extend_from_slice(&some[..length]);
    }
    let right = json!({ "login": "tom", "password": PASSWORD, "code": "" }).to_string();
    let body = format!("{right}{}", " ".repeat(20_000));
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "192.0.2.1")];
    let begun = Instant::now();
    assert_eq!(fixture.ask("POST", "/api/sign-in", &headers, &body).status, 204);
    println!("signed in beside long bodies in {:?}", begun.elapsed());
}

/// Waits until the server ends the connection; returns what it sent before.
fn ended(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => said,
        Err(error) => panic!("the connection is not ended: {error}"),
    }
}

/// Sends a few bytes again and again until the server ends the connection.
fn trickles(mut stream: TcpStream, bit: &[u8]) {
    let end = Instant::now() + Duration::from_secs(60);
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    loop {
        assert!(Instant::now() < end, "the connection is not ended");
        if stream.write_all(bit).is_err() {
            return;
        }
        match stream.read(&mut [0; 4_096]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

fn says(fixture: &Fixture, bytes: &[u8]) -> TcpStream {
    let mut stream = fixture.tcp();
    stream.write_all(bytes).unwrap();
    stream
}

/// The beginning of an HTTP/2 connection: the preface and empty settings.
const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const H2_PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0deskside";
const POST: &[u8] =
    b"POST /api/sign-in HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{";
const CHUNKED: &[u8] =
    b"POST /api/sign-in HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn idle_and_trickling_connections_are_closed() {
    let fixture = Fixture::open_with("slow", &["--request-seconds", "1"]);
    std::thread::scope(|scope| {
        for beginning in [&b""[..], b"G", b"GET /api/me HTTP/1.1\r\nhost: a\r\n", b"PRI * HTTP", H2, POST, CHUNKED] {
            let stream = says(&fixture, beginning);
            scope.spawn(move || ended(stream));
        }
        // Also after a complete response.
        let kept = says(&fixture, b"GET /api/join/welcome HTTP/1.1\r\nhost: a\r\n\r\n");
        scope.spawn(move || assert!(ended(kept).starts_with(b"HTTP/1.1 200")));
        for (beginning, bit) in [
            (&b"GET /api/me HTTP/1.1\r\nhost: a\r\n"[..], &b"x: y\r\n"[..]),
            (POST, b"x"),
            (CHUNKED, b"1\r\nx\r\n"),
            (H2, H2_PING),
        ] {
            let stream = says(&fixture, beginning);
            scope.spawn(move || trickles(stream, bit));
        }
    });
    assert_eq!(sign_in(&fixture, "192.0.2.1"), 204);
}

#[test]
fn connections_that_do_not_read_are_closed() {
    let fixture = Fixture::open_with("unread", &["--request-seconds", "1"]);
    let idle = fixture.sockets();
    // More responses than any buffer holds. There are several connections, because the test's own may end meanwhile.
    let question = b"GET /verify.html HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    let unread: Vec<TcpStream> = (0..4).map(|_| fixture.tcp()).collect();
    for mut stream in &unread {
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        while stream.write_all(&question).is_ok() {}
    }
    assert!(fixture.sockets() > idle);
    let end = Instant::now() + Duration::from_secs(60);
    while fixture.sockets() > idle {
        assert!(Instant::now() < end, "the connection is not ended");
        std::thread::yield_now();
    }
    drop(unread);
}

#[test]
fn a_stalled_tls_handshake_is_closed() {
    let fixture = Fixture::open_with_tls_and("handshake", &["--request-seconds", "1"]);
    std::thread::scope(|scope| {
        for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let stream = says(&fixture, beginning);
            scope.spawn(move || ended(stream));
        }
    });
}

#[test]
fn a_websocket_without_a_hello_is_closed() {
    let fixture = Fixture::open("no-hello");
    assert!(ended(says(&fixture, &upgrade("192.0.2.1"))).starts_with(b"HTTP/1.1 101"));
}

#[test]
fn a_slow_upload_is_accepted() {
    let fixture = Fixture::open_with("slow-upload", &["--request-seconds", "1"]);
    let (_, _, link) = fixture.generate();
    let (_, resume) = fixture.customer_enters(&link, "browser");
    let head = format!(
        "POST /api/join/posts?name=a.txt HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {resume}\r\ncontent-length: 20480\r\n\
         connection: close\r\n\r\n"
    );
    let mut stream = says(&fixture, head.as_bytes());
    // Longer than the longest pause, and faster than the minimum speed.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&[b'x'; 1_024]).unwrap();
    }
    let answer = ended(stream);
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn idle_connections_lock_nobody_out() {
    // As many open files as 1,200 connections need in this process.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    for options in [&[][..], &["--max-connections", "64"]] {
        let fixture = Fixture::open_with("idle", options);
        let idle: Vec<TcpStream> = (0..1_200).map(|_| fixture.tcp()).collect();
        let begun = Instant::now();
        assert_eq!(sign_in(&fixture, "192.0.2.1"), 204, "{options:?}");
        println!("signed in beside {} connections ({options:?}) in {:?}", idle.len(), begun.elapsed());
        // Participants of a session can still return.
        let (_, _, link) = fixture.generate();
        let (_, resume) = fixture.customer_enters(&link, "browser");
        fixture.customer_returns(&resume);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A string in a header block, without Huffman coding.
fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// An HTTP/2 connection whose peer reads no response.
struct UnreadResponses {
    stream: TcpStream,
    next: u32,
}

impl UnreadResponses {
    const WINDOW_OF_NOTHING: &[u8] = b"\0\x04\0\0\0\0";

    fn open(fixture: &Fixture) -> Self {
        let settings = frame(4, 0, 0, Self::WINDOW_OF_NOTHING);
        Self { stream: says(fixture, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()), next: 1 }
    }

    /// Begins a request and returns its stream number. With a body the request stays open.
    fn asks(&mut self, method: &str, path: &str, from: &str, body: Option<usize>) -> u32 {
        let mut block = vec![0x86, 0x02];
        block.extend(text(method));
        block.push(0x04);
        block.extend(text(path));
        block.extend([vec![0x01], text("a"), vec![0x00], text("x-forwarded-for"), text(from)].concat());
        if let Some(length) = body {
            block.extend([vec![0x00], text("content-length"), text(&length.to_string())].concat());
            block.extend([vec![0x00], text("content-type"), text("application/json")].concat());
        }
        let number = self.next;
        self.next += 2;
        let end = if body.is_some() { 0x04 } else { 0x05 };
        let _ = self.stream.write_all(&frame(1, end, number, &block));
        number
    }

    fn sends(&mut self, number: u32, bytes: &[u8]) {
        let _ = self.stream.write_all(&frame(0, 0, number, bytes));
    }
}

/// Whether a stranger gets a response.
fn stranger_gets_in(fixture: &Fixture) -> bool {
    let question =
        b"GET /api/join/welcome HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.77\r\nconnection: close\r\n\r\n";
    let mut stream = fixture.tcp();
    let mut said = Vec::new();
    let _ = stream.write_all(question);
    let _ = stream.read_to_end(&mut said);
    said.starts_with(b"HTTP/1.1 200")
}

/// Shorter than the time after which anything in these attacks ends by itself: a WebSocket without a hello after ten
/// seconds, the rest later.
const SOON: Duration = Duration::from_secs(8);
const NOW_AND_THEN: Duration = Duration::from_millis(100);

/// Fills the server until a stranger is refused, and continues; strangers must nevertheless be admitted soon. The
/// attack is told when to send a sign of life.
fn assert_nobody_is_locked_out(fixture: &Fixture, mut attack: impl FnMut(bool)) {
    let mut last = Instant::now();
    let mut attacks = || {
        let due = last.elapsed() >= NOW_AND_THEN;
        if due {
            last = Instant::now();
        }
        attack(due);
    };
    let begun = Instant::now();
    while stranger_gets_in(fixture) {
        assert!(begun.elapsed() < SOON * 4, "the server is not full");
        attacks();
    }
    let full = Instant::now();
    while !stranger_gets_in(fixture) {
        assert!(full.elapsed() < SOON, "strangers are kept out");
        attacks();
    }
    println!("a stranger got in after {:?}", full.elapsed());
}

/// Options for sixty-four connections and twice as many requests.
const FEW: [&str; 4] = ["--max-connections", "64", "--request-seconds", "15"];

fn network(n: usize) -> String {
    format!("10.0.{n}.1")
}

#[test]
fn unread_responses_lock_nobody_out() {
    let fixture = Fixture::open_with("untaken", &FEW);
    let mut lines: Vec<UnreadResponses> = (0..5).map(|_| UnreadResponses::open(&fixture)).collect();
    let mut filled = 0;
    assert_nobody_is_locked_out(&fixture, |due| {
        for (n, line) in (0..).zip(&mut lines) {
            // Some responses that are not read, and one that needs no window, again and again.
            for _ in filled..40 {
                line.asks("GET", "/verify.html", &network(n), None);
            }
            if due {
                line.asks("HEAD", "/verify.html", &network(n), None);
            }
        }
        filled = 40;
    });
}

#[test]
fn trickling_bodies_lock_nobody_out() {
    let fixture = Fixture::open_with("trickle", &FEW);
    let mut lines: Vec<(UnreadResponses, Vec<u32>)> =
        (0..5).map(|_| (UnreadResponses::open(&fixture), vec![])).collect();
    assert_nobody_is_locked_out(&fixture, |due| {
        for (n, (line, bodies)) in (0..).zip(&mut lines) {
            if bodies.len() < 40 {
                bodies.extend((0..10).map(|_| line.asks("POST", "/api/sign-in", &network(n), Some(9_000))));
            }
            if due {
                bodies.iter().for_each(|body| line.sends(*body, b" "));
            }
        }
    });
}

fn upgrade(from: &str) -> Vec<u8> {
    let head = "GET /wire HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: qmux-02.deskside\r\n";
    format!("{head}x-forwarded-for: {from}\r\n\r\n").into_bytes()
}

#[test]
fn websockets_without_a_hello_lock_nobody_out() {
    let fixture = Fixture::open_with("hellos", &FEW);
    let mut sockets = vec![];
    assert_nobody_is_locked_out(&fixture, |due| {
        if due || sockets.len() < 100 {
            let mut stream = fixture.tcp();
            let _ = stream.write_all(&upgrade(&network(sockets.len() % 5)));
            sockets.push(stream);
        }
    });
}

#[test]
fn a_websocket_is_limited_before_its_hello() {
    let fixture = Fixture::open("large-hello");
    let mut stream = says(&fixture, &upgrade("192.0.2.1"));
    assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
    // One message of fifteen megabytes, more than any buffer holds.
    let length = 15_000_000u64;
    let head = [&[0x82, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat();
    let message = vec![0; usize::try_from(length).unwrap()];
    let sent = stream.write_all(&head).and_then(|()| stream.write_all(&message));
    assert!(sent.is_err(), "the message was read");
}
