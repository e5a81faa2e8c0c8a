//! Evidence of sessions: stores recordings and transcripts when sessions end, seals, exports and deletes them.
#![expect(missing_docs, reason = "fields and variants whose names say it all have none")]

mod bundle;
mod deletion;
#[cfg(test)]
mod fixture;
mod pointer_overlay;
mod recording_store;
mod sealing;
mod session_index;
mod unfinished;
mod video;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use live_sessions::{JobError, LiveSession, SessionRegistry, timeline};
use platform::{
    clock,
    disk::{Disk, Full},
    paths, secret, tasks,
    vault::Vault,
};
use protocol::{Event, Phase, Right, SessionId};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection};
use session::{Actor, Command, RecordingDuty, TooMuch};
use sha2::{Digest, Sha256};
use store::{setting::Current, settings::Settings, tables::session_row};

pub use bundle::Pointer;
pub use deletion::{NotDeleted, Tombstone, deletes_sooner};
pub use recording_store::{RecordingStore, StoreConfig};
pub use sealing::Sealing;
pub use unfinished::{Unfinished, Unstored};
use video::SealedFileReader;
pub use video::{SealedFile, TooLong, so_far};

/// Stores, seals, exports and deletes the evidence of sessions.
pub struct Archive {
    pub db: DatabaseConnection,
    /// The data folder.
    pub data: PathBuf,
    pub disk: Arc<Disk>,
    pub vault: Arc<Vault>,
    pub sealing: Sealing,
    pub recording_store: RecordingStore,
    pub sessions: Arc<SessionRegistry>,
    pub settings: Arc<Current<Settings>>,
    /// The sessions whose evidence is being stored.
    pub storing: Mutex<HashSet<SessionId>>,
    /// The sessions whose evidence could not be stored yet, and why.
    pub unfinished: Unfinished,
}

impl Archive {
    /// Stores the evidence of every session that ends.
    pub async fn store_ended(self: Arc<Self>) {
        loop {
            for live in self.sessions.all() {
                if matches!(live.now().phase(), Phase::Ended { .. }) && self.storing().insert(live.id.clone()) {
                    tasks::spawn("storing evidence", self.clone().finalize(live));
                }
            }
            self.sessions.ended().await;
        }
    }

    fn storing(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.storing.lock().expect("lock is not poisoned")
    }

    /// Completes and stores the evidence of an ended session. Failures are retried at growing intervals. When the
    /// server gives up, an administrator can start another attempt.
    async fn finalize(self: Arc<Self>, live: Arc<LiveSession>) {
        let mut waits = unfinished::waits();
        while let Err(error) = self.complete(&live).await {
            let wait = unfinished::wait_after(&error, &mut waits);
            tracing::error!(session = %live.id, %error, retry_in = ?wait, "evidence not stored");
            let unstored = Unstored { why: error.to_string(), given_up: wait.is_none() };
            let again = self.unfinished.note(&live.id, unstored);
            match wait {
                Some(wait) => tokio::time::timeout(wait, again.notified()).await.unwrap_or(()),
                None => again.notified().await,
            }
        }
        self.unfinished.remove(&live.id);
        self.sessions.remove(&live.id);
        self.storing().remove(&live.id);
    }

    async fn complete(self: &Arc<Self>, live: &Arc<LiveSession>) -> anyhow::Result<()> {
        live.stop_recorder().await;
        if !live.entries().await.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
            let event = self.store(live).await?;
            live.act(&Actor::Server, Command::Evidence { event }).await?;
        }
        // From here on the timeline says that the video is complete.
        for file in paths::evidence(&self.data, &live.id) {
            self.recording_store.remove_local(&file)?;
        }
        video::remove_raw_recordings(self, &live.id)?;
        // No video will be made any more, so its disk space is released.
        *live.space_for_video().lock().expect("lock is not poisoned") = self.disk.nothing();
        self.seal(&live.id).await?;
        session_index::index(&self.db, &live.id, &live.entries().await).await?;
        let row = session_row::ActiveModel {
            id: Set(live.id.to_string()),
            stored: Set(true),
            key_hash: Set(None),
            link_hash: Set(None),
            ..Default::default()
        };
        row.update(&self.db).await?;
        Ok(())
    }

    /// Makes the video, and returns the event that says what is stored.
    async fn store(self: &Arc<Self>, live: &Arc<LiveSession>) -> anyhow::Result<Event> {
        self.recording_store.ready().await?;
        let (entries, id, archive) = (live.entries().await, live.id.clone(), self.clone());
        let space = live.space_for_video();
        let made = tokio::task::spawn_blocking(move || video::make(&archive, &id, &entries, &space)).await??;
        if let Some(segment) = made.as_ref().and_then(|m| m.uncovered.clone()) {
            live.segment(segment).await?;
        }
        if made.is_some() {
            for file in paths::evidence(&self.data, &live.id) {
                self.recording_store.upload(&file).await?;
            }
        }
        let text = evidence::transcript::text(&live.id, &live.entries().await);
        Ok(Event::Stored {
            transcript_sha256: secret::hex(&Sha256::digest(text)),
            recording_bytes: made.as_ref().map(|m| m.bytes),
            pointer_sha256: made.as_ref().map(|m| m.pointer_sha256.clone()),
            recording_sha256: made.map(|m| m.sha256),
        })
    }

    /// Seals the timeline as it is now.
    async fn seal(&self, id: &SessionId) -> anyhow::Result<()> {
        let stored = timeline::stored(&self.db, id).await?;
        if let Some(head) = stored.last() {
            self.sealing.seal(&self.db, id, head.seq, &head.hash, clock::now()).await?;
        }
        Ok(())
    }

    /// Executes a command in a running or ended session, and seals the timeline of an ended one again.
    pub async fn execute_even_if_ended(&self, id: &SessionId, by: &Actor, command: Command) -> Result<(), JobError> {
        self.sessions.execute_even_if_ended(id, by, command).await?;
        if self.sessions.get(id).is_none() {
            self.seal(id).await.map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    /// Updates the session index after a command in an ended session.
    pub async fn reindex(&self, id: &SessionId) -> anyhow::Result<()> {
        match self.sessions.read(id).await? {
            Some(entries) => session_index::index(&self.db, id, &entries).await,
            None => Ok(()),
        }
    }

    /// Checks that the disk can hold what these rights show, if the session's policy requires a recording. Checked
    /// before the customer is asked.
    pub async fn has_room_to_show(&self, live: &LiveSession, rights: &[Right]) -> Result<(), NoRoomToShow> {
        let screen = |right: &Right| *right == Right::View || session::permission::needs(*right).contains(&Right::View);
        let screen = rights.iter().any(screen);
        match live.read(|s| s.recording()).await {
            RecordingDuty::None | RecordingDuty::WherePossible => return Ok(()),
            RecordingDuty::Always => {}
        }
        if screen && live.is_recorded_to_the_end() {
            return Err(TooMuch::InSession.into());
        }
        if screen || rights.contains(&Right::Shell) {
            self.disk.look()?;
        }
        Ok(())
    }
}

/// Why nothing more can be recorded, and thus shown.
#[derive(Debug, thiserror::Error)]
pub enum NoRoomToShow {
    #[error("{0}, and this session must be recorded")]
    Disk(#[from] Full),
    #[error(transparent)]
    Session(#[from] TooMuch),
}
