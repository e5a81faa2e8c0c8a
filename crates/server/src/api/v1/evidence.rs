//! Transcripts and recordings for other systems.

use std::sync::Arc;

use archive::Archive;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::SessionRegistry;
use platform::clock;
use protocol::SessionId;
use serde::{Deserialize, Serialize};
use session::TranscriptLine;
use utoipa::{IntoParams, ToSchema};

use super::{Problem, Query, ReadEvidence, Refused, Result, sessions};

use crate::api;

/// The format of a transcript.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Json,
    Text,
}

/// The format.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TranscriptQuery {
    #[param(inline)]
    #[serde(default)]
    format: Format,
}

/// A line of a transcript.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    #[schema(format = DateTime)]
    at: String,
    /// `technician`, `customer` or `system`.
    #[schema(value_type = String)]
    voice: session::Voice,
    /// Who wrote it; empty for events.
    who: String,
    text: String,
}

/// A transcript.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transcript {
    session: String,
    lines: Vec<Line>,
}

fn id(text: String) -> Result<SessionId> {
    SessionId::try_from(text).map_err(|_| Refused::missing("session"))
}

/// Reads a transcript, as JSON or as text.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/transcript", tag = "evidence", params(("id" = String, Path), TranscriptQuery), responses(
    (status = 200, content((Transcript = "application/json"), (String = "text/plain"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn transcript(
    State(sessions): State<Arc<SessionRegistry>>,
    _: ReadEvidence,
    Path(name): Path<String>,
    Query(TranscriptQuery { format }): Query<TranscriptQuery>,
) -> Result<Response> {
    let id = id(name)?;
    let entries = sessions.read(&id).await?.ok_or_else(|| Refused::missing("session"))?;
    Ok(match format {
        Format::Text => {
            let text = evidence::transcript::text(&id, &entries);
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Format::Json => {
            let line = |l: TranscriptLine| Line { at: clock::rfc3339(l.at), voice: l.voice, who: l.who, text: l.text };
            let lines = session::transcript(&entries).into_iter().map(line).collect();
            axum::Json(Transcript { session: id.to_string(), lines }).into_response()
        }
    })
}

/// Reads the video, whole or in ranges. Watching it is an event of the session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/recording", tag = "evidence", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "video/webm"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn recording(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    ReadEvidence(caller): ReadEvidence,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let id = id(name)?;
    let entries = sessions.read(&id).await?.ok_or_else(|| Refused::missing("session"))?;
    if !sessions::is_stored(&entries) {
        return Err(Refused(StatusCode::CONFLICT, "The recording is not complete yet.".into()));
    }
    Ok(api::serve_file(&archive, &id, caller.as_ref(), &headers).await?)
}
