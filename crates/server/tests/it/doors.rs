//! Whoever opens connections and says little, or sends too much, keeps nobody else out.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::stage::{PASSWORD, Stage};

fn sign_in(stage: &Stage, from: &str) -> u16 {
    let right = json!({ "login": "tom", "password": PASSWORD });
    stage.post_as("/api/sign-in", &right, &[("x-forwarded-for", from)]).0
}

#[test]
fn many_wrong_passwords_at_once_take_little_memory() {
    let stage = Stage::open("passwords");
    assert_eq!(sign_in(&stage, "192.0.2.1"), 204);
    let before = stage.resident_kib();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let one = |n: u32| {
            let wrong = json!({ "login": format!("somebody-{n}"), "password": "not this one" });
            let from = format!("10.{}.{}.1", n / 250, n % 250);
            stage.post_as("/api/sign-in", &wrong, &[("x-forwarded-for", &from)]).0
        };
        let all: Vec<_> = (0..300).map(|n| scope.spawn(move || one(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|a| matches!(a, 401 | 503)), "{answers:?}");
    assert!(answers.contains(&401), "{answers:?}");
    let grown = stage.peak_kib() - before;
    println!(
        "300 wrong passwords at once: {} MiB at most, {} MiB afterwards",
        grown / 1024,
        stage.resident_kib() / 1024
    );
    assert!(grown < 200 * 1024, "{grown} KiB more");
    assert_eq!(sign_in(&stage, "192.0.2.1"), 204);
}

#[test]
fn every_text_of_every_request_has_a_longest() {
    let stage = Stage::open("longest");
    let long = "x".repeat(5_000);
    let table = [
        ("/api/sign-in", json!({ "login": long, "password": "p" })),
        ("/api/sign-in", json!({ "login": "tom", "password": long })),
        ("/api/sign-in", json!({ "login": "tom", "password": "p", "code": long })),
        ("/api/setup", json!({ "token": long })),
        ("/api/join/look", json!({ "by": "link", "token": long })),
        ("/api/customers", json!({ "name": "A", "email": "a@b.example", "company": long })),
        ("/api/nothing/of/the/kind", json!({ "a": { "b": [long] } })),
    ];
    for (path, body) in table {
        let (status, answer) = stage.post(path, &body);
        assert_eq!(status, 422, "{path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("too long"), "{path}: {answer}");
    }
    assert_eq!(stage.get(&format!("/api/past?q={long}")).0, 422);
    assert_eq!(stage.get(&format!("/api/past?q={}", "x".repeat(9_000))).0, 413);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(stage.ask("POST", "/oauth2/token", &form, &format!("grant_type={long}")).status, 422);
    let much = "x".repeat(40_000);
    assert_eq!(stage.ask("POST", "/api/sign-in", &[("content-type", "text/plain")], &much).status, 413);
}

/// Open until the server ends it; what it said before.
fn ended(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => said,
        Err(error) => panic!("the connection is not ended: {error}"),
    }
}

/// Says a bit again and again until the server ends the connection.
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

fn says(stage: &Stage, bytes: &[u8]) -> TcpStream {
    let mut stream = stage.tcp();
    stream.write_all(bytes).unwrap();
    stream
}

/// An HTTP/2 connection's beginning: the preface and empty settings.
const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const H2_PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0deskside";
const POST: &[u8] =
    b"POST /api/sign-in HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{";
const CHUNKED: &[u8] =
    b"POST /api/sign-in HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn whoever_says_nothing_or_little_is_ended() {
    let stage = Stage::open_with("slow", &["--request-seconds", "1"]);
    std::thread::scope(|scope| {
        for beginning in [&b""[..], b"G", b"GET /api/me HTTP/1.1\r\nhost: a\r\n", b"PRI * HTTP", H2, POST, CHUNKED] {
            let stream = says(&stage, beginning);
            scope.spawn(move || ended(stream));
        }
        // After a whole answer too.
        let kept = says(&stage, b"GET /api/join/welcome HTTP/1.1\r\nhost: a\r\n\r\n");
        scope.spawn(move || assert!(ended(kept).starts_with(b"HTTP/1.1 200")));
        for (beginning, bit) in [
            (&b"GET /api/me HTTP/1.1\r\nhost: a\r\n"[..], &b"x: y\r\n"[..]),
            (POST, b"x"),
            (CHUNKED, b"1\r\nx\r\n"),
            (H2, H2_PING),
        ] {
            let stream = says(&stage, beginning);
            scope.spawn(move || trickles(stream, bit));
        }
    });
    assert_eq!(sign_in(&stage, "192.0.2.1"), 204);
}

#[test]
fn whoever_does_not_read_is_ended() {
    let stage = Stage::open_with("unread", &["--request-seconds", "1"]);
    let idle = stage.sockets();
    // More answers than anything holds on the way. There are several, for the test's own connection may end meanwhile.
    let question = b"GET /verify.html HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    let unread: Vec<TcpStream> = (0..4).map(|_| stage.tcp()).collect();
    for mut stream in &unread {
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        while stream.write_all(&question).is_ok() {}
    }
    assert!(stage.sockets() > idle);
    let end = Instant::now() + Duration::from_secs(60);
    while stage.sockets() > idle {
        assert!(Instant::now() < end, "the connection is not ended");
        std::thread::yield_now();
    }
    drop(unread);
}

#[test]
fn a_tls_handshake_that_does_not_go_on_is_ended() {
    let stage = Stage::open_with_tls_and("handshake", &["--request-seconds", "1"]);
    std::thread::scope(|scope| {
        for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
            let stream = says(&stage, beginning);
            scope.spawn(move || ended(stream));
        }
    });
}

#[test]
fn a_websocket_that_says_no_hello_is_ended() {
    let stage = Stage::open("no-hello");
    let upgrade =
        b"GET /wire HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: qmux-02.deskside\r\n\r\n";
    assert!(ended(says(&stage, upgrade)).starts_with(b"HTTP/1.1 101"));
}

#[test]
fn a_slow_upload_arrives() {
    let stage = Stage::open_with("slow-upload", &["--request-seconds", "1"]);
    let (_, _, link) = stage.generate();
    let (_, resume) = stage.customer_enters(&link, "browser");
    let head = format!(
        "POST /api/join/posts?name=a.txt HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {resume}\r\ncontent-length: 20480\r\n\
         connection: close\r\n\r\n"
    );
    let mut stream = says(&stage, head.as_bytes());
    // Longer than any pause may be, and faster than what is too slow.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&[b'x'; 1_024]).unwrap();
    }
    let answer = ended(stream);
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn idle_connections_lock_nobody_out() {
    // As many files as 1,200 connections take, in this process.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    for options in [&[][..], &["--max-connections", "64"]] {
        let stage = Stage::open_with("idle", options);
        let idle: Vec<TcpStream> = (0..1_200).map(|_| stage.tcp()).collect();
        let begun = Instant::now();
        assert_eq!(sign_in(&stage, "192.0.2.1"), 204, "{options:?}");
        println!("signed in beside {} connections ({options:?}) in {:?}", idle.len(), begun.elapsed());
        // In a session one comes back, too.
        let (_, _, link) = stage.generate();
        let (_, resume) = stage.customer_enters(&link, "browser");
        stage.customer_returns(&resume);
    }
}
