//! Downloads that reports link to: transcripts, recordings and shells. The address carries a permission for a week, as
//! long as the account that requested the report may read evidence.

use std::sync::Arc;

use archive::Archive;
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use live_sessions::SessionRegistry;
use platform::{clock, identity::Identity, secret};
use protocol::{Entry, SessionId, Timestamp, UserRef};
use sea_orm::DatabaseConnection;

use super::{
    report::{self, Downloadable},
    request_params::RequestParams,
};

use crate::{
    accounts::{self, Caller, Scope},
    api::{self, ApiError},
    config::PublicUrl,
};

/// For how many days an address is valid.
const DAYS: u64 = 7;
const DAY_MS: u64 = 86_400_000;

fn word(kept: Downloadable) -> String {
    match kept {
        Downloadable::Chat => "chat".into(),
        Downloadable::Recording => "recording".into(),
        Downloadable::Shell(n) => format!("shell{n}"),
    }
}

/// The permission in an address: for one file of one session, issued to one account on one day.
fn permission(identity: &Identity, id: &SessionId, what: &str, caller: &str, day: u64) -> String {
    secret::hash_key(&identity.pepper(), &format!("download {id} {what} for {caller} {day}"))[..40].to_owned()
}

fn day(now: Timestamp) -> u64 {
    now.0 / DAY_MS
}

/// The address of a file, in the original's form: `lsid` holds the session, the permission, the account and the file.
pub fn link(
    identity: &Identity,
    public_url: &PublicUrl,
    caller: &Caller,
    id: &SessionId,
    kept: Downloadable,
    view: bool,
) -> String {
    let what = word(kept);
    let h = permission(identity, id, &what, &caller.key, day(clock::now()));
    let a = caller.key.replace(' ', "-");
    let view = if view { "&view=1" } else { "" };
    let url = public_url;
    format!("{url}/session_download?lsid=l%3D{id}%3Bh%3D{h}%3Ba%3D{a}%3Bt%3Dsd%3Bm%3D{what}&dl_action={what}{view}")
}

/// Sends the file that an address is for.
pub async fn download(
    State(db): State<DatabaseConnection>,
    State(identity): State<Arc<Identity>>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    params: RequestParams,
) -> Result<Response, ApiError> {
    let gone = || ApiError::missing("recording or transcript, or its address has expired");
    let coded = params.get("lsid").ok_or_else(gone)?;
    let field = |name: &str| {
        coded.split(';').find_map(|part| part.split_once('=').filter(|(n, _)| *n == name).map(|(_, value)| value))
    };
    let (Some(id), Some(h), Some(what)) = (field("l"), field("h"), field("m")) else { return Err(gone()) };
    let key = field("a").ok_or_else(gone)?.replace('-', " ");
    let id = SessionId::try_from(id.to_owned()).map_err(|_| gone())?;
    let today = day(clock::now());
    let good = (today.saturating_sub(DAYS)..=today).any(|day| same(&permission(&identity, &id, what, &key, day), h));
    let caller = accounts::by_key(&db, &key).await?.filter(|caller| good && caller.may(Scope::EvidenceRead));
    if caller.is_none() {
        return Err(gone());
    }
    let kept = match what {
        "chat" => Downloadable::Chat,
        "recording" => Downloadable::Recording,
        shell => Downloadable::Shell(shell.strip_prefix("shell").and_then(|n| n.parse().ok()).ok_or_else(gone)?),
    };
    let entries = sessions.read(&id).await?.ok_or_else(gone)?;
    let by = UserRef { id: 0, name: "a link of a report".into() };
    let view = params.flag("view");
    file(&archive, &id, &entries, kept, view, &params.headers, by).await
}

/// Compares in a time that does not depend on the texts.
fn same(a: &str, b: &str) -> bool {
    secret::hash(a) == secret::hash(b)
}

/// Sends a file of a session. Watching a recording is an event of its timeline.
pub async fn file(
    archive: &Arc<Archive>,
    id: &SessionId,
    entries: &[Entry],
    kept: Downloadable,
    view: bool,
    headers: &HeaderMap,
    by: UserRef,
) -> Result<Response, ApiError> {
    let how = if view { "inline" } else { "attachment" };
    let named = |name: String| (header::CONTENT_DISPOSITION, format!("{how}; filename=\"{name}\""));
    match kept {
        Downloadable::Chat if view => {
            let html = evidence::transcript::html(id, entries);
            Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8".into()), named(format!("{id}.html"))], html)
                .into_response())
        }
        Downloadable::Chat => {
            let text = evidence::transcript::text(id, entries);
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8".into()), named(format!("{id}.txt"))], text)
                .into_response())
        }
        Downloadable::Recording => {
            let mut response = api::serve_file(archive, id, by, headers).await?;
            let (name, value) = named(format!("{id}.webm"));
            response.headers_mut().insert(name, value.parse().expect("an id is a valid header value"));
            Ok(response)
        }
        Downloadable::Shell(n) => {
            let numbers = report::shells(entries);
            let number = numbers.get(n as usize).ok_or_else(|| ApiError::missing("command shell"))?;
            let body = api::shell_cast(archive, id, *number).await?;
            let kind = (header::CONTENT_TYPE, "application/x-asciicast".into());
            Ok(([kind, named(format!("{id}-{n}.cast"))], body).into_response())
        }
    }
}
