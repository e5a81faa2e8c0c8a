//! The verdict on a bundle: whole, or what was changed and where, in words for somebody who was not there.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufReader, Read, Seek},
};

use protocol::{Entry as Happened, Event, SessionId};
use serde::Deserialize;
use session::Stored;
use sha2::{Digest, Sha256};

use crate::{
    Endorsement, Entry, Seal, Segment, Segments, bundle, hex, names, seal::fingerprint, transcript, unhex, webm,
};

/// No file of a bundle that is read as a whole is longer: the timeline of a very long session.
const MAX_TEXT_BYTES: u64 = 256 * 1024 * 1024;

/// Something that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It cannot even be opened.
    Unreadable(String),
    /// The signature of the whole file does not hold.
    Signature,
    /// A file is not the one that was signed.
    Changed(String),
    /// A file is missing.
    Missing(String),
    /// A file was added.
    Added(String),
    /// The chain of the timeline is broken.
    Timeline(String),
    /// A seal does not hold, or is under another timeline.
    Seal(u32),
    /// There is no seal under the timeline's end.
    NoSeal,
    /// The signing keys are not those of one server.
    Keys(String),
    /// A piece of the video is not what was recorded.
    Recording {
        /// The segment's number, from 1.
        segment: usize,
        /// When it had been recorded, in words.
        until: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "This is not a whole bundle: {why}."),
            Self::Signature => write!(f, "The file is not as it was signed: at least one byte of it was changed."),
            Self::Changed(name) => write!(f, "{name} was changed after it was stored."),
            Self::Missing(name) => write!(f, "{name} is missing."),
            Self::Added(name) => write!(f, "{name} was added."),
            Self::Timeline(why) => write!(f, "The timeline was changed: {why}."),
            Self::Seal(seq) => write!(f, "The server's seal under entry {seq} of the timeline does not hold."),
            Self::NoSeal => write!(f, "No seal of the server covers the end of the timeline."),
            Self::Keys(why) => write!(f, "The keys do not belong together: {why}."),
            Self::Recording { segment, until } => {
                write!(f, "The video was changed in its segment {segment}, recorded until {until}.")
            }
        }
    }
}

/// What is known of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The session and what it was about.
    pub about: String,
    /// The key that signed the file as a whole.
    pub key: Option<String>,
    /// Every key of that server's history, the newest last.
    pub keys: Vec<String>,
    /// How many entries the timeline has.
    pub entries: usize,
    /// How many segments of the video were compared with the timeline.
    pub segments: usize,
    /// What is not as it was signed; nothing: the bundle is whole.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether everything is as it was signed.
    pub fn whole(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether the key, or one that leads to it, is the one that somebody expects.
    pub fn signed_by(&self, expected: &str) -> bool {
        self.keys.iter().any(|k| k == expected || fingerprint(k) == expected)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u32,
    at: protocol::Timestamp,
    body: String,
    hash: String,
}

/// A timeline's entry as a line of [`names::TIMELINE`].
pub fn line(stored: &Stored) -> String {
    let text = |t: &str| serde_json::to_string(t).expect("a text has a JSON form");
    let hash = hex(&stored.hash);
    format!("{{\"seq\":{},\"at\":{},\"body\":{},\"hash\":\"{hash}\"}}\n", stored.seq, stored.at.0, text(&stored.body))
}

/// Judges a bundle.
pub fn judge<R: Read + Seek>(mut file: R) -> Verdict {
    let mut verdict = Verdict::default();
    match bundle::signature(&mut file) {
        Ok(Some(key)) => verdict.key = Some(key),
        Ok(None) => verdict.findings.push(Finding::Signature),
        Err(error) => verdict.findings.push(Finding::Unreadable(error.to_string())),
    }
    match zip::ZipArchive::new(file) {
        Ok(archive) => Judge { archive, verdict: &mut verdict, session: None }.run(),
        Err(error) => verdict.findings.push(Finding::Unreadable(error.to_string())),
    }
    verdict
}

struct Judge<'a, R> {
    archive: zip::ZipArchive<R>,
    verdict: &'a mut Verdict,
    session: Option<SessionId>,
}

impl<R: Read + Seek> Judge<'_, R> {
    fn run(mut self) {
        let sums = self.files();
        let stored = self.timeline();
        let entries = match session_of(&stored, self.session.as_ref()) {
            Ok(entries) => entries,
            Err(why) => return self.find(Finding::Timeline(why)),
        };
        self.verdict.entries = entries.len();
        self.keys();
        self.seals(&stored);
        self.deeds(&entries, &sums);
        self.video(&entries);
        self.words(&entries);
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

    /// Compares every file with the manifest; gives the hashes of what is there.
    fn files(&mut self) -> BTreeMap<String, String> {
        let mut sums = BTreeMap::new();
        for n in 0..self.archive.len() {
            let Ok(mut file) = self.archive.by_index(n) else { continue };
            let Ok(name) = file.name().map(|n| n.into_owned()) else { continue };
            let mut sum = Sha256::new();
            if std::io::copy(&mut file, &mut sum).is_ok() {
                sums.insert(name, hex(&sum.finalize()));
            } else {
                sums.insert(name, String::new());
            }
        }
        let Some(manifest) = self.text(names::MANIFEST) else { return sums };
        let Ok(listed) = serde_json::from_slice::<Vec<Entry>>(&manifest) else {
            self.find(Finding::Changed(names::MANIFEST.into()));
            return sums;
        };
        for entry in &listed {
            match sums.get(&entry.name) {
                None => self.find(Finding::Missing(entry.name.clone())),
                Some(sum) if *sum != entry.sha256 => self.find(Finding::Changed(entry.name.clone())),
                Some(_) => {}
            }
        }
        for name in sums.keys().filter(|n| *n != names::MANIFEST && !listed.iter().any(|e| e.name == **n)) {
            self.verdict.findings.push(Finding::Added(name.clone()));
        }
        sums
    }

    fn timeline(&mut self) -> Vec<Stored> {
        let bytes = self.text(names::TIMELINE).unwrap_or_default();
        if let Some(seals) = self.text(names::SEALS)
            && let Ok(seals) = serde_json::from_slice::<Vec<Seal>>(&seals)
        {
            self.session = seals.first().map(|s| s.session.clone());
        }
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
        stored
    }

    fn keys(&mut self) {
        let Some(bytes) = self.text(names::KEYS) else { return };
        let Ok(keys) = serde_json::from_slice::<Vec<Endorsement>>(&bytes) else {
            return self.find(Finding::Changed(names::KEYS.into()));
        };
        for (n, key) in keys.iter().enumerate() {
            let before = n.checked_sub(1).map(|n| keys[n].key.as_str());
            if !key.holds() || key.by.as_ref().map(|(by, _)| by.as_str()) != before {
                let why = format!("{} is not endorsed by the key before it", fingerprint(&key.key));
                self.find(Finding::Keys(why));
            }
        }
        self.verdict.keys = keys.into_iter().map(|k| k.key).collect();
        if let Some(key) = self.verdict.key.clone()
            && !self.verdict.keys.contains(&key)
        {
            self.find(Finding::Keys(format!("{} has signed, and is not among them", fingerprint(&key))));
        }
    }

    fn seals(&mut self, stored: &[Stored]) {
        let Some(bytes) = self.text(names::SEALS) else { return };
        let Ok(seals) = serde_json::from_slice::<Vec<Seal>>(&bytes) else {
            return self.find(Finding::Changed(names::SEALS.into()));
        };
        for seal in &seals {
            let entry = stored.iter().find(|s| s.seq == seal.seq);
            let under =
                entry.is_some_and(|s| hex(&s.hash) == seal.hash) && Some(&seal.session) == self.session.as_ref();
            if !under || !seal.holds() || !self.verdict.keys.contains(&seal.key) {
                self.find(Finding::Seal(seal.seq));
            }
        }
        if seals.iter().map(|s| s.seq).max() != stored.last().map(|s| s.seq) {
            self.find(Finding::NoSeal);
        }
    }

    /// What the timeline says of files that are kept beside it.
    fn deeds(&mut self, entries: &[Happened], sums: &BTreeMap<String, String>) {
        for entry in entries {
            let (name, sha256) = match &entry.event {
                Event::SystemInfoRead { number, sha256, .. } => (format!("system/{number}.json"), Some(sha256)),
                Event::ScreenshotTaken { number, sha256, .. } => (format!("screenshots/{number}.png"), Some(sha256)),
                Event::FilePosted { number, sha256, .. } => (format!("files/{number}"), Some(sha256)),
                Event::ShellEnded { number, sha256 } if !sha256.is_empty() => {
                    (format!("shells/{number}.cast"), Some(sha256))
                }
                Event::Stored { recording_sha256: Some(sha256), .. } => (names::VIDEO.into(), Some(sha256)),
                _ => continue,
            };
            match sums.get(&name) {
                None => self.find(Finding::Missing(name)),
                Some(sum) if Some(sum) != sha256 => self.find(Finding::Changed(name)),
                Some(_) => {}
            }
            if let Event::Stored { pointer_sha256: Some(sha256), .. } = &entry.event
                && sums.get(names::POINTER) != Some(sha256)
            {
                self.find(Finding::Changed(names::POINTER.into()));
            }
        }
    }

    /// The video's pictures, segment by segment, with what the timeline says was recorded.
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
            // That it is missing was said before.
            Err(_) => return,
        };
        found.into_iter().for_each(|finding| self.find(finding));
    }

    /// The transcript is what the timeline reads like, and the one whose hash was stored.
    fn words(&mut self, entries: &[Happened]) {
        let (Some(text), Some(id)) = (self.text(names::TRANSCRIPT), self.session.clone()) else { return };
        if transcript::text(&id, entries).as_bytes() != text {
            self.find(Finding::Changed(names::TRANSCRIPT.into()));
        }
        if let Some(Event::Created { incident, organisation, .. }) = entries.first().map(|e| &e.event) {
            let of = if organisation.is_empty() { String::new() } else { format!(" of {organisation}") };
            self.verdict.about =
                format!("session {id}{of}: {} for {} ({})", incident.number, incident.customer, incident.subject);
        }
    }
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
