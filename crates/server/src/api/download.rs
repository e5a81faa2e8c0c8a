//! The support program, bound to this server.
//!
//! The file is the program as it was built, followed by the binding: JSON, its length (four bytes, big endian) and a
//! mark. The program reads it from its own end.

use axum::{
    body::Body,
    extract::{Form, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ApiError, Result};
use crate::app::Shared;

/// What ends a bound program.
const MARK: &[u8; 16] = b"deskside-bound-1";

/// A pass that travels with the program, so that nothing has to be typed.
#[derive(Default, Deserialize)]
pub struct ProgramFor {
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub handover: Option<String>,
}

/// What the program is told.
#[derive(Serialize)]
struct Binding<'a> {
    server: &'a str,
    identity: String,
    organisation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handover: Option<String>,
}

/// The program for Linux x86-64. A form's answer: what it brings stays out of addresses and of proxies' logs.
pub async fn linux(State(app): State<Shared>, Form(wanted): Form<ProgramFor>) -> Result<Response> {
    let path = app.config.support_program.clone().ok_or_else(|| ApiError::missing("support program on this server"))?;
    let short = |text: Option<String>| {
        text.filter(|t| t.len() <= 64 && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_ ".contains(c)))
    };
    let binding = Binding {
        server: &app.config.public_url,
        identity: app.identity.public(),
        organisation: app.settings().organisation,
        link: short(wanted.link),
        key: short(wanted.key),
        handover: short(wanted.handover),
    };
    // Read once: however many customers download at once, the program is in memory one time.
    let read = || async { tokio::fs::read(path).await.map(Bytes::from) };
    let program = app.program.get_or_try_init(read).await.map_err(anyhow::Error::from)?.clone();
    let mut tail = serde_json::to_vec(&binding).map_err(anyhow::Error::from)?;
    let length = u32::try_from(tail.len()).unwrap_or(0);
    tail.extend(length.to_be_bytes());
    tail.extend(MARK);
    let whole = program.len() + tail.len();
    let parts = [program, Bytes::from(tail)].map(Ok::<_, std::convert::Infallible>);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"deskside-support\"".to_owned()),
        (header::CONTENT_LENGTH, whole.to_string()),
    ];
    Ok((headers, Body::from_stream(futures::stream::iter(parts))).into_response())
}
