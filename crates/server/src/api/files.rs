//! Files of the customer's machine, for technicians: folders, and carrying in both directions. Plain HTTPS between page
//! and server; a stream each between server and program.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use protocol::{Answer, Event, Fault, Folder, Job, MAX_PATH_BYTES, ParticipantId, Way};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ApiError, Helper, Result};
use crate::{
    app::Shared,
    live::{JobError, Live, Pipe, Sent},
    secret,
};

/// How long a file's sums are, behind its last byte.
const SUMS_BYTES: u64 = 64;

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

/// What arrived at the technician's browser.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Fetched {
    pub path: String,
    /// The file's version, as the content's ETag said it.
    pub version: String,
    #[ts(type = "number")]
    pub bytes: u64,
    /// Its block sum (docs/protocol.md) in hexadecimal.
    pub sum: String,
}

/// A file on its way to the customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bringing {
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
    /// Its block sum (docs/protocol.md) in hexadecimal.
    pub sum: String,
    pub replace: bool,
}

fn place(path: &str) -> Result<String> {
    if path.len() > MAX_PATH_BYTES || path.contains('\0') {
        return Err(ApiError::bad("This path is too long."));
    }
    Ok(path.to_owned())
}

/// What is in a folder.
pub async fn list(Helper { live, by, .. }: Helper, Query(at): Query<FilePath>) -> Result<Json<Folder>> {
    match live.ask_program(by, Job::List { path: place(&at.path)? }).await? {
        Answer::Folder { folder } => Ok(Json(folder)),
        _ => Err(JobError::Nonsense.into()),
    }
}

/// Makes a folder.
pub async fn make_folder(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Json(at): Json<FilePath>,
) -> Result<StatusCode> {
    let path = place(&at.path)?;
    live.ask_program(by, Job::MakeFolder { path: path.clone() }).await?;
    live.record_deed(&app, Event::FolderMade { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a file or folder another name.
pub async fn rename(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Json(new): Json<Renaming>,
) -> Result<StatusCode> {
    let (from, to) = (place(&new.path)?, new.name);
    live.ask_program(by, Job::Rename { path: from.clone(), name: to.clone() }).await?;
    live.record_deed(&app, Event::FileRenamed { by, from, to }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a file or folder.
pub async fn delete(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Json(at): Json<FilePath>,
) -> Result<StatusCode> {
    let path = place(&at.path)?;
    live.ask_program(by, Job::Delete { path: path.clone() }).await?;
    live.record_deed(&app, Event::FileDeleted { by, path }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A file's bytes, from the offset in a `Range: bytes=N-` on. The ETag changes when the file does; whoever goes on says it
/// in `If-Match`, and gets 412 when it is another file now.
pub async fn content(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Query(at): Query<FilePath>,
    headers: HeaderMap,
) -> Result<Response> {
    let path = place(&at.path)?;
    let from = offset(&headers)?;
    let opened = async {
        let mut pipe = live.job(by, Job::Fetch { path: path.clone(), from }).await?;
        match pipe.answer().await? {
            Answer::File { size, version } => Ok((pipe, size, version)),
            _ => Err(JobError::Nonsense),
        }
    };
    let (pipe, size, version) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return Err(failed(&app, &live, by, Way::FromCustomer, path, error).await),
    };
    let tag = format!("\"{}\"", version.replace(['"', '\n', '\r'], ""));
    if headers.get(header::IF_MATCH).is_some_and(|wanted| wanted.as_bytes() != tag.as_bytes()) {
        return Err(failed(&app, &live, by, Way::FromCustomer, path, Fault::Changed.into()).await);
    }
    let left = size.map(|size| size.saturating_sub(from));
    let mut leaving = Leaving { live, pipe, path, version, tail: BytesMut::new(), left };
    // Of an answer without bytes nobody would read the checksum.
    let body = if left == Some(0) {
        leaving.next().await.map_err(|e| anyhow::anyhow!(e))?;
        Body::empty()
    } else {
        Body::from_stream(leaving.into_stream())
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let text = |text: String| HeaderValue::from_str(&text).map_err(|e| anyhow::anyhow!("a header cannot say it: {e}"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ETAG, text(tag)?);
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, text(size.saturating_sub(from).to_string())?);
        if from > 0 {
            let range = format!("bytes {from}-{}/{size}", size.saturating_sub(1));
            headers.insert(header::CONTENT_RANGE, text(range)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
    Ok(response)
}

fn offset(headers: &HeaderMap) -> Result<u64> {
    let Some(range) = headers.get(header::RANGE) else { return Ok(0) };
    let from = range.to_str().ok().and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    from.ok_or_else(|| ApiError::bad("A range must look like bytes=N-."))
}

/// A file on its way to the browser.
struct Leaving {
    live: Arc<Live>,
    pipe: Pipe,
    path: String,
    version: String,
    /// The newest bytes, held back: the last of them are the checksum.
    tail: BytesMut,
    /// How many of the file's bytes are still to come, if that is known.
    left: Option<u64>,
}

impl Leaving {
    /// The next bytes of the file; `None` at its end, when its checksum is kept for [`fetched`]. The last bytes come
    /// only after the checksum: whoever reads a whole file can ask for it at once.
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            let all_came = self.left.is_some_and(|left| self.tail.len() as u64 == left + SUMS_BYTES);
            let ended = match self.pipe.next().await.map_err(std::io::Error::other)? {
                Some(piece) => {
                    self.tail.extend_from_slice(&piece);
                    false
                }
                None => true,
            };
            if all_came != ended && self.left.is_some() {
                return Err(std::io::Error::other("the file has not the size that was told"));
            }
            let keep = SUMS_BYTES as usize;
            if ended && self.tail.len() >= keep {
                let sums = self.tail.split_off(self.tail.len() - keep);
                let (sha256, sum) = (secret::hex(&sums[..keep / 2]), secret::hex(&sums[keep / 2..]));
                let (path, version) = (std::mem::take(&mut self.path), std::mem::take(&mut self.version));
                self.live.sent(Sent { path, version, sha256, sum });
                return Ok(Some(self.tail.split().freeze()));
            }
            if ended {
                return Err(std::io::Error::other("the file ended too early"));
            }
            // The last piece waits for the stream's end.
            let last = self.left.is_some_and(|left| self.tail.len() as u64 >= left + SUMS_BYTES);
            if !last && self.tail.len() > keep {
                let out = self.tail.split_to(self.tail.len() - keep).freeze();
                self.left = self.left.map(|left| left - out.len() as u64);
                return Ok(Some(out));
            }
        }
    }

    fn into_stream(self) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
        futures::stream::unfold(Some(self), |leaving| async {
            let mut leaving = leaving?;
            match leaving.next().await {
                Ok(Some(bytes)) if leaving.path.is_empty() && bytes.is_empty() => None,
                // The path is given away with the checksum: nothing follows.
                Ok(Some(bytes)) if leaving.path.is_empty() => Some((Ok(bytes), None)),
                Ok(Some(bytes)) => Some((Ok(bytes), Some(leaving))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// The technician's browser has all of a file. It is compared with what the program says it sent.
pub async fn fetched(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Json(got): Json<Fetched>,
) -> Result<StatusCode> {
    let way = Way::FromCustomer;
    let said = live.sent_file(&got.path, got.version.trim_matches('"'));
    let Some((sha256, sum)) = said else { return Err(ApiError::conflict("This file was not sent whole.")) };
    if sum != got.sum {
        return Err(failed(&app, &live, by, way, got.path, Fault::WrongHash.into()).await);
    }
    let deed = Event::FileCarried { by, way, path: got.path, bytes: got.bytes, sha256 };
    live.record_deed(&app, deed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a file's bytes from an offset on; says how much is there afterwards.
pub async fn bring(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
    Query(Bringing { folder, name, size, from }): Query<Bringing>,
    body: Body,
) -> Result<Json<KeptBytes>> {
    let path = format!("{}/{name}", place(&folder)?.trim_end_matches(['/', '\\']));
    let carried = async {
        let mut pipe = live.job(by, Job::Bring { transfer, folder, name, size, from }).await?;
        match pipe.answer().await? {
            Answer::Kept { bytes } if bytes == from => {}
            // Another part of it is there than the page believes: the page goes on from what is told.
            Answer::Kept { bytes } => return Ok(bytes),
            _ => return Err(JobError::Nonsense),
        }
        let mut body = body.into_data_stream();
        while let Some(Ok(bytes)) = body.next().await {
            if pipe.send(bytes).await.is_err() {
                break;
            }
        }
        pipe.finish();
        match pipe.answer().await? {
            Answer::Kept { bytes } => Ok(bytes),
            _ => Err(JobError::Nonsense),
        }
    };
    match carried.await {
        Ok(bytes) => Ok(Json(KeptBytes { bytes })),
        Err(error) => Err(failed(&app, &live, by, Way::ToCustomer, path, error).await),
    }
}

/// How much of a file is there.
pub async fn kept(
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
) -> Result<Json<KeptBytes>> {
    match live.ask_program(by, Job::Kept { transfer }).await? {
        Answer::Kept { bytes } => Ok(Json(KeptBytes { bytes })),
        _ => Err(JobError::Nonsense.into()),
    }
}

/// Puts a file that is there whole into its place; says the path that it got.
pub async fn put_in_place(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Path((_, transfer)): Path<(String, u64)>,
    Json(new): Json<Placing>,
) -> Result<Json<FileName>> {
    let job = Job::Place { transfer, sum: new.sum, replace: new.replace };
    match live.ask_program(by, job).await {
        Ok(Answer::Placed { path, bytes, sha256 }) => {
            let deed = Event::FileCarried { by, way: Way::ToCustomer, path: path.clone(), bytes, sha256 };
            live.record_deed(&app, deed).await?;
            Ok(Json(FileName { path }))
        }
        Ok(_) => Err(JobError::Nonsense.into()),
        Err(error) => Err(failed(&app, &live, by, Way::ToCustomer, new.path, error).await),
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
async fn failed(
    app: &Shared,
    live: &Arc<Live>,
    by: ParticipantId,
    way: Way,
    path: String,
    error: JobError,
) -> ApiError {
    if let JobError::Fault(fault) = &error {
        let deed = Event::FileFailed { by, way, path, reason: fault.to_string() };
        if let Err(error) = live.record_deed(app, deed).await {
            tracing::debug!(session = %live.id, %error, "a file failed after the session's end");
        }
    }
    error.into()
}
