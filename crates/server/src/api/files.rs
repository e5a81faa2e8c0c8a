//! Files of the customer's machine, for technicians: folders, and carrying in both directions. Plain HTTPS between page
//! and server; a stream each between server and program.

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

/// A place on the customer's machine.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct FilePath {
    #[serde(default)]
    pub path: String,
}

/// Another name for a file or folder.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Renaming {
    pub path: String,
    pub name: String,
}

/// A file on its way to the customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadPart {
    folder: String,
    name: String,
    size: u64,
    from: u64,
}

/// How much of a file is there.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct KeptBytes {
    #[ts(type = "number")]
    pub bytes: u64,
}

/// A file that is there, to be put in its place.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Placing {
    pub path: String,
    /// Its SHA-256 in hexadecimal; not needed where all of it came by one request, of which the server knows it.
    #[serde(default)]
    #[ts(optional)]
    pub sum: Option<String>,
    pub replace: bool,
}

pub(super) fn checked_path(path: &str) -> Result<String> {
    if path.len() > MAX_PATH_BYTES || path.contains('\0') {
        return Err(ApiError::bad("This path is too long."));
    }
    Ok(path.to_owned())
}

/// What is in a folder.
pub async fn list(Helper { live, by, .. }: Helper, Query(at): Query<FilePath>) -> Result<Json<Folder>> {
    match live.ask_program(by, Job::List { path: checked_path(&at.path)? }).await? {
        Answer::Folder { folder } => Ok(Json(folder)),
        _ => Err(JobError::UnexpectedResponse.into()),
    }
}

/// Makes a folder.
pub async fn make_folder(Helper { live, by, .. }: Helper, Json(at): Json<FilePath>) -> Result<StatusCode> {
    let path = checked_path(&at.path)?;
    live.ask_program(by, Job::MakeFolder { path: path.clone() }).await?;
    live.record_deed(Event::FolderMade { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a file or folder another name.
pub async fn rename(Helper { live, by, .. }: Helper, Json(new): Json<Renaming>) -> Result<StatusCode> {
    let (from, to) = (checked_path(&new.path)?, new.name);
    if !name_fits(&to) {
        return Err(ApiError::bad("This is not a file's name."));
    }
    live.ask_program(by, Job::Rename { path: from.clone(), name: to.clone() }).await?;
    live.record_deed(Event::FileRenamed { by, from, to }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a file or folder.
pub async fn delete(Helper { live, by, .. }: Helper, Json(at): Json<FilePath>) -> Result<StatusCode> {
    let path = checked_path(&at.path)?;
    live.ask_program(by, Job::Delete { path: path.clone() }).await?;
    live.record_deed(Event::FileDeleted { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a file's bytes from an offset on; says how much is there afterwards.
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
        match pipe.answer().await? {
            Answer::Kept { bytes } if bytes == from => {}
            // Another part of it is there than the page believes: the page goes on from what is told.
            Answer::Kept { bytes } => return Ok(bytes),
            _ => return Err(JobError::UnexpectedResponse),
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
        match pipe.answer().await? {
            Answer::Kept { bytes } => {
                if from == 0 && bytes == size {
                    live.uploads.remember(transfer, secret::hex(&sum.finalize()));
                }
                Ok(bytes)
            }
            _ => Err(JobError::UnexpectedResponse),
        }
    };
    match sending.await {
        Ok(bytes) => Ok(Json(KeptBytes { bytes })),
        Err(error) => Err(record_failure(&live, by, Direction::ToCustomer, path, error).await),
    }
}

/// How much of a file is there.
pub async fn uploaded_bytes(
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
) -> Result<Json<KeptBytes>> {
    match live.ask_program(by, Job::Kept { transfer }).await? {
        Answer::Kept { bytes } => Ok(Json(KeptBytes { bytes })),
        _ => Err(JobError::UnexpectedResponse.into()),
    }
}

/// Puts a file that is there whole into its place; says the path that it got.
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
        // The sum is the one that was asked for: the program has compared.
        Ok(Answer::Placed { path, bytes, sha256: _ }) => {
            let event = Event::FileCarried { by, way: Direction::ToCustomer, path: path.clone(), bytes, sha256: sum };
            live.record_deed(event).await?;
            Ok(Json(FileName { path }))
        }
        Ok(_) => Err(JobError::UnexpectedResponse.into()),
        Err(error) => Err(record_failure(&live, by, Direction::ToCustomer, new.path, error).await),
    }
}

/// Where a file is.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct FileName {
    pub path: String,
}

/// Gives a transfer up: nothing of it stays.
pub async fn abandon(Helper { live, by, .. }: Helper, Path((_, transfer)): Path<(String, u64)>) -> Result<StatusCode> {
    live.ask_program(by, Job::Abandon { transfer }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes a failure into the timeline, unless the way is just broken: then it is tried again.
pub(super) async fn record_failure(
    live: &Arc<LiveSession>,
    by: ParticipantId,
    way: Direction,
    path: String,
    error: JobError,
) -> ApiError {
    if let JobError::Fault(fault) = &error {
        let event = Event::FileFailed { by, way, path, reason: fault.to_string() };
        if let Err(error) = live.record_deed(event).await {
            tracing::debug!(session = %live.id, %error, "a file failed after the session's end");
        }
    }
    error.into()
}
