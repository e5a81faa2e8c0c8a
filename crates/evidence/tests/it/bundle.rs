//! Bundles: the verdict on whole and on changed ones.

use std::{
    io::{Cursor, Read},
    process::Command,
    sync::LazyLock,
};

use evidence::{BundleError, Expected, Finding, Note, Outcome, Verdict, Writer, WrongKey, fingerprint, judge, names};
use proptest::prelude::*;
use protocol::{Event, ParticipantId, UserRef};

use crate::made::{Evidence, key};

/// The session of these tests: stored, put under legal hold, and exported after the key was changed.
fn evidence() -> Evidence {
    let mut made = Evidence::of(3, "Hello\nü 文");
    let by = UserRef { id: 1, name: "Tom".into() };
    made.happened(&Event::LegalHold { by: by.clone(), on: true, reason: "case 4711".into() });
    made.seal(&key(1));
    made.happened(&Event::Exported { by: Some(by) });
    made.seal(&key(2));
    made
}

fn judged(bundle: &[u8]) -> Verdict {
    judge(Cursor::new(bundle), &Expected::default())
}

fn expecting(n: u8) -> Expected {
    Expected { key: Some(evidence::seal::public(&key(n)).parse().unwrap()), ..Expected::default() }
}

fn rejected(bundle: &[u8]) -> bool {
    judged(bundle).outcome() == Outcome::Rejected
}

static EVIDENCE: LazyLock<Evidence> = LazyLock::new(evidence);
static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(|| EVIDENCE.packed(&key(2)));

#[test]
fn the_verdict_on_a_whole_bundle_names_its_session() {
    let verdict = judged(&BUNDLE);
    assert_eq!((verdict.findings.as_slice(), verdict.notes.as_slice()), (&[][..], &[][..]));
    assert_eq!((verdict.entries, verdict.segments), (9, 3));
    assert_eq!((verdict.head.clone(), verdict.session.clone()), (EVIDENCE.head(), Some(EVIDENCE.id.clone())));
    assert!(verdict.about.contains("Acme: INC-1 for Ada (Printer)"), "{}", verdict.about);
    assert_eq!(verdict.outcome(), Outcome::SignerUnknown, "no key was expected");
}

#[test]
fn the_signing_key_and_those_that_vouch_for_it_are_accepted() {
    let verdict = |n| judge(Cursor::new(&BUNDLE[..]), &expecting(n));
    assert_eq!(
        (verdict(1).outcome(), verdict(1).notes),
        (Outcome::Whole, vec![]),
        "an older key leads to the newer one"
    );
    // The newer key does not vouch for the older one; but it has sealed the end, which covers everything.
    assert_eq!(verdict(2).outcome(), Outcome::Whole);
    let early = EVIDENCE.seals[..2].iter().map(|s| Note::EarlierKey(s.seq));
    assert_eq!(verdict(2).notes, early.collect::<Vec<_>>());
    let wrong = |expected, found| WrongKey {
        expected: fingerprint(&evidence::seal::public(&key(expected))),
        found: fingerprint(&evidence::seal::public(&key(found))),
    };
    assert_eq!(verdict(3).findings, [Finding::Signer(wrong(3, 2)), Finding::Sealer(wrong(3, 2))]);
    let first = EVIDENCE.packed(&key(1));
    assert!(
        judge(Cursor::new(first), &expecting(2)).findings.contains(&Finding::Signer(wrong(2, 1))),
        "the one before it has signed"
    );
}

/// The output for somebody who expects another key than the one that signed.
#[test]
fn the_program_names_the_expected_key_and_the_one_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &BUNDLE[..]).unwrap();
    let expected = fingerprint(&evidence::seal::public(&key(3)));
    let mut program = Command::new(env!("CARGO_BIN_EXE_deskside-verify"));
    let said = program.arg(file.path()).args(["--key", &expected.replace(' ', ":").to_uppercase()]).output().unwrap();
    let lines = [
        "session 03030303030303030303030303030303 of Acme: INC-1 for Ada (Printer)",
        "9 entries of the timeline, 3 segments of the video",
        "last sealed 2027-01-15 08:01:30 UTC, the last entry's hash is HEAD",
        "signed by the key FOUND",
        "NOTE: The seal under entry 7 is by an earlier key than the one that you expect. A later one covers it.",
        "NOTE: The seal under entry 8 is by an earlier key than the one that you expect. A later one covers it.",
        "NOT EXPECTED: It was signed by the key FOUND, not by EXPECTED, which you expect, nor by one that this key has endorsed.",
        "NOT EXPECTED: The end of the timeline is sealed by the key FOUND, not by EXPECTED, which you expect, nor by one that \
         this key has endorsed.",
    ];
    let found = fingerprint(&evidence::seal::public(&key(2)));
    let lines = lines.join("\n").replace("FOUND", &found).replace("EXPECTED,", &format!("{expected},"));
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim_end(), lines.replace("HEAD", &EVIDENCE.head()));
    assert_eq!(said.status.code(), Some(1));
}

#[test]
fn an_incomplete_shell_recording_is_noted_as_having_no_hash() {
    let mut made = Evidence::before_it_is_stored(3, "Hello");
    made.happened(&Event::ShellStarted { by: ParticipantId(1), number: 9 });
    let mut made = made.stored(3);
    assert_eq!(judged(&made.packed(&key(2))).notes, [], "its file is missing, too");
    made.files.push(("shells/9.cast".into(), b"{".to_vec()));
    let verdict = judged(&made.packed(&key(2)));
    assert_eq!((verdict.findings, verdict.notes), (vec![], vec![Note::NoHash("shells/9.cast".into())]));
}

/// No program on any system that unpacks a bundle writes outside of its folder.
#[test]
fn file_names_that_lead_out_of_the_folder_are_refused() {
    let mut writer = Writer::new(Vec::new());
    for name in ["../a", "a/../b", "/a", "a\\b", "..\\a", "C:a", "a/b/c", "a/", "", ".", "..", ".a", "a\nb", "ü"] {
        assert!(matches!(writer.file(name, &mut &b""[..]), Err(BundleError::Name(_))), "{name:?}");
    }
    writer.file("shells/12.cast", &mut &b""[..]).unwrap();
}

/// A forger controls the texts in a bundle; printed, they must not look like output of the program.
#[test]
fn texts_of_a_bundle_are_printed_on_one_line_without_escape_sequences() {
    let shown = evidence::plain("Printer\nWHOLE: \u{1b}[2J\u{202e}x\u{85}ü");
    assert_eq!(shown, "Printer\u{fffd}WHOLE: \u{fffd}[2J\u{fffd}x\u{fffd}ü");
}

#[test]
fn other_programs_can_open_a_bundle() {
    let mut zip = zip::ZipArchive::new(Cursor::new(&BUNDLE[..])).unwrap();
    let mut text = String::new();
    zip.by_name(names::TRANSCRIPT).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("Hello"));
}

/// With the server's key anybody could sign the whole file; the chain still shows what was changed.
#[test]
fn a_change_before_signing_is_found_and_named() {
    type Change = fn(&mut Evidence);
    type Found = fn(&Finding) -> bool;
    let cases: [(&str, Change, Found); 10] = [
        (
            "something said after the end",
            |e| {
                e.happened(&Event::Chat { from: ParticipantId(1), text: "Yes".into(), nonce: 2 });
                e.seal(&key(2));
                *e.file(names::TRANSCRIPT) = e.transcript().into_bytes();
            },
            |f| matches!(f, Finding::Timeline(_)),
        ),
        (
            "a word in the timeline",
            |e| e.timeline[1].body = e.timeline[1].body.replace("Hello", "Hallo"),
            |f| matches!(f, Finding::Timeline(_)),
        ),
        (
            "a word in the transcript",
            |e| swap(e.file(names::TRANSCRIPT), "Hello", "Hallo"),
            |f| *f == Finding::Changed(names::TRANSCRIPT.into()),
        ),
        (
            "system information",
            |e| *e.file("system/4.json") = b"[]".to_vec(),
            |f| *f == Finding::Changed("system/4.json".into()),
        ),
        (
            "the video's last segment",
            |e| {
                let v = e.file(names::VIDEO);
                let last = v.len() - 40;
                v[last] ^= 1;
            },
            |f| matches!(f, Finding::Recording { segment: 3, .. }),
        ),
        (
            "the video is gone",
            |e| e.files.retain(|(n, _)| n != names::VIDEO),
            |f| *f == Finding::Missing(names::VIDEO.into()),
        ),
        (
            "the end of the timeline is gone",
            |e| drop(e.timeline.pop()),
            |f| matches!(f, Finding::Seal(_) | Finding::NoSeal),
        ),
        (
            "a file that nothing was said of",
            |e| e.files.push(("screenshots/7.png".into(), vec![])),
            |f| *f == Finding::Added("screenshots/7.png".into()),
        ),
        ("the last seal is gone", |e| drop(e.seals.pop()), |f| *f == Finding::NoSeal),
        (
            "what says what was stored is gone",
            |e| {
                e.timeline.truncate(6);
                e.seals.clear();
                e.seal(&key(2));
            },
            |f| matches!(f, Finding::Timeline(_)),
        ),
    ];
    for (what, change, found) in cases {
        let mut changed = EVIDENCE.clone();
        change(&mut changed);
        let verdict = judged(&changed.packed(&key(2)));
        assert!(verdict.findings.iter().any(found), "{what}: {:?}", verdict.findings);
    }
}

fn swap(content: &mut Vec<u8>, from: &str, to: &str) {
    *content = String::from_utf8(content.clone()).unwrap().replacen(from, to, 1).into_bytes();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// A change of any byte is noticed.
    #[test]
    fn any_changed_byte_is_noticed(place in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut bundle = BUNDLE.clone();
        let place = place.index(bundle.len());
        bundle[place] ^= flip;
        prop_assert!(rejected(&bundle), "byte {place}");
    }

    #[test]
    fn a_truncated_bundle_is_rejected(left in any::<prop::sample::Index>()) {
        prop_assert!(rejected(&BUNDLE[..left.index(BUNDLE.len())]));
    }

    #[test]
    fn appended_bytes_are_rejected(more in prop::collection::vec(any::<u8>(), 1..50)) {
        prop_assert!(rejected(&[&BUNDLE[..], &more].concat()));
    }

    #[test]
    fn no_bytes_panic_the_verification(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(rejected(&bytes));
    }
}

/// The bytes that are hardest to protect: each of the signature at the end, in upper and lower case.
#[test]
fn every_byte_of_the_signature_counts() {
    for back in 1..=evidence::SIGNATURE_BYTES {
        for flip in [1, 0x20] {
            let mut bundle = BUNDLE.clone();
            let place = bundle.len() - back;
            bundle[place] ^= flip;
            assert!(rejected(&bundle), "{back} from the end");
        }
    }
}
