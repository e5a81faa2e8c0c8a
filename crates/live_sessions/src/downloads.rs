//! Files on their way to technicians' browsers, which keep them among their downloads: how far each is, and what its
//! technician wishes of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use protocol::ParticipantId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ts_rs::TS;

use super::JobStream;

/// So many files of a session are remembered.
const MOST: usize = 256;

/// How a file's way goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export, rename = "LeavingCourse")]
pub enum DownloadState {
    /// The browser has not begun to take it.
    Ready,
    /// Bytes flow.
    Going,
    /// Its technician lets it wait.
    Held,
    /// The program cannot be reached just now.
    Waiting,
    /// The browser has stopped taking it, and may go on.
    Stopped,
    /// All of it is handed over, and its checksum is right.
    Done,
    /// It ended, for this reason.
    Failed { why: String },
    /// Its technician does not want it any more.
    Cancelled,
}

impl DownloadState {
    /// Nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Cancelled)
    }
}

/// What a technician wishes of a file on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, rename = "LeavingWish")]
pub enum DownloadAction {
    Go,
    Hold,
    Cancel,
}

/// How far a file is.
#[derive(Clone, Debug, Serialize, TS)]
#[ts(export)]
pub struct LeavingProgress {
    #[ts(type = "number")]
    pub bytes: u64,
    /// Not known of archives.
    #[ts(type = "number | null")]
    pub size: Option<u64>,
    pub course: DownloadState,
}

/// What the program has opened, from its first byte on.
pub struct Opened {
    pub pipe: JobStream,
    pub size: Option<u64>,
    /// Another when the file changes.
    pub version: String,
    /// Sums stand at its end: see [`protocol::Job::Fetch`].
    pub sums: bool,
}

/// A file on its way.
pub struct Download {
    /// The number that its page gave it.
    pub number: u64,
    pub by: ParticipantId,
    pub path: String,
    pub wish: watch::Sender<DownloadAction>,
    progress: Mutex<LeavingProgress>,
    ready: Mutex<Option<Opened>>,
}

impl Download {
    fn locked(&self) -> MutexGuard<'_, LeavingProgress> {
        self.progress.lock().expect("nobody panics while holding a file's progress")
    }

    /// How far it is.
    pub fn progress(&self) -> LeavingProgress {
        self.locked().clone()
    }

    /// A browser takes it from there on, perhaps not for the first time.
    pub fn begins(&self, bytes: u64, size: Option<u64>) {
        *self.locked() = LeavingProgress { bytes, size, course: DownloadState::Going };
    }

    /// It has come so far.
    pub fn at(&self, bytes: u64, size: Option<u64>) {
        let mut progress = self.locked();
        (progress.bytes, progress.size) = (bytes, size);
    }

    /// Its way goes so from now on, unless it has ended.
    pub fn goes(&self, course: DownloadState) {
        let mut progress = self.locked();
        if !progress.course.is_over() {
            progress.course = course;
        }
    }

    /// Keeps what was opened until the browser takes it.
    pub fn keep(&self, opened: Opened) {
        *self.ready.lock().expect("nobody panics while holding what is ready") = Some(opened);
    }

    /// What was opened for the browser, once.
    pub fn take(&self) -> Option<Opened> {
        self.ready.lock().expect("nobody panics while holding what is ready").take()
    }
}

/// The files of a session, the oldest first.
#[derive(Default)]
pub struct Downloads(Mutex<VecDeque<Arc<Download>>>);

impl Downloads {
    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Download>>> {
        self.0.lock().expect("nobody panics while holding what leaves")
    }

    /// The file to which its technician gave this number.
    pub fn get(&self, by: ParticipantId, number: u64) -> Option<Arc<Download>> {
        self.all().iter().find(|file| file.by == by && file.number == number).cloned()
    }

    /// Whoever wanted these files may have them no more.
    pub fn give_up(&self, by: ParticipantId) {
        let theirs: Vec<_> = self.all().iter().filter(|file| file.by == by).cloned().collect();
        for file in theirs {
            file.wish.send_replace(DownloadAction::Cancel);
            file.goes(DownloadState::Cancelled);
            drop(file.take());
        }
    }

    /// The same, from now on if it was not known.
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
