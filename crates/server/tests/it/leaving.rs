//! Files on their way into a technician's downloads, with a program that speaks by hand: what is whole, and what is not.

use std::time::Duration;

use protocol::{Answer, ClientMessage, Event, Job, Right, ServerMessage, encode};
use serde_json::json;
use sha2::{Digest, Sha256};
use web_transport_trait::SendStream;

use crate::{
    stage::{Peer, Stage},
    tools::{next_job, pair},
    wire::grant,
};

const CONTENT: &str = "what is in the file";
const WANTED: &str = "/home/ada/file.txt";
/// So many milliseconds at most a round trip takes where files may take a lane.
const SHORT: u32 = 2;

fn sums(whole: &str, part: &str) -> Vec<u8> {
    [Sha256::digest(whole), Sha256::digest(part)].concat()
}

/// What the program says of the file, and its bytes.
struct Said<'a> {
    sums: bool,
    bytes: &'a [u8],
}

/// The program answers one job so, by the lane if it is named one; says whether it was.
async fn send(stage: &Stage, program: &Peer, Said { sums, bytes }: Said<'_>) -> bool {
    let (job, mut stream) = next_job(program).await;
    let Job::Fetch { path, lane, .. } = job else { panic!("{job:?}") };
    assert_eq!(path, WANTED);
    let answer = Answer::File { size: Some(CONTENT.len() as u64), version: "1".into(), sums };
    stream.write_all(&encode(&answer)).await.unwrap();
    let by_lane = lane.is_some();
    match lane {
        Some(token) => {
            let (url, bytes) = (format!("{}/api/lanes/{token}", stage.url), bytes.to_vec());
            tokio::task::spawn_blocking(move || {
                ureq::post(&url).send(&bytes[..]).unwrap();
                // The same lane does not lead anywhere a second time.
                assert!(matches!(ureq::post(&url).send(&bytes[..]), Err(ureq::Error::StatusCode(404))));
            })
            .await
            .unwrap();
        }
        None => stream.write_all(bytes).await.unwrap(),
    }
    stream.finish().unwrap();
    let _ = stream.closed().await;
    by_lane
}

/// What the technician's browser gets, nothing when the answer breaks off; and whether it came by a lane.
async fn downloaded(stage: &Stage, program: &Peer, session: &str, said: Said<'_>) -> (Option<(u16, String)>, bool) {
    let at = format!("/api/sessions/{session}/files/leaving/7");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (status, _) = stage.post(&at, &json!({ "path": WANTED }));
            assert_eq!(status, 204);
            stage.get_whole(&format!("{at}?path={WANTED}"))
        });
        let runtime = tokio::runtime::Handle::current();
        let by_lane = tokio::task::block_in_place(|| runtime.block_on(send(stage, program, said)));
        (asking.join().unwrap(), by_lane)
    })
}

/// Waits until the way to the program was measured and is known to be short.
pub(crate) async fn measured(technician: &mut Peer) {
    loop {
        technician.send(&ClientMessage::Ping { t: 1 }).await;
        let pong = technician.until(|m| matches!(m, ServerMessage::Pong { .. })).await.unwrap();
        // A machine that is busy answers late now and then; once it has answered at once, its way is known to be short.
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
async fn a_whole_file_is_handed_over_by_either_way() {
    let by_stream = |sums| (Stage::open(&format!("leaves-{sums}")), false, sums);
    let by_lane = |sums| (Stage::open_directly(&format!("leaves-by-lane-{sums}")), true, sums);
    for (stage, by_lane, sums) in [by_stream(true), by_stream(false), by_lane(true), by_lane(false)] {
        let (session, mut technician, mut program) = pair(&stage).await;
        grant(&mut technician, &mut program, &[Right::Files]).await;
        if by_lane {
            measured(&mut technician).await;
        }
        let at_end = if sums { self::sums(CONTENT, CONTENT) } else { vec![] };
        let bytes = [CONTENT.as_bytes(), &at_end].concat();
        let got = downloaded(&stage, &program, &session, Said { sums, bytes: &bytes }).await;
        assert_eq!(got, (Some((200, CONTENT.to_owned())), by_lane));
        assert!(technician.until(carried).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_whole_or_has_a_wrong_sum_breaks_off_and_does_not_go_on() {
    for (name, sums, bytes) in [
        ("wrong-sum", true, [CONTENT.as_bytes(), &sums(CONTENT, "something else")].concat()),
        ("too-short", true, [&CONTENT.as_bytes()[..5], &sums(CONTENT, &CONTENT[..5])].concat()),
        ("too-long", true, [CONTENT.as_bytes(), b"!", &sums(CONTENT, &format!("{CONTENT}!"))].concat()),
        ("without-sums", true, CONTENT.as_bytes().to_vec()),
        ("shorter", false, CONTENT.as_bytes()[..5].to_vec()),
        ("longer", false, [CONTENT.as_bytes(), b"!"].concat()),
    ] {
        let stage = Stage::open(&format!("leaves-{name}"));
        let (session, mut technician, mut program) = pair(&stage).await;
        grant(&mut technician, &mut program, &[Right::Files]).await;
        let (got, _) = downloaded(&stage, &program, &session, Said { sums, bytes: &bytes }).await;
        assert_eq!(got, None, "{name}: the browser got no whole answer");
        assert!(technician.until(failed).await.is_some(), "{name}");
        let at = format!("/api/sessions/{session}/files/leaving/7");
        let (_, progress) = stage.get(&format!("{at}/progress"));
        assert!(progress.contains("failed"), "{name}: {progress}");
        assert_eq!(stage.get(&format!("{at}?path={WANTED}")).0, 409, "{name}");
        let (_, transcript) = stage.get(&format!("/api/sessions/{session}/transcript.txt"));
        assert!(!transcript.contains("has fetched"), "{name}: {transcript}");
    }
}
