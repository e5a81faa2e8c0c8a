//! Downloads to technicians' browsers: the progress of each, and what its technician wants done with it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use protocol::ParticipantId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;

use super::JobStream;

/// How many downloads of a session are remembered.
const MOST: usize = 256;

/// The state of a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, rename = "LeavingCourse")]
pub enum DownloadState {
    /// The browser has not requested it yet.
    Ready,
    /// Bytes are being sent.
    Going,
    /// Its technician paused it.
    Held,
    /// The support program is unreachable at the moment.
    Waiting,
    /// The browser stopped reading, and may resume.
    Stopped,
    /// All bytes are sent, and the checksum matches.
    Done,
    /// It failed for this reason.
    Failed { why: String },
    /// Its technician cancelled it.
    Cancelled,
}

impl DownloadState {
    /// Whether no more bytes follow.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Cancelled)
    }
}

/// What a technician wants done with a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, rename = "LeavingWish")]
pub enum DownloadAction {
    Go,
    Hold,
    Cancel,
}

/// The progress of a download.
#[derive(Clone, Debug, Serialize, TS)]
#[ts(export)]
pub struct LeavingProgress {
    #[ts(type = "number")]
    pub bytes: u64,
    /// Unknown for archives.
    #[ts(type = "number | null")]
    pub size: Option<u64>,
    pub course: DownloadState,
}

/// A file that the support program has opened for reading.
pub struct Opened {
    pub pipe: JobStream,
    pub size: Option<u64>,
    /// Differs when the file has changed.
    pub version: String,
    /// Whether checksums follow the last byte: see [`protocol::Job::Fetch`].
    pub sums: bool,
}

/// A download.
pub struct Download {
    /// The number that the technician's page gave it.
    pub number: u64,
    pub by: ParticipantId,
    pub path: String,
    pub wish: watch::Sender<DownloadAction>,
    progress: Mutex<LeavingProgress>,
    ready: Mutex<Option<Opened>>,
}

impl Download {
    fn locked(&self) -> MutexGuard<'_, LeavingProgress> {
        self.progress.lock().expect("lock is not poisoned")
    }

    /// The progress so far.
    pub fn progress(&self) -> LeavingProgress {
        self.locked().clone()
    }

    /// A browser starts or resumes it at this offset.
    pub fn begins(&self, bytes: u64, size: Option<u64>) {
        *self.locked() = LeavingProgress { bytes, size, course: DownloadState::Going };
    }

    /// Updates the number of bytes sent.
    pub fn at(&self, bytes: u64, size: Option<u64>) {
        let mut progress = self.locked();
        (progress.bytes, progress.size) = (bytes, size);
    }

    /// Changes the state, unless the download has ended.
    pub fn goes(&self, course: DownloadState) {
        let mut progress = self.locked();
        if !progress.course.is_over() {
            progress.course = course;
        }
    }

    /// Keeps the opened file until the browser requests it.
    pub fn keep(&self, opened: Opened) {
        *self.ready.lock().expect("lock is not poisoned") = Some(opened);
    }

    /// Takes the opened file, if it was not taken before.
    pub fn take(&self) -> Option<Opened> {
        self.ready.lock().expect("lock is not poisoned").take()
    }
}

/// The downloads of a session, the oldest first.
#[derive(Default)]
pub struct Downloads(Mutex<VecDeque<Arc<Download>>>);

impl Downloads {
    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Download>>> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// The technician's download with this number.
    pub fn get(&self, by: ParticipantId, number: u64) -> Option<Arc<Download>> {
        self.all().iter().find(|file| file.by == by && file.number == number).cloned()
    }

    /// Cancels all downloads of a participant who left.
    pub fn cancel_all_of(&self, by: ParticipantId) {
        let theirs: Vec<_> = self.all().iter().filter(|file| file.by == by).cloned().collect();
        for file in theirs {
            file.wish.send_replace(DownloadAction::Cancel);
            file.goes(DownloadState::Cancelled);
            drop(file.take());
        }
    }

    /// The technician's download with this number, added if it is new.
    pub fn get_or_add(&self, by: ParticipantId, number: u64, path: String) -> Arc<Download> {
        if let Some(known) = self.get(by, number) {
            return known;
        }
        let progress = LeavingProgress { bytes: 0, size: None, course: DownloadState::Ready };
        let (wish, _) = watch::channel(DownloadAction::Go);
        let file = Download { number, by, path, wish, progress: Mutex::new(progress), ready: Mutex::default() };
        let file = Arc::new(file);
        let mut all = self.all();
        all.push_back(file.clone());
        if all.len() > MOST {
            all.pop_front();
        }
        file
    }
}
