//! What remains of a session: its recording and its transcript, complete and stored.

use std::{path::Path, time::Duration};

use protocol::{Event, SessionId, Timestamp};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use session::{Actor, Command};
use sha2::{Digest, Sha256};

use crate::{
    app::{self, Shared},
    live::Live,
    paths, secret,
    store::tables::session_row,
};

/// How long to wait before trying again, when storing failed.
const AGAIN: Duration = Duration::from_secs(20);

/// Completes and stores the evidence of a session that has ended, trying again until it succeeds.
pub fn finish_soon(app: Shared, live: std::sync::Arc<Live>) {
    tokio::spawn(async move {
        while let Err(error) = finish(&app, &live).await {
            tracing::error!(session = %live.id, %error, "the evidence cannot be stored; it is tried again");
            tokio::time::sleep(AGAIN).await;
        }
        app.hub.remove(&live.id);
    });
}

async fn finish(app: &Shared, live: &std::sync::Arc<Live>) -> anyhow::Result<()> {
    live.stop_recorder().await;
    let entries = live.entries().await;
    if !entries.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
        let base = entries.iter().find(|e| matches!(e.event, Event::SharingStarted { .. })).map(|e| e.at);
        let stops = |e: &&protocol::Entry| matches!(e.event, Event::SharingStopped {} | Event::Ended { .. });
        // The last stop of a sharing, not the end of the session: the chat may have gone on for an hour.
        let stop = entries.iter().rev().filter(|e| !matches!(e.event, Event::Ended { .. })).find(stops);
        let stop = stop.or_else(|| entries.iter().rev().find(stops)).map(|e| e.at);
        let path = paths::recording(&app.config.data, &live.id);
        let recording_bytes = match base.zip(stop) {
            Some((base, stop)) => tokio::task::spawn_blocking(move || finish_recording(&path, base, stop)).await??,
            None => None,
        };
        let text = transcript_text(&live.id, &entries);
        let transcript_sha256 = secret::hex(&Sha256::digest(text));
        live.act(app, &Actor::Server, Command::Store { recording_bytes, transcript_sha256 }).await?;
    }
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

/// Gives the file its duration and its cues; `None` when not even one picture was recorded.
fn finish_recording(path: &Path, base: Timestamp, stop: Timestamp) -> anyhow::Result<Option<u32>> {
    let file = match std::fs::File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    match screen::webm::recover(file) {
        Ok((writer, last)) => {
            let file = writer.finish(stop.since(base).max(last + 1))?;
            file.sync_all()?;
            Ok(Some(u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX)))
        }
        Err(screen::webm::WebmError::NotARecording) => Ok(finished_before(path)),
        Err(e) => Err(e.into()),
    }
}

/// A kill between finishing the file and storing the event leaves a file whose segment has a size already.
fn finished_before(path: &Path) -> Option<u32> {
    let length = std::fs::metadata(path).ok()?.len();
    (length > 200).then(|| u32::try_from(length).unwrap_or(u32::MAX))
}

/// The transcript as plain text, times in UTC.
pub fn transcript_text(id: &SessionId, entries: &[protocol::Entry]) -> String {
    let mut text = format!("Deskside session {id}\n\n");
    for line in session::transcript(entries) {
        let speaker = if line.who.is_empty() { "—".to_owned() } else { format!("{}:", line.who) };
        // A message of several lines stays under its time.
        let words = line.text.replace('\n', "\n                              ");
        text.push_str(&format!("{}  {speaker} {words}\n", utc(line.at)));
    }
    text
}

/// A time as `2026-11-22 10:15:30 UTC`.
pub fn utc(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0.cast_signed()).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Whether there is room to record: asked before a customer is.
pub fn has_room(app: &Shared) -> bool {
    !app.settings().record || app::free_bytes(&app.config.data) >= app.config.disk_floor_bytes
}
