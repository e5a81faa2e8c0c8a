//! The customer's files: folders, uploads and downloads. Plain HTTPS between page and server, a stream for each job
//! between server and program.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query},
    http::StatusCode,
};
use futures::StreamExt;
use live_sessions::{JobError, LiveSession};
use platform::secret;
use protocol::{Answer, Direction, Event, Folder, Job, MAX_PATH_BYTES, ParticipantId, name_fits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ts_rs::TS;

use super::{ApiError, Helper, Result};

/// A path on the customer's machine.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct FilePath {
    #[serde(default)]
    pub path: String,
}

/// A new name for a file or folder.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Renaming {
    pub path: String,
    pub name: String,
}

/// A part of an upload to the customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadPart {
    folder: String,
    name: String,
    size: u64,
    from: u64,
}

/// How many bytes of an upload have arrived.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct KeptBytes {
    #[ts(type = "number")]
    pub bytes: u64,
}

/// A complete upload, to be moved to its destination.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Placing {
    pub path: String,
    /// Its SHA-256 in hexadecimal. Not needed if the whole file came in one request: then the server knows it.
    #[serde(default)]
    #[ts(optional)]
    pub sum: Option<String>,
    pub replace: bool,
}

pub(super) fn checked_path(path: &str) -> Result<String> {
    if path.len() > MAX_PATH_BYTES || path.contains('\0') {
        return Err(ApiError::bad("This path is too long or not valid."));
    }
    Ok(path.to_owned())
}

/// Lists a folder.
pub async fn list(Helper { live, by, .. }: Helper, Query(at): Query<FilePath>) -> Result<Json<Folder>> {
    let Answer::Folder { folder } = live.ask_program(by, Job::List { path: checked_path(&at.path)? }).await? else {
        return Err(JobError::UnexpectedResponse.into());
    };
    Ok(Json(folder))
}

/// Makes a folder.
pub async fn make_folder(Helper { live, by, .. }: Helper, Json(at): Json<FilePath>) -> Result<StatusCode> {
    let path = checked_path(&at.path)?;
    live.ask_program(by, Job::MakeFolder { path: path.clone() }).await?;
    live.record_event(Event::FolderMade { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Renames a file or folder.
pub async fn rename(Helper { live, by, .. }: Helper, Json(new): Json<Renaming>) -> Result<StatusCode> {
    let (from, to) = (checked_path(&new.path)?, new.name);
    if !name_fits(&to) {
        return Err(ApiError::bad("This is not a valid file name."));
    }
    live.ask_program(by, Job::Rename { path: from.clone(), name: to.clone() }).await?;
    live.record_event(Event::FileRenamed { by, from, to }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a file or folder.
pub async fn delete(Helper { live, by, .. }: Helper, Json(at): Json<FilePath>) -> Result<StatusCode> {
    let path = checked_path(&at.path)?;
    live.ask_program(by, Job::Delete { path: path.clone() }).await?;
    live.record_event(Event::FileDeleted { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Uploads a file's bytes from an offset on; returns how many have arrived.
pub async fn upload(
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
    Query(UploadPart { folder, name, size, from }): Query<UploadPart>,
    body: Body,
) -> Result<Json<KeptBytes>> {
    let path = format!("{}/{name}", checked_path(&folder)?.trim_end_matches(['/', '\\']));
    let sending = async {
        let job = |lane| Job::Bring { transfer, folder, name, size, from, lane };
        let mut pipe = live.bring(by, job).await?;
        let Answer::Kept { bytes } = pipe.answer().await? else { return Err(JobError::UnexpectedResponse) };
        // The page is wrong about the offset: it continues from the one in the response.
        if bytes != from {
            return Ok(bytes);
        }
        pipe.on_its_way(&live).await?;
        let mut sum = Sha256::new();
        let mut body = body.into_data_stream();
        while let Some(Ok(bytes)) = body.next().await {
            sum.update(&bytes);
            if pipe.send(bytes).await.is_err() {
                break;
            }
        }
        pipe.finish();
        let Answer::Kept { bytes } = pipe.answer().await? else { return Err(JobError::UnexpectedResponse) };
        if from == 0 && bytes == size {
            live.uploads.remember(transfer, secret::hex(&sum.finalize()));
        }
        Ok(bytes)
    };
    match sending.await {
        Ok(bytes) => Ok(Json(KeptBytes { bytes })),
        Err(error) => Err(record_failure(&live, by, Direction::ToCustomer, path, error).await),
    }
}

/// Returns how many bytes of an upload have arrived.
pub async fn uploaded_bytes(
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
) -> Result<Json<KeptBytes>> {
    let Answer::Kept { bytes } = live.ask_program(by, Job::Kept { transfer }).await? else {
        return Err(JobError::UnexpectedResponse.into());
    };
    Ok(Json(KeptBytes { bytes }))
}

/// Moves a complete upload to its destination; returns the path that it got.
pub async fn place(
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
    Json(new): Json<Placing>,
) -> Result<Json<FileName>> {
    let Some(sum) = new.sum.or_else(|| live.uploads.sum(transfer)) else {
        return Err(ApiError::sum_needed());
    };
    let job = Job::Place { transfer, sum: sum.clone(), replace: new.replace };
    match live.ask_program(by, job).await {
        // The program has compared the file with the requested checksum.
        Ok(Answer::Placed { path, bytes, sha256: _ }) => {
            let event = Event::FileCarried { by, way: Direction::ToCustomer, path: path.clone(), bytes, sha256: sum };
            live.record_event(event).await?;
            Ok(Json(FileName { path }))
        }
        Ok(_) => Err(JobError::UnexpectedResponse.into()),
        Err(error) => Err(record_failure(&live, by, Direction::ToCustomer, new.path, error).await),
    }
}

/// The path of a file.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct FileName {
    pub path: String,
}

/// Cancels an upload and deletes its bytes.
pub async fn abandon(Helper { live, by, .. }: Helper, Path((_, transfer)): Path<(String, u64)>) -> Result<StatusCode> {
    live.ask_program(by, Job::Abandon { transfer }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Records a failure in the timeline, unless the connection is broken: then the page retries.
pub(super) async fn record_failure(
    live: &Arc<LiveSession>,
    by: ParticipantId,
    way: Direction,
    path: String,
    error: JobError,
) -> ApiError {
    if let JobError::Fault(fault) = &error {
        let event = Event::FileFailed { by, way, path, reason: fault.to_string() };
        if let Err(error) = live.record_event(event).await {
            tracing::debug!(session = %live.id, %error, "file failure not recorded: the session has ended");
        }
    }
    error.into()
}
