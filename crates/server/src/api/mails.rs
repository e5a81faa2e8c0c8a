//! Mails to customers, and the outbox.

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use lettre::message::Mailbox;
use protocol::Timestamp;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn, desk, sessions};
use crate::{
    app::{self, Shared, stored_time},
    mail::{self, Fields, Letter, Outcome},
    store::tables::{mail_row, user},
};

/// A mail that could be sent.
#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Draft {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// A mail that was sent or lies in the outbox.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Mail {
    pub id: i32,
    pub at: Timestamp,
    pub incident: i32,
    pub number: String,
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub sent: bool,
}

impl From<mail_row::Model> for Mail {
    fn from(m: mail_row::Model) -> Self {
        Self {
            id: m.id,
            at: Timestamp(m.at.cast_unsigned()),
            incident: m.incident,
            number: desk::number(m.incident),
            from: m.sender,
            to: m.recipient,
            subject: m.subject,
            text: m.text,
            sent: m.sent,
        }
    }
}

/// The invitation for a session, from the administrator's template.
pub fn draft(app: &Shared, incident: &desk::Incident, me: &user::Model, link: &str, key: &str) -> Draft {
    let settings = app.settings();
    let grouped = format!("{} {} {}", &key[..3], &key[3..6], &key[6..]);
    let fields = Fields {
        number: &incident.number,
        subject: &incident.subject,
        customer: &incident.customer.name,
        technician: &me.name,
        link,
        key: &grouped,
    };
    Draft {
        to: incident.customer.email.clone(),
        subject: mail::fill(&settings.mail_subject, &settings, &fields),
        text: mail::fill(&settings.mail_text, &settings, &fields),
    }
}

/// Sends the invitation and writes it into the journal. A refused mail is not in the journal: the technician still has
/// its text in front of them, with the mail server's reason.
pub async fn send(
    State(app): State<Shared>,
    me: SignedIn,
    Path(id): Path<String>,
    Json(draft): Json<Draft>,
) -> Result<Json<Mail>> {
    let id = sessions::parse(id)?;
    let live = app.hub.get(&id).ok_or_else(|| ApiError::missing("running session"))?;
    let incident = live.state().await.incident;
    let to: Mailbox =
        draft.to.trim().parse().map_err(|_| ApiError::bad(format!("“{}” is not a mail address.", draft.to)))?;
    if draft.subject.trim().is_empty() || draft.subject.len() > 500 || draft.subject.chars().any(char::is_control) {
        return Err(ApiError::bad("A mail needs a subject of up to 500 bytes."));
    }
    if draft.text.trim().is_empty() || draft.text.len() > 20_000 {
        return Err(ApiError::bad("A mail needs a text of up to 20,000 bytes."));
    }
    let html = mail::html(&draft.text, &app.settings().organisation);
    let letter = Letter { to: to.clone(), subject: &draft.subject, text: &draft.text, html: &html };
    let sent = match app.mailer.send(letter).await {
        Outcome::Sent => true,
        Outcome::Outbox => false,
        Outcome::Refused(reason) => {
            return Err(ApiError::upstream(format!("The mail server did not take the mail: {reason}")));
        }
    };
    let row = mail_row::ActiveModel {
        incident: Set(incident.id),
        at: Set(stored_time(app::now())),
        sender: Set(app.mailer.from()),
        recipient: Set(to.to_string()),
        subject: Set(draft.subject),
        text: Set(draft.text),
        html: Set(html),
        sent: Set(sent),
        ..Default::default()
    };
    let row = row.insert(&app.db).await?;
    let what = if sent { "sent" } else { "left in the outbox" };
    let text = format!("Mail {what}: “{}” to {}", row.subject, row.recipient);
    let mut entry = desk::write_journal(&app, incident.id, "mail", &me.0.name, text).await?;
    entry.mail = Set(Some(row.id));
    entry.insert(&app.db).await?;
    Ok(Json(row.into()))
}

/// The outbox: mails that no mail server took because none is configured.
pub async fn list(State(app): State<Shared>, _: SignedIn) -> Result<Json<Vec<Mail>>> {
    let rows = mail_row::Entity::find()
        .filter(mail_row::Column::Sent.eq(false))
        .order_by_desc(mail_row::Column::Id)
        .limit(200)
        .all(&app.db)
        .await?;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

async fn find(app: &Shared, id: i32) -> Result<mail_row::Model> {
    mail_row::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| ApiError::missing("mail"))
}

/// One mail.
pub async fn read(State(app): State<Shared>, _: SignedIn, Path(id): Path<i32>) -> Result<Json<Mail>> {
    Ok(Json(find(&app, id).await?.into()))
}

/// The mail as the customer sees it: for a frame that may run nothing and load nothing.
pub async fn html(State(app): State<Shared>, _: SignedIn, Path(id): Path<i32>) -> Result<Response> {
    let mail = find(&app, id).await?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
        sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    let html = mail.html.replace("<a href=", "<a target=\"_blank\" rel=\"noreferrer\" href=");
    Ok((headers, html).into_response())
}
