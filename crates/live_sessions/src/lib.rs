//! Running sessions. Each has a timeline, the connections of its participants, and the screen that is relayed between
//! them.
#![expect(missing_docs, reason = "fields and variants whose names say it all have none")]

mod answers;
mod attachments;
mod connect;
mod control;
mod downloads;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
mod job;
pub mod logins;
mod path_stats;
pub mod recorder;
mod recording;
pub mod redaction;
mod references;
mod registry;
pub mod rules;
mod screen;
mod side_channel;
mod sizes;
pub mod standing;
mod storage;
pub mod timeline;
mod trailer_buffer;
mod transfer_throttle;
mod upload_checksums;

use std::{
    path::Path,
    sync::{Arc, Mutex, RwLock, RwLockReadGuard, atomic::AtomicU32},
};

use platform::{clock, secret};
use protocol::{Entry, Event, ParticipantId, Phase, RefusalReason, ServerMessage, SessionId, SessionState, Timestamp};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, TransactionTrait};
use session::{Actor, Command, Link, Session, Stored};
use store::{stored_time, tables::event_row};
use tokio::sync::Notify;

pub use attachments::Detached;
pub use connect::{Attachment, joined_participant};
pub use downloads::{Download, DownloadAction, DownloadState, Downloads, LeavingProgress, Opened};
pub use job::{Chunk, JobError, JobRequest, JobStream};
use path_stats::PathStats;
pub use registry::{Listener, Services, SessionRegistry};
pub use screen::Screen;
pub use side_channel::{Endpoint, SideChannels};
pub use storage::{NoRoom, PendingFile, StoredFile, StoredKind};
pub use trailer_buffer::TrailerBuffer;
pub use upload_checksums::Uploads;

use attachments::Attachments;
use storage::StorageUsage;

use crate::recorder::PlaceholderFrame;

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error(transparent)]
    Refused(#[from] RefusalReason),
    /// The account of the participant or of the new owner is disabled.
    #[error("this account is disabled")]
    Disabled,
    /// The session would wait in the queue of a team that was deleted.
    #[error("no such team")]
    NoTeam,
    #[error("database error: {0}")]
    Store(#[from] DbErr),
}

/// A running session.
pub struct LiveSession {
    pub id: SessionId,
    registry: Arc<SessionRegistry>,
    /// The hash of the newest entry. It is locked while a command is decided and until its events are on the disk: only
    /// other commands wait for that.
    chain_head: tokio::sync::Mutex<Link>,
    committed: RwLock<Committed>,
    attachments: Attachments,
    input_owner: control::InputOwner,
    /// The shared screen.
    pub screen: Screen,
    recording: Mutex<recording::State>,
    /// Round-trip time and transport of the support program's connection.
    pub path_stats: PathStats,
    /// The next number for a file that is stored beside the timeline.
    next_number: AtomicU32,
    /// Delays file transfers while a technician controls the desktop.
    pub transfer_throttle: transfer_throttle::TransferThrottle,
    /// Downloads to technicians' browsers.
    pub downloads: Downloads,
    /// Checksums of files that a browser uploaded in a single request.
    pub uploads: Uploads,
    storage_usage: StorageUsage,
    /// The newest size of the screen, until it is in the timeline.
    size: Mutex<Option<(u16, u16)>>,
    /// Wakes the session's timer after each change.
    changed: Notify,
}

/// The stored entries, and the session that results from them.
struct Committed {
    session: Arc<Session>,
    entries: Vec<Entry>,
}

impl LiveSession {
    /// A new session, or one loaded from its stored timeline.
    fn new(
        registry: &Arc<SessionRegistry>,
        session: Session,
        entries: Vec<Entry>,
        hash: Link,
        storage_usage: StorageUsage,
    ) -> Arc<Self> {
        let next_number = AtomicU32::new(job::highest_number(&entries) + 1);
        let recording = Mutex::new(recording::State::after(&entries, &registry.services.recordings.disk));
        let live = Self {
            id: session.id().clone(),
            registry: registry.clone(),
            chain_head: tokio::sync::Mutex::new(hash),
            committed: RwLock::new(Committed { session: Arc::new(session), entries }),
            attachments: Attachments::default(),
            input_owner: control::InputOwner::default(),
            screen: Screen::default(),
            recording,
            path_stats: PathStats::default(),
            next_number,
            transfer_throttle: transfer_throttle::TransferThrottle::default(),
            downloads: Downloads::default(),
            uploads: Uploads::default(),
            storage_usage,
            size: Mutex::default(),
            changed: Notify::new(),
        };
        Arc::new(live)
    }

    fn services(&self) -> &Services {
        &self.registry.services
    }

    /// The data folder, in which files are stored beside the timeline.
    pub fn folder(&self) -> &Path {
        &self.services().recordings.data
    }

    fn committed(&self) -> RwLockReadGuard<'_, Committed> {
        self.committed.read().expect("lock is not poisoned")
    }

    /// Decides a command, stores the resulting events, and broadcasts them.
    pub async fn act(self: &Arc<Self>, by: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        // In a task of its own: the caller may be dropped while the disk is busy, and what is stored must also be
        // applied.
        let (live, by) = (self.clone(), by.clone());
        let done = tokio::spawn(async move {
            let mut command = command;
            if let Some(text) = command.written() {
                *text = live.registry.redactor().await?.clean(text);
            }
            live.decide_and_store(&by, command).await
        });
        done.await.unwrap_or_else(|failed| Err(DbErr::Custom(failed.to_string()).into()))
    }

    async fn decide_and_store(self: &Arc<Self>, by: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        let mut chain_head = self.chain_head.lock().await;
        // A participant who reconnected while this command waited for the lock is not dropped.
        if matches!(command, Command::Drop { id } if self.attachments.has(id)) {
            return Ok(vec![]);
        }
        let (session, last) = {
            let committed = self.committed();
            (committed.session.clone(), committed.entries.last().map(|last| (last.seq, last.at)))
        };
        // Time in a timeline never goes backwards, whatever the system's clock does.
        let now = last.map_or(clock::now(), |(_, at)| clock::now().max(at));
        let events = session.decide(now, by, command)?;
        if events.is_empty() {
            return Ok(vec![]);
        }
        let entries = self.store(&session, &mut chain_head, (last.map_or(0, |(seq, _)| seq), now), events).await?;
        drop(session);
        let session = self.apply_stored(&entries);
        self.release_input_unless(|who| session.may_control(who));
        self.attachments.broadcast(&session, &entries, now);
        self.react_to(&entries, session.customer().map(|p| p.id));
        self.changed.notify_one();
        Ok(entries)
    }

    /// Applies stored entries to the session.
    fn apply_stored(&self, entries: &[Entry]) -> Arc<Session> {
        let mut committed = self.committed.write().expect("lock is not poisoned");
        let session = Arc::make_mut(&mut committed.session);
        entries.iter().for_each(|entry| session.apply(entry.at, &entry.event));
        committed.entries.extend_from_slice(entries);
        committed.session.clone()
    }

    /// Stores events that happened at `at` behind entry number `after`, and moves the head of the chain.
    async fn store(
        &self,
        session: &Session,
        chain_head: &mut Link,
        (after, at): (u32, Timestamp),
        events: Vec<Event>,
    ) -> Result<Vec<Entry>, ActError> {
        let transaction = self.services().db.begin().await?;
        let mut hash = *chain_head;
        let mut entries = Vec::new();
        for (seq, event) in (after + 1..).zip(events) {
            let Stored { body, hash: link, .. } = session::link(&self.id, &hash, seq, at, &event);
            hash = link;
            let row = event_row::ActiveModel {
                session: Set(self.id.to_string()),
                seq: Set(seq.cast_signed()),
                at: Set(stored_time(at)),
                body: Set(body),
                hash: Set(secret::hex(&link)),
                ..Default::default()
            };
            row.insert(&transaction).await?;
            entries.push(Entry { seq, at, event });
        }
        references::check(&transaction, session, &entries).await?;
        let queued = self.services().listener.enqueue(&transaction, session, &entries).await?;
        transaction.commit().await?;
        if queued {
            self.services().listener.wake();
        }
        *chain_head = hash;
        Ok(entries)
    }

    /// Applies the effects of new entries outside the timeline.
    fn react_to(self: &Arc<Self>, entries: &[Entry], customer: Option<ParticipantId>) {
        for entry in entries {
            match &entry.event {
                Event::Paused { why, .. } => {
                    self.screen.stop();
                    self.record_placeholder(entry.at, PlaceholderFrame::Paused(*why));
                }
                Event::SharingStopped {} | Event::SharingFailed { .. } => {
                    self.screen.stop();
                    self.record_placeholder(entry.at, PlaceholderFrame::Stopped);
                }
                Event::Left { id } => self.downloads.cancel_all_of(*id),
                Event::Dropped { id } if Some(*id) == customer => {
                    self.record_placeholder(entry.at, PlaceholderFrame::Stopped)
                }
                // A viewer who may see the screen again lacks the pictures that the next one builds on.
                Event::Resumed { .. } | Event::RoleChanged { .. } => self.want_keyframe(),
                Event::Ended { .. } => {
                    self.screen.stop();
                    self.registry.announce_end();
                }
                Event::Created { .. }
                | Event::KeyIssued { .. }
                | Event::KeyRevoked { .. }
                | Event::LinkRevoked { .. }
                | Event::Joined { .. }
                | Event::Dropped { .. }
                | Event::Returned { .. }
                | Event::Chat { .. }
                | Event::Asked { .. }
                | Event::Granted { .. }
                | Event::Denied { .. }
                | Event::Withdrawn { .. }
                | Event::SharingStarted { .. }
                | Event::ScreenResized { .. }
                | Event::MonitorsChanged { .. }
                | Event::InputBlocked { .. }
                | Event::RecordingFailed { .. }
                | Event::Held { .. }
                | Event::Reopened { .. }
                | Event::Transferred { .. }
                | Event::Queued { .. }
                | Event::QueueMoved { .. }
                | Event::Taken { .. }
                | Event::Inherited { .. }
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
                | Event::FilePosted { .. }
                | Event::ClipboardCarried { .. }
                | Event::ShellStarted { .. }
                | Event::ShellEnded { .. }
                | Event::SystemInfoRead { .. }
                | Event::ProcessEnded { .. }
                | Event::Restarting { .. }
                | Event::ScreenshotTaken { .. }
                | Event::Rated { .. }
                | Event::Recorded { .. }
                | Event::Stored { .. }
                | Event::Watched { .. }
                | Event::Exported { .. }
                | Event::LegalHold { .. } => {}
            }
        }
    }

    /// Sends a message that is not stored to everybody but its sender.
    pub fn broadcast_transient(&self, from: ParticipantId, message: &ServerMessage) {
        self.attachments.to_others(from, message);
    }

    /// Sends a message to the customer's program, or to the page that shares the screen instead.
    pub fn to_program(&self, message: ServerMessage) {
        self.attachments.to_customer(&message);
    }

    /// The state that everybody sees.
    pub async fn state(&self) -> SessionState {
        self.committed().session.state()
    }

    /// The timeline.
    pub async fn entries(&self) -> Vec<Entry> {
        self.committed().entries.clone()
    }

    /// A snapshot of the session.
    pub fn now(&self) -> Arc<Session> {
        self.committed().session.clone()
    }

    /// Reads something from the session.
    pub async fn read<T>(&self, query: impl FnOnce(&Session) -> T) -> T {
        query(&self.committed().session)
    }

    /// Runs the session's timer until the session has ended.
    pub(crate) async fn run_timer(self: Arc<Self>) {
        loop {
            let (due, ended) =
                self.read(|session| (session.due(), matches!(session.phase(), Phase::Ended { .. }))).await;
            if ended {
                return;
            }
            let wait = due.map_or(u64::from(u32::MAX), |due| due.since(clock::now()));
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {
                    if let Err(error) = self.act(&Actor::Server, Command::Tick).await {
                        tracing::error!(session = %self.id, %error, "session timer failed");
                        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }
}
