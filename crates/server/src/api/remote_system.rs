//! The customer's clipboard, system information and processes, and the recordings of command shells.

use std::sync::Arc;

use archive::Archive;
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::{ActError, JobError, SessionRegistry};
use platform::{paths, secret};
use protocol::{
    Answer, ClipboardKind, Direction, Event, Fault, Job, MAX_CLIPBOARD_IMAGE, MAX_CLIPBOARD_TEXT, RefusalReason, Right,
    SessionId, SystemInfo,
};
use serde::{Deserialize, Serialize};
use session::{Actor, Command};
use sha2::{Digest, Sha256};
use ts_rs::TS;

use super::{ApiError, Helper, Result, SignedIn, sessions};

use crate::access_scope::{self, SessionAction};

/// System information, and the number under which it is stored.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ReadSystem {
    pub number: u32,
    pub info: SystemInfo,
}

/// A process, by its name.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ProcessName {
    pub name: String,
}

fn limit(kind: ClipboardKind) -> usize {
    match kind {
        ClipboardKind::Text => MAX_CLIPBOARD_TEXT,
        ClipboardKind::Image => MAX_CLIPBOARD_IMAGE,
    }
}

/// What the page already has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipboardQuery {
    /// The SHA-256 of the content, in hexadecimal.
    #[serde(default)]
    known: String,
}

/// The customer's clipboard: text or a PNG. 204 when the page already has it, or when it is empty for a page that
/// polls.
pub async fn read_clipboard(
    Helper { live, by, .. }: Helper,
    Query(ClipboardQuery { known }): Query<ClipboardQuery>,
) -> Result<Response> {
    let mut pipe = live.job(by, Job::ReadClipboard {}).await?;
    let (kind, bytes) = match pipe.answer().await {
        Ok(Answer::Clipboard { kind, bytes }) => (kind, bytes),
        Ok(_) => return Err(JobError::UnexpectedResponse.into()),
        Err(JobError::Fault(Fault::Empty)) if !known.is_empty() => return Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => return Err(error.into()),
    };
    if bytes as usize > limit(kind) {
        return Err(JobError::Fault(Fault::TooLarge).into());
    }
    let mut content = Vec::with_capacity(bytes as usize);
    while let Some(chunk) = pipe.next().await? {
        content.extend_from_slice(&chunk);
        if content.len() > bytes as usize {
            return Err(JobError::UnexpectedResponse.into());
        }
    }
    if content.len() != bytes as usize {
        return Err(JobError::UnexpectedResponse.into());
    }
    if secret::hex(&Sha256::digest(&content)) == known {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    live.record_event(Event::ClipboardCarried { by, way: Direction::FromCustomer, kind, bytes }).await?;
    let mime = match kind {
        ClipboardKind::Text => "text/plain; charset=utf-8",
        ClipboardKind::Image => "image/png",
    };
    Ok(([(header::CONTENT_TYPE, mime)], content).into_response())
}

/// Puts text or a PNG into the customer's clipboard.
pub async fn write_clipboard(Helper { live, by, .. }: Helper, headers: HeaderMap, body: Bytes) -> Result<StatusCode> {
    let mime = headers.get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok()).unwrap_or_default();
    let kind = match mime.split(';').next().unwrap_or_default().trim() {
        "text/plain" => ClipboardKind::Text,
        "image/png" => ClipboardKind::Image,
        _ => return Err(ApiError::bad("The clipboard can hold text and PNG pictures.")),
    };
    if body.is_empty() {
        return Err(ApiError::bad("Your clipboard is empty."));
    }
    if body.len() > limit(kind) {
        return Err(JobError::Fault(Fault::TooLarge).into());
    }
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut pipe = live.job(by, Job::WriteClipboard { kind }).await?;
    for chunk in body.chunks(64 * 1024) {
        pipe.send(body.slice_ref(chunk)).await?;
    }
    pipe.finish();
    pipe.answer().await?;
    live.record_event(Event::ClipboardCarried { by, way: Direction::ToCustomer, kind, bytes }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the system information, and stores it with the session.
pub async fn read_system(
    State(archive): State<Arc<Archive>>,
    Helper { live, by, .. }: Helper,
) -> Result<Json<ReadSystem>> {
    let Answer::SystemInfo { info } = live.ask_program(by, Job::SystemInfo {}).await? else {
        return Err(JobError::UnexpectedResponse.into());
    };
    let number = live.next_number();
    let body = serde_json::to_vec(&*info).map_err(anyhow::Error::from)?;
    let sha256 = secret::hex(&Sha256::digest(&body));
    let mut pending = live.keep(by, paths::system_info(&archive.data, &live.id, number))?;
    pending.write(body.len() as u64)?;
    write_new(pending.path().to_owned(), body).await?;
    live.record_event(Event::SystemInfoRead { by, number, sha256 }).await?;
    pending.done();
    Ok(Json(ReadSystem { number, info: *info }))
}

/// Writes a new file beside a timeline, and syncs it before an event refers to it.
pub async fn write_new(path: std::path::PathBuf, body: Vec<u8>) -> Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        std::fs::create_dir_all(path.parent().expect("paths in the data folder have a parent"))?;
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(&body)?;
        file.sync_all()
    });
    written.await.map_err(anyhow::Error::from)?.map_err(|e| anyhow::Error::from(e).into())
}

/// Returns stored system information.
pub async fn system(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    access_scope::session(&sessions, &me.0, &id, SessionAction::Read).await?;
    let path = paths::system_info(&archive.data, &id, number);
    let body = tokio::fs::read(path).await.map_err(|_| ApiError::missing("system information"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Ends a process on the customer's machine.
pub async fn end_process(
    Helper { live, by, .. }: Helper,
    Path((_, pid)): Path<(String, u32)>,
    Json(ProcessName { name }): Json<ProcessName>,
) -> Result<StatusCode> {
    live.ask_program(by, Job::EndProcess { pid, name: name.clone() }).await?;
    live.record_event(Event::ProcessEnded { by, pid, name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restarts the customer's computer. The session waits for it; grants end.
pub async fn restart(Helper { live, by, .. }: Helper) -> Result<StatusCode> {
    // Checked here because the session may wait only for a program that was told to restart.
    if !live.may(by, Right::Restart).await {
        return Err(ActError::from(RefusalReason::NotGranted).into());
    }
    match live.ask_program(by, Job::Restart {}).await {
        // The computer may go down before its answer arrives.
        Ok(Answer::Done {}) | Err(JobError::Unreachable) => {}
        Ok(_) => return Err(JobError::UnexpectedResponse.into()),
        Err(error) => return Err(error.into()),
    }
    live.act(&Actor::Server, Command::Restart { by }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restarts the support program as administrator, once the customer has also confirmed it to their system.
pub async fn elevate(Helper { live, by, .. }: Helper) -> Result<StatusCode> {
    let Answer::Done {} = live.ask_program(by, Job::Elevate {}).await? else {
        return Err(JobError::UnexpectedResponse.into());
    };
    Ok(StatusCode::NO_CONTENT)
}

/// The recording of a command shell.
pub async fn shell(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    access_scope::session(&sessions, &me.0, &id, SessionAction::Read).await?;
    let body = shell_cast(&archive, &id, number).await?;
    Ok(([(header::CONTENT_TYPE, "application/x-asciicast")], body).into_response())
}

/// The decrypted recording of a command shell.
pub async fn shell_cast(archive: &Arc<Archive>, id: &SessionId, number: u32) -> Result<Vec<u8>> {
    let path = paths::shell(&archive.data, id, number);
    let file = std::fs::File::open(&path).map_err(|_| ApiError::missing("shell's recording"))?;
    let vault = archive.vault.clone();
    let read = move || {
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut vault.file(&path).read(file)?, &mut body).map(|_| body)
    };
    Ok(tokio::task::spawn_blocking(read).await.map_err(anyhow::Error::from)?.map_err(anyhow::Error::from)?)
}
