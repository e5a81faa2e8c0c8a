//! Files that a session stores beside its timeline: chat attachments, screenshots, system information and shell
//! recordings. Their size is limited for each participant and for the session.

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

/// Most bytes that one participant may store in a session.
const MOST_BYTES_OF_PARTICIPANT: u64 = 2 * 1024 * 1024 * 1024;
/// Most bytes that a session may store.
const MOST_BYTES_OF_SESSION: u64 = 4 * 1024 * 1024 * 1024;
/// Most files that a session may store.
const MOST_FILES: u32 = 2_000;

/// Why a file cannot be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    #[error(transparent)]
    Disk(#[from] Full),
    #[error("a participant may store up to 2 GB in a session; use file transfer for files of the customer's computer")]
    Person,
    #[error("a session may store up to 4 GB of files; please continue in a new session")]
    Session,
    #[error("a session may store up to 2,000 files; please continue in a new session")]
    Files,
}

/// How much a session stores beside its timeline.
#[derive(Default)]
pub(super) struct StorageUsage(Mutex<Used>);

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

    fn subtract(&mut self, who: ParticipantId, bytes: u64) {
        self.bytes -= bytes;
        self.by.entry(who).and_modify(|theirs| *theirs -= bytes);
    }
}

impl StorageUsage {
    /// The size of the files that a loaded timeline names.
    pub fn of(data: &Path, id: &SessionId, entries: &[Entry]) -> Self {
        let mut used = Used::default();
        for file in entries.iter().filter_map(|entry| StoredFile::of(&entry.event)) {
            used.add(file.by, std::fs::metadata(file.path(data, id)).map_or(0, |file| file.len()));
            used.files += 1;
        }
        Self(Mutex::new(used))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().expect("lock is not poisoned")
    }
}

/// A file that a session stores beside its timeline, as an event names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFile {
    pub kind: StoredKind,
    pub by: ParticipantId,
    pub number: u32,
}

/// The kinds of files that a session stores beside its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredKind {
    Attachment,
    Screenshot,
    SystemInfo,
    Shell,
}

impl StoredFile {
    /// The file that an event names, if it names one.
    pub fn of(event: &Event) -> Option<Self> {
        let (kind, by, number) = match *event {
            Event::FilePosted { from, number, .. } => (StoredKind::Attachment, from, number),
            Event::ScreenshotTaken { by, number, .. } => (StoredKind::Screenshot, by, number),
            Event::SystemInfoRead { by, number, .. } => (StoredKind::SystemInfo, by, number),
            Event::ShellStarted { by, number } => (StoredKind::Shell, by, number),
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
            | Event::ShellEnded { .. }
            | Event::ProcessEnded { .. }
            | Event::Restarting { .. }
            | Event::Rated { .. }
            | Event::Ended { .. }
            | Event::Recorded { .. }
            | Event::Stored { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => return None,
        };
        Some(Self { kind, by, number })
    }

    /// Its path in the data folder.
    pub fn path(&self, data: &Path, session: &SessionId) -> PathBuf {
        match self.kind {
            StoredKind::Attachment => paths::post(data, session, self.number),
            StoredKind::Screenshot => paths::screenshot(data, session, self.number),
            StoredKind::SystemInfo => paths::system_info(data, session, self.number),
            StoredKind::Shell => paths::shell(data, session, self.number),
        }
    }
}

/// A file that is being stored. Dropping it removes the file, unless it is [done](Self::done).
pub struct PendingFile {
    live: Arc<LiveSession>,
    disk: Arc<Disk>,
    who: ParticipantId,
    path: PathBuf,
    promises: Vec<Promise>,
    /// The bytes that are counted as used, and how many of them are written.
    counted: u64,
    written: u64,
}

impl LiveSession {
    /// Starts storing a file for a participant.
    pub fn keep(self: &Arc<Self>, who: ParticipantId, path: PathBuf) -> Result<PendingFile, NoRoom> {
        let mut used = self.storage_usage.used();
        if used.files >= MOST_FILES {
            return Err(NoRoom::Files);
        }
        used.files += 1;
        let (live, disk) = (self.clone(), self.services().recordings.disk.clone());
        Ok(PendingFile { live, disk, who, path, promises: vec![], counted: 0, written: 0 })
    }
}

impl PendingFile {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file, encrypted by the vault.
    pub fn create(&self) -> std::io::Result<vault::Writer<File>> {
        let vault = &self.live.services().recordings.vault;
        vault.file(&self.path).create(File::create_new(&self.path)?)
    }

    /// Reserves this many more bytes.
    pub fn room(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let mut used = self.live.storage_usage.used();
        match () {
            () if used.by.get(&self.who).copied().unwrap_or(0) + bytes > MOST_BYTES_OF_PARTICIPANT => {
                return Err(NoRoom::Person);
            }
            () if used.bytes + bytes > MOST_BYTES_OF_SESSION => return Err(NoRoom::Session),
            () => {}
        }
        self.promises.push(self.disk.promise(bytes)?);
        used.add(self.who, bytes);
        self.counted += bytes;
        Ok(())
    }

    /// Counts bytes that are about to be written, and reserves those that were not reserved before.
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

    /// Keeps the file: it is complete, and the timeline names it.
    pub fn done(mut self) {
        self.live.storage_usage.used().subtract(self.who, self.counted - self.written);
        self.counted = self.written;
        // Tells `drop` that there is nothing to remove.
        self.path = PathBuf::new();
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let mut used = self.live.storage_usage.used();
        used.subtract(self.who, self.counted);
        used.files -= 1;
        let _ = std::fs::remove_file(&self.path);
    }
}
