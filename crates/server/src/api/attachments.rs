//! Files posted in the chat, which the server keeps.

use std::sync::Arc;

use archive::Archive;
use axum::{
    body::{Body, HttpBody},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures::StreamExt;
use live_sessions::{ActError, LiveSession, PendingFile, SessionRegistry};
use platform::{clock, paths, secret};
use protocol::{Event, ParticipantId, Phase, RefusalReason, file_name::shown, name_fits};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::{ApiError, ClientAddress, Helper, Result, SignedIn, join, sessions};

use crate::access_scope::{self, SessionAction};

/// The largest file in the chat, in bytes.
pub const MAX_FILE: u64 = 512 * 1024 * 1024;

/// A file's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameQuery {
    name: String,
}

/// A technician's file.
pub async fn post(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    Helper { live, by, .. }: Helper,
    Query(query): Query<NameQuery>,
    body: Body,
) -> Result<StatusCode> {
    store(&sessions, &archive, &live, by, query.name, body).await
}

/// A customer's or an expert's file. The resume token identifies the participant.
pub async fn post_by_token(
    State(join::Passes { db, clients, sessions, .. }): State<join::Passes>,
    State(archive): State<Arc<Archive>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Query(query): Query<NameQuery>,
    body: Body,
) -> Result<StatusCode> {
    let (live, who) =
        join::counting_failures(&clients, address, join::by_token(&db, &sessions, bearer(&headers)?, false)).await?;
    store(&sessions, &archive, &live, who, query.name, body).await
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    value.and_then(|v| v.strip_prefix("Bearer ")).ok_or_else(ApiError::signed_out)
}

async fn store(
    sessions: &Arc<SessionRegistry>,
    archive: &Arc<Archive>,
    live: &Arc<LiveSession>,
    from: ParticipantId,
    name: String,
    body: Body,
) -> Result<StatusCode> {
    if !name_fits(&name) {
        return Err(ApiError::bad("This is not a valid file name."));
    }
    if live.read(|s| s.phase()).await == Phase::Held {
        return Err(ActError::from(RefusalReason::OnHold).into());
    }
    require_participant(live, from).await?;
    live.read(|s| s.has_room(clock::now(), from)).await.map_err(ActError::from)?;
    let number = live.next_number();
    let mut pending = live.keep(from, paths::post(&archive.data, &live.id, number))?;
    let (bytes, sha256) = receive(&mut pending, body).await?;
    // The participant may have left while a large file was uploaded.
    require_participant(live, from).await?;
    // The file is fetched by its number; the name is only displayed.
    let name = shown(&sessions.redactor().await?.clean(&name));
    live.record_event(Event::FilePosted { from, number, name, bytes, sha256 }).await?;
    pending.done();
    Ok(StatusCode::CREATED)
}

pub async fn require_participant(live: &LiveSession, who: ParticipantId) -> Result<()> {
    match access_scope::is_part_of(live, who).await {
        true => Ok(()),
        false => Err(ApiError::forbidden("You no longer take part in this session.")),
    }
}

async fn receive(pending: &mut PendingFile, body: Body) -> Result<(u64, String)> {
    let io = |e: std::io::Error| ApiError::from(anyhow::Error::from(e));
    let too_large = || ApiError::too_large("The chat takes files of up to 512 MB. Use file transfer for larger ones.");
    // The announced length is checked before the upload begins.
    let announced = body.size_hint().lower();
    if announced > MAX_FILE {
        return Err(too_large());
    }
    pending.room(announced)?;
    tokio::fs::create_dir_all(pending.path().parent().expect("paths in the data folder have a parent"))
        .await
        .map_err(io)?;
    let mut file = tokio::fs::File::create_new(pending.path()).await.map_err(io)?;
    let (mut bytes, mut hash, mut body) = (0u64, Sha256::new(), body.into_data_stream());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| ApiError::bad("The file did not arrive completely."))?;
        bytes += chunk.len() as u64;
        if bytes > MAX_FILE {
            return Err(too_large());
        }
        pending.write(chunk.len() as u64)?;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(io)?;
    }
    file.sync_all().await.map_err(io)?;
    Ok((bytes, secret::hex(&hash.finalize())))
}

/// A file of the chat, for technicians.
pub async fn read(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    let entries = access_scope::session(&sessions, &me.0, &id, SessionAction::Read).await?;
    serve(&archive, &id, number, entries).await
}

/// A file of the chat, for the holder of a resume token of its session.
pub async fn read_by_token(
    State(join::Passes { db, clients, sessions, .. }): State<join::Passes>,
    State(archive): State<Arc<Archive>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Path(number): Path<u32>,
) -> Result<Response> {
    let (live, _) =
        join::counting_failures(&clients, address, join::by_token(&db, &sessions, bearer(&headers)?, false)).await?;
    let entries = live.entries().await;
    serve(&archive, &live.id, number, entries).await
}

async fn serve(
    archive: &Arc<Archive>,
    id: &protocol::SessionId,
    number: u32,
    entries: Vec<protocol::Entry>,
) -> Result<Response> {
    let name = entries.into_iter().find_map(|e| {
        let Event::FilePosted { number: n, name, .. } = e.event else { return None };
        (n == number).then_some(name)
    });
    let name = name.ok_or_else(|| ApiError::missing("file"))?;
    let kind = "application/octet-stream".parse().expect("a constant media type is valid");
    let request = axum::http::Request::new(Body::empty());
    let file = ServeFile::new_with_mime(paths::post(&archive.data, id, number), &kind);
    let Ok(served) = file.oneshot(request).await;
    let mut response = served.map(Body::new);
    response.headers_mut().insert(header::CONTENT_DISPOSITION, content_disposition(&name));
    Ok(response)
}

/// The header that makes browsers save a file under this name (RFC 6266 with RFC 5987: UTF-8, percent-encoded).
pub fn content_disposition(name: &str) -> HeaderValue {
    let name = shown(name).replace(char::REPLACEMENT_CHARACTER, "_");
    let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
    let disposition = format!("attachment; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&disposition).expect("percent-encoded text is a valid header value")
}
