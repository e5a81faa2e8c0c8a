//! Verifies a bundle: its files, the chain of the timeline, keys and seals, the video, and the expectations.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Seek},
};

use protocol::{Entry as Happened, Event, SessionId};
use serde::Deserialize;
use session::Stored;
use sha2::{Digest, Sha256};

use crate::{
    Endorsement, Entry, Expected, Finding, Note, Seal, Segment, Segments, Verdict, WrongKey, bundle, hex,
    keyring::Keyring, names, transcript, unhex, webm,
};

/// The most that is read of a file as a whole: the timeline of a very long session fits.
const MAX_TEXT_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u32,
    at: protocol::Timestamp,
    body: String,
    hash: String,
}

/// A timeline entry as a line of [`names::TIMELINE`].
pub fn line(stored: &Stored) -> String {
    let text = |t: &str| serde_json::to_string(t).expect("a text has a JSON form");
    let hash = hex(&stored.hash);
    format!("{{\"seq\":{},\"at\":{},\"body\":{},\"hash\":\"{hash}\"}}\n", stored.seq, stored.at.0, text(&stored.body))
}

/// Verifies a bundle, by itself and against what is expected of it.
pub fn judge<R: Read + Seek>(mut file: R, expected: &Expected) -> Verdict {
    let mut verdict = Verdict { key_expected: expected.key.is_some(), ..Verdict::default() };
    match bundle::signature(&mut file) {
        Ok(Some(key)) => verdict.key = Some(key),
        Ok(None) => verdict.findings.push(Finding::Signature),
        Err(error) => verdict.findings.push(Finding::Unreadable(error.to_string())),
    }
    match zip::ZipArchive::new(file) {
        Ok(archive) => Judge { archive, expected, verdict: &mut verdict, keys: Keyring::default() }.run(),
        Err(error) => verdict.findings.push(Finding::Unreadable(error.to_string())),
    }
    verdict
}

struct Judge<'a, R> {
    archive: zip::ZipArchive<R>,
    expected: &'a Expected,
    verdict: &'a mut Verdict,
    keys: Keyring,
}

impl<R: Read + Seek> Judge<'_, R> {
    fn run(mut self) {
        let sums = self.files();
        self.keys();
        self.signer();
        let seals = self.list::<Seal>(names::SEALS);
        self.verdict.session = seals.first().map(|s| s.session.clone());
        self.session();
        let stored = self.timeline();
        let entries = match session_of(&stored, self.verdict.session.as_ref()) {
            Ok(entries) => entries,
            Err(why) => return self.find(Finding::Timeline(why)),
        };
        self.verdict.entries = entries.len();
        self.seals(&seals, &stored);
        self.stored_files(&entries, &sums);
        self.video(&entries);
        self.transcript(&entries);
    }

    fn find(&mut self, finding: Finding) {
        if !self.verdict.findings.contains(&finding) {
            self.verdict.findings.push(finding);
        }
    }

    fn text(&mut self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.archive.by_name(name).ok().and_then(|f| f.take(MAX_TEXT_BYTES).read_to_end(&mut bytes).ok());
        if read.is_none() {
            self.find(if self.archive.file_names().any(|n| n.is_ok_and(|n| n == name)) {
                Finding::Changed(name.into())
            } else {
                Finding::Missing(name.into())
            });
        }
        read.map(|_| bytes)
    }

    /// A file that holds a JSON list.
    fn list<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let Some(bytes) = self.text(name) else { return vec![] };
        serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            self.find(Finding::Changed(name.into()));
            vec![]
        })
    }

    /// Compares every file with the manifest; returns the hashes of the files.
    fn files(&mut self) -> BTreeMap<String, String> {
        let mut sums = BTreeMap::new();
        if self.archive.has_duplicate_names() {
            self.find(Finding::Unreadable("two of its files have one name".into()));
        }
        for n in 0..self.archive.len() {
            let Ok(mut file) = self.archive.by_index(n) else {
                self.find(Finding::Unreadable(format!("file {} of the archive cannot be read", n + 1)));
                continue;
            };
            let Ok(name) = file.name().map(|n| n.into_owned()) else {
                drop(file);
                self.find(Finding::Unreadable(format!("file {} of the archive has no readable name", n + 1)));
                continue;
            };
            let mut sum = Sha256::new();
            let read = std::io::copy(&mut file, &mut sum).is_ok();
            sums.insert(name, if read { hex(&sum.finalize()) } else { String::new() });
        }
        let listed = self.list::<Entry>(names::MANIFEST);
        for entry in &listed {
            match sums.get(&entry.name) {
                None => self.find(Finding::Missing(entry.name.clone())),
                Some(sum) if *sum != entry.sha256 => self.find(Finding::Changed(entry.name.clone())),
                Some(_) => {}
            }
        }
        for name in sums.keys().filter(|n| *n != names::MANIFEST) {
            if !bundle::name_fits(name) {
                self.find(Finding::Name(name.clone()));
            }
            if !listed.iter().any(|e| e.name == *name) {
                self.find(Finding::Added(name.clone()));
            }
        }
        sums
    }

    fn keys(&mut self) {
        let (keys, findings) = Keyring::new(self.list::<Endorsement>(names::KEYS));
        findings.into_iter().for_each(|finding| self.find(finding));
        if let Some(key) = self.verdict.key.clone()
            && !keys.has(&key)
        {
            self.find(Finding::Keys(format!("{} has signed, and is not among them", crate::fingerprint(&key))));
        }
        self.keys = keys;
    }

    /// Whether the expected key vouches for the signer of the bundle.
    fn signer(&mut self) {
        if let Some(wrong) = self.verdict.key.clone().and_then(|key| self.not_vouched_for(&key)) {
            self.find(Finding::Signer(wrong));
        }
    }

    /// The key and the expected one, unless the expected key vouches for it or none is expected.
    fn not_vouched_for(&self, key: &str) -> Option<WrongKey> {
        let expected = self.expected.key.as_ref()?;
        let wrong = || WrongKey { expected: expected.fingerprint(), found: crate::fingerprint(key) };
        (!self.keys.vouched_for(expected).contains(&key)).then(wrong)
    }

    fn session(&mut self) {
        if let (Some(expected), Some(found)) = (&self.expected.session, self.verdict.session.clone())
            && *expected != found
        {
            self.find(Finding::Session(found.to_string()));
        }
    }

    fn timeline(&mut self) -> Vec<Stored> {
        let bytes = self.text(names::TIMELINE).unwrap_or_default();
        let mut stored = Vec::new();
        for text in String::from_utf8_lossy(&bytes).lines() {
            let line = serde_json::from_str::<Line>(text).ok();
            match line.and_then(|l| Some(Stored { seq: l.seq, at: l.at, body: l.body, hash: unhex(&l.hash)? })) {
                Some(entry) => stored.push(entry),
                None => {
                    self.find(Finding::Timeline(format!("line {} of it cannot be read", stored.len() + 1)));
                    break;
                }
            }
        }
        if let Some(noted) = &self.expected.head
            && !stored.iter().any(|s| hex(&s.hash) == noted.as_str())
        {
            self.find(Finding::RolledBack);
        }
        self.verdict.head = stored.last().map(|s| hex(&s.hash)).unwrap_or_default();
        stored
    }

    /// Every seal must be valid and made with a key of the server. The seal at the end covers all entries, so the
    /// expected key must vouch for that one.
    fn seals(&mut self, seals: &[Seal], stored: &[Stored]) {
        let end = stored.last().map(|s| s.seq);
        let mut covered = false;
        for seal in seals {
            let entry = stored.iter().find(|s| s.seq == seal.seq);
            let under = entry.is_some_and(|s| hex(&s.hash) == seal.hash)
                && Some(&seal.session) == self.verdict.session.as_ref();
            if !under || !seal.holds() || !self.keys.has(&seal.key) {
                self.find(Finding::Seal(seal.seq));
            } else if let Some(wrong) = self.not_vouched_for(&seal.key) {
                match Some(seal.seq) == end {
                    true => self.find(Finding::Sealer(wrong)),
                    false => self.verdict.notes.push(Note::EarlierKey(seal.seq)),
                }
            }
            if Some(seal.seq) == end {
                covered = true;
                self.verdict.sealed = Some(seal.at);
            }
        }
        if !covered {
            self.find(Finding::NoSeal);
        }
    }

    /// Compares the stored files with what the timeline says of them, in both directions.
    fn stored_files(&mut self, entries: &[Happened], sums: &BTreeMap<String, String>) {
        let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, sha256) in entries.iter().flat_map(|e| stored_files_of(&e.event)) {
            named.entry(name).or_default().extend(sha256);
        }
        for (name, hashes) in &named {
            match sums.get(name) {
                Some(_) if hashes.is_empty() => self.verdict.notes.push(Note::NoHash(name.clone())),
                Some(sum) if hashes.iter().all(|h| h == sum) => {}
                Some(_) => self.find(Finding::Changed(name.clone())),
                None if hashes.is_empty() => {}
                None => self.find(Finding::Missing(name.clone())),
            }
        }
        for name in sums.keys().filter(|name| is_of_an_event(name) && !named.contains_key(*name)) {
            self.find(Finding::Added(name.clone()));
        }
        self.end(entries);
    }

    /// After the entry that says what was stored, a timeline holds nothing that belongs to the transcript.
    fn end(&mut self, entries: &[Happened]) {
        let Some(stored) = entries.iter().find(|e| matches!(e.event, Event::Stored { .. })) else {
            return self.find(Finding::Timeline("the entry that says what was stored is missing".into()));
        };
        if let Some(line) = session::transcript(entries).iter().find(|line| line.seq > stored.seq) {
            let why = format!("entry {} was added after the transcript was stored", line.seq);
            self.find(Finding::Timeline(why));
        }
    }

    /// Compares the video's pictures, segment by segment, with the hashes in the timeline.
    fn video(&mut self, entries: &[Happened]) {
        let segments = entries.iter().filter_map(|e| match &e.event {
            Event::Recorded { pictures, bytes, sha256 } => {
                Some((e.at, Segment { pictures: *pictures, bytes: *bytes, sha256: sha256.clone() }))
            }
            _ => None,
        });
        let segments: Vec<_> = segments.collect();
        if segments.is_empty() {
            return;
        }
        self.verdict.segments = segments.len();
        let found = match self.archive.by_name(names::VIDEO) {
            Ok(file) => compare(file, &segments),
            Err(_) => vec![Finding::Missing(names::VIDEO.into())],
        };
        found.into_iter().for_each(|finding| self.find(finding));
    }

    /// The transcript must equal the timeline's, or be the stored one, which another version may have worded
    /// differently.
    fn transcript(&mut self, entries: &[Happened]) {
        let (Some(text), Some(id)) = (self.text(names::TRANSCRIPT), self.verdict.session.clone()) else { return };
        let sum = hex(&Sha256::digest(&text));
        let stored =
            |e: &Happened| matches!(&e.event, Event::Stored { transcript_sha256, .. } if *transcript_sha256 == sum);
        if transcript::text(&id, entries).as_bytes() != text && !entries.iter().any(stored) {
            self.find(Finding::Changed(names::TRANSCRIPT.into()));
        }
        if let Some(Event::Created { incident, organisation, .. }) = entries.first().map(|e| &e.event) {
            let of = if organisation.is_empty() { String::new() } else { format!(" of {organisation}") };
            self.verdict.about =
                format!("session {id}{of}: {} for {} ({})", incident.number, incident.customer, incident.subject);
        }
    }
}

/// The stored files that an event names, with their hashes where it has them.
fn stored_files_of(event: &Event) -> Vec<(String, Option<String>)> {
    let hash = |sha256: &String| Some(sha256.clone()).filter(|s| !s.is_empty());
    match event {
        Event::SystemInfoRead { number, sha256, .. } => vec![(format!("system/{number}.json"), hash(sha256))],
        Event::ScreenshotTaken { number, sha256, .. } => vec![(format!("screenshots/{number}.png"), hash(sha256))],
        Event::FilePosted { number, sha256, .. } => vec![(format!("files/{number}"), hash(sha256))],
        Event::ShellStarted { number, .. } => vec![(format!("shells/{number}.cast"), None)],
        Event::ShellEnded { number, sha256 } => vec![(format!("shells/{number}.cast"), hash(sha256))],
        Event::Stored { recording_bytes: Some(_), recording_sha256, pointer_sha256, .. } => vec![
            (names::VIDEO.into(), recording_sha256.clone()),
            (names::POINTER.into(), pointer_sha256.clone()),
            (names::VIDEO_WITH_POINTER.into(), None),
        ],
        Event::Created { .. }
        | Event::KeyIssued { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Joined { .. }
        | Event::Dropped { .. }
        | Event::Returned { .. }
        | Event::Left { .. }
        | Event::Chat { .. }
        | Event::Asked { .. }
        | Event::Granted { .. }
        | Event::Denied { .. }
        | Event::Withdrawn { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::SharingStarted { .. }
        | Event::ScreenResized { .. }
        | Event::MonitorsChanged { .. }
        | Event::InputBlocked { .. }
        | Event::SharingStopped { .. }
        | Event::SharingFailed { .. }
        | Event::RecordingFailed { .. }
        | Event::Held { .. }
        | Event::Reopened { .. }
        | Event::Transferred { .. }
        | Event::Queued { .. }
        | Event::QueueMoved { .. }
        | Event::Taken { .. }
        | Event::Inherited { .. }
        | Event::RoleChanged { .. }
        | Event::SharedWith { .. }
        | Event::ExpertInvited { .. }
        | Event::ControlWanted { .. }
        | Event::ControlPassed { .. }
        | Event::Noted { .. }
        | Event::Attributed { .. }
        | Event::FileCarried { .. }
        | Event::FileFailed { .. }
        | Event::FolderMade { .. }
        | Event::FileRenamed { .. }
        | Event::FileDeleted { .. }
        | Event::ClipboardCarried { .. }
        | Event::ProcessEnded { .. }
        | Event::Restarting { .. }
        | Event::Rated { .. }
        | Event::Ended { .. }
        | Event::Recorded { .. }
        | Event::Stored { recording_bytes: None, .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => vec![],
    }
}

/// Whether only an event brings a file of this name into a bundle.
fn is_of_an_event(name: &str) -> bool {
    [names::VIDEO, names::VIDEO_WITH_POINTER, names::POINTER].contains(&name)
        || ["system/", "screenshots/", "files/", "shells/"].iter().any(|folder| name.starts_with(folder))
}

fn compare(video: impl Read, segments: &[(protocol::Timestamp, Segment)]) -> Vec<Finding> {
    let mut pictures = webm::Pictures::new(BufReader::new(video));
    let mut wrong = Vec::new();
    for (n, (at, expected)) in segments.iter().enumerate() {
        let mut counted = Segments::default();
        while counted.pictures() < expected.pictures {
            let Some(Ok(picture)) = pictures.next() else { break };
            counted.add(&picture.data);
        }
        if counted.end().as_ref() != Some(expected) {
            wrong.push(Finding::Recording { segment: n + 1, until: transcript::utc(*at) });
        }
    }
    if pictures.next().is_some() {
        wrong.push(Finding::Changed(names::VIDEO.into()));
    }
    wrong
}

fn session_of(stored: &[Stored], id: Option<&SessionId>) -> Result<Vec<Happened>, String> {
    let id = id.ok_or("it is not known whose timeline it is")?;
    if stored.is_empty() {
        return Err("it is empty".into());
    }
    let events = session::verify(id, stored).map_err(|e| e.to_string())?;
    Ok((1..).zip(events).map(|(seq, (at, event))| Happened { seq, at, event }).collect())
}
