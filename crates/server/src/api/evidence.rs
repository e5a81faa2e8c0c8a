//! Transcripts, recordings and bundles.

use std::{ops::Range, path::PathBuf, sync::Arc};

use archive::{self, Archive, NotDeleted, Pointer, SealedFile, TooLong};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use evidence::recording_plan;
use futures::stream;
use live_sessions::SessionRegistry;
use platform::{clock, paths};
use protocol::{Entry, Event, SessionId, Timestamp, UserRef};
use serde::{Deserialize, Serialize};
use session::{Actor, Command, PlaybackTimeline};
use ts_rs::TS;

use super::{Admin, ApiError, CurrentLogin, Result, SignedIn, error::sentence, people, sessions};

use crate::{
    access_scope::{self, SessionAction},
    playback::{self, Playback},
};

/// How many bytes of a stored file are read at a time.
const CHUNK: usize = 1 << 20;

/// The transcript as text.
pub async fn text(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    let text =
        evidence::transcript::text(&id, &access_scope::session(&sessions, &me.0, &id, SessionAction::Read).await?);
    Ok((attached("text/plain; charset=utf-8", &format!("transcript-{id}.txt")), text).into_response())
}

/// The timeline and the transcript as JSON.
pub async fn json(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<Response> {
    let name = format!("attachment; filename=\"transcript-{}.json\"", sessions::parse(id.clone())?);
    let page = sessions::page(&sessions, &archive, &me, id).await?;
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(page)).into_response())
}

fn attached(kind: &str, name: &str) -> [(header::HeaderName, String); 2] {
    let name = format!("attachment; filename=\"{name}\"");
    [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)]
}

/// Retries at once to store evidence that could not be stored.
pub async fn store(State(archive): State<Arc<Archive>>, _: Admin, Path(id): Path<String>) -> Result<StatusCode> {
    let id = sessions::parse(id)?;
    let tried = archive.unfinished.try_again(&id);
    tried
        .then_some(StatusCode::ACCEPTED)
        .ok_or_else(|| ApiError::conflict("Nothing of this session is waiting to be stored."))
}

/// A link to a recording, which expires.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Playing {
    /// `recording.webm`, `subtitles.vtt`, `pointer` and `activity` are below this address.
    pub address: String,
    pub until: Timestamp,
}

/// Creates a link to a recording; the timeline records that it is watched.
pub async fn watch(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    State(playback): State<Arc<Playback>>,
    me: SignedIn,
    CurrentLogin(login): CurrentLogin,
    Path(id): Path<String>,
) -> Result<Json<Playing>> {
    let id = sessions::parse(id)?;
    let entries = access_scope::session(&sessions, &me.0, &id, SessionAction::Watch).await?;
    let now = clock::now();
    let recently = |e: &protocol::Entry| {
        matches!(&e.event, Event::Watched { by } if by.id == me.0.id) && e.at.plus(playback::LIFE_MS) > now
    };
    if !entries.iter().any(recently) {
        let event = Event::Watched { by: me.as_ref() };
        archive.execute_even_if_ended(&id, &Actor::Server, Command::Evidence { event }).await?;
    }
    let token = playback.open(id, me.0.id, login, now);
    Ok(Json(Playing { address: format!("/api/playback/{token}"), until: now.plus(playback::LIFE_MS) }))
}

/// The session of a link, if the user may still watch it.
async fn watchable(
    sessions: &Arc<SessionRegistry>,
    playback: &Playback,
    me: &SignedIn,
    token: &str,
) -> Result<(SessionId, Vec<Entry>)> {
    let id = playback.session(token, me.0.id, clock::now());
    let gone = || ApiError::forbidden("This link to a recording has expired. Reload the page for a new one.");
    let id = id.ok_or_else(gone)?;
    let entries = access_scope::session(sessions, &me.0, &id, SessionAction::Watch).await?;
    Ok((id, entries))
}

/// Opens a stored file.
async fn open_kept(store: &Arc<Archive>, path: PathBuf) -> Result<SealedFile> {
    let archive = store.clone();
    let opened =
        tokio::task::spawn_blocking(move || SealedFile::open(&archive, path)).await.map_err(anyhow::Error::from)?;
    let kept = opened.map_err(|e| ApiError::upstream(format!("The recording cannot be read: {e}.")))?;
    kept.ok_or_else(|| ApiError::missing("recording"))
}

/// The chat as subtitles of the video.
pub async fn subtitles(
    State(sessions): State<Arc<SessionRegistry>>,
    State(playback): State<Arc<Playback>>,
    me: SignedIn,
    Path(token): Path<String>,
) -> Result<Response> {
    let (_, entries) = watchable(&sessions, &playback, &me, &token).await?;
    let captions = recording_plan::captions(&entries, &PlaybackTimeline::of(&entries));
    Ok(([(header::CONTENT_TYPE, "text/vtt; charset=utf-8")], recording_plan::webvtt(&captions)).into_response())
}

/// The video, in ranges; for a running session what has been recorded so far.
pub async fn recording(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    State(playback): State<Arc<Playback>>,
    me: SignedIn,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let (id, entries) = watchable(&sessions, &playback, &me, &token).await?;
    if entries.iter().any(|e| matches!(e.event, Event::Stored { .. })) {
        let range = headers.get(header::RANGE).and_then(|r| r.to_str().ok());
        return Ok(serve(open_kept(&archive, paths::recording(&archive.data, &id)).await?, "video/webm", range));
    }
    let made = tokio::task::spawn_blocking(move || archive::so_far(&archive, &id, &entries)).await;
    let made = made.map_err(anyhow::Error::from)?.map_err(|error| match error.downcast::<TooLong>() {
        Ok(long) => ApiError::conflict(sentence(&long.to_string())),
        Err(error) => error.into(),
    });
    let video = made?.ok_or_else(|| ApiError::missing("recording"))?;
    let whole = 0..video.len() as u64;
    Ok((ranged("video/webm", &whole, video.len() as u64, false), video).into_response())
}

/// Sends the stored video to another system. Watching it is an event; the ranges of one download count once.
pub async fn serve_file(archive: &Arc<Archive>, id: &SessionId, by: UserRef, headers: &HeaderMap) -> Result<Response> {
    let video = open_kept(archive, paths::recording(&archive.data, id)).await?;
    let range = headers.get(header::RANGE).and_then(|r| r.to_str().ok());
    if range.is_none_or(|r| r.starts_with("bytes=0-")) {
        let event = Event::Watched { by };
        archive.execute_even_if_ended(id, &Actor::Server, Command::Evidence { event }).await?;
    }
    Ok(serve(video, "video/webm", range))
}

/// Where the pointer was during the video.
pub async fn pointer(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    State(playback): State<Arc<Playback>>,
    me: SignedIn,
    Path(token): Path<String>,
) -> Result<Response> {
    let (id, _) = watchable(&sessions, &playback, &me, &token).await?;
    Ok(serve(open_kept(&archive, paths::pointer(&archive.data, &id)).await?, "application/octet-stream", None))
}

/// When the video shows activity: pairs of milliseconds, as JSON.
pub async fn activity(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    State(playback): State<Arc<Playback>>,
    me: SignedIn,
    Path(token): Path<String>,
) -> Result<Response> {
    let (id, _) = watchable(&sessions, &playback, &me, &token).await?;
    Ok(serve(open_kept(&archive, paths::activity(&archive.data, &id)).await?, "application/json", None))
}

/// A stored file or a range of it (RFC 9110, 14).
fn serve(kept: SealedFile, kind: &'static str, asked: Option<&str>) -> Response {
    let all = kept.bytes;
    let range = match asked.map(|range| http_range_header::parse_range_header(range).and_then(|r| r.validate(all))) {
        None => None,
        Some(Ok(ranges)) if ranges.len() == 1 => Some(*ranges[0].start()..*ranges[0].end() + 1),
        Some(_) => {
            let all = format!("bytes */{all}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, all)]).into_response();
        }
    };
    let (status, partial) = match range {
        Some(_) => (StatusCode::PARTIAL_CONTENT, true),
        None => (StatusCode::OK, false),
    };
    let Range { start, end } = range.unwrap_or(0..all);
    let kept = Arc::new(kept);
    let parts = stream::unfold(start, move |at| {
        let kept = kept.clone();
        async move {
            let most = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            if most == 0 {
                return None;
            }
            let part = tokio::task::spawn_blocking(move || kept.part(at, most)).await;
            let part = part.unwrap_or_else(|e| Err(std::io::Error::other(e)));
            let next = part.as_ref().map_or(end, |p| at + p.len() as u64);
            Some((part.map(Bytes::from), next))
        }
    });
    (status, ranged(kind, &(start..end), all, partial), Body::from_stream(parts)).into_response()
}

fn ranged(kind: &'static str, range: &Range<u64>, all: u64, partial: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let length = range.end - range.start;
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    if partial {
        let text = format!("bytes {}-{}/{all}", range.start, range.end - 1);
        headers.insert(header::CONTENT_RANGE, text.parse().expect("numbers are a valid header value"));
    }
    headers
}

/// Options of a bundle.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleOptions {
    /// Include a second video with the pointer drawn into it.
    #[serde(default)]
    pointer: bool,
}

/// All evidence of an ended session in one signed file.
pub async fn bundle(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<String>,
    Query(BundleOptions { pointer }): Query<BundleOptions>,
) -> Result<Response> {
    let pointer = if pointer { Pointer::BurnedIn } else { Pointer::Beside };
    let id = sessions::parse(id)?;
    if !access_scope::session(&sessions, &me.0, &id, SessionAction::Export)
        .await?
        .iter()
        .any(|e| matches!(e.event, Event::Stored { .. }))
    {
        return Err(ApiError::conflict(
            "The evidence is not complete yet: the session is still running or being stored.",
        ));
    }
    let contents = archive.export(&id, Some(me.as_ref())).await?;
    let (out, chunks) = tokio::sync::mpsc::channel(8);
    tokio::task::spawn_blocking(move || {
        let out = std::io::BufWriter::with_capacity(CHUNK, ChannelWriter(out));
        if let Err(error) = archive.pack(&contents, pointer, out) {
            tracing::error!(%error, "bundle not completed");
        }
    });
    let chunks = stream::unfold(chunks, |mut chunks| async { chunks.recv().await.map(|chunk| (chunk, chunks)) });
    let name = format!("session-{id}.deskside.zip");
    Ok((attached("application/zip", &name), Body::from_stream(chunks)).into_response())
}

/// Sends what is written to the reader of the response.
struct ChannelWriter(tokio::sync::mpsc::Sender<std::io::Result<Bytes>>);

impl std::io::Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The reason for a deletion.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Because {
    pub reason: String,
}

/// Deletes the evidence of a session; a signed tombstone remains.
pub async fn delete(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(Because { reason }): Json<Because>,
) -> Result<StatusCode> {
    let (id, reason) = (sessions::parse(id)?, people::name(&reason)?);
    access_scope::session(&sessions, &me.0, &id, SessionAction::Delete).await?;
    match archive.delete(&id, me.0.name, reason).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(NotDeleted::Missing) => Err(ApiError::missing("session")),
        Err(unfinished @ NotDeleted::Unfinished(_)) => Err(ApiError::upstream(unfinished.to_string())),
        Err(NotDeleted::Failed(error)) => Err(error.into()),
        Err(refused @ (NotDeleted::LegalHold(_) | NotDeleted::NotStored)) => {
            Err(ApiError::conflict(refused.to_string()))
        }
    }
}

/// A legal hold, or its end.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct HoldInput {
    pub on: bool,
    pub reason: String,
}

/// Places a legal hold on a session's evidence, or lifts it.
pub async fn hold(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(HoldInput { on, reason }): Json<HoldInput>,
) -> Result<StatusCode> {
    let (id, reason) = (sessions::parse(id)?, people::name(&reason)?);
    access_scope::session(&sessions, &me.0, &id, SessionAction::Delete).await?;
    archive.hold(&id, me.as_ref(), on, reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A key for seals.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct SealingKey {
    pub fingerprint: String,
    pub key: String,
    pub since: Timestamp,
}

/// The keys that seal timelines and sign bundles, the newest last.
pub async fn keys(State(archive): State<Arc<Archive>>, _: SignedIn) -> Json<Vec<SealingKey>> {
    let keys = archive.sealing.endorsements().into_iter();
    Json(keys.map(|k| SealingKey { fingerprint: evidence::fingerprint(&k.key), key: k.key, since: k.since }).collect())
}
