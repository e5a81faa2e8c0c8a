//! The video of a session: made from raw recordings and the timeline, stored in the vault, and read from there in parts.

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

/// The result of making a video.
pub struct Made {
    pub bytes: u64,
    pub sha256: String,
    pub pointer_sha256: String,
    /// What was recorded beyond the segments in the timeline.
    pub uncovered: Option<Segment>,
}

/// The disk space that is reserved for a session's video.
type Space = Mutex<Promise>;

fn records(vault: &Vault, paths: Vec<PathBuf>) -> impl Iterator<Item = io::Result<Record>> {
    paths.into_iter().flat_map(move |path| -> Box<dyn Iterator<Item = io::Result<Record>>> {
        match File::open(&path).and_then(|file| vault.file(&path).read(BufReader::new(file))) {
            Ok(reader) => Box::new(Records(BufReader::new(reader))),
            // After a power cut, the file's header may be missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Box::new(std::iter::empty()),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    })
}

/// Reads the pictures of raw recordings, one per call.
fn pictures(vault: &Vault, files: Vec<PathBuf>) -> impl FnMut() -> io::Result<Vec<u8>> {
    let mut pictures = records(vault, files).filter_map(|record| match record {
        Ok(Record::Picture { data, .. }) => Some(Ok(data)),
        Ok(Record::Pointer { .. }) => None,
        Err(error) => Some(Err(error)),
    });
    move || pictures.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// Makes the video of a session; `None` if no picture was recorded. An existing video is replaced: only the timeline
/// says whether one is complete.
pub fn make(archive: &Archive, id: &SessionId, entries: &[Entry], space: &Space) -> anyhow::Result<Option<Made>> {
    let files = raw_recordings(&archive.data, id);
    if files.is_empty() {
        return Ok(None);
    }
    let _one_at_a_time = archive.unfinished.lock_video();
    owe(space, &files)?;
    // Checked before anything is read, which takes long. Neither space promised to others nor the reserve counts: the
    // raw recordings are removed when the video is done, and nothing else would free a full disk.
    space.lock().expect("lock is not poisoned").fits()?;
    let Some(plan) = recording_plan::plan(entries, records(&archive.vault, files.clone()))? else {
        return Ok(None);
    };
    let made = write(archive, &plan, files.clone(), (&paths::recording(&archive.data, id), space));
    if made.is_err() {
        // The incomplete video was removed, so its space is needed again.
        owe(space, &files)?;
    }
    let (bytes, sha256) = made?;
    let pointer = paths::pointer(&archive.data, id);
    write_sealed(&archive.vault, &pointer, |out| out.write_all(&plan.pointer))?;
    let busy = serde_json::to_vec(&plan.busy)?;
    write_sealed(&archive.vault, &paths::activity(&archive.data, id), |out| out.write_all(&busy))?;
    let pointer_sha256 = secret::hex(&Sha256::digest(&plan.pointer));
    Ok(Some(Made { bytes, sha256, pointer_sha256, uncovered: plan.uncovered }))
}

fn owe(space: &Space, files: &[PathBuf]) -> io::Result<()> {
    space.lock().expect("lock is not poisoned").owe(bytes_of(files)?);
    Ok(())
}

fn write(
    archive: &Archive,
    plan: &Plan,
    files: Vec<PathBuf>,
    (path, space): (&Path, &Space),
) -> anyhow::Result<(u64, String)> {
    let next = pictures(&archive.vault, files);
    let mut sum = Summed { sum: Sha256::new(), bytes: 0, space };
    write_sealed(&archive.vault, path, |out| {
        webm::write(&plan.movie, &plan.first, next, Tee(out, &mut sum)).map(drop).map_err(io::Error::other)
    })?;
    Ok((sum.bytes, secret::hex(&sum.sum.finalize())))
}

struct Summed<'a> {
    sum: Sha256,
    bytes: u64,
    space: &'a Space,
}

struct Tee<'a, 'r, W>(W, &'a mut Summed<'r>);

impl<W: Write> Write for Tee<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        self.1.sum.update(&bytes[..written]);
        self.1.bytes += written as u64;
        self.1.space.lock().expect("lock is not poisoned").written(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces a file of the vault atomically: writes a new one beside it, syncs it, and renames it.
pub fn write_sealed(
    vault: &Vault,
    path: &Path,
    content: impl FnOnce(&mut vault::Writer<BufWriter<File>>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().expect("path has a parent folder");
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension("new");
    let written = (|| {
        let mut writer = vault.file(path).create(BufWriter::new(File::create(&beside)?))?;
        content(&mut writer)?;
        writer.finish()?.into_inner()?.sync_all()
    })();
    if let Err(error) = written {
        // An incomplete file would take up space that the disk may lack.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

/// Removes the raw recordings of a session whose video is stored.
pub fn remove_raw_recordings(archive: &Archive, id: &SessionId) -> io::Result<()> {
    // From the last to the first, so that the rest is found after an interruption.
    raw_recordings(&archive.data, id).iter().rev().try_for_each(std::fs::remove_file)
}

/// The largest recording of which a video is made in memory.
const MOST_SO_FAR: u64 = 256 * 1024 * 1024;

/// The recording is too large for a video in memory.
#[derive(Debug, thiserror::Error)]
#[error("this recording is too large to watch before the session ends")]
pub struct TooLong;

/// Makes a video of what is recorded so far, in memory.
pub fn so_far(archive: &Archive, id: &SessionId, entries: &[Entry]) -> anyhow::Result<Option<Vec<u8>>> {
    let files = raw_recordings(&archive.data, id);
    anyhow::ensure!(bytes_of(&files)? <= MOST_SO_FAR, TooLong);
    let Some(plan) = recording_plan::plan(entries, records(&archive.vault, files.clone()))? else {
        return Ok(None);
    };
    let next = pictures(&archive.vault, files);
    Ok(Some(webm::write(&plan.movie, &plan.first, next, Vec::new())?))
}

/// A finished file of the vault, in the data folder or the object store.
pub struct SealedFile {
    archive: Arc<Archive>,
    place: Place,
    key: vault::FileKey,
    /// The length of the plaintext.
    pub bytes: u64,
}

enum Place {
    File(PathBuf),
    Object(Object),
}

impl Place {
    /// Reads encrypted bytes, up to the end of the file.
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

impl SealedFile {
    /// Opens a file in the data folder or the object store; `None` if it is in neither. Blocks, so it must not run on
    /// an async thread.
    pub fn open(archive: &Arc<Archive>, path: PathBuf) -> io::Result<Option<Self>> {
        let (place, sealed) = match std::fs::metadata(&path) {
            Ok(meta) => (Place::File(path.clone()), meta.len()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match archive.recording_store.find(&path)? {
                Some((object, sealed)) => (Place::Object(object), sealed),
                None => return Ok(None),
            },
            Err(e) => return Err(e),
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "this file is incomplete");
        let bytes = vault::plain_length(sealed).ok_or_else(damaged)?;
        let key = archive.vault.file(&path).unlock(&place.read(archive, 0..vault::HEAD as u64)?)?;
        Ok(Some(Self { archive: archive.clone(), place, key, bytes }))
    }

    /// Reads at most `most` bytes from offset `from`. Blocks.
    pub fn part(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let end = (from + most as u64).min(self.bytes);
        if from >= end {
            return Ok(vec![]);
        }
        let chunk = vault::CHUNK as u64;
        let (first, last) = (from / chunk, (end - 1) / chunk);
        let sealed = self.place.read(&self.archive, vault::chunk_at(first)..vault::chunk_at(last + 1))?;
        let mut plain = self.key.chunks(first, sealed)?;
        let skip = usize::try_from(from - first * chunk).expect("offset within a chunk");
        let wanted = usize::try_from(end - from).expect("length is at most `most`");
        if plain.len() < skip + wanted {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "this file is incomplete"));
        }
        plain.drain(..skip);
        plain.truncate(wanted);
        Ok(plain)
    }
}

/// Reads a [`SealedFile`] file from its start, in large parts: each is a request to the disk or the object store.
pub struct SealedFileReader {
    kept: SealedFile,
    at: u64,
}

impl SealedFileReader {
    /// How many bytes are read at a time.
    const PART: usize = 1 << 20;

    /// A buffered reader from the first byte.
    pub fn new(kept: SealedFile) -> BufReader<Self> {
        BufReader::with_capacity(Self::PART, Self { kept, at: 0 })
    }
}

impl Read for SealedFileReader {
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

    /// Writes a raw recording with one picture.
    fn record(archive: &Archive, id: &SessionId) {
        let coded = PlaceholderFrame::Stopped.coded([64, 64], true).unwrap();
        let (width, height, data) = (coded.width, coded.height, coded.data.to_vec());
        let picture = Record::Picture { at: clock::now(), width, height, key: true, data };
        let path = paths::raw_recording_part(&archive.data, id, 1);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut out = archive.vault.file(&path).create(File::create(&path).unwrap()).unwrap();
        out.write_all(&raw_recording::encode(&picture)).unwrap();
        out.finish().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn space_for_the_video_is_reserved_from_the_start_until_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = live_sessions::fixture::registry(folder.path()).await;
        let live = live_sessions::fixture::joined(&sessions).await;
        let archive = fixture::archive(folder.path(), sessions.clone());
        record(&archive, &live.id);
        assert_eq!(archive.disk.promised(), 0);
        // The server restarts.
        let sessions = live_sessions::fixture::restarted(&sessions);
        sessions.load().await.unwrap();
        let archive = fixture::archive(folder.path(), sessions.clone());
        let recorded = std::fs::metadata(paths::raw_recording_part(&archive.data, &live.id, 1)).unwrap().len();
        assert_eq!(archive.disk.promised(), recorded);
        let (live, video) = (sessions.get(&live.id).unwrap(), paths::recording(&archive.data, &live.id));
        let entries = live.entries().await;
        let make = || make(&archive, &live.id, &entries, &live.space_for_video());
        // The video cannot be written: the space stays reserved for the next attempt.
        std::fs::create_dir_all(video.with_extension("new")).unwrap();
        assert!(make().is_err());
        assert_eq!(archive.disk.promised(), recorded);
        std::fs::remove_dir(video.with_extension("new")).unwrap();
        // More is promised to others than the disk has.
        let mut others = archive.disk.nothing();
        others.owe(u64::MAX / 4);
        assert!(archive.disk.look().is_err());
        let made = make().unwrap().unwrap();
        drop(others);
        assert_eq!(archive.disk.promised(), recorded.saturating_sub(made.bytes));
    }
}
