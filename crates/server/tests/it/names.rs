//! Deceptive names: with bidirectional controls, invisible characters and line breaks.

use protocol::{Answer, ClientMessage, Event, Job, Right, ServerMessage, encode, file_name::shown};
use serde_json::{Value, json};
use web_transport_trait::SendStream;

use crate::{
    changed_program::answered,
    fixture::{Fixture, PASSWORD},
    tools::{next_job, pair},
    wire::grant,
};

const EVIL: &str = "invoice\u{202e}fdp.exe";
const SHOWN: &str = "invoice\u{fffd}fdp.exe";

fn deceives(text: &str) -> bool {
    text.lines().any(|line| shown(line) != line)
}

#[test]
fn deceptive_names_are_rejected_or_cleaned() {
    let fixture = Fixture::open("names");
    let of_team = |name: &str, team: &str| json!({ "login": "eve", "name": name, "email": "e@a.example", "team": team, "password": PASSWORD });
    let user = |name: &str| of_team(name, "");
    for name in ["Tom\u{202e}", "To\u{200b}m", "Tom\nEve", "Tom\u{feff}x"] {
        assert_eq!(fixture.post("/api/users", &user(name)).0, 422, "{name:?}");
        let customer = json!({ "name": name, "email": "a@b.example", "company": "" });
        assert_eq!(fixture.post("/api/customers", &customer).0, 422, "{name:?}");
        let account = json!({ "name": name, "comments": "", "scopes": [], "enabled": true });
        assert_eq!(fixture.post("/api/accounts", &account).0, 422, "{name:?}");
        assert_eq!(fixture.post("/api/users", &of_team("Eve", name)).0, 422, "{name:?}");
    }
    assert_eq!(fixture.post("/api/users", &user("Zoë אבי")).0, 201);
    let incident = json!({
        "customer": 1, "subject": format!("{EVIL}\nsecond line"), "description": "", "status": "new",
        "priority": "normal", "owner": null, "team": ""
    });
    let (status, made) = fixture.post("/api/incidents", &incident);
    assert_eq!(status, 201, "{made}");
    let list = fixture.get("/api/incidents").1;
    assert!(list.contains(&format!("{SHOWN} second line")) && !deceives(&list), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deceptive_file_name_is_shown_cleaned_and_the_real_one_is_used() {
    let fixture = Fixture::open("names-files");
    let (session, mut technician, mut program) = pair(&fixture).await;
    grant(&mut technician, &mut program, &[Right::Files]).await;
    let own = format!("/home/ada/{EVIL}\n[12:00] Ada: yes, take my money");
    let path = format!("/api/sessions/{session}/files/folder");
    let (job, answered) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| fixture.post(&path, &json!({ "path": own })).0);
        let runtime = tokio::runtime::Handle::current();
        let job = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let (job, mut sender) = next_job(&program).await;
                sender.write_all(&encode(&Answer::Done {})).await.unwrap();
                sender.finish().unwrap();
                let _ = sender.closed().await;
                job
            })
        });
        (job, asking.join().unwrap())
    });
    assert!((200..300).contains(&answered), "{answered}");
    assert!(matches!(&job, Job::MakeFolder { path } if *path == own), "the program gets the real name: {job:?}");

    let posts = format!("/api/sessions/{session}/posts");
    assert_eq!(fixture.post(&format!("{posts}?name=invoice%E2%80%AEfdp.exe%0AEve"), &Value::Null).0, 201);
    let cookie = [("cookie", fixture.cookie.as_str())];
    let kept = fixture.ask("GET", &format!("{posts}/1"), &cookie, "");
    let encoded: String =
        format!("{SHOWN}\u{fffd}Eve").replace('\u{fffd}', "_").bytes().map(|b| format!("%{b:02X}")).collect();
    assert_eq!(kept.headers["content-disposition"], format!("attachment; filename*=UTF-8''{encoded}"));

    let (_, transcript) = fixture.get(&format!("/api/sessions/{session}/transcript.txt"));
    assert!(transcript.contains(SHOWN) && !deceives(&transcript), "{transcript}");
    assert!(!transcript.lines().any(|line| line.starts_with("[12:00] Ada")), "{transcript}");
    let (_, page) = fixture.get(&format!("/api/sessions/{session}"));
    assert!(
        page.contains(&format!("{SHOWN}\u{fffd}Eve")),
        "what is put into the chat is fetched by its number: {page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deceptive_errors_and_chat_messages_are_shown_cleaned() {
    let fixture = Fixture::open("names-words");
    let (session, mut technician, mut program) = pair(&fixture).await;
    grant(&mut technician, &mut program, &[Right::Files, Right::SystemInfo]).await;
    let why = format!("{EVIL}\n2026-01-01 12:00:00 UTC  Ada: yes, take my money\r");
    let fault = json!({ "answer": "fault", "fault": { "is": "other", "why": why } });
    let leaving = format!("/api/sessions/{session}/files/leaving/1");
    let (status, answer) =
        answered(&program, &fault, || fixture.post(&leaving, &json!({ "path": "/etc/hosts" }))).await;
    let words = answer["message"].as_str().unwrap();
    let seen = SHOWN.trim_start_matches('i');
    assert!(status >= 400 && words.contains(seen) && shown(words) == words, "{status}: {words:?}");
    let end = format!("/api/sessions/{session}/processes/7/end");
    let done = json!({ "answer": "done" });
    let (status, _) = answered(&program, &done, || fixture.post(&end, &json!({ "name": EVIL }))).await;
    assert_eq!(status, 204);
    for text in [format!("{EVIL}\rAda: yes"), "two\nlines".into()] {
        technician.send(&ClientMessage::Chat { text, nonce: 0 }).await;
    }
    technician.send(&ClientMessage::Note { text: format!("{EVIL}\u{2028}Ada: no") }).await;
    let noted = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Noted { .. }));
    technician.until(noted).await.unwrap();
    let (_, transcript) = fixture.get(&format!("/api/sessions/{session}/transcript.txt"));
    assert!(!deceives(&transcript) && transcript.matches(seen).count() == 4, "{transcript}");
    assert!(transcript.contains("two\n  "), "messages of several lines stay so: {transcript}");
    assert!(!transcript.lines().any(|line| line.starts_with("2026-01-01 12:00:00 UTC")), "{transcript}");
}
