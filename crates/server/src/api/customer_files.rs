//! Downloads of files from the customer's machine: ordinary HTTP downloads, which the browser stores, shows and
//! resumes. The server holds back the last bytes until the file is known to be complete and correct, and resumes by
//! itself when the support program is cut off.

mod download_stream;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Path, Query},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::{Download, DownloadAction, DownloadState, JobError, LeavingProgress, LiveSession, Opened};
use platform::tasks;
use protocol::{Direction, Fault};
use serde::Deserialize;
use ts_rs::TS;

use download_stream::{DownloadStream, JobResult, open_file, open_with_retry};

use super::{
    ApiError, Helper, Result,
    attachments::content_disposition,
    files::{FilePath, checked_path, record_failure},
};

/// How long a browser may take to begin a download. It may never do so, for example while another prompt is open.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a browser that resumes by itself waits for a program that is reconnecting.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// What to do with a running download.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export, rename = "LeavingWished")]
pub struct DownloadCommand {
    #[serde(rename = "wish")]
    pub action: DownloadAction,
}

/// Opens a file, so that errors are reported before the browser begins the download.
pub async fn open(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Json(at): Json<FilePath>,
) -> Result<StatusCode> {
    let file = live.downloads.get_or_add(by, number, checked_path(&at.path)?);
    let opened = match open_file(&live, &file, 0, 0).await {
        Ok(opened) => opened,
        Err(error) => return Err(record_failure(&live, by, Direction::FromCustomer, file.path.clone(), error).await),
    };
    file.at(0, opened.size);
    file.keep(opened);
    tasks::spawn("download start timeout", async move {
        tokio::time::sleep(START_TIMEOUT).await;
        if file.take().is_some() {
            file.goes(DownloadState::Failed { why: "Your browser has not begun the download.".into() });
        }
    });
    Ok(StatusCode::NO_CONTENT)
}

/// The progress of a download.
pub async fn progress(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
) -> Result<Json<LeavingProgress>> {
    let file = live.downloads.get(by, number).ok_or_else(|| ApiError::missing("download"))?;
    Ok(Json(file.progress()))
}

/// Pauses, resumes or cancels a download.
pub async fn command(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Json(DownloadCommand { action }): Json<DownloadCommand>,
) -> Result<StatusCode> {
    let file = live.downloads.get(by, number).ok_or_else(|| ApiError::missing("download"))?;
    file.wish.send_replace(action);
    if action == DownloadAction::Cancel {
        file.goes(DownloadState::Cancelled);
        drop(file.take());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The content, from the offset of a `Range: bytes=N-` header. The ETag changes with the file: a browser that resumes
/// with `If-Range` then gets the whole new file, and one with `If-Match` gets 412.
pub async fn content(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Query(at): Query<FilePath>,
    headers: HeaderMap,
) -> Result<Response> {
    let file = live.downloads.get_or_add(by, number, checked_path(&at.path)?);
    if file.progress().course.is_over() && file.progress().course != DownloadState::Done {
        return Err(ApiError::conflict("This download has ended."));
    }
    let offset_wanted = offset(&headers)?;
    let (opened, from) = match open_for_request(&live, &file, offset_wanted, &headers).await {
        Ok(opened) => opened,
        Err(error) => return Err(record_failure(&live, by, Direction::FromCustomer, file.path.clone(), error).await),
    };
    let (size, tag) = (opened.size, tag(&opened.version));
    file.begins(from, size);
    let stream = DownloadStream::new(live, by, file, opened, from);
    let mut response = Body::from_stream(stream.into_stream()).into_response();
    let headers = response.headers_mut();
    let line = |line: String| HeaderValue::from_str(&line).map_err(|e| anyhow::anyhow!("invalid header value: {e}"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, content_disposition(&name_of(&at.path, size.is_none())));
    headers.insert(header::ETAG, line(tag)?);
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, line((size - from).to_string())?);
        if from > 0 {
            headers.insert(header::CONTENT_RANGE, line(format!("bytes {from}-{}/{size}", size.saturating_sub(1)))?);
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

fn tag(version: &str) -> String {
    format!("\"{}\"", version.replace(['"', '\n', '\r'], ""))
}

/// The file's name for the browser.
fn name_of(path: &str, archive: bool) -> String {
    let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let name = if name.is_empty() { "files" } else { name };
    if archive { format!("{name}.zip") } else { name.to_owned() }
}

/// Opens what the browser asks for: the file that is already open, the file from an offset, or all of it if it has
/// changed and the browser accepts that.
async fn open_for_request(
    live: &Arc<LiveSession>,
    file: &Download,
    from: u64,
    headers: &HeaderMap,
) -> JobResult<(Opened, u64)> {
    if from == 0
        && let Some(ready) = file.take()
    {
        return Ok((ready, 0));
    }
    let opened = open_with_retry(live, file, from, from, RECONNECT_TIMEOUT).await;
    let says = |name| headers.get(name).map(HeaderValue::as_bytes);
    let same = |offset_wanted: Option<&[u8]>, tag: &str| {
        offset_wanted.is_none_or(|offset_wanted| offset_wanted == tag.as_bytes())
    };
    match opened {
        Ok(opened) if !same(says(header::IF_MATCH), &tag(&opened.version)) => Err(Fault::Changed.into()),
        Ok(opened) if same(says(header::IF_RANGE), &tag(&opened.version)) => Ok((opened, from)),
        // The file is now shorter than the browser's part, or it is an archive, which is created anew.
        Ok(_) | Err(JobError::Fault(Fault::Changed)) if says(header::IF_RANGE).is_some() => {
            Ok((open_with_retry(live, file, 0, 0, RECONNECT_TIMEOUT).await?, 0))
        }
        Ok(opened) => Ok((opened, from)),
        Err(error) => Err(error),
    }
}
