//! Downloads with a scripted support program: complete files, and incomplete or wrong ones.

use std::time::Duration;

use protocol::{Answer, ClientMessage, Event, Job, Right, ServerMessage, encode};
use serde_json::json;
use sha2::{Digest, Sha256};
use web_transport_trait::SendStream;

use crate::{
    fixture::{Fixture, Peer},
    tools::{next_job, pair},
    wire::grant,
};

const CONTENT: &str = "what is in the file";
const WANTED: &str = "/home/ada/file.txt";
/// The longest round trip, in milliseconds, at which files may use a side channel.
const SHORT: u32 = 2;

fn sums(whole: &str, part: &str) -> Vec<u8> {
    [Sha256::digest(whole), Sha256::digest(part)].concat()
}

/// The program's answer about the file, and its bytes.
struct Reply<'a> {
    sums: bool,
    bytes: &'a [u8],
}

/// Answers one job, by the side channel if the job names one; returns whether it did.
async fn send(fixture: &Fixture, program: &Peer, Reply { sums, bytes }: Reply<'_>) -> bool {
    let (job, mut stream) = next_job(program).await;
    let Job::Fetch { path, lane: side_channel, .. } = job else { panic!("{job:?}") };
    assert_eq!(path, WANTED);
    let answer = Answer::File { size: Some(CONTENT.len() as u64), version: "1".into(), sums };
    stream.write_all(&encode(&answer)).await.unwrap();
    let by_side_channel = side_channel.is_some();
    match side_channel {
        Some(token) => {
            let (url, bytes) = (format!("{}/api/lanes/{token}", fixture.url), bytes.to_vec());
            tokio::task::spawn_blocking(move || {
                ureq::post(&url).send(&bytes[..]).unwrap();
                // The side channel works only once.
                assert!(matches!(ureq::post(&url).send(&bytes[..]), Err(ureq::Error::StatusCode(404))));
            })
            .await
            .unwrap();
        }
        None => stream.write_all(bytes).await.unwrap(),
    }
    stream.finish().unwrap();
    let _ = stream.closed().await;
    by_side_channel
}

/// What the technician's browser gets, `None` when the response breaks off; and whether a side channel was used.
async fn downloaded(
    fixture: &Fixture,
    program: &Peer,
    session: &str,
    reply: Reply<'_>,
) -> (Option<(u16, String)>, bool) {
    let at = format!("/api/sessions/{session}/files/leaving/7");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (status, _) = fixture.post(&at, &json!({ "path": WANTED }));
            assert_eq!(status, 204);
            fixture.get_whole(&format!("{at}?path={WANTED}"))
        });
        let runtime = tokio::runtime::Handle::current();
        let by_side_channel = tokio::task::block_in_place(|| runtime.block_on(send(fixture, program, reply)));
        (asking.join().unwrap(), by_side_channel)
    })
}

/// Waits until the round trip to the program has been measured and is known to be short.
pub(crate) async fn measured(technician: &mut Peer) {
    loop {
        technician.send(&ClientMessage::Ping { t: 1 }).await;
        let pong = technician.until(|m| matches!(m, ServerMessage::Pong { .. })).await.unwrap();
        // A busy machine answers late now and then; one prompt answer is enough.
        if matches!(pong, ServerMessage::Pong { customer: Some(path), .. } if path.round_trip <= SHORT) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn failed(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Happened { entry } if matches!(entry.event, Event::FileFailed { .. }))
}

fn carried(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Happened { entry } if matches!(entry.event, Event::FileCarried { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_file_is_delivered_by_stream_and_by_side_channel() {
    let by_stream = |sums| (Fixture::open(&format!("leaves-{sums}")), false, sums);
    let by_side_channel = |sums| (Fixture::open_directly(&format!("leaves-by-lane-{sums}")), true, sums);
    for (fixture, by_side_channel, sums) in
        [by_stream(true), by_stream(false), by_side_channel(true), by_side_channel(false)]
    {
        let (session, mut technician, mut program) = pair(&fixture).await;
        grant(&mut technician, &mut program, &[Right::Files]).await;
        if by_side_channel {
            measured(&mut technician).await;
        }
        let at_end = if sums { self::sums(CONTENT, CONTENT) } else { vec![] };
        let bytes = [CONTENT.as_bytes(), &at_end].concat();
        let got = downloaded(&fixture, &program, &session, Reply { sums, bytes: &bytes }).await;
        assert_eq!(got, (Some((200, CONTENT.to_owned())), by_side_channel));
        assert!(technician.until(carried).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_or_wrong_file_breaks_off_and_cannot_be_resumed() {
    for (name, sums, bytes) in [
        ("wrong-sum", true, [CONTENT.as_bytes(), &sums(CONTENT, "something else")].concat()),
        ("too-short", true, [&CONTENT.as_bytes()[..5], &sums(CONTENT, &CONTENT[..5])].concat()),
        ("too-long", true, [CONTENT.as_bytes(), b"!", &sums(CONTENT, &format!("{CONTENT}!"))].concat()),
        ("without-sums", true, CONTENT.as_bytes().to_vec()),
        ("shorter", false, CONTENT.as_bytes()[..5].to_vec()),
        ("longer", false, [CONTENT.as_bytes(), b"!"].concat()),
    ] {
        let fixture = Fixture::open(&format!("leaves-{name}"));
        let (session, mut technician, mut program) = pair(&fixture).await;
        grant(&mut technician, &mut program, &[Right::Files]).await;
        let (got, _) = downloaded(&fixture, &program, &session, Reply { sums, bytes: &bytes }).await;
        assert_eq!(got, None, "{name}: the browser got no whole answer");
        assert!(technician.until(failed).await.is_some(), "{name}");
        let at = format!("/api/sessions/{session}/files/leaving/7");
        let (_, progress) = fixture.get(&format!("{at}/progress"));
        assert!(progress.contains("failed"), "{name}: {progress}");
        assert_eq!(fixture.get(&format!("{at}?path={WANTED}")).0, 409, "{name}");
        let (_, transcript) = fixture.get(&format!("/api/sessions/{session}/transcript.txt"));
        assert!(!transcript.contains("has fetched"), "{name}: {transcript}");
    }
}
