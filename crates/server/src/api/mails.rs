//! Mails to customers, and the outbox.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use lettre::message::Mailbox;
use live_sessions::{SessionRegistry, redaction::Redactor};
use platform::{clock, text::is_plain};
use protocol::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::{Deserialize, Serialize};
use store::{
    setting::Current,
    settings::Settings,
    stored_time,
    tables::{customer, incident, mail_row, received_mail, user},
};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn, desk, sessions};

use crate::{
    access_scope::{self, SessionAction},
    desk::{BuiltIn, Desk, Entry, ServiceDesk, session_start},
    mail::{self, Fields, Mailer, Outcome, OutgoingMail},
    state::service_group,
    unsent_mail::UnsentMail,
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

/// A mail that was sent or is in the outbox, without links and keys. Only its author can read these, until they expire
/// or the mail is sent.
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

/// A mail's subject and text as this technician reads them.
async fn read_by(unsent: &UnsentMail, redactor: &Redactor, row: &mail_row::Model, me: i32) -> Result<(String, String)> {
    if row.author == me && !row.sealed.is_empty() {
        let sealed = unsent.open(&row.sealed)?;
        if redactor.is_live_in(&sealed)
            && let Some((subject, text)) = sealed.split_once('\n')
        {
            return Ok((subject.to_owned(), text.to_owned()));
        }
        unsent.forget(row.id).await?;
    }
    Ok((row.subject.clone(), row.text.clone()))
}

/// Mails with the numbers of their incidents, as this technician reads them.
async fn shown(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    unsent: &UnsentMail,
    rows: Vec<mail_row::Model>,
    me: i32,
) -> Result<Vec<Mail>> {
    let about = incident::Entity::find().filter(incident::Column::Id.is_in(rows.iter().map(|r| r.incident)));
    let numbers: HashMap<i32, String> = about.all(db).await?.iter().map(|i| (i.id, session_start::number(i))).collect();
    let redactor = sessions.redactor().await?;
    let mut mails = Vec::with_capacity(rows.len());
    for m in rows {
        let (subject, text) = read_by(unsent, &redactor, &m, me).await?;
        mails.push(Mail {
            id: m.id,
            at: Timestamp(m.at.cast_unsigned()),
            incident: m.incident,
            number: numbers.get(&m.incident).cloned().unwrap_or_default(),
            from: m.sender,
            to: m.recipient,
            subject,
            text,
            sent: m.sent,
        });
    }
    Ok(mails)
}

async fn shown_one(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    unsent: &UnsentMail,
    row: mail_row::Model,
    me: i32,
) -> Result<Mail> {
    Ok(shown(db, sessions, unsent, vec![row], me).await?.remove(0))
}

/// The invitation to a session, from the template in the settings.
pub fn draft(current: &Current<Settings>, incident: &desk::Incident, me: &user::Model, link: &str, key: &str) -> Draft {
    let settings = current.get();
    let grouped = mail::grouped(key);
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

/// Sends the invitation to a session.
pub async fn send(
    State(mails): State<Mails>,
    SignedIn(me): SignedIn,
    Path(id): Path<String>,
    Json(draft): Json<Draft>,
) -> Result<Json<Mail>> {
    let id = sessions::parse(id)?;
    let live = mails.sessions.get(&id).ok_or_else(|| ApiError::missing("running session"))?;
    access_scope::session(&mails.sessions, &me, &id, SessionAction::Note).await?;
    let incident = live.state().await.incident;
    mails.send(incident.id, me, draft).await
}

/// Sends a mail about an incident.
pub async fn write(
    State(mails): State<Mails>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
    Json(draft): Json<Draft>,
) -> Result<Json<Mail>> {
    mails.send(id, me, draft).await
}

service_group! {
    /// What sending a mail needs.
    pub struct Mails {
        db: DatabaseConnection,
        settings: Arc<Current<Settings>>,
        sessions: Arc<SessionRegistry>,
        desk: Arc<ServiceDesk>,
        mailer: Arc<Mailer>,
        unsent: Arc<UnsentMail>,
    }
}

impl Mails {
    /// Sends a mail about an incident and adds it to the journal. A refused mail is not added: the technician still has
    /// its text on the screen, with the mail server's reason.
    async fn send(&self, incident: i32, me: user::Model, draft: Draft) -> Result<Json<Mail>> {
        let to: Mailbox =
            draft.to.trim().parse().map_err(|_| ApiError::bad(format!("“{}” is not a mail address.", draft.to)))?;
        if !is_plain(draft.to.trim()) {
            return Err(ApiError::bad("A mail address must be one line of visible characters."));
        }
        if draft.subject.trim().is_empty() || draft.subject.len() > 500 || !is_plain(&draft.subject) {
            return Err(ApiError::bad("A mail needs a subject of up to 500 bytes."));
        }
        if draft.text.trim().is_empty() || draft.text.len() > 20_000 {
            return Err(ApiError::bad("A mail needs a text of up to 20,000 bytes."));
        }
        let html = mail::html(&draft.text, &self.settings.get().organisation);
        let about = incident::Entity::find_by_id(incident).one(&self.db).await?;
        let about = about.ok_or_else(|| ApiError::missing("incident"))?;
        let name = self.mailer.name();
        let sent = self.deliver(&about, &draft, to.clone(), &html, &name).await?;
        let redactor = self.sessions.redactor().await?;
        let (subject, text) = (redactor.clean(&draft.subject), redactor.clean(&draft.text));
        let recipient = Mailbox { name: to.name.map(|name| redactor.clean(&name)), email: to.email };
        // The customer has a sent mail. The author may need an unsent one again, so its links are kept sealed.
        let kept = !sent && (subject != draft.subject || text != draft.text);
        let sealed =
            if kept { self.unsent.seal(&format!("{}\n{}", draft.subject, draft.text))? } else { String::new() };
        let row = mail_row::ActiveModel {
            incident: Set(incident),
            at: Set(stored_time(clock::now())),
            sender: Set(self.mailer.from()),
            recipient: Set(recipient.to_string()),
            subject: Set(subject),
            html: Set(mail::html(&text, &self.settings.get().organisation)),
            text: Set(text),
            sent: Set(sent),
            name: Set(name),
            author: Set(me.id),
            sealed: Set(sealed),
            ..Default::default()
        };
        let row = row.insert(&self.db).await?;
        let entry = Entry::Mail {
            to: row.recipient.clone(),
            subject: row.subject.clone(),
            text: row.text.clone(),
            by: me.name.clone(),
            mail: row.id,
            sent,
        };
        BuiltIn(self.db.clone()).write(&incident.to_string(), &entry, "", false).await.map_err(anyhow::Error::msg)?;
        Ok(Json(shown_one(&self.db, &self.sessions, &self.unsent, row, me.id).await?))
    }

    /// Sends a mail: to the customer by the incident's own service desk, otherwise by the mail server. Returns whether
    /// it was sent.
    async fn deliver(
        &self,
        incident: &incident::Model,
        draft: &Draft,
        to: Mailbox,
        html: &str,
        name: &str,
    ) -> Result<bool> {
        let customer = customer::Entity::find_by_id(incident.customer).one(&self.db).await?;
        let to_customer = customer.is_some_and(|c| c.email.eq_ignore_ascii_case(to.email.as_ref()));
        if let Some((desk, ticket)) = self.desk.elsewhere(incident)
            && to_customer
            && let Some(send) = desk.mail(&ticket, &draft.subject, &draft.text)
        {
            return send.await.map(|_| true).map_err(ApiError::upstream);
        }
        // Refers to the last received mail, so that mail programs show both as one conversation.
        let last = received_mail::Entity::find().filter(received_mail::Column::Incident.eq(incident.id));
        let last = last.order_by_desc(received_mail::Column::Id).one(&self.db).await?;
        let answers = last.as_ref().map(|l| l.name.as_str()).filter(|name| name.contains('@'));
        let mail = OutgoingMail { to, subject: &draft.subject, text: &draft.text, html, name, answers };
        match self.mailer.send(mail).await {
            Outcome::Sent => Ok(true),
            Outcome::Unsent => Ok(false),
            Outcome::Refused(reason) => {
                Err(ApiError::upstream(format!("The mail server did not take the mail: {reason}")))
            }
        }
    }
}

/// The outbox: mails that no mail server took because none is configured.
pub async fn list(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(unsent): State<Arc<UnsentMail>>,
    SignedIn(me): SignedIn,
) -> Result<Json<Vec<Mail>>> {
    let rows = mail_row::Entity::find()
        .filter(mail_row::Column::Sent.eq(false))
        .order_by_desc(mail_row::Column::Id)
        .limit(200)
        .all(&db)
        .await?;
    Ok(Json(shown(&db, &sessions, &unsent, rows, me.id).await?))
}

async fn find(db: &DatabaseConnection, id: i32) -> Result<mail_row::Model> {
    mail_row::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("mail"))
}

/// One mail.
pub async fn read(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(unsent): State<Arc<UnsentMail>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
) -> Result<Json<Mail>> {
    Ok(Json(shown_one(&db, &sessions, &unsent, find(&db, id).await?, me.id).await?))
}

/// The mail as the customer sees it, for a frame that may run and load nothing.
pub async fn html(
    State(db): State<DatabaseConnection>,
    State(settings): State<Arc<Current<Settings>>>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(unsent): State<Arc<UnsentMail>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
) -> Result<Response> {
    let mail = find(&db, id).await?;
    let (_, text) = read_by(&unsent, &sessions.redactor().await?, &mail, me.id).await?;
    let html = if text == mail.text { mail.html } else { mail::html(&text, &settings.get().organisation) };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; \
        sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    let html = html.replace("<a href=", "<a target=\"_blank\" rel=\"noreferrer\" href=");
    Ok((headers, html).into_response())
}
