//! Sent and received mail, between the real server and minimal mail servers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::fixture::{Fixture, certificate};

/// An SMTP server without SMTPUTF8; returns the lines that it receives.
fn smtp() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (received, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let received = received.clone();
            std::thread::spawn(move || serve_smtp(connection.unwrap(), &received));
        }
    });
    (url, lines)
}

fn serve_smtp(mut connection: TcpStream, received: &mpsc::Sender<String>) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let mut say = |text: &str| connection.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    say("220 mail");
    while let Some(Ok(line)) = lines.next() {
        let _ = received.send(line.clone());
        match line.split(' ').next().unwrap().to_ascii_uppercase().as_str() {
            "EHLO" => say("250-mail\r\n250 8BITMIME"),
            "DATA" => {
                say("354 go on");
                for line in lines.by_ref().map_while(Result::ok) {
                    let _ = received.send(line.clone());
                    if line == "." {
                        break;
                    }
                }
                say("250 taken");
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 fine"),
        }
    }
}

#[test]
fn international_domains_are_sent_as_punycode_and_local_parts_are_refused() {
    let (url, lines) = smtp();
    let options = ["--smtp-url", &url, "--mail-from", "Störungsstelle <help@bücher.example>"];
    let fixture = Fixture::open_with("mail-out", &options);
    let write = |to: &str| {
        let draft = json!({ "to": to, "subject": "Grüße", "text": "Hello." });
        fixture.post("/api/incidents/1/mails", &draft)
    };
    let (status, sent) = write("Anna <anna@bücher.example>");
    assert_eq!(status, 200, "{sent}");
    // The journal has the address as it was written.
    assert_eq!(sent["to"], "Anna <anna@bücher.example>");
    let mut said = String::new();
    while !said.ends_with("\n.\n") {
        said.push_str(&format!("{}\n", lines.recv().unwrap()));
    }
    assert!(said.contains("MAIL FROM:<help@xn--bcher-kva.example>"), "{said}");
    assert!(said.contains("RCPT TO:<anna@xn--bcher-kva.example>"), "{said}");
    assert!(said.contains("@xn--bcher-kva.example>\n"), "{said}");
    assert!(said.is_ascii(), "{said}");
    let (status, problem) = write("jürgen@bücher.example");
    assert_eq!(status, 502, "{problem}");
    let words = problem.to_string();
    assert!(words.contains("does not support the letters before the @ of jürgen@xn--bcher-kva.example"), "{words}");
    assert!(!words.contains("Envelope"), "{words}");
}

/// A mailbox with these mails in a folder; returns the commands that it receives.
fn imap(fixture: &Fixture, mails: Vec<Vec<u8>>) -> (Value, Arc<Mutex<Vec<String>>>) {
    let options = certificate(&fixture.data.join("imap"));
    let chain = CertificateDer::pem_file_iter(&options[1]).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&options[3]).unwrap();
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (tls, mails, log) = (Arc::new(tls), Arc::new(mails), asked.clone());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let session = rustls::ServerConnection::new(tls.clone()).unwrap();
            let stream = rustls::StreamOwned::new(session, connection.unwrap());
            let (mails, log) = (mails.clone(), log.clone());
            std::thread::spawn(move || serve_imap(stream, &mails, &log));
        }
    });
    let mailbox = json!({
        "enabled": true, "host": format!("localhost:{port}"), "start_tls": false,
        "authority": std::fs::read_to_string(&options[1]).unwrap(),
        "user": "help@northwind.example", "password": "sesame", "folder": "Störungen", "kind": "", "team": ""
    });
    (mailbox, asked)
}

fn serve_imap(
    stream: rustls::StreamOwned<rustls::ServerConnection, TcpStream>,
    mails: &[Vec<u8>],
    log: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut seen = 0;
    let _ = stream.get_mut().write_all(b"* OK ready\r\n");
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|n| n > 0) {
        log.lock().unwrap().push(line.trim().to_owned());
        let (tag, command) = line.trim().split_once(' ').unwrap();
        let number = || command.split(' ').nth(2).unwrap().parse::<usize>().unwrap();
        let mut answer = Vec::new();
        if command == "CAPABILITY" {
            answer.extend_from_slice(b"* CAPABILITY IMAP4rev1\r\n");
        } else if command.starts_with("SELECT") && command != r#"SELECT "St&APY-rungen""# {
            let no =
                format!("{tag} NO [NONEXISTENT] Mailbox doesn't exist: {}\r\n", command.split('"').nth(1).unwrap());
            let _ = stream.get_mut().write_all(no.as_bytes());
            line.clear();
            continue;
        } else if command.starts_with("UID SEARCH") {
            let all: Vec<String> = (seen + 1..=mails.len()).map(|n| n.to_string()).collect();
            answer.extend_from_slice(format!("* SEARCH {}\r\n", all.join(" ")).as_bytes());
        } else if command.starts_with("UID FETCH") {
            let (n, mail) = (number(), &mails[number() - 1]);
            let size = mail.len();
            if command.contains("SIZE") {
                answer.extend_from_slice(format!("* {n} FETCH (UID {n} RFC822.SIZE {size})\r\n").as_bytes());
            } else {
                answer.extend_from_slice(format!("* {n} FETCH (UID {n} BODY[] {{{size}}}\r\n").as_bytes());
                answer.extend_from_slice(mail);
                answer.extend_from_slice(b")\r\n");
            }
        } else if command.starts_with("UID STORE") {
            seen = number();
        }
        answer.extend_from_slice(format!("{tag} OK done\r\n").as_bytes());
        if stream.get_mut().write_all(&answer).is_err() {
            return;
        }
        line.clear();
    }
    let _ = stream.get_mut().flush();
}

fn case(name: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    let path = format!("{}/tests/mails/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    std::fs::File::open(path).unwrap().read_to_end(&mut raw).unwrap();
    raw
}

fn mail(from: &str, more: &str, subject: &str) -> Vec<u8> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("From: {from}\r\n{more}Message-ID: <{n}@test.example>\r\nSubject: {subject}\r\n\r\nHello.\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mail_is_complete_and_belongs_to_its_author() {
    let fixture = Fixture::open("mail-in");
    let long = format!("{}@b.example", "x".repeat(300));
    let reply_to = "Reply-To: ada@b.example\r\n";
    let mails = vec![
        case("apple-text-picture-text"),
        case("split-subject"),
        case("form-reply-to"),
        case("long-address-one"),
        case("long-address-two"),
        case("html-only"),
        mail(&long, "", "Too long"),
        // INC-1001 is Ada's: mails of a colleague belong to it, those of strangers do not, whatever they claim.
        mail("eva@b.example", "", "Re: [INC-1001] Eva"),
        mail("mallory@evil.example", "", "Re: [INC-1001] Mallory"),
        mail("noreply@evil.example", reply_to, "Re: [INC-1001] Form"),
        mail("mallory@evil.example", reply_to, "Re: [INC-1001] Claim"),
    ];
    let count = mails.len();
    let (mut mailbox, asked) = imap(&fixture, mails);
    assert_eq!(fixture.put("/api/mailbox", &mailbox).0, 200);
    // Each is "mail received" or "mail rejected".
    fixture.log_with_times("mail re", count).await;

    let customers: Vec<Value> = serde_json::from_str(&fixture.get("/api/customers").1).unwrap();
    let of = |name: &str| {
        let found: Vec<_> =
            customers.iter().filter(|c| c["name"] == name).map(|c| c["email"].as_str().unwrap()).collect();
        assert_eq!(found.len(), 1, "{name}: {customers:?}");
        found[0].to_owned()
    };
    assert!(of("Ann Long").ends_with(
        "@subddddddddddddddddddddddddddd.subddddddddddddddddddddddddddd.0a1b2c3d4e5f6g7h8i9j.case.salesmail.one.example"
    ));
    assert!(of("Bob Long").ends_with(".salesmail.two.example"));
    assert_eq!(of("Pat Guest"), "pat@guest.example");
    assert!(!customers.iter().any(|c| c["email"].as_str().unwrap().starts_with("noreply@")));

    let incidents: Vec<Value> = serde_json::from_str(&fixture.get("/api/incidents?resolved=true").1).unwrap();
    let about = |subject: &str| incidents.iter().find(|i| i["subject"] == subject);
    assert!(about("Der Drucker bei der Behörde streikt").is_some(), "{incidents:?}");
    for (subject, new) in [("Eva", false), ("Mallory", true), ("Form", true), ("Claim", true)] {
        assert_eq!(about(&format!("Re: [INC-1001] {subject}")).is_some(), new, "{subject}");
    }
    assert_eq!(about("Re: [INC-1001] Claim").unwrap()["customer"]["email"], "mallory@evil.example");
    let journal = |subject: &str| fixture.get(&format!("/api/incidents/{}", about(subject).unwrap()["id"])).1;
    let apple = journal("Case 01 apple");
    assert!(apple.contains("The error looks like this:") && apple.contains("PC-4711 after 5 pm"), "{apple}");
    assert!(
        journal("Re: [INC-1001] Form").contains("Ada <ada@b.example>, by noreply@evil.example")
            || journal("Re: [INC-1001] Form").contains("ada <ada@b.example>, by noreply@evil.example")
    );
    let kept = fixture.get("/api/mailbox/came").1;
    assert!(kept.contains("longer than the 254 characters that mail allows"), "{kept}");

    // The folder's name is readable in the settings and in errors.
    assert!(asked.lock().unwrap().iter().any(|l| l.ends_with(r#"SELECT "St&APY-rungen""#)));
    mailbox["folder"] = "Büro".into();
    let problem = fixture.post("/api/mailbox/test", &mailbox).1.to_string();
    assert!(
        problem.contains("The folder “Büro” cannot be opened. The mailbox says: Mailbox doesn't exist: Büro."),
        "{problem}"
    );
}
