//! Transcript and recording, for whoever may see the incident.

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::{ApiError, Result, SignedIn, sessions};
use crate::{app::Shared, evidence, paths};

/// The transcript as text.
pub async fn text(State(app): State<Shared>, _: SignedIn, Path(id): Path<String>) -> Result<Response> {
    let id = sessions::parse(id)?;
    let entries = app.hub.read(&app, &id).await?.ok_or_else(|| ApiError::missing("session"))?;
    let name = format!("attachment; filename=\"transcript-{id}.txt\"");
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, evidence::transcript_text(&id, &entries)).into_response())
}

/// The timeline and the transcript as JSON.
pub async fn json(State(app): State<Shared>, me: SignedIn, Path(id): Path<String>) -> Result<Response> {
    let name = format!("attachment; filename=\"transcript-{}.json\"", sessions::parse(id.clone())?);
    let Json(page) = sessions::read(State(app), me, Path(id)).await?;
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(page)).into_response())
}

/// The video, in ranges.
pub async fn recording(
    State(app): State<Shared>,
    _: SignedIn,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response> {
    let id = sessions::parse(id)?;
    let path = paths::recording(&app.config.data, &id);
    if !path.is_file() {
        return Err(ApiError::missing("recording"));
    }
    let kind = "video/webm".parse().expect("a fixed name parses");
    let served = ServeFile::new_with_mime(path, &kind).oneshot(request).await;
    let Ok(served) = served;
    let mut response = served.into_response();
    let name = format!("inline; filename=\"session-{id}.webm\"");
    let name = HeaderValue::from_str(&name).expect("an identifier is a header's text");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// Where the pointer was during the video.
pub async fn pointer(State(app): State<Shared>, _: SignedIn, Path(id): Path<String>) -> Result<Response> {
    let id = sessions::parse(id)?;
    let bytes = tokio::fs::read(paths::pointer(&app.config.data, &id)).await.unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}
