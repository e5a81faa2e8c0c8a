//! What remains of a session: its recording and its transcript, complete, stored and sealed.

mod bundle;
mod command_line;
mod deletion;
mod pointer_overlay;
mod recording_store;
mod sealing;
mod session_index;
mod unfinished;
mod video;

use std::sync::Arc;

use platform::{clock, disk::Full, paths, secret};
use protocol::{Event, Right, SessionId};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use session::{Actor, Command, RecordingDuty, TooMuch};
use sha2::{Digest, Sha256};
use store::tables::session_row;

pub use bundle::{Pointer, export, pack};
pub use command_line::run;
pub use deletion::{NotDeleted, RetentionRule, Tombstone, delete, deletes_sooner, hold, run_retention, tombstone};
pub use recording_store::RecordingStore;
pub use sealing::Sealing;
pub use unfinished::{Unfinished, Unstored};
use video::KeptReader;
pub use video::{Kept, TooLong, so_far};

use crate::{app::Shared, live::LiveSession};

/// Completes and stores the evidence of a session that has ended. What fails is tried again, less and less often; when it is
/// given up, an administrator may have it tried once more.
pub fn spawn_finalizer(app: Shared, live: Arc<LiveSession>) {
    tokio::spawn(async move {
        let mut waits = unfinished::waits();
        while let Err(error) = finish(&app, &live).await {
            let wait = unfinished::wait_after(&error, &mut waits);
            tracing::error!(session = %live.id, %error, again_in = ?wait, "the evidence cannot be stored");
            let unstored = Unstored { why: error.to_string(), given_up: wait.is_none() };
            let again = app.unfinished.note(&live.id, unstored);
            match wait {
                Some(wait) => tokio::time::timeout(wait, again.notified()).await.unwrap_or(()),
                None => again.notified().await,
            }
        }
        app.unfinished.remove(&live.id);
        app.sessions.remove(&live.id);
    });
}

/// Keeps room for the video of a session that was recorded before the server started.
pub fn keep_room_for_video(app: &Shared, live: &LiveSession) -> std::io::Result<()> {
    video::keep_room(app, &live.id, &live.room_for_video())
}

async fn finish(app: &Shared, live: &Arc<LiveSession>) -> anyhow::Result<()> {
    live.stop_recorder().await;
    if !live.entries().await.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
        let event = store(app, live).await?;
        live.act(app, &Actor::Server, Command::Evidence { event }).await?;
    }
    // From here on the timeline says that the video is whole.
    for file in paths::evidence(&app.config.data, &live.id) {
        app.recording_store.clear(&file)?;
    }
    video::remove_reels(app, &live.id)?;
    // Nothing is left of which a video would be made.
    *live.room_for_video().lock().expect(video::PROMISE) = app.disk.nothing();
    seal(app, &live.id).await?;
    session_index::enter(&app.db, &live.id, &live.entries().await).await?;
    let row = session_row::ActiveModel {
        id: Set(live.id.to_string()),
        stored: Set(true),
        key_hash: Set(None),
        link_hash: Set(None),
        ..Default::default()
    };
    row.update(&app.db).await?;
    Ok(())
}

/// Makes the video, and says what is stored.
async fn store(app: &Shared, live: &Arc<LiveSession>) -> anyhow::Result<Event> {
    app.recording_store.ready().await?;
    let (entries, id, on) = (live.entries().await, live.id.clone(), app.clone());
    let room = live.room_for_video();
    let made = tokio::task::spawn_blocking(move || video::make(&on, &id, &entries, &room)).await??;
    if let Some(segment) = made.as_ref().and_then(|m| m.uncovered.clone()) {
        live.segment(app, segment).await?;
    }
    if made.is_some() {
        for file in paths::evidence(&app.config.data, &live.id) {
            app.recording_store.take(&file).await?;
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

/// Puts the server's seal under the timeline as it is now.
pub async fn seal(app: &Shared, id: &SessionId) -> anyhow::Result<()> {
    let stored = crate::live::stored(app, id).await?;
    if let Some(head) = stored.last() {
        app.sealing.seal(&app.db, id, head.seq, &head.hash, clock::now()).await?;
    }
    Ok(())
}

/// What was said of a session after its end, as far as it is searched and counted.
pub async fn reindex(app: &Shared, id: &SessionId) -> anyhow::Result<()> {
    match app.sessions.read(app, id).await? {
        Some(entries) => session_index::enter(&app.db, id, &entries).await,
        None => Ok(()),
    }
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum NoRoomToShow {
    #[error("{0}, and what is shown must be recorded")]
    Disk(#[from] Full),
    #[error(transparent)]
    Session(#[from] TooMuch),
}

/// Whether there is room for what these rights show, where the session's policy wants it recorded: asked before a customer is.
pub async fn has_room_to_show(app: &Shared, live: &LiveSession, rights: &[Right]) -> Result<(), NoRoomToShow> {
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
        app.disk.look()?;
    }
    Ok(())
}
