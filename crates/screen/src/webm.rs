//! The recording's file: WebM with one AV1 track, written so that whatever is on the disk plays.
//!
//! Element names and numbers are those of RFC 9559 (Matroska). Every frame is written as it comes; the places that a
//! whole file fills (sizes, duration, the cues) are patched when the file is finished, now or after a crash.
//! `docs/recording.md` describes the file.

use std::io::{self, Read, Seek, SeekFrom, Write};

mod ebml;
mod recover;
mod sequence;

use ebml::{Body, UNKNOWN_SIZE, element, unsigned};
pub use recover::{Truncate, recover};

/// A cluster ends after this many milliseconds at the latest.
const CLUSTER_MS: u64 = 5_000;

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WebmError {
    /// The disk said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first frame carries no AV1 sequence header.
    #[error("the first frame is not an AV1 keyframe")]
    NotAKeyframe,
    /// The file is not one of ours, or lacks even its first frame.
    #[error("not a recording, or one without a whole first frame")]
    NotARecording,
}

/// A place to seek to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cue {
    time: u64,
    cluster: u64,
}

#[derive(Clone, Debug)]
struct Cluster {
    /// Offset of the element in the file.
    at: u64,
    time: u64,
}

#[derive(Clone, Debug)]
struct LastBlock {
    at: u64,
    time: u64,
    key: bool,
    previous: Option<u64>,
}

/// A recording being written.
#[derive(Debug)]
pub struct Writer<F> {
    file: F,
    end: u64,
    cluster: Option<Cluster>,
    cues: Vec<Cue>,
    last: Option<LastBlock>,
    /// Offsets of the duration's and the cues position's eight bytes, and of the segment's content.
    marks: Marks,
}

#[derive(Clone, Copy, Debug)]
struct Marks {
    segment_size: u64,
    segment: u64,
    cues_position: u64,
    duration: u64,
}

impl<F: Read + Write + Seek> Writer<F> {
    /// Starts a file with its first keyframe at time zero.
    pub fn start(mut file: F, width: u16, height: u16, frame: &[u8]) -> Result<Self, WebmError> {
        let header = sequence::header(frame).ok_or(WebmError::NotAKeyframe)?;
        let (head, marks) = head(width, height, &header);
        file.write_all(&head)?;
        let mut writer = Self { file, end: head.len() as u64, cluster: None, cues: vec![], last: None, marks };
        writer.frame(0, true, frame)?;
        Ok(writer)
    }

    /// Appends a frame shown at `time` milliseconds after the first; times never go back.
    pub fn frame(&mut self, time: u64, key: bool, frame: &[u8]) -> Result<(), WebmError> {
        let time = self.last.as_ref().map_or(time, |last| time.max(last.time + 1));
        let fits = self.cluster.as_ref().is_some_and(|c| (c.time..c.time + CLUSTER_MS).contains(&time));
        if key || !fits {
            self.close_cluster()?;
            let at = self.end;
            let mut bytes = vec![0x1F, 0x43, 0xB6, 0x75];
            bytes.extend(UNKNOWN_SIZE);
            bytes.extend(element(0xE7, &unsigned(time)));
            self.append(&bytes)?;
            self.cluster = Some(Cluster { at, time });
            if key {
                self.cues.push(Cue { time, cluster: at - self.marks.segment });
            }
        }
        let base = self.cluster.as_ref().expect("a cluster was just opened").time;
        let relative = u16::try_from(time - base).expect("clusters are far shorter than 32 s");
        let at = self.end;
        let mut block = vec![0x81];
        block.extend(relative.to_be_bytes());
        block.push(if key { 0x80 } else { 0 });
        block.extend(frame);
        self.append(&element(0xA3, &block))?;
        let previous = self.last.as_ref().map(|last| last.time);
        self.last = Some(LastBlock { at, time, key, previous });
        Ok(())
    }

    /// How long the file is now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// Hands what is written to the disk's care.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Ends the file at `time`: its last picture stands until then, its duration is known, and it seeks quickly.
    pub fn finish(mut self, time: u64) -> Result<F, WebmError> {
        self.lengthen_last(time)?;
        self.close_cluster()?;
        let cues_at = self.end - self.marks.segment;
        let mut cues = Body::default();
        for cue in &self.cues {
            let place = [element(0xF7, &unsigned(1)), element(0xF1, &unsigned(cue.cluster))].concat();
            let point = [element(0xB3, &unsigned(cue.time)), element(0xB7, &place)].concat();
            cues.push(0xBB, &point);
        }
        let cues = element(0x1C53_BB6B, &cues.bytes());
        self.append(&cues)?;
        self.patch(self.marks.cues_position, &cues_at.to_be_bytes())?;
        let duration = self.last.as_ref().map_or(0, |last| last.time).max(time) as f64;
        self.patch(self.marks.duration, &duration.to_be_bytes())?;
        let size = (self.end - self.marks.segment) | 1 << 56;
        self.patch(self.marks.segment_size, &size.to_be_bytes())?;
        self.file.flush()?;
        Ok(self.file)
    }

    /// Rewrites the last block as a group with a duration. The group names the frame it refers to, or players would
    /// take it for a keyframe and seek to it.
    fn lengthen_last(&mut self, until: u64) -> Result<(), WebmError> {
        let Some(last) = self.last.clone().filter(|last| until > last.time) else { return Ok(()) };
        self.file.seek(SeekFrom::Start(last.at))?;
        let mut simple = Vec::new();
        (&mut self.file).take(self.end - last.at).read_to_end(&mut simple)?;
        let (header, _) = ebml::header(&simple).ok_or(WebmError::NotARecording)?;
        let mut block = simple[header..].to_vec();
        block[3] = 0;
        let mut group = Body::default();
        group.push(0xA1, &block);
        group.push(0x9B, &unsigned(until - last.time));
        if let Some(previous) = last.previous.filter(|_| !last.key) {
            let back = previous.cast_signed() - last.time.cast_signed();
            group.push(0xFB, &back.to_be_bytes());
        }
        self.file.seek(SeekFrom::Start(last.at))?;
        self.end = last.at;
        self.append(&element(0xA0, &group.bytes()))
    }

    fn close_cluster(&mut self) -> Result<(), WebmError> {
        let Some(cluster) = self.cluster.take() else { return Ok(()) };
        let size = (self.end - cluster.at - 12) | 1 << 56;
        self.patch(cluster.at + 4, &size.to_be_bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), WebmError> {
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<(), WebmError> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }
}

/// Everything before the first cluster, with its places to patch.
fn head(width: u16, height: u16, sequence: &sequence::Header) -> (Vec<u8>, Marks) {
    let mut ebml = Body::default();
    for (id, value) in [(0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8)] {
        ebml.push(id, &unsigned(value));
    }
    ebml.push(0x4282, b"webm");
    ebml.push(0x4287, &unsigned(4));
    ebml.push(0x4285, &unsigned(2));
    let mut bytes = element(0x1A45_DFA3, &ebml.bytes());
    bytes.extend([0x18, 0x53, 0x80, 0x67]);
    let segment_size = bytes.len() as u64;
    bytes.extend(UNKNOWN_SIZE);
    let segment = bytes.len() as u64;

    let mut info = Body::default();
    info.push(0x2A_D7B1, &unsigned(1_000_000));
    info.push(0x4D80, b"Deskside");
    info.push(0x5741, b"Deskside");
    info.push(0x4489, &0f64.to_be_bytes());
    let info = element(0x1549_A966, &info.bytes());
    let tracks = element(0x1654_AE6B, &track(width, height, sequence));

    // The places of the three parts are known once the seek head's own length is, and that is always the same.
    let seek_length = seek_head(0, 0, 0).len() as u64;
    let info_at = seek_length;
    let seek = seek_head(info_at, info_at + info.len() as u64, 0);
    let cues_position = segment + seek_length - 8;
    let duration = segment + info_at + info.len() as u64 - 8;
    bytes.extend(seek);
    bytes.extend(info);
    bytes.extend(tracks);
    (bytes, Marks { segment_size, segment, cues_position, duration })
}

fn seek_head(info: u64, tracks: u64, cues: u64) -> Vec<u8> {
    let mut head = Body::default();
    for (id, at) in
        [([0x15, 0x49, 0xA9, 0x66], info), ([0x16, 0x54, 0xAE, 0x6B], tracks), ([0x1C, 0x53, 0xBB, 0x6B], cues)]
    {
        head.push(0x4DBB, &[element(0x53AB, &id), element(0x53AC, &at.to_be_bytes())].concat());
    }
    element(0x114D_9B74, &head.bytes())
}

fn track(width: u16, height: u16, sequence: &sequence::Header) -> Vec<u8> {
    let mut colour = Body::default();
    // Identity matrix, 8 bit, full range, sRGB transfer, BT.709 primaries.
    for (id, value) in [(0x55B1, 0), (0x55B2, 8), (0x55B9, 2), (0x55BA, 13), (0x55BB, 1)] {
        colour.push(id, &unsigned(value));
    }
    let mut video = Body::default();
    video.push(0xB0, &unsigned(width.into()));
    video.push(0xBA, &unsigned(height.into()));
    video.push(0x55B0, &colour.bytes());
    let mut entry = Body::default();
    for (id, value) in [(0xD7, 1), (0x73C5, 1), (0x83, 1), (0x9C, 0)] {
        entry.push(id, &unsigned(value));
    }
    entry.push(0x86, b"V_AV1");
    entry.push(0x63A2, &sequence.av1c());
    entry.push(0xE0, &video.bytes());
    element(0xAE, &entry.bytes())
}
