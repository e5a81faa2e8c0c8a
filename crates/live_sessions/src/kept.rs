//! What a session keeps beside its timeline: files of the chat, pictures of the screen, system information, recordings of
//! command shells. All of it has a bound, for each person and for the session.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use platform::{
    disk::{Disk, Full, Promise},
    paths, vault,
};
use protocol::{Entry, Event, ParticipantId, SessionId};

use super::LiveSession;

/// So much one person, and so much a session, may keep on the server.
const MOST_OF_PERSON: u64 = 2 * 1024 * 1024 * 1024;
const MOST_OF_SESSION: u64 = 4 * 1024 * 1024 * 1024;
/// In so many files.
const MOST_FILES: u32 = 2_000;

/// Why something is not kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    #[error(transparent)]
    Disk(#[from] Full),
    #[error("one person may keep up to 2 GB with a session; files of the customer's machine go by file transfer")]
    Person,
    #[error("a session may keep up to 4 GB beside its conversation; please go on in a new one")]
    Session,
    #[error("a session may keep up to 2,000 files beside its conversation; please go on in a new one")]
    Files,
}

/// How much a session keeps.
#[derive(Default)]
pub(super) struct Kept(Mutex<Used>);

#[derive(Default)]
struct Used {
    bytes: u64,
    files: u32,
    by: HashMap<ParticipantId, u64>,
}

impl Used {
    fn add(&mut self, who: ParticipantId, bytes: u64) {
        self.bytes += bytes;
        *self.by.entry(who).or_default() += bytes;
    }

    fn take(&mut self, who: ParticipantId, bytes: u64) {
        self.bytes -= bytes;
        self.by.entry(who).and_modify(|theirs| *theirs -= bytes);
    }
}

impl Kept {
    /// What the files of a timeline that is read back come to.
    pub fn of(data: &Path, id: &SessionId, entries: &[Entry]) -> Self {
        let mut used = Used::default();
        for (who, path) in entries.iter().filter_map(|entry| file_of(data, id, &entry.event)) {
            used.add(who, std::fs::metadata(path).map_or(0, |file| file.len()));
            used.files += 1;
        }
        Self(Mutex::new(used))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().expect("nobody panics while holding what is kept")
    }
}

/// The file that an event names, and whose it is.
fn file_of(data: &Path, id: &SessionId, event: &Event) -> Option<(ParticipantId, PathBuf)> {
    if let Event::FilePosted { from, number, .. } = event {
        return Some((*from, paths::post(data, id, *number)));
    }
    if let Event::ScreenshotTaken { by, number, .. } = event {
        return Some((*by, paths::screenshot(data, id, *number)));
    }
    if let Event::SystemInfoRead { by, number, .. } = event {
        return Some((*by, paths::system_info(data, id, *number)));
    }
    if let Event::ShellStarted { by, number } = event {
        return Some((*by, paths::shell(data, id, *number)));
    }
    None
}

/// A file on its way into what a session keeps. Unless it is [done](Self::done), nothing of it stays.
pub struct Keeping {
    live: Arc<LiveSession>,
    disk: Arc<Disk>,
    who: ParticipantId,
    path: PathBuf,
    promises: Vec<Promise>,
    /// What counts as used, and how much of that is written.
    counted: u64,
    written: u64,
}

impl LiveSession {
    /// Begins to keep a file for somebody.
    pub fn keep(self: &Arc<Self>, who: ParticipantId, path: PathBuf) -> Result<Keeping, NoRoom> {
        let mut used = self.kept.used();
        if used.files >= MOST_FILES {
            return Err(NoRoom::Files);
        }
        used.files += 1;
        let (live, disk) = (self.clone(), self.services().recordings.disk.clone());
        Ok(Keeping { live, disk, who, path, promises: vec![], counted: 0, written: 0 })
    }
}

impl Keeping {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates it, sealed by the vault.
    pub fn create(&self) -> std::io::Result<vault::Writer<File>> {
        let vault = &self.live.services().recordings.vault;
        vault.file(&self.path).create(File::create_new(&self.path)?)
    }

    /// Asks for room for so many bytes more.
    pub fn room(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let mut used = self.live.kept.used();
        match () {
            () if used.by.get(&self.who).copied().unwrap_or(0) + bytes > MOST_OF_PERSON => return Err(NoRoom::Person),
            () if used.bytes + bytes > MOST_OF_SESSION => return Err(NoRoom::Session),
            () => {}
        }
        self.promises.push(self.disk.promise(bytes)?);
        used.add(self.who, bytes);
        self.counted += bytes;
        Ok(())
    }

    /// So many bytes are about to be written, for which there was room or is some now.
    pub fn write(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let missing = (self.written + bytes).saturating_sub(self.counted);
        if missing > 0 {
            self.room(missing)?;
        }
        self.written += bytes;
        let mut bytes = bytes;
        while let Some(promise) = self.promises.last_mut() {
            bytes -= promise.written(bytes);
            if bytes == 0 {
                break;
            }
            self.promises.pop();
        }
        Ok(())
    }

    /// All of it is written and known.
    pub fn done(mut self) {
        self.live.kept.used().take(self.who, self.counted - self.written);
        self.counted = self.written;
        // Nothing is left for the end to give back.
        self.path = PathBuf::new();
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let mut used = self.live.kept.used();
        used.take(self.who, self.counted);
        used.files -= 1;
        let _ = std::fs::remove_file(&self.path);
    }
}
