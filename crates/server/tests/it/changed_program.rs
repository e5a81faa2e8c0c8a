//! A modified support program: whatever it answers, pages get only what they can show.

use protocol::{Client, Event, FrameKind, Right, ServerMessage, encode};
use serde_json::{Value, json};
use web_transport_trait::SendStream;

use crate::{
    capacity,
    fixture::{Fixture, Peer},
    tools::{next_job, pair},
    wire::grant,
};

/// The server's response while the program gives this answer to the one job.
pub(crate) async fn answered<T: Send>(program: &Peer, answer: &Value, ask: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let asking = scope.spawn(ask);
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let (_, mut sender) = next_job(program).await;
                sender.write_all(&encode(answer)).await.unwrap();
                sender.finish().unwrap();
                let _ = sender.closed().await;
            });
        });
        asking.join().unwrap()
    })
}

fn json_of((status, body): (u16, String)) -> Value {
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_system_information_are_cleaned_for_pages() {
    let fixture = Fixture::open("changed-answers");
    let (session, mut technician, mut program) = pair(&fixture).await;
    grant(&mut technician, &mut program, &[Right::Files, Right::SystemInfo]).await;
    let at = |path: &str| format!("/api/sessions/{session}/{path}");

    let item = |name: &str| json!({ "name": name, "kind": "file", "bytes": u64::MAX, "changed": u64::MAX });
    let answer = json!({ "answer": "folder", "folder": {
        "path": "/", "parent": null, "places": vec!["/"; 5_000], "separator": "/", "left_out": 0, "free": 1,
        "items": [item("twice"), item("twice"), item("../../etc/passwd")]
    }});
    let folder = json_of(answered(&program, &answer, || fixture.get(&at("files?path=/"))).await);
    let expected = json!([{ "name": "twice", "kind": "file", "bytes": (1u64 << 53) - 1, "changed": 0 }]);
    assert_eq!((&folder["items"], &folder["left_out"], &folder["places"]), (&expected, &json!(2), &json!(["/"])));

    let nonsense = json!({ "answer": "folder", "folder": {
        "path": "/", "parent": null, "places": [], "separator": "nothing of the kind", "left_out": 0, "free": 1, "items": []
    }});
    let (status, words) = answered(&program, &nonsense, || fixture.get(&at("files?path=/"))).await;
    assert!(status >= 400 && words.contains("invalid answer"), "{status}: {words}");

    let process = json!({
        "pid": 7, "name": "p", "user": "", "cpu": 1e39, "memory": 1, "seconds": 1, "command": ""
    });
    let answer = json!({ "answer": "system_info", "info": {
        "system": "", "kernel": "", "host": "", "user": "", "processor": "", "cores": 1, "cpu": 1e39, "memory": 0,
        "memory_used": 0, "swap": 0, "swap_used": 0, "uptime": u64::MAX, "disks": [], "networks": [],
        "processes": [process, process], "services": null, "log": null
    }});
    let (status, read) = answered(&program, &answer, || fixture.post(&at("system"), &json!({}))).await;
    assert_eq!(status, 200, "{read}");
    let processes = read["info"]["processes"].as_array().unwrap();
    assert_eq!((processes.len(), &processes[0]["cpu"], &read["info"]["cpu"]), (1, &json!(0.0), &json!(0.0)));
    let kept = json_of(fixture.get(&at("system/1")));
    assert_eq!(kept, read["info"], "what is stored is what was shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_pointer_ends_the_connection_and_reaches_no_page() {
    let fixture = Fixture::open("changed-pointer");
    let shape = |bytes: &[u8]| capacity::frame(FrameKind::PointerShape, 1, 0, bytes);
    let whole = [0u16, 0, 2, 2].map(u16::to_be_bytes).concat();
    for (name, frame) in [
        ("a shape of one byte", shape(&[1])),
        ("a shape with fewer pixels than it says", shape(&[whole.as_slice(), &[9; 15]].concat())),
        ("a shape without pixels", shape(&[[0u16, 0, 0, 3].map(u16::to_be_bytes).concat(), vec![0; 4]].concat())),
        ("a place of two bytes", capacity::frame(FrameKind::PointerAt, 1, 0, &[1, 2])),
    ] {
        let (session, mut technician, mut program) = pair(&fixture).await;
        grant(&mut technician, &mut program, &[Right::View]).await;
        let _screen = program.stream(&[b"S".as_slice(), &frame].concat()).await;
        while program.next().await.is_some() {}
        let dropped = |m: &ServerMessage| matches!(m, ServerMessage::Happened { entry } if matches!(entry.event, Event::Dropped { .. }));
        assert!(technician.until(dropped).await.is_some(), "{name}");
        let mut other = Peer::connect(&fixture, &fixture.technician_ticket(&session), Client::Console).await;
        assert!(matches!(other.next().await, Some(ServerMessage::Welcome { .. })), "{name} harmed the session");
    }
}
