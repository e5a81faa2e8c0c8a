//! The evidence of small sessions, and the bundles that a server exports of it.

use ed25519_dalek::SigningKey;
use evidence::{Endorsement, Seal, Segments, Writer, hex, line, names, transcript};
use protocol::{Entry, Event, IncidentRef, ParticipantId, SessionId, Timestamp, UserRef};
use session::Stored;
use sha2::{Digest, Sha256};

use crate::{frames, video};

/// The key of this number.
pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn at(n: u32) -> Timestamp {
    Timestamp(1_800_000_000_000 + u64::from(n) * 1_000)
}

/// The keys of a server that has changed its key: the second is endorsed by the first.
pub(crate) fn keys() -> Vec<Endorsement> {
    vec![Endorsement::new(&key(1), at(0), None), Endorsement::new(&key(2), at(1), Some(&key(1)))]
}

/// All evidence of a session.
#[derive(Clone)]
pub(crate) struct Evidence {
    pub(crate) id: SessionId,
    pub(crate) timeline: Vec<Stored>,
    pub(crate) seals: Vec<Seal>,
    pub(crate) keys: Vec<Endorsement>,
    /// Name and content.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Evidence {
    /// A session that has ended and is stored: a chat of these words, and a video.
    pub(crate) fn of(number: u8, words: &str) -> Self {
        Self::before_it_is_stored(number, words).stored(number)
    }

    pub(crate) fn before_it_is_stored(number: u8, words: &str) -> Self {
        let id = SessionId::from_random([number; 16]);
        let tom = UserRef { id: 1, name: "Tom".into() };
        let incident = IncidentRef { id: 1, number: "INC-1".into(), subject: "Printer".into(), customer: "Ada".into() };
        let mut made = Self { id, timeline: vec![], seals: vec![], keys: keys(), files: vec![] };
        made.happened(&Event::Created { incident, owner: tom, organisation: "Acme".into(), rules: None });
        made.happened(&Event::Chat { from: ParticipantId(1), text: words.into(), nonce: 1 });
        made.happened(&Event::SystemInfoRead { by: ParticipantId(1), number: 4, sha256: hex(&Sha256::digest("{}")) });
        made
    }

    pub(crate) fn stored(mut self, number: u8) -> Self {
        let frames = frames(6 + u32::from(number));
        let video = video(&frames, vec![], 7_000 + u64::from(number) * 1_000);
        for run in frames.chunks(frames.len() / 2) {
            let mut segments = Segments::default();
            run.iter().for_each(|(_, data)| segments.add(data));
            let segment = segments.end().unwrap();
            let (pictures, bytes, sha256) = (segment.pictures, segment.bytes, segment.sha256);
            self.happened(&Event::Recorded { pictures, bytes, sha256 });
        }
        let text = self.transcript();
        self.happened(&Event::Stored {
            recording_bytes: Some(video.len() as u64),
            transcript_sha256: hex(&Sha256::digest(&text)),
            recording_sha256: Some(hex(&Sha256::digest(&video))),
            pointer_sha256: Some(hex(&Sha256::digest([]))),
        });
        self.files = vec![
            (names::TRANSCRIPT.into(), text.into_bytes()),
            ("system/4.json".into(), b"{}".to_vec()),
            (names::VIDEO.into(), video),
            (names::POINTER.into(), vec![]),
        ];
        self.seal(&key(1));
        self
    }

    /// Adds an entry.
    pub(crate) fn happened(&mut self, event: &Event) {
        let (seq, before) = self.timeline.last().map_or((1, session::GENESIS), |last| (last.seq + 1, last.hash));
        self.timeline.push(session::link(&self.id, &before, seq, at(seq), event));
    }

    /// Adds a seal at the end.
    pub(crate) fn seal(&mut self, key: &SigningKey) {
        if let Some(last) = self.timeline.last() {
            self.seals.push(Seal::new(key, self.id.clone(), last.seq, &last.hash, at(90)));
        }
    }

    pub(crate) fn head(&self) -> String {
        hex(&self.timeline.last().unwrap().hash)
    }

    pub(crate) fn transcript(&self) -> String {
        let read = |s: &Stored| Some(Entry { seq: s.seq, at: s.at, event: serde_json::from_str(&s.body).ok()? });
        let entries: Vec<_> = self.timeline.iter().filter_map(read).collect();
        transcript::text(&self.id, &entries)
    }

    pub(crate) fn file(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(n, _)| n == name).unwrap().1
    }

    /// The bundle, signed.
    pub(crate) fn packed(&self, key: &SigningKey) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        let timeline: String = self.timeline.iter().map(line).collect();
        writer.file(names::TIMELINE, &mut timeline.as_bytes()).unwrap();
        writer.file(names::SEALS, &mut &serde_json::to_vec(&self.seals).unwrap()[..]).unwrap();
        writer.file(names::KEYS, &mut &serde_json::to_vec(&self.keys).unwrap()[..]).unwrap();
        for (name, content) in &self.files {
            writer.file(name, &mut &content[..]).unwrap();
        }
        writer.finish(key).unwrap()
    }
}
