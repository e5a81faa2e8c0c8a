//! Screenshots for the journal.

use std::sync::Arc;

use archive::Archive;
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::{ActError, SessionRegistry};
use platform::{clock, paths, pictures, secret};
use protocol::{Event, RefusalReason, Right};
use sea_orm::DatabaseConnection;
use sha2::{Digest, Sha256};

use super::{ApiError, Helper, Result, SignedIn, attachments::require_participant, remote_system, sessions};
use crate::{
    access_scope::{self, SessionAction},
    desk::{BuiltIn, Desk, Entry},
};

/// The largest screenshot, in bytes.
const MAX_SCREENSHOT: usize = 32 * 1024 * 1024;

/// Adds a screenshot to the incident's journal.
pub async fn add(
    State(db): State<DatabaseConnection>,
    State(archive): State<Arc<Archive>>,
    Helper { live, me, by }: Helper,
    body: Bytes,
) -> Result<StatusCode> {
    if body.len() > MAX_SCREENSHOT {
        return Err(ApiError::bad("A screenshot must be a PNG of at most 32 MB."));
    }
    require_participant(&live, by).await?;
    if !live.may(by, Right::View).await {
        return Err(ActError::from(RefusalReason::NotGranted).into());
    }
    live.read(|s| s.has_room(clock::now(), by)).await.map_err(ActError::from)?;
    let whole = body.clone();
    if !tokio::task::spawn_blocking(move || pictures::is_png(&whole)).await.map_err(anyhow::Error::from)? {
        return Err(ApiError::bad("This is not a PNG picture, or it is damaged or larger than a screen can be."));
    }
    let number = live.next_number();
    let sha256 = secret::hex(&Sha256::digest(&body));
    let mut pending = live.keep(by, paths::screenshot(&archive.data, &live.id, number))?;
    pending.write(body.len() as u64)?;
    remote_system::write_new(pending.path().to_owned(), body.to_vec()).await?;
    live.record_event(Event::ScreenshotTaken { by, number, sha256 }).await?;
    pending.done();
    let incident = live.state().await.incident.id;
    let entry = Entry::Screenshot { session: live.id.clone(), number, by: me.0.name.clone() };
    BuiltIn(db).write(&incident.to_string(), &entry, "", false).await.map_err(anyhow::Error::msg)?;
    Ok(StatusCode::CREATED)
}

/// Returns a screenshot.
pub async fn read(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    access_scope::session(&sessions, &me.0, &id, SessionAction::Read).await?;
    let path = paths::screenshot(&archive.data, &id, number);
    let body = tokio::fs::read(path).await.map_err(|_| ApiError::missing("picture"))?;
    Ok(([(header::CONTENT_TYPE, "image/png")], body).into_response())
}
