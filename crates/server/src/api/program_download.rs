//! Downloads of the support program, bound to this server.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Form, Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use platform::identity::Identity;
use protocol::{Binding, ProgramPass};
use serde::Deserialize;
use store::{setting::Current, settings::Settings};

use super::{ApiError, Result};
use crate::{
    config::PublicUrl,
    programs::{Programs, System},
};

/// A pass that is embedded in the program, so that the customer need not type it.
#[derive(Default, Deserialize)]
pub struct ProgramFor {
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub handover: Option<String>,
}

/// The program for a system, as the response to a form: so the pass does not appear in addresses or proxy logs.
pub async fn program(
    State(identity): State<Arc<Identity>>,
    State(public_url): State<PublicUrl>,
    State(settings): State<Arc<Current<Settings>>>,
    State(programs): State<Arc<Programs>>,
    Path(system): Path<System>,
    Form(request): Form<ProgramFor>,
) -> Result<Response> {
    program_for(&identity, &public_url, &settings, &programs, system, request).await
}

/// The program with a key, link or hand-over token embedded.
pub async fn program_for(
    identity: &Identity,
    public_url: &PublicUrl,
    settings: &Current<Settings>,
    programs: &Programs,
    system: System,
    request: ProgramFor,
) -> Result<Response> {
    let valid = |text: Option<String>| {
        text.filter(|t| t.len() <= 64 && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_ ".contains(c)))
    };
    let pass = ProgramPass { link: valid(request.link), key: valid(request.key), handover: valid(request.handover) };
    let binding = Binding {
        server: public_url.to_string(),
        identity: identity.public(),
        organisation: settings.get().organisation,
        pass,
    };
    let download = programs.download(system, binding).await?;
    let download = download.ok_or_else(|| ApiError::missing("support program for this system on this server"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", download.name)),
        (header::CONTENT_LENGTH, download.length().to_string()),
    ];
    let parts = download.parts.map(Ok::<_, std::convert::Infallible>);
    Ok((headers, Body::from_stream(futures::stream::iter(parts))).into_response())
}
