//! Files of the customer's machine on their way into a technician's downloads: an ordinary download, which the browser
//! itself keeps, shows and goes on with. The server holds back the last piece until it is known to be whole and right, and
//! goes on by itself when it is the program that was cut off.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use protocol::{Answer, Event, Fault, Way};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use ts_rs::TS;

use super::{
    ApiError, Helper, Result,
    error::sentence,
    files::{FilePath, failed, place},
    posts::attachment,
};
use crate::{
    app::Shared,
    live::{Course, JobError, LeavingFile, LeavingProgress, Live, Opened, Tail, Wish},
    secret,
};

/// What a job comes to.
type Judged<T> = std::result::Result<T, JobError>;

/// A browser that has not begun to take a file in this time will not: another tab's question was not answered, say.
const BEGINS_IN: Duration = Duration::from_secs(120);
/// So long a browser that goes on by itself waits for whoever is just coming back.
const BACK_IN: Duration = Duration::from_secs(60);
/// So long it is tried to reach the program again.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const FIRST_WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a technician wishes of a file on its way.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct LeavingWished {
    pub wish: Wish,
}

/// Opens a file: what can be wrong with it is said here, before the browser begins a download.
pub async fn open(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Json(at): Json<FilePath>,
) -> Result<StatusCode> {
    let file = live.leaving.get_or_add(by, number, place(&at.path)?);
    let opened = match reach(&app, &live, &file, 0, 0).await {
        Ok(opened) => opened,
        Err(error) => return Err(failed(&app, &live, by, Way::FromCustomer, file.path.clone(), error).await),
    };
    file.at(0, opened.size);
    file.keep(opened);
    tokio::spawn(async move {
        tokio::time::sleep(BEGINS_IN).await;
        if file.take().is_some() {
            file.goes(Course::Failed { why: "Your browser has not begun the download.".into() });
        }
    });
    Ok(StatusCode::NO_CONTENT)
}

/// How far a file is.
pub async fn progress(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
) -> Result<Json<LeavingProgress>> {
    let file = live.leaving.get(by, number).ok_or_else(|| ApiError::missing("download"))?;
    Ok(Json(file.progress()))
}

/// Lets a file wait, go on, or come no more.
pub async fn wish(
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Json(LeavingWished { wish }): Json<LeavingWished>,
) -> Result<StatusCode> {
    let file = live.leaving.get(by, number).ok_or_else(|| ApiError::missing("download"))?;
    file.wish.send_replace(wish);
    if wish == Wish::Cancel {
        file.goes(Course::Cancelled);
        drop(file.take());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The file itself, from the offset in a `Range: bytes=N-` on. The ETag changes when the file does: whoever goes on and
/// says it in `If-Range` gets all of the new file, in `If-Match` 412.
pub async fn content(
    State(app): State<Shared>,
    Helper { live, by, .. }: Helper,
    Path((_, number)): Path<(String, u64)>,
    Query(at): Query<FilePath>,
    headers: HeaderMap,
) -> Result<Response> {
    let file = live.leaving.get_or_add(by, number, place(&at.path)?);
    if file.progress().course.is_over() && file.progress().course != Course::Done {
        return Err(ApiError::conflict("This download has ended."));
    }
    let wanted = offset(&headers)?;
    let (opened, from) = match asked_from(&app, &live, &file, wanted, &headers).await {
        Ok(opened) => opened,
        Err(error) => return Err(failed(&app, &live, by, Way::FromCustomer, file.path.clone(), error).await),
    };
    let (size, tag) = (opened.size, tag(&opened.version));
    file.begins(from, size);
    let carried = Carrying {
        app,
        live,
        by,
        opened,
        at: from,
        since: from,
        sum: Sha256::new(),
        tail: Tail::default(),
        over: false,
        file,
    };
    let mut response = Body::from_stream(carried.into_stream()).into_response();
    let headers = response.headers_mut();
    let line = |line: String| HeaderValue::from_str(&line).map_err(|e| anyhow::anyhow!("a header cannot say it: {e}"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name_of(&at.path, size.is_none())));
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

/// What the browser calls it.
fn name_of(path: &str, archive: bool) -> String {
    let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let name = if name.is_empty() { "files" } else { name };
    if archive { format!("{name}.zip") } else { name.to_owned() }
}

/// Opens what the browser asks for: what is ready, or the file anew from an offset on, or all of it when it is another
/// file by now and the browser wants that.
async fn asked_from(
    app: &Shared,
    live: &Arc<Live>,
    file: &LeavingFile,
    from: u64,
    headers: &HeaderMap,
) -> Judged<(Opened, u64)> {
    if from == 0
        && let Some(ready) = file.take()
    {
        return Ok((ready, 0));
    }
    let opened = reach_patiently(app, live, file, from, from, BACK_IN).await;
    let says = |name| headers.get(name).map(HeaderValue::as_bytes);
    let same = |wanted: Option<&[u8]>, tag: &str| wanted.is_none_or(|wanted| wanted == tag.as_bytes());
    match opened {
        Ok(opened) if !same(says(header::IF_MATCH), &tag(&opened.version)) => Err(Fault::Changed.into()),
        Ok(opened) if same(says(header::IF_RANGE), &tag(&opened.version)) => Ok((opened, from)),
        // Shorter than what the browser has, or an archive, which is made anew.
        Ok(_) | Err(JobError::Fault(Fault::Changed)) if says(header::IF_RANGE).is_some() => {
            Ok((reach_patiently(app, live, file, 0, 0, BACK_IN).await?, 0))
        }
        Ok(opened) => Ok((opened, from)),
        Err(error) => Err(error),
    }
}

/// Has the program open a file.
async fn reach(app: &Shared, live: &Arc<Live>, file: &LeavingFile, from: u64, since: u64) -> Judged<Opened> {
    let mut pipe = live.fetch(app, file.by, (file.path.clone(), from, since)).await?;
    let (size, version, sums) = match pipe.answer().await? {
        // Without them nothing says that what goes on in the middle fits, nor where an archive ends.
        Answer::File { size, version, sums } if sums || (from == 0 && size.is_some()) => (size, version, sums),
        _ => return Err(JobError::Nonsense),
    };
    if size.is_some_and(|size| size < from) {
        return Err(Fault::Changed.into());
    }
    pipe.on_its_way(live).await?;
    Ok(Opened { pipe, size, version, sums })
}

/// The same, once the program can be reached, in a while.
async fn reach_patiently(
    app: &Shared,
    live: &Arc<Live>,
    file: &LeavingFile,
    from: u64,
    since: u64,
    patience: Duration,
) -> Judged<Opened> {
    let (began, mut wait) = (Instant::now(), FIRST_WAIT);
    loop {
        match reach(app, live, file, from, since).await {
            Err(JobError::Away) if began.elapsed() < patience => {
                file.goes(Course::Waiting);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                if *file.wish.borrow() == Wish::Cancel {
                    return Err(cancelled());
                }
            }
            opened => return opened,
        }
    }
}

fn cancelled() -> JobError {
    Fault::Other { why: "it was cancelled".into() }.into()
}

/// A file while a browser takes it.
struct Carrying {
    app: Shared,
    live: Arc<Live>,
    by: protocol::ParticipantId,
    file: Arc<LeavingFile>,
    opened: Opened,
    /// The next byte that the browser gets.
    at: u64,
    /// The first that it got by this answer, and the sum of all since.
    since: u64,
    sum: Sha256,
    tail: Tail,
    /// Its end is known to the timeline.
    over: bool,
}

impl Carrying {
    fn into_stream(self) -> impl futures::Stream<Item = io::Result<Bytes>> {
        futures::stream::unfold(Some(self), |carrying| async {
            let mut carrying = carrying?;
            match carrying.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(carrying))),
                Ok(None) => None,
                Err(error) => {
                    carrying.fail(&error).await;
                    Some((Err(io::Error::other(error)), None))
                }
            }
        })
    }

    /// The next bytes for the browser; `None` after the last.
    async fn next(&mut self) -> Judged<Option<Bytes>> {
        if self.over {
            return Ok(None);
        }
        loop {
            self.wished().await?;
            let mut wishes = self.file.wish.subscribe();
            let came = tokio::select! {
                piece = self.opened.pipe.next() => piece,
                _ = wishes.wait_for(|wish| *wish == Wish::Cancel) => continue,
            };
            match came {
                Ok(Some(piece)) => {
                    let bytes = self.tail.pass(piece);
                    if !bytes.is_empty() {
                        self.count(&bytes)?;
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) => return self.ended().await.map(Some),
                Err(JobError::Away) if self.opened.size.is_some() => self.reach_again().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until its technician wants it to go on.
    async fn wished(&self) -> Judged<()> {
        let mut wishes = self.file.wish.subscribe();
        let held = *wishes.borrow_and_update() == Wish::Hold;
        if held {
            self.file.goes(Course::Held);
            let _ = wishes.wait_for(|wish| *wish != Wish::Hold).await;
        }
        if *wishes.borrow() == Wish::Cancel {
            return Err(cancelled());
        }
        if held {
            self.file.goes(Course::Going);
        }
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) -> Judged<()> {
        self.sum.update(bytes);
        self.at += bytes.len() as u64;
        self.file.at(self.at, self.opened.size);
        if self.opened.size.is_some_and(|size| self.at > size) {
            return Err(JobError::Nonsense);
        }
        Ok(())
    }

    /// All has come. The last bytes are handed over only when everything is right and the timeline knows of it.
    async fn ended(&mut self) -> Judged<Bytes> {
        let too_early = || Fault::Other { why: "the file ended too early".into() };
        let (last, sums) = std::mem::take(&mut self.tail).end(self.opened.sums).ok_or_else(too_early)?;
        self.count(&last)?;
        if self.opened.size.is_some_and(|size| self.at != size) {
            return Err(too_early().into());
        }
        let passed = std::mem::take(&mut self.sum).finalize();
        let sha256 = match sums {
            Some([_, since]) if passed[..] != since[..] => return Err(Fault::WrongHash.into()),
            Some([whole, _]) => secret::hex(&whole),
            // All of it has passed.
            None => secret::hex(&passed),
        };
        let (way, path, bytes) = (Way::FromCustomer, self.file.path.clone(), self.at);
        let deed = Event::FileCarried { by: self.by, way, path, bytes, sha256 };
        self.live.record_deed(&self.app, deed).await?;
        self.file.goes(Course::Done);
        self.over = true;
        Ok(last)
    }

    /// The program was cut off: goes on where the browser is, once it is back.
    async fn reach_again(&mut self) -> Judged<()> {
        self.file.goes(Course::Waiting);
        self.tail = Tail::default();
        let (app, live, file) = (&self.app, &self.live, &self.file);
        let opened = reach_patiently(app, live, file, self.at, self.since, PATIENCE).await?;
        if opened.version != self.opened.version {
            return Err(Fault::Changed.into());
        }
        self.opened = opened;
        self.file.goes(Course::Going);
        Ok(())
    }

    /// It came to no good end: the browser is told by an answer that breaks off.
    async fn fail(&mut self, error: &JobError) {
        self.over = true;
        self.file.goes(Course::Failed { why: sentence(&error.to_string()) });
        let reason = error.to_string();
        let deed = Event::FileFailed { by: self.by, way: Way::FromCustomer, path: self.file.path.clone(), reason };
        if let Err(error) = self.live.record_deed(&self.app, deed).await {
            tracing::debug!(session = %self.live.id, %error, "a file failed after the session's end");
        }
    }
}

impl Drop for Carrying {
    /// The browser takes no more: its connection is gone, or its user has stopped the download. That a part of the file
    /// has left the customer's machine is a fact of the session.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.file.goes(Course::Stopped);
        let reason = format!("the download stopped after {}", session::size(self.at));
        let deed = Event::FileFailed { by: self.by, way: Way::FromCustomer, path: self.file.path.clone(), reason };
        let (app, live) = (self.app.clone(), self.live.clone());
        tokio::spawn(async move {
            if let Err(error) = live.record_deed(&app, deed).await {
                tracing::debug!(session = %live.id, %error, "a download stopped after the session's end");
            }
        });
    }
}
