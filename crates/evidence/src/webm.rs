//! The video file: WebM with an AV1 track, a subtitle track and chapters.
//!
//! Element names and ids are those of RFC 9559 (Matroska). The file is written sequentially: all lengths are known in
//! advance, so nothing is patched and any writer will do. `docs/recording.md` describes it.

use std::io::{self, Write};

mod ebml;
mod read;
mod sequence;
mod unit;

use ebml::{Body, element, unsigned};
pub use read::{Pictures, oracle};
pub use sequence::Sequence;
pub use unit::Unit;

/// The longest cluster, in milliseconds.
const CLUSTER_MS: u64 = 5_000;
/// The track numbers.
const PICTURES: u8 = 1;
const WORDS: u8 = 2;

/// Why a video cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum WebmError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first picture carries no AV1 sequence header.
    #[error("the first picture is not an AV1 keyframe")]
    NotAKeyframe,
}

/// A picture of the video, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Milliseconds from the start of the video; strictly increasing.
    pub time: u64,
    /// Whether decoding can start here.
    pub key: bool,
    /// Its length in bytes.
    pub bytes: u32,
}

/// A subtitle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// From when it is shown, in milliseconds of the video.
    pub from: u64,
    /// Until when it is shown.
    pub until: u64,
    /// The text, as WebVTT cue text.
    pub text: String,
}

/// A chapter mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Milliseconds from the start of the video.
    pub at: u64,
    /// Its title.
    pub title: String,
}

/// Everything about a video except the bytes of its pictures.
#[derive(Clone, Debug, Default)]
pub struct Movie {
    /// The width of the first picture, in pixels.
    pub width: u16,
    /// The height of the first picture, in pixels.
    pub height: u16,
    /// In order of time; the first is a keyframe at time 0.
    pub frames: Vec<Frame>,
    /// In order of `from`.
    pub captions: Vec<Caption>,
    /// In order of time.
    pub chapters: Vec<Chapter>,
    /// The video's length in milliseconds: the last picture is shown until then.
    pub duration: u64,
}

/// Writes a video. `first` is the first picture; `next` returns all pictures in order, the first again.
pub fn write<W: Write>(
    movie: &Movie,
    first: &[u8],
    mut next: impl FnMut() -> io::Result<Vec<u8>>,
    mut out: W,
) -> Result<W, WebmError> {
    let sequence = unit::sequence(first).ok_or(WebmError::NotAKeyframe)?;
    let clusters = clusters(movie);
    out.write_all(&head(movie, &sequence, &clusters))?;
    for cluster in &clusters {
        out.write_all(&cluster.head())?;
        for block in &cluster.blocks {
            match block.what {
                What::Caption(n) => out.write_all(&caption(cluster, &movie.captions[n]))?,
                What::Frame(n) => {
                    let data = next()?;
                    if data.len() as u64 != u64::from(movie.frames[n].bytes) {
                        return Err(io::Error::other("a picture is not as long as it was").into());
                    }
                    let (before, after) = around(movie, cluster, n);
                    out.write_all(&before)?;
                    out.write_all(&data)?;
                    out.write_all(&after)?;
                }
            }
        }
    }
    Ok(out)
}

#[derive(Clone, Copy)]
enum What {
    Frame(usize),
    Caption(usize),
}

struct Block {
    what: What,
    /// The length with all headers.
    bytes: u64,
}

struct Cluster {
    time: u64,
    key: bool,
    blocks: Vec<Block>,
}

impl Cluster {
    fn body(&self) -> u64 {
        element(0xE7, &unsigned(self.time)).len() as u64 + self.blocks.iter().map(|b| b.bytes).sum::<u64>()
    }

    fn head(&self) -> Vec<u8> {
        let mut bytes = vec![0x1F, 0x43, 0xB6, 0x75];
        bytes.extend((1u64 << 56 | self.body()).to_be_bytes());
        bytes.extend(element(0xE7, &unsigned(self.time)));
        bytes
    }

    fn bytes(&self) -> u64 {
        12 + self.body()
    }
}

/// All blocks in order of time; each keyframe starts a cluster, and so does every [`CLUSTER_MS`].
fn clusters(movie: &Movie) -> Vec<Cluster> {
    let frames = movie.frames.iter().enumerate().map(|(n, f)| (f.time, 0, What::Frame(n)));
    let captions = movie.captions.iter().enumerate().map(|(n, c)| (c.from, 1, What::Caption(n)));
    let mut all: Vec<_> = frames.chain(captions).collect();
    all.sort_by_key(|(time, kind, _)| (*time, *kind));
    let mut clusters: Vec<Cluster> = Vec::new();
    for (time, _, what) in all {
        let key = matches!(what, What::Frame(n) if movie.frames[n].key);
        if key || clusters.last().is_none_or(|c| time >= c.time + CLUSTER_MS) {
            clusters.push(Cluster { time, key, blocks: vec![] });
        }
        let cluster = clusters.last_mut().expect("one was just pushed");
        let bytes = match what {
            What::Caption(n) => caption(cluster, &movie.captions[n]).len() as u64,
            What::Frame(n) => {
                let (before, after) = around(movie, cluster, n);
                (before.len() + after.len()) as u64 + u64::from(movie.frames[n].bytes)
            }
        };
        cluster.blocks.push(Block { what, bytes });
    }
    clusters
}

/// Track, time within the cluster, and flags: the header of every block.
fn block_head(track: u8, cluster: &Cluster, time: u64, flags: u8) -> [u8; 4] {
    let [a, b] = u16::try_from(time - cluster.time).expect("clusters are far shorter than 32 s").to_be_bytes();
    [0x80 | track, a, b, flags]
}

/// A cue in the format of "WebVTT in WebM": its identifier, its settings (both empty), and its text.
fn caption(cluster: &Cluster, caption: &Caption) -> Vec<u8> {
    let block = [&block_head(WORDS, cluster, caption.from, 0)[..], b"\n\n", caption.text.as_bytes()].concat();
    let mut group = Body::default();
    group.push(0xA1, &block);
    group.push(0x9B, &unsigned(caption.until.saturating_sub(caption.from).max(1)));
    element(0xA0, &group.bytes())
}

/// The elements before and after a picture's bytes. The last picture is a group with a duration. It names the picture
/// that it refers to; otherwise players would take it for a keyframe and seek to it.
fn around(movie: &Movie, cluster: &Cluster, n: usize) -> (Vec<u8>, Vec<u8>) {
    let frame = movie.frames[n];
    let data = u64::from(frame.bytes);
    if n + 1 < movie.frames.len() || movie.duration <= frame.time {
        let flags = if frame.key { 0x80 } else { 0 };
        let head = ebml::opening(0xA3, data + 4);
        return ([&head[..], &block_head(PICTURES, cluster, frame.time, flags)].concat(), vec![]);
    }
    let mut after = Body::default();
    after.push(0x9B, &unsigned(movie.duration - frame.time));
    if let Some(before) = n.checked_sub(1).map(|n| movie.frames[n]).filter(|_| !frame.key) {
        after.push(0xFB, &(before.time.cast_signed() - frame.time.cast_signed()).to_be_bytes());
    }
    let after = after.bytes();
    let block = ebml::opening(0xA1, data + 4);
    let group = ebml::opening(0xA0, block.len() as u64 + data + 4 + after.len() as u64);
    ([&group[..], &block, &block_head(PICTURES, cluster, frame.time, 0)].concat(), after)
}

/// Everything before the first cluster.
fn head(movie: &Movie, sequence: &Sequence, clusters: &[Cluster]) -> Vec<u8> {
    let mut ebml = Body::default();
    for (id, value) in [(0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8)] {
        ebml.push(id, &unsigned(value));
    }
    ebml.push(0x4282, b"webm");
    ebml.push(0x4287, &unsigned(4));
    ebml.push(0x4285, &unsigned(2));

    let mut info = Body::default();
    info.push(0x2A_D7B1, &unsigned(1_000_000));
    info.push(0x4D80, b"Deskside");
    info.push(0x5741, b"Deskside");
    info.push(0x4489, &(movie.duration as f64).to_be_bytes());
    let mut parts = vec![(0x1549_A966, element(0x1549_A966, &info.bytes()))];
    parts.push((0x1654_AE6B, element(0x1654_AE6B, &tracks(movie, sequence))));
    if !movie.chapters.is_empty() {
        parts.push((0x1043_A770, chapters(movie)));
    }
    // The positions in the cues take eight bytes each, so that the length of the cues is known before the positions
    // are.
    parts.push((0x1C53_BB6B, cues(clusters, 0)));
    let seek_length = seek_head(&parts, 0).len() as u64;
    let first = seek_length + parts.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
    parts.last_mut().expect("the cues were just pushed").1 = cues(clusters, first);

    let mut bytes = element(0x1A45_DFA3, &ebml.bytes());
    bytes.extend([0x18, 0x53, 0x80, 0x67]);
    bytes.extend((1u64 << 56 | (first + clusters.iter().map(Cluster::bytes).sum::<u64>())).to_be_bytes());
    bytes.extend(seek_head(&parts, seek_length));
    parts.iter().for_each(|(_, part)| bytes.extend(part));
    bytes
}

fn seek_head(parts: &[(u32, Vec<u8>)], mut at: u64) -> Vec<u8> {
    let mut head = Body::default();
    for (id, part) in parts {
        head.push(0x4DBB, &[element(0x53AB, &id.to_be_bytes()), element(0x53AC, &at.to_be_bytes())].concat());
        at += part.len() as u64;
    }
    element(0x114D_9B74, &head.bytes())
}

fn cues(clusters: &[Cluster], first: u64) -> Vec<u8> {
    let mut cues = Body::default();
    let mut at = first;
    for cluster in clusters {
        if cluster.key {
            let place = [element(0xF7, &unsigned(PICTURES.into())), element(0xF1, &at.to_be_bytes())].concat();
            cues.push(0xBB, &[element(0xB3, &unsigned(cluster.time)), element(0xB7, &place)].concat());
        }
        at += cluster.bytes();
    }
    element(0x1C53_BB6B, &cues.bytes())
}

fn chapters(movie: &Movie) -> Vec<u8> {
    let mut edition = Body::default();
    for (n, chapter) in (1u64..).zip(&movie.chapters) {
        let display = [element(0x85, chapter.title.as_bytes()), element(0x437C, b"eng")].concat();
        let mut atom = Body::default();
        atom.push(0x73C4, &unsigned(n));
        atom.push(0x91, &unsigned(chapter.at * 1_000_000));
        atom.push(0x80, &display);
        edition.push(0xB6, &atom.bytes());
    }
    element(0x1043_A770, &element(0x45B9, &edition.bytes()))
}

fn tracks(movie: &Movie, sequence: &Sequence) -> Vec<u8> {
    let mut video = Body::default();
    video.push(0xB0, &unsigned(movie.width.into()));
    video.push(0xBA, &unsigned(movie.height.into()));
    if sequence.is_gbr() {
        let mut colour = Body::default();
        // Identity matrix, 8 bit, full range, sRGB transfer, BT.709 primaries.
        for (id, value) in [(0x55B1, 0), (0x55B2, 8), (0x55B9, 2), (0x55BA, 13), (0x55BB, 1)] {
            colour.push(id, &unsigned(value));
        }
        video.push(0x55B0, &colour.bytes());
    }
    let mut pictures = track_entry(PICTURES, 1);
    pictures.push(0x86, b"V_AV1");
    pictures.push(0x63A2, &sequence.av1c());
    pictures.push(0xE0, &video.bytes());
    let mut tracks = element(0xAE, &pictures.bytes());
    if !movie.captions.is_empty() {
        let mut words = track_entry(WORDS, 0x11);
        words.push(0x86, b"D_WEBVTT/SUBTITLES");
        words.push(0x536E, b"Chat and events");
        words.push(0x22_B59C, b"eng");
        tracks.extend(element(0xAE, &words.bytes()));
    }
    tracks
}

fn track_entry(number: u8, kind: u8) -> Body {
    let mut entry = Body::default();
    for (id, value) in [(0xD7, number), (0x73C5, number), (0x83, kind), (0x9C, 0)] {
        entry.push(id, &unsigned(value.into()));
    }
    entry
}
