//! The video: made of the raw_recordings and the timeline, kept in the vault, and read from it in parts.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use evidence::{
    Segment,
    raw_recording::{Record, Records},
    recording_plan::{self, Plan},
    webm,
};
use live_sessions::recorder::{bytes_of, raw_recordings};
use platform::{
    disk::Promise,
    paths, secret,
    vault::{self, Vault},
};
use protocol::{Entry, SessionId};
use sha2::{Digest, Sha256};

use super::{Archive, recording_store::Object};

/// A video that was made.
pub struct Made {
    pub bytes: u64,
    pub sha256: String,
    pub pointer_sha256: String,
    /// What the raw_recordings have beyond the timeline's segments.
    pub uncovered: Option<Segment>,
}

/// The room that a session keeps for its video.
type Room = Mutex<Promise>;

pub const PROMISE: &str = "nobody panics while holding a promise";

fn records(vault: &Vault, paths: Vec<PathBuf>) -> impl Iterator<Item = io::Result<Record>> {
    paths.into_iter().flat_map(move |path| -> Box<dyn Iterator<Item = io::Result<Record>>> {
        match File::open(&path).and_then(|file| vault.file(&path).read(BufReader::new(file))) {
            Ok(reader) => Box::new(Records(BufReader::new(reader))),
            // A power cut may have come before the file's head was on the disk.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    })
}

/// Gives the pictures of the raw_recordings, one at a time.
fn pictures(vault: &Vault, raw_recordings: Vec<PathBuf>) -> impl FnMut() -> io::Result<Vec<u8>> {
    let mut pictures = records(vault, raw_recordings).filter_map(|record| match record {
        Ok(Record::Picture { data, .. }) => Some(Ok(data)),
        Ok(Record::Pointer { .. }) => None,
        Err(error) => Some(Err(error)),
    });
    move || pictures.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// Makes the video of a session; `None` when not even one picture was recorded. A video that is there already is made
/// anew: only the timeline says that one is whole.
pub fn make(archive: &Archive, id: &SessionId, entries: &[Entry], room: &Room) -> anyhow::Result<Option<Made>> {
    let raw_recordings = raw_recordings(&archive.data, id);
    if raw_recordings.is_empty() {
        return Ok(None);
    }
    let _turn = archive.unfinished.turn();
    owe(room, &raw_recordings)?;
    // Before anything is read, which takes long. What others were promised does not count, nor what stays free otherwise: the
    // raw recording goes when the video is there, and nothing else on a full disk would make room for it.
    room.lock().expect(PROMISE).fits()?;
    let Some(plan) = recording_plan::plan(entries, records(&archive.vault, raw_recordings.clone()))? else {
        return Ok(None);
    };
    let made = write(archive, &plan, raw_recordings.clone(), (&paths::recording(&archive.data, id), room));
    if made.is_err() {
        // What is half there was removed, and is needed again.
        owe(room, &raw_recordings)?;
    }
    let (bytes, sha256) = made?;
    let pointer = paths::pointer(&archive.data, id);
    keep_sealed(&archive.vault, &pointer, |out| out.write_all(&plan.pointer))?;
    let busy = serde_json::to_vec(&plan.busy)?;
    keep_sealed(&archive.vault, &paths::activity(&archive.data, id), |out| out.write_all(&busy))?;
    let pointer_sha256 = secret::hex(&Sha256::digest(&plan.pointer));
    Ok(Some(Made { bytes, sha256, pointer_sha256, uncovered: plan.uncovered }))
}

fn owe(room: &Room, raw_recordings: &[PathBuf]) -> io::Result<()> {
    room.lock().expect(PROMISE).owe(bytes_of(raw_recordings)?);
    Ok(())
}

fn write(
    archive: &Archive,
    plan: &Plan,
    raw_recordings: Vec<PathBuf>,
    (path, room): (&Path, &Room),
) -> anyhow::Result<(u64, String)> {
    let next = pictures(&archive.vault, raw_recordings);
    let mut sum = Summed { sum: Sha256::new(), bytes: 0, room };
    keep_sealed(&archive.vault, path, |out| {
        webm::write(&plan.movie, &plan.first, next, Tee(out, &mut sum)).map(drop).map_err(io::Error::other)
    })?;
    Ok((sum.bytes, secret::hex(&sum.sum.finalize())))
}

struct Summed<'a> {
    sum: Sha256,
    bytes: u64,
    room: &'a Room,
}

struct Tee<'a, 'r, W>(W, &'a mut Summed<'r>);

impl<W: Write> Write for Tee<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.sum.update(&bytes[..written]);
        self.1.bytes += written as u64;
        self.1.room.lock().expect(PROMISE).written(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a finished file of the vault beside its place, and puts it there when it is on the disk.
pub fn keep_sealed(
    vault: &Vault,
    path: &Path,
    content: impl FnOnce(&mut vault::Writer<BufWriter<File>>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().expect("a path of ours has a folder");
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let written = (|| {
        let mut writer = vault.file(path).create(BufWriter::new(File::create(&beside)?))?;
        content(&mut writer)?;
        writer.finish()?.into_inner()?.sync_all()
    })();
    if let Err(error) = written {
        // What is half there takes the room that the disk may lack.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

/// The raw_recordings are of no use once the video is stored.
pub fn remove_reels(archive: &Archive, id: &SessionId) -> io::Result<()> {
    // From the last to the first: whoever is interrupted finds the rest again.
    raw_recordings(&archive.data, id).iter().rev().try_for_each(std::fs::remove_file)
}

/// A longer recording than this is not made in memory.
const MOST_SO_FAR: u64 = 256 * 1024 * 1024;

/// More is recorded than is made in memory.
#[derive(Debug, thiserror::Error)]
#[error("more is recorded than can be watched before its video is made, which is after the session's end")]
pub struct TooLong;

/// What is recorded so far of a session that goes on: a video until now, made for whoever asks.
pub fn so_far(archive: &Archive, id: &SessionId, entries: &[Entry]) -> anyhow::Result<Option<Vec<u8>>> {
    let raw_recordings = raw_recordings(&archive.data, id);
    anyhow::ensure!(bytes_of(&raw_recordings)? <= MOST_SO_FAR, TooLong);
    let Some(plan) = recording_plan::plan(entries, records(&archive.vault, raw_recordings.clone()))? else {
        return Ok(None);
    };
    let next = pictures(&archive.vault, raw_recordings);
    Ok(Some(webm::write(&plan.movie, &plan.first, next, Vec::new())?))
}

/// A finished file of the vault.
pub struct Kept {
    archive: Arc<Archive>,
    place: Place,
    key: vault::FileKey,
    /// The length of its plaintext.
    pub bytes: u64,
}

enum Place {
    File(PathBuf),
    Object(Object),
}

impl Place {
    /// Sealed bytes; those up to the end where it is shorter.
    fn read(&self, archive: &Archive, range: Range<u64>) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut bytes = Vec::new();
                file.take(range.end - range.start).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Self::Object(object) => archive.recording_store.read(object, range),
        }
    }
}

impl Kept {
    /// Opens a file, here or on the shelf; `None` when it is on neither. Blocks: not for the threads that serve.
    pub fn open(archive: &Arc<Archive>, path: PathBuf) -> io::Result<Option<Self>> {
        let (place, sealed) = match std::fs::metadata(&path) {
            Ok(meta) => (Place::File(path.clone()), meta.len()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match archive.recording_store.find(&path)? {
                Some((object, sealed)) => (Place::Object(object), sealed),
                None => return Ok(None),
            },
            Err(e) => return Err(e),
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "this file is not whole");
        let bytes = vault::plain_length(sealed).ok_or_else(damaged)?;
        let key = archive.vault.file(&path).unlock(&place.read(archive, 0..vault::HEAD as u64)?)?;
        Ok(Some(Self { archive: archive.clone(), place, key, bytes }))
    }

    /// At most `most` bytes from `from` on. Blocks.
    pub fn part(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let end = (from + most as u64).min(self.bytes);
        if from >= end {
            return Ok(vec![]);
        }
        let chunk = vault::CHUNK as u64;
        let (first, last) = (from / chunk, (end - 1) / chunk);
        let sealed = self.place.read(&self.archive, vault::chunk_at(first)..vault::chunk_at(last + 1))?;
        let mut plain = self.key.chunks(first, sealed)?;
        let skip = usize::try_from(from - first * chunk).expect("less than a chunk");
        let wanted = usize::try_from(end - from).expect("no more than was asked for");
        if plain.len() < skip + wanted {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "this file is not whole"));
        }
        plain.drain(..skip);
        plain.truncate(wanted);
        Ok(plain)
    }
}

/// Reads a kept file from its start. Each part is a question to the disk or the store: they are large.
pub struct KeptReader {
    kept: Kept,
    at: u64,
}

impl KeptReader {
    /// How much is read at a time.
    const PART: usize = 1 << 20;

    /// From its first byte.
    pub fn new(kept: Kept) -> BufReader<Self> {
        BufReader::with_capacity(Self::PART, Self { kept, at: 0 })
    }
}

impl Read for KeptReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self.kept.part(self.at, buffer.len())?;
        buffer[..part.len()].copy_from_slice(&part);
        self.at += part.len() as u64;
        Ok(part.len())
    }
}

#[cfg(test)]
mod tests {
    use evidence::raw_recording;

    use platform::clock;

    use super::*;
    use crate::fixture;
    use live_sessions::recorder::PlaceholderFrame;

    /// One picture, as a recorder leaves it.
    fn record(archive: &Archive, id: &SessionId) {
        let coded = PlaceholderFrame::Stopped.coded([64, 64], true).unwrap();
        let (width, height, data) = (coded.width, coded.height, coded.data.to_vec());
        let picture = Record::Picture { at: clock::now(), width, height, key: true, data };
        let path = paths::reel(&archive.data, id, 1);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut out = archive.vault.file(&path).create(File::create(&path).unwrap()).unwrap();
        out.write_all(&raw_recording::encode(&picture)).unwrap();
        out.finish().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn room_for_the_video_of_what_is_recorded_is_kept_from_the_start_until_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = live_sessions::fixture::registry(folder.path()).await;
        let live = live_sessions::fixture::joined(&sessions).await;
        let archive = fixture::archive(folder.path(), sessions.clone());
        record(&archive, &live.id);
        assert_eq!(archive.disk.promised(), 0);
        // The server starts again.
        let sessions = live_sessions::fixture::restarted(&sessions);
        sessions.load().await.unwrap();
        let archive = fixture::archive(folder.path(), sessions.clone());
        let recorded = std::fs::metadata(paths::reel(&archive.data, &live.id, 1)).unwrap().len();
        assert_eq!(archive.disk.promised(), recorded);
        let (live, video) = (sessions.get(&live.id).unwrap(), paths::recording(&archive.data, &live.id));
        let entries = live.entries().await;
        let make = || make(&archive, &live.id, &entries, &live.space_for_video());
        // Something lies in its way: it is tried again later, and the room stays.
        std::fs::create_dir_all(video.with_extension("new")).unwrap();
        assert!(make().is_err());
        assert_eq!(archive.disk.promised(), recorded);
        std::fs::remove_dir(video.with_extension("new")).unwrap();
        // Others were promised more than the disk has.
        let mut others = archive.disk.nothing();
        others.owe(u64::MAX / 4);
        assert!(archive.disk.look().is_err());
        let made = make().unwrap().unwrap();
        drop(others);
        assert_eq!(archive.disk.promised(), recorded.saturating_sub(made.bytes));
    }
}
