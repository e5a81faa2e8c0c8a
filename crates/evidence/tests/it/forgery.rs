//! Forgeries, made at random from what a forger can have: none passes for the expected bundle.
//!
//! The threat model is in `docs/evidence.md`. A *stranger* has bundles of the server (of this session, of an earlier
//! state of it, of another session) and keys of their own. An *insider* can change everything that the server keeps and
//! have it exported: the server signs the whole and seals the end.

use std::{io::Cursor, sync::LazyLock};

use ed25519_dalek::SigningKey;
use evidence::{Endorsement, Expected, Finding, Outcome, Verdict, WrongKey, fingerprint, judge, names, seal};
use proptest::prelude::*;
use protocol::{Event, ParticipantId, Timestamp, UserRef};

use crate::made::{Evidence, at, key, keys};

/// The forger's own key.
fn own() -> SigningKey {
    key(66)
}

/// The session that is forged, an earlier state of it that an auditor has seen, and another session of the server.
struct Server {
    newest: Evidence,
    older: Evidence,
    other: Evidence,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let by = UserRef { id: 1, name: "Tom".into() };
    let mut older = Evidence::of(3, "Please do not touch the accounts.");
    older.keys.truncate(1);
    let mut newest = older.clone();
    newest.happened(&Event::LegalHold { by: by.clone(), on: true, reason: "case 4711".into() });
    newest.seal(&key(1));
    newest.keys = keys();
    newest.happened(&Event::Exported { by: Some(by) });
    newest.seal(&key(2));
    let mut other = Evidence::of(4, "Just look around.");
    other.seals.clear();
    other.seal(&key(2));
    Server { newest, older, other }
});

/// Every bundle that the server has really exported: of the session, of its earlier state, of the other session.
static EXPORTED: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let Server { newest, older, other } = &*SERVER;
    [newest.packed(&key(2)), older.packed(&key(1)), other.packed(&key(2))]
});

/// What a forger does to a bundle before packing it again.
#[derive(Clone, Debug)]
enum Tampering {
    Reorder(prop::sample::Index, prop::sample::Index),
    Drop(prop::sample::Index),
    Truncate(prop::sample::Index),
    /// Changes every text.
    Reword,
    Postdate(prop::sample::Index),
    Repeat(prop::sample::Index),
    /// Recomputes the hash chain.
    Rechain,
    /// Renames the other session to this one, in the chain too.
    Impersonate,
    /// Drops the recorded segments from the timeline.
    StripSegments,
    /// Drops legal holds, exports and viewings.
    StripAuditEvents,
    DropSeals,
    DropLastSeal,
    SealAnew,
    SealBeside,
    SealsOfOther,
    Ring(Keys),
    SwapVideo,
    CutVideo,
    DropVideo,
    DropFile(prop::sample::Index),
    ChangeFile(prop::sample::Index),
    AddFile,
    Retell,
    SwapSession,
    RollBack,
}

/// A forged list of keys.
#[derive(Clone, Copy, Debug)]
enum Keys {
    /// The forger's key comes first and endorses the real ones, which takes no action of theirs.
    OwnFirst,
    OwnAlone,
    /// The forger's key comes last, with the endorsement of another key.
    OwnLastBorrowed,
    /// The forger's key comes last, with a claimed endorsement by the real one.
    OwnLastSelfSigned,
    OwnLastWithoutEndorser,
    OwnBetween,
    OwnAmongTwice,
    Backwards,
    None,
}

impl Keys {
    fn list(self) -> Vec<Endorsement> {
        let real = keys();
        let endorsed = |key: &SigningKey, n, by: Option<&SigningKey>| Endorsement::new(key, at(n), by);
        let claims = |signature: String| {
            let by = Some((real[1].key.clone(), signature));
            Endorsement { key: seal::public(&own()), since: real[1].since, by }
        };
        match self {
            Self::OwnFirst => {
                let by_own = Endorsement::new(&own(), at(0), None);
                let mut first = real[0].clone();
                let text = format!("deskside endorsement 1\n{}\n{}\n", first.key, first.since.0);
                first.by = Some((seal::public(&own()), seal::sign(&own(), &text)));
                vec![by_own, first, real[1].clone()]
            }
            Self::OwnAlone => vec![endorsed(&own(), 0, None)],
            Self::OwnLastBorrowed => {
                let signature = real[1].by.clone().unwrap().1;
                [real.clone(), vec![claims(signature)]].concat()
            }
            Self::OwnLastSelfSigned => {
                let text = format!("deskside endorsement 1\n{}\n{}\n", seal::public(&own()), real[1].since.0);
                [real.clone(), vec![claims(seal::sign(&own(), &text))]].concat()
            }
            Self::OwnLastWithoutEndorser => [real, vec![endorsed(&own(), 5, None)]].concat(),
            Self::OwnBetween => vec![real[0].clone(), endorsed(&own(), 1, None), real[1].clone()],
            Self::OwnAmongTwice => {
                let mut again = real[0].clone();
                let text = format!("deskside endorsement 1\n{}\n{}\n", again.key, again.since.0);
                again.by = Some((seal::public(&own()), seal::sign(&own(), &text)));
                vec![real[0].clone(), endorsed(&own(), 1, None), again]
            }
            Self::Backwards => real.into_iter().rev().collect(),
            Self::None => vec![],
        }
    }
}

impl Tampering {
    fn apply(&self, e: &mut Evidence) {
        let place = |index: &prop::sample::Index, of: usize| index.index(of.max(1));
        let length = e.timeline.len();
        match self {
            Self::Reorder(a, b) if length > 0 => {
                e.timeline.swap(place(a, length), place(b, length));
                (1..).zip(&mut e.timeline).for_each(|(seq, entry)| entry.seq = seq);
            }
            Self::Drop(n) if length > 0 => {
                e.timeline.remove(place(n, length));
                (1..).zip(&mut e.timeline).for_each(|(seq, entry)| entry.seq = seq);
            }
            Self::Repeat(n) if length > 0 => {
                let again = e.timeline[place(n, length)].clone();
                e.timeline.push(again);
                (1..).zip(&mut e.timeline).for_each(|(seq, entry)| entry.seq = seq);
            }
            Self::Truncate(n) => e.timeline.truncate(place(n, length)),
            Self::Reword => {
                for entry in &mut e.timeline {
                    entry.body = entry.body.replace("do not ", "").replace("case", "cake");
                }
            }
            Self::Postdate(n) if length > 0 => {
                let entry = &mut e.timeline[place(n, length)];
                entry.at = Timestamp(entry.at.0 + 1);
            }
            Self::Reorder(..) | Self::Drop(_) | Self::Repeat(_) | Self::Postdate(_) => {}
            Self::Rechain => {
                let before = std::mem::take(&mut e.timeline);
                for entry in before {
                    if let Ok(event) = serde_json::from_str::<Event>(&entry.body) {
                        e.happened(&event);
                    }
                }
            }
            Self::Impersonate => e.id = SERVER.newest.id.clone(),
            Self::StripSegments => e.timeline.retain(|s| !s.body.contains("\"recorded\"")),
            Self::StripAuditEvents => {
                e.timeline.retain(|s| !["legal_hold", "exported", "watched"].iter().any(|t| s.body.contains(t)));
            }
            Self::DropSeals => e.seals.clear(),
            Self::DropLastSeal => drop(e.seals.pop()),
            Self::SealAnew => {
                e.seals.clear();
                e.seal(&own());
            }
            Self::SealBeside => e.seal(&own()),
            Self::SealsOfOther => e.seals.clone_from(&SERVER.other.seals),
            Self::Ring(keys) => e.keys = keys.list(),
            Self::SwapVideo => put(e, names::VIDEO, SERVER.other.clone().file(names::VIDEO).clone()),
            Self::CutVideo => {
                if let Some((_, video)) = e.files.iter_mut().find(|(n, _)| n == names::VIDEO) {
                    video.truncate(video.len() * 2 / 3);
                }
            }
            Self::DropVideo => e.files.retain(|(n, _)| n != names::VIDEO && n != names::POINTER),
            Self::DropFile(n) if !e.files.is_empty() => drop(e.files.remove(place(n, e.files.len()))),
            Self::ChangeFile(n) if !e.files.is_empty() => {
                let at = place(n, e.files.len());
                e.files[at].1.push(b' ');
            }
            Self::DropFile(_) | Self::ChangeFile(_) => {}
            Self::AddFile => put(e, "screenshots/99.png", b"forged".to_vec()),
            Self::Retell => {
                let text = e.transcript().into_bytes();
                put(e, names::TRANSCRIPT, text);
            }
            Self::SwapSession => *e = SERVER.other.clone(),
            Self::RollBack => *e = SERVER.older.clone(),
        }
    }
}

fn put(e: &mut Evidence, name: &str, content: Vec<u8>) {
    e.files.retain(|(n, _)| n != name);
    e.files.push((name.into(), content));
}

/// The signature of the forged bundle.
#[derive(Clone, Copy, Debug)]
enum Under {
    /// The forger's own.
    Own,
    /// Copied from a bundle that the server has exported.
    Borrowed(usize),
    /// The real key's name with the forger's signature.
    RealName,
    /// None.
    Nothing,
}

fn forged(e: &Evidence, under: Under) -> Vec<u8> {
    let mut bundle = e.packed(&own());
    let signed_at = bundle.len() - evidence::SIGNATURE_BYTES;
    match under {
        Under::Own => {}
        Under::Borrowed(n) => {
            let real = &EXPORTED[n];
            bundle[signed_at..].copy_from_slice(&real[real.len() - evidence::SIGNATURE_BYTES..]);
        }
        Under::RealName => {
            let (name, real) = (seal::public(&own()), seal::public(&key(2)));
            let comment = String::from_utf8(bundle[signed_at..].to_vec()).unwrap().replace(&name, &real);
            bundle[signed_at..].copy_from_slice(comment.as_bytes());
        }
        Under::Nothing => bundle[signed_at..].fill(b' '),
    }
    bundle
}

fn tamperings() -> impl Strategy<Value = Vec<Tampering>> {
    let index = any::<prop::sample::Index>;
    let lists = [
        Keys::OwnFirst,
        Keys::OwnAlone,
        Keys::OwnLastBorrowed,
        Keys::OwnLastSelfSigned,
        Keys::OwnLastWithoutEndorser,
        Keys::OwnBetween,
        Keys::OwnAmongTwice,
        Keys::Backwards,
        Keys::None,
    ];
    let plain = prop::sample::select(vec![
        Tampering::Reword,
        Tampering::Rechain,
        Tampering::Impersonate,
        Tampering::StripSegments,
        Tampering::StripAuditEvents,
        Tampering::DropSeals,
        Tampering::DropLastSeal,
        Tampering::SealAnew,
        Tampering::SealBeside,
        Tampering::SealsOfOther,
        Tampering::SwapVideo,
        Tampering::CutVideo,
        Tampering::DropVideo,
        Tampering::AddFile,
        Tampering::Retell,
        Tampering::SwapSession,
        Tampering::RollBack,
    ]);
    let tampering = prop_oneof![
        3 => plain,
        1 => (index(), index()).prop_map(|(a, b)| Tampering::Reorder(a, b)),
        1 => index().prop_map(Tampering::Drop),
        1 => index().prop_map(Tampering::Truncate),
        1 => index().prop_map(Tampering::Postdate),
        1 => index().prop_map(Tampering::Repeat),
        1 => index().prop_map(Tampering::DropFile),
        1 => index().prop_map(Tampering::ChangeFile),
        3 => prop::sample::select(lists.to_vec()).prop_map(Tampering::Ring),
    ];
    prop::collection::vec(tampering, 0..6)
}

/// Finally, a careful forger makes everything consistent again.
fn careful(e: &mut Evidence) {
    for tampering in [Tampering::Rechain, Tampering::Retell, Tampering::SealAnew] {
        tampering.apply(e);
    }
}

fn under() -> impl Strategy<Value = Under> {
    prop_oneof![
        3 => Just(Under::Own),
        1 => (0..3usize).prop_map(Under::Borrowed),
        1 => Just(Under::RealName),
        1 => Just(Under::Nothing),
    ]
}

fn expected(n: u8) -> Expected {
    let key = Some(seal::public(&key(n)).parse().unwrap());
    Expected { key, session: Some(SERVER.newest.id.clone()), head: Some(SERVER.newest.head().parse().unwrap()) }
}

fn judged(bundle: &[u8], expected: &Expected) -> Verdict {
    judge(Cursor::new(bundle), expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// With the key as the only expectation, a stranger passes nothing but bytes that the server has exported. With
    /// session and entry expected too, only the current bundle of that session passes.
    #[test]
    fn no_strangers_forgery_passes(tamperings in tamperings(), careful_too in any::<bool>(), under in under(), by in 1u8..=2) {
        let mut e = SERVER.newest.clone();
        tamperings.iter().for_each(|tampering| tampering.apply(&mut e));
        if careful_too {
            careful(&mut e);
        }
        let bundle = forged(&e, under);
        let alone = Expected { session: None, head: None, ..expected(by) };
        if judged(&bundle, &alone).outcome() == Outcome::Whole {
            prop_assert!(EXPORTED.contains(&bundle), "{tamperings:?} {under:?}");
        }
        let verdict = judged(&bundle, &expected(by));
        prop_assert_eq!(verdict.outcome() == Outcome::Whole, bundle == EXPORTED[0], "{:?} {:?}", tamperings, under);
    }

    /// Whatever an insider changes in the server's data before the export, whoever noted the last entry earlier finds
    /// it: the timeline up to there, and every file that it has a hash of, is unchanged.
    #[test]
    fn a_noted_entry_reveals_an_insiders_changes(tamperings in tamperings(), rechained in any::<bool>()) {
        let mut e = SERVER.newest.clone();
        tamperings.iter().for_each(|tampering| tampering.apply(&mut e));
        if rechained {
            Tampering::Rechain.apply(&mut e);
            Tampering::Retell.apply(&mut e);
        }
        // The server seals the end when it exports, and knows its own keys.
        e.keys = keys();
        e.seal(&key(2));
        let verdict = judged(&e.packed(&key(2)), &expected(1));
        if verdict.outcome() == Outcome::Whole {
            let Server { newest, .. } = &*SERVER;
            prop_assert!(e.timeline.starts_with(&newest.timeline), "{tamperings:?}");
            for (name, content) in &newest.files {
                prop_assert!(e.files.contains(&(name.clone(), content.clone())), "{name}: {tamperings:?}");
            }
        }
    }
}

/// Each kind of forgery by itself, done as well as a stranger can, with the finding that names it.
#[test]
fn every_kind_of_forgery_is_found_and_named() {
    let whole = |tamperings: &[Tampering], under: Under| {
        let mut e = SERVER.newest.clone();
        tamperings.iter().for_each(|tampering| tampering.apply(&mut e));
        forged(&e, under)
    };
    use Tampering::{Rechain, Retell, Reword, Ring, SealAnew};
    // Texts are changed, and everything is signed again.
    let retold = |more: &[Tampering]| [&[Reword, Rechain, Retell, SealAnew], more].concat();
    let print = |key: SigningKey| fingerprint(&seal::public(&key));
    let own_key = || WrongKey { expected: print(key(1)), found: print(own()) };
    let table: [(&str, Vec<u8>, Finding); 14] = [
        (
            "a key of one's own, which endorses the real one",
            whole(&retold(&[Ring(Keys::OwnFirst)]), Under::Own),
            Finding::Signer(own_key()),
        ),
        ("a key of one's own alone", whole(&retold(&[Ring(Keys::OwnAlone)]), Under::Own), Finding::Signer(own_key())),
        (
            "a borrowed endorsement",
            whole(&retold(&[Ring(Keys::OwnLastBorrowed)]), Under::Own),
            Finding::Signer(own_key()),
        ),
        (
            "an endorsement by oneself",
            whole(&retold(&[Ring(Keys::OwnLastSelfSigned)]), Under::Own),
            Finding::Signer(own_key()),
        ),
        (
            "a key without endorser",
            whole(&retold(&[Ring(Keys::OwnLastWithoutEndorser)]), Under::Own),
            Finding::Signer(own_key()),
        ),
        (
            "a key between the real ones",
            whole(&retold(&[Ring(Keys::OwnBetween)]), Under::Own),
            Finding::Signer(own_key()),
        ),
        ("the real key twice", whole(&retold(&[Ring(Keys::OwnAmongTwice)]), Under::Own), Finding::Signer(own_key())),
        ("the seal alone is forged", whole(&retold(&[Ring(Keys::OwnFirst)]), Under::Own), Finding::Sealer(own_key())),
        ("the real signature under something else", whole(&retold(&[]), Under::Borrowed(0)), Finding::Signature),
        ("the real key's name", whole(&retold(&[]), Under::RealName), Finding::Signature),
        ("no signature", whole(&retold(&[]), Under::Nothing), Finding::Signature),
        ("another session of the server", EXPORTED[2].clone(), Finding::Session(SERVER.other.id.to_string())),
        ("another session of the server", EXPORTED[2].clone(), Finding::RolledBack),
        ("an earlier state", EXPORTED[1].clone(), Finding::RolledBack),
    ];
    for (what, bundle, finding) in table {
        let verdict = judged(&bundle, &expected(1));
        assert!(verdict.findings.contains(&finding), "{what}: {:?}", verdict.findings);
    }
    assert_eq!(judged(&EXPORTED[0], &expected(1)).findings, []);
    assert_eq!(judged(&EXPORTED[0], &expected(2)).findings, []);
    // Without an expected key the verdict is not that the bundle is whole.
    let forgery = whole(&retold(&[Ring(Keys::OwnFirst)]), Under::Own);
    assert_eq!(judged(&forgery, &Expected::default()).outcome(), Outcome::SignerUnknown);
    assert!(SERVER.newest.timeline[1].body.contains("do not touch"), "the forged text is in the timeline");
    let nobody = ParticipantId(1);
    assert!(SERVER.newest.timeline.iter().any(|s| s.body.contains(&format!("\"from\":{}", nobody.0))));
}
