//! The mailbox, and received mails.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::{SessionRegistry, redaction::Redactor};
use protocol::Timestamp;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder, QuerySelect};
use serde::Serialize;
use store::{
    secrets::Secrets,
    setting::{self, ByTeam},
    tables::received_mail,
};
use tokio::sync::Semaphore;
use ts_rs::TS;

use super::{Admin, ApiError, ConfirmedAdmin, Result, SignedIn, attachments, identity_providers, team_names};

use crate::{
    mailbox::{self, Inbox, Mailbox, PollResult, message},
    sign_in::Auth,
};

/// How many mails the administrator's list shows.
const LIST: u64 = 50;

/// The result of the last poll, and the latest mails.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct MailIn {
    pub looked: PollResult,
    pub came: Vec<Came>,
}

/// A received mail.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Came {
    pub id: i32,
    pub at: Timestamp,
    pub from: String,
    pub subject: String,
    /// The incident that it was filed under; `None` for a rejected mail.
    pub incident: Option<i32>,
    /// Why it was rejected.
    pub kept_out: String,
}

async fn shown(db: &DatabaseConnection, mailbox: Mailbox) -> Result<Mailbox<String>> {
    team_names::by_name(db, Mailbox { password: String::new(), ..mailbox }).await
}

/// The mailbox, without its password.
pub async fn read(
    State(db): State<DatabaseConnection>,
    State(inbox): State<Arc<Inbox>>,
    _: Admin,
) -> Result<Json<Mailbox<String>>> {
    Ok(Json(shown(&db, inbox.mailbox.get()).await?))
}

/// The result of the last poll, and the latest mails.
pub async fn received(
    State(db): State<DatabaseConnection>,
    State(inbox): State<Arc<Inbox>>,
    _: Admin,
) -> Result<Json<MailIn>> {
    let rows = received_mail::Entity::find().order_by_desc(received_mail::Column::Id).limit(LIST).all(&db).await?;
    let came = |row: received_mail::Model| Came {
        id: row.id,
        at: Timestamp(row.at.cast_unsigned()),
        from: row.sender,
        subject: row.subject,
        incident: row.incident,
        kept_out: row.kept_out,
    };
    let came = rows.into_iter().map(came).collect();
    Ok(Json(MailIn { looked: inbox.watch.looked(), came }))
}

fn checked(inbox: &Arc<Inbox>, mut new: Mailbox<String>) -> Result<Mailbox<String>> {
    let known = inbox.mailbox.get();
    new.password = identity_providers::typed_or_known(new.password, known.password, new.host == known.host)?;
    if new.folder.trim().is_empty() {
        new.folder = "INBOX".into();
    }
    let texts = [&new.host, &new.user, &new.password, &new.folder, &new.kind];
    if texts.iter().any(|t| t.len() > 500 || t.chars().any(char::is_control)) || new.authority.len() > 65_536 {
        return Err(ApiError::bad("Each text must be one line of at most 500 bytes."));
    }
    Ok(new)
}

/// Changes the mailbox.
pub async fn write(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(inbox): State<Arc<Inbox>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<Mailbox<String>>,
) -> Result<Json<Mailbox<String>>> {
    let new = checked(&inbox, new)?;
    let _alone = auth.teams.write().await;
    let new = team_names::by_number(&db, new).await?;
    setting::save(&db, &secrets, &new).await?;
    inbox.mailbox.replace(new.clone());
    inbox.watch.set_anew();
    Ok(Json(shown(&db, new).await?))
}

/// The result of a test.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct MailboxAnswer {
    pub words: String,
}

/// Tests the mailbox; returns what was found, or what is wrong.
pub async fn test(
    State(inbox): State<Arc<Inbox>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<Mailbox<String>>,
) -> Result<Json<MailboxAnswer>> {
    let new = checked(&inbox, new)?.map_teams(|_| None);
    new.test(&auth.outbound).await.map(|words| Json(MailboxAnswer { words })).map_err(ApiError::upstream)
}

/// Whether a mail quotes a key or link that still works. A large mail takes a while, so only one is scanned at a time,
/// off the async threads.
async fn scan(redactor: Redactor, raw: Vec<u8>) -> Result<(Vec<u8>, bool)> {
    static READING: Semaphore = Semaphore::const_new(1);
    let _turn = READING.acquire().await.map_err(anyhow::Error::from)?;
    let scanned = tokio::task::spawn_blocking(move || {
        let is_live = redactor.is_live_in_mail(&raw);
        (raw, is_live)
    });
    Ok(scanned.await.map_err(anyhow::Error::from)?)
}

/// A mail as received, unless it quotes a key or link that still works.
async fn readable(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    inbox: &Arc<Inbox>,
    id: i32,
) -> Result<Vec<u8>> {
    let row = received_mail::Entity::find_by_id(id).one(db).await?.filter(|l| l.incident.is_some());
    let row = row.ok_or_else(|| ApiError::missing("mail"))?;
    let raw = mailbox::original(inbox, row.id).await?;
    let (raw, is_live) = scan(sessions.redactor().await?, raw).await?;
    if is_live {
        return Err(ApiError::conflict(
            "This mail quotes an invitation that still works. You can download it once the invitation has been used or has expired.",
        ));
    }
    Ok(raw)
}

/// Downloads a mail as received.
pub async fn original(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(inbox): State<Arc<Inbox>>,
    _: SignedIn,
    Path(id): Path<i32>,
) -> Result<Response> {
    Ok(to_keep(&format!("mail-{id}.eml"), readable(&db, &sessions, &inbox, id).await?))
}

/// Downloads an attachment of a mail.
pub async fn attachment(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(inbox): State<Arc<Inbox>>,
    _: SignedIn,
    Path((id, number)): Path<(i32, usize)>,
) -> Result<Response> {
    let mail =
        message::read(&readable(&db, &sessions, &inbox, id).await?, &[]).ok_or_else(|| ApiError::missing("mail"))?;
    let found = mail.attachments.into_iter().nth(number).ok_or_else(|| ApiError::missing("attachment"))?;
    Ok(to_keep(&found.name, found.content))
}

/// A response that browsers save as a file: content from strangers is never shown as a page of this server.
fn to_keep(name: &str, content: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, attachments::content_disposition(name))];
    (StatusCode::OK, headers, content).into_response()
}
