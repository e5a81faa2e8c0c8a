//! Bundles: what a verdict says of whole ones and of changed ones.

use std::io::{Cursor, Read};

use ed25519_dalek::SigningKey;
use evidence::{Endorsement, Finding, Seal, Segments, Verdict, Writer, hex, judge, line, names, transcript};
use proptest::prelude::*;
use protocol::{Entry, Event, IncidentRef, ParticipantId, SessionId, Timestamp, UserRef};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

use crate::{frames, video};

/// The files of a bundle, in order.
type Files = Vec<(String, Vec<u8>)>;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn at(n: u32) -> Timestamp {
    Timestamp(1_800_000_000_000 + u64::from(n) * 1_000)
}

/// A small session with a video of two segments.
fn files() -> Files {
    let id = SessionId::from_random([3; 16]);
    let frames = frames(6);
    let video = video(&frames, vec![], 7_000);
    let mut segments = Segments::default();
    let mut recorded = Vec::new();
    for (n, (_, data)) in frames.iter().enumerate() {
        segments.add(data);
        if n % 3 == 2 {
            let segment = segments.end().unwrap();
            let (pictures, bytes, sha256) = (segment.pictures, segment.bytes, segment.sha256);
            recorded.push(Event::Recorded { pictures, bytes, sha256 });
        }
    }
    let tom = UserRef { id: 1, name: "Tom".into() };
    let incident = IncidentRef { id: 1, number: "INC-1".into(), subject: "Printer".into(), customer: "Ada".into() };
    let mut events = vec![
        Event::Created { incident, owner: tom.clone(), organisation: "Acme".into(), rules: None },
        Event::Chat { from: ParticipantId(1), text: "Hello\nü 文".into(), nonce: 1 },
        Event::SystemInfoRead { by: ParticipantId(1), number: 4, sha256: hex(&Sha256::digest("{}")) },
    ];
    events.extend(recorded);
    let entries: Vec<_> =
        (1..).zip(&events).map(|(seq, event)| Entry { seq, at: at(seq), event: event.clone() }).collect();
    let text = transcript::text(&id, &entries);
    events.push(Event::Stored {
        recording_bytes: Some(video.len() as u64),
        transcript_sha256: hex(&Sha256::digest(&text)),
        recording_sha256: Some(hex(&Sha256::digest(&video))),
        pointer_sha256: None,
    });
    let (mut before, mut timeline, mut seq) = (session::GENESIS, String::new(), 0);
    for event in &events {
        seq += 1;
        let stored = session::link(&id, &before, seq, at(seq), event);
        before = stored.hash;
        timeline.push_str(&line(&stored));
    }
    let seals = [Seal::new(&key(2), id, seq, &before, at(90))];
    let keys = [Endorsement::new(&key(1), at(0), None), Endorsement::new(&key(2), at(1), Some(&key(1)))];
    vec![
        (names::TIMELINE.into(), timeline.into_bytes()),
        (names::SEALS.into(), serde_json::to_vec(&seals).unwrap()),
        (names::KEYS.into(), serde_json::to_vec(&keys).unwrap()),
        (names::TRANSCRIPT.into(), text.into_bytes()),
        ("system/4.json".into(), b"{}".to_vec()),
        (names::VIDEO.into(), video),
    ]
}

fn pack(files: &Files) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in files {
        writer.file(name, &mut &content[..]).unwrap();
    }
    writer.finish(&key(2)).unwrap()
}

fn judged(bundle: &[u8]) -> Verdict {
    judge(Cursor::new(bundle))
}

static FILES: LazyLock<Files> = LazyLock::new(files);
static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(|| pack(&FILES));

#[test]
fn a_whole_bundle_is_said_to_be_whole_and_whose_it_is() {
    let verdict = judged(&BUNDLE);
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.entries, verdict.segments), (6, 2));
    assert!(verdict.about.contains("Acme: INC-1 for Ada (Printer)"), "{}", verdict.about);
    for n in [1, 2] {
        assert!(verdict.signed_by(&evidence::seal::public(&key(n))), "an older key leads to the newer one");
    }
    assert!(!verdict.signed_by(&evidence::seal::public(&key(3))));
}

#[test]
fn other_programs_can_open_it() {
    let mut zip = zip::ZipArchive::new(Cursor::new(&BUNDLE[..])).unwrap();
    let mut text = String::new();
    zip.by_name(names::TRANSCRIPT).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("Hello"));
}

/// Whoever holds the server's key could sign anything as a whole; the chain still tells what was changed.
#[test]
fn what_was_changed_before_it_was_signed_is_found_and_named() {
    type Change = fn(&mut Files);
    type Found = fn(&Finding) -> bool;
    fn content<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
        &mut files.iter_mut().find(|(n, _)| n == name).unwrap().1
    }
    let cases: [(&str, Change, Found); 6] = [
        (
            "a word in the timeline",
            |f| swap(content(f, names::TIMELINE), "Hello", "Hallo"),
            |f| matches!(f, Finding::Timeline(_)),
        ),
        (
            "a word in the transcript",
            |f| swap(content(f, names::TRANSCRIPT), "Hello", "Hallo"),
            |f| *f == Finding::Changed(names::TRANSCRIPT.into()),
        ),
        (
            "system information",
            |f| *content(f, "system/4.json") = b"[]".to_vec(),
            |f| *f == Finding::Changed("system/4.json".into()),
        ),
        (
            "the video's second segment",
            |f| {
                let v = content(f, names::VIDEO);
                let last = v.len() - 40;
                v[last] ^= 1;
            },
            |f| matches!(f, Finding::Recording { segment: 2, .. }),
        ),
        (
            "the video is gone",
            |f| f.retain(|(n, _)| n != names::VIDEO),
            |f| *f == Finding::Missing(names::VIDEO.into()),
        ),
        (
            "the end of the timeline is gone",
            |f| {
                let t = content(f, names::TIMELINE);
                let cut = t[..t.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
                t.truncate(cut + 1);
            },
            |f| matches!(f, Finding::Seal(_) | Finding::NoSeal),
        ),
    ];
    for (what, change, found) in cases {
        let mut files = FILES.clone();
        change(&mut files);
        let verdict = judged(&pack(&files));
        assert!(verdict.findings.iter().any(found), "{what}: {:?}", verdict.findings);
    }
}

fn swap(content: &mut Vec<u8>, from: &str, to: &str) {
    *content = String::from_utf8(content.clone()).unwrap().replacen(from, to, 1).into_bytes();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// Whatever byte is changed, wherever: it is noticed.
    #[test]
    fn any_changed_byte_is_noticed(place in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut bundle = BUNDLE.clone();
        let place = place.index(bundle.len());
        bundle[place] ^= flip;
        prop_assert!(!judged(&bundle).whole(), "byte {place}");
    }

    #[test]
    fn whatever_is_missing_at_the_end_is_noticed(left in any::<prop::sample::Index>()) {
        prop_assert!(!judged(&BUNDLE[..left.index(BUNDLE.len())]).whole());
    }

    #[test]
    fn whatever_was_added_is_noticed(more in prop::collection::vec(any::<u8>(), 1..50)) {
        prop_assert!(!judged(&[&BUNDLE[..], &more].concat()).whole());
    }

    #[test]
    fn no_bytes_break_the_judge(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!judged(&bytes).whole());
    }
}

/// The bytes that are hardest to notice: every one of the signature at the end, in the other case too.
#[test]
fn every_byte_of_the_signature_counts() {
    for back in 1..=evidence::SIGNATURE_BYTES {
        for flip in [1, 0x20] {
            let mut bundle = BUNDLE.clone();
            let place = bundle.len() - back;
            bundle[place] ^= flip;
            assert!(!judged(&bundle).whole(), "{back} from the end");
        }
    }
}
