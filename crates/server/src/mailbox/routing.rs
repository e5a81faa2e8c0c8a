//! Finds the incident of a mail: that of the mail to which it replies, otherwise the one whose number is in the
//! subject, otherwise a new one.

use std::{io::Write, sync::Arc};

use platform::{paths, secret, text::address::canonical};
use protocol::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{
    stored_time,
    tables::{IncidentSource, customer, incident, journal, mail_row, received_mail},
};
use ts_rs::TS;

use super::{
    Inbox, Mailbox,
    message::{self, IncomingMail, Rejected},
};

use crate::desk::{Status, Ticket, session_start, word};

/// Most mails of one address within [`PERIOD_MS`]. More come from a mail loop.
const MOST_OF_ONE: u64 = 30;
const PERIOD_MS: u64 = 60 * 60_000;

/// An attachment of a received mail. Its number is its position in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AttachmentInfo {
    pub name: String,
    #[ts(type = "number")]
    pub bytes: u64,
}

/// What was done with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// It was received before.
    Known,
    Rejected(Rejected),
    In {
        incident: i32,
    },
}

/// Stores a mail, completely or not at all, so that it can be tried again.
pub async fn file(
    inbox: &Arc<Inbox>,
    rules: &Mailbox,
    raw: &[u8],
    too_large: bool,
    now: Timestamp,
) -> anyhow::Result<Filed> {
    let own = [inbox.mailer.address(), rules.user.as_str()];
    let mut mail = message::read(raw, &own).unwrap_or_else(|| unreadable(raw));
    if too_large {
        mail.text = "This mail is too large to import. It is still in the mailbox.".into();
    }
    if received_mail::Entity::find().filter(received_mail::Column::Name.eq(mail.id.as_str())).count(&inbox.db).await?
        > 0
    {
        return Ok(Filed::Known);
    }
    if platform::disk::free_bytes(&inbox.data) < inbox.disk_floor {
        anyhow::bail!("the server's disk is nearly full");
    }
    // A reply to an invitation quotes its link, which may still be live.
    let redactor = inbox.desk.sessions.redactor().await?;
    let names = mail.attachments.iter_mut().map(|a| &mut a.name).chain(&mut mail.via);
    for text in [&mut mail.name, &mut mail.subject, &mut mail.text, &mut mail.quoted].into_iter().chain(names) {
        *text = redactor.clean(text);
    }
    let why = match message::rejection(raw) {
        None => rejection_by_history(inbox, &mail, now).await?,
        why => why,
    };
    if let Some(why) = why {
        row(&mail, now, None, why.words())?.insert(&inbox.db).await?;
        return Ok(Filed::Rejected(why));
    }
    let customer = session_start::known_customer(&inbox.desk, &ticket(&mail)).await?;
    let transaction = inbox.db.begin().await?;
    let incident = find_or_create(&transaction, rules, &mail, customer, now).await?;
    let stored = row(&mail, now, Some(incident), "")?.insert(&transaction).await?;
    let by = match &mail.via {
        Some(via) => format!("{} <{}>, by {via}", mail.name, mail.address),
        None => format!("{} <{}>", mail.name, mail.address),
    };
    let entry = journal::entry(incident, stored_time(now), "letter", &by, mail.text);
    journal::ActiveModel { mail: Set(Some(stored.id)), ..entry }.insert(&transaction).await?;
    store_original(inbox, stored.id, raw).await?;
    transaction.commit().await?;
    Ok(Filed::In { incident })
}

/// A mail's row: it belongs to an incident, or was rejected for a reason.
fn row(
    mail: &IncomingMail,
    now: Timestamp,
    incident: Option<i32>,
    rejected: &str,
) -> serde_json::Result<received_mail::ActiveModel> {
    let info = |a: &message::Attachment| AttachmentInfo { name: a.name.clone(), bytes: a.content.len() as u64 };
    let attachments: Vec<AttachmentInfo> = mail.attachments.iter().map(info).collect();
    Ok(received_mail::ActiveModel {
        name: Set(mail.id.clone()),
        at: Set(stored_time(now)),
        sender: Set(mail.address.clone()),
        sender_name: Set(mail.name.clone()),
        subject: Set(mail.subject.clone()),
        text: Set(mail.text.clone()),
        quoted: Set(mail.quoted.clone()),
        attachments: Set(serde_json::to_string(&attachments)?),
        incident: Set(incident),
        kept_out: Set(rejected.into()),
        ..Default::default()
    })
}

/// A mail that cannot be parsed. It has no sender, so it is rejected.
fn unreadable(raw: &[u8]) -> IncomingMail {
    IncomingMail { id: secret::hex(&Sha256::digest(raw)), ..IncomingMail::default() }
}

/// Why a mail must be rejected because of earlier mails.
async fn rejection_by_history(
    inbox: &Arc<Inbox>,
    mail: &IncomingMail,
    now: Timestamp,
) -> Result<Option<Rejected>, DbErr> {
    let sent = mail_row::Entity::find().filter(mail_row::Column::Name.eq(mail.id.as_str())).count(&inbox.db).await?;
    if sent > 0 || mail.address.eq_ignore_ascii_case(inbox.mailer.address()) {
        return Ok(Some(Rejected::Own));
    }
    let since = stored_time(now).saturating_sub_unsigned(PERIOD_MS);
    let theirs = received_mail::Entity::find().filter(received_mail::Column::Sender.eq(mail.address.as_str()));
    let count = theirs.filter(received_mail::Column::At.gt(since)).count(&inbox.db).await?;
    Ok((count >= MOST_OF_ONE).then_some(Rejected::TooMany))
}

fn ticket(mail: &IncomingMail) -> Ticket {
    Ticket { customer: mail.name.clone(), email: mail.address.clone(), ..Ticket::default() }
}

/// Finds the incident of a mail, and reopens it if it was resolved or waiting; or creates one.
async fn find_or_create(
    db: &DatabaseTransaction,
    rules: &Mailbox,
    mail: &IncomingMail,
    customer: i32,
    now: Timestamp,
) -> Result<i32, DbErr> {
    if let Some(known) = about(db, mail).await? {
        let status = known.status.clone();
        let row = incident::ActiveModel { updated: Set(stored_time(now)), ..known.clone().into() };
        if status == word(Status::Resolved) || status == word(Status::Waiting) {
            let row = incident::ActiveModel { status: Set(word(Status::InProgress)), ..row };
            row.update(db).await?;
            let text = format!("status: {status} → in progress, because a mail arrived");
            journal::entry(known.id, stored_time(now), "change", &mail.name, text).insert(db).await?;
        } else {
            row.update(db).await?;
        }
        return Ok(known.id);
    }
    let subject = match mail.subject.as_str() {
        "" => "(without a subject)".to_owned(),
        subject => subject.to_owned(),
    };
    let row = incident::ActiveModel {
        customer: Set(customer),
        subject: Set(subject),
        description: Set(mail.text.chars().take(5_000).collect()),
        status: Set(word(Status::New)),
        priority: Set("normal".into()),
        kind: Set(rules.kind.clone()),
        owner: Set(None),
        team: Set(rules.team),
        desk: Set(IncidentSource::BuiltIn),
        ticket: Set(String::new()),
        stamp: Set(String::new()),
        created: Set(stored_time(now)),
        updated: Set(stored_time(now)),
        ..Default::default()
    };
    Ok(row.insert(db).await?.id)
}

/// The incident of the nearest mail to which it replies, otherwise the one whose number is in its subject. Message-IDs
/// are known only to recipients, but numbers can be guessed, so a number counts only from somebody who takes part. If
/// the writer is only named by `Reply-To`, neither counts.
async fn about<C: ConnectionTrait>(db: &C, mail: &IncomingMail) -> Result<Option<incident::Model>, DbErr> {
    if mail.via.is_some() {
        return Ok(None);
    }
    for parent in &mail.parents {
        let sent = mail_row::Entity::find().filter(mail_row::Column::Name.eq(parent.as_str())).one(db).await?;
        let received =
            received_mail::Entity::find().filter(received_mail::Column::Name.eq(parent.as_str())).one(db).await?;
        let incident = sent.map(|m| m.incident).or_else(|| received.and_then(|m| m.incident));
        if let Some(incident) = incident {
            return incident::Entity::find_by_id(incident).one(db).await;
        }
    }
    let Some(id) = mail.number else { return Ok(None) };
    match incident::Entity::find_by_id(id).one(db).await? {
        Some(incident) if takes_part(db, &incident, &mail.address).await? => Ok(Some(incident)),
        Some(_) | None => Ok(None),
    }
}

/// Whether an address belongs to the incident's customer or a colleague, or has sent or received a mail about it.
async fn takes_part<C: ConnectionTrait>(db: &C, about: &incident::Model, address: &str) -> Result<bool, DbErr> {
    let address = canonical(address);
    let customer = customer::Entity::find_by_id(about.customer).one(db).await?;
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let theirs = customer.map(|c| canonical(&c.email)).unwrap_or_default();
    if theirs == address || domain(&theirs).is_some_and(|theirs| domain(&address) == Some(theirs)) {
        return Ok(true);
    }
    let received = received_mail::Entity::find().filter(received_mail::Column::Incident.eq(about.id)).all(db).await?;
    let sent = mail_row::Entity::find().filter(mail_row::Column::Incident.eq(about.id)).all(db).await?;
    let sent_to =
        |to: &str| to.parse::<lettre::message::Mailbox>().is_ok_and(|to| canonical(to.email.as_ref()) == address);
    Ok(received.iter().any(|m| canonical(&m.sender) == address) || sent.iter().any(|m| sent_to(&m.recipient)))
}

/// The incident whose number is in a subject, as in `[INC-1007]`.
pub(super) fn named(subject: &str) -> Option<i32> {
    let mut words = subject.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.find(|w| w.len() > 4 && w[..4].eq_ignore_ascii_case("INC-")).and_then(session_start::id_of)
}

/// Stores the original mail in the vault.
async fn store_original(inbox: &Arc<Inbox>, id: i32, raw: &[u8]) -> anyhow::Result<()> {
    let path = paths::letter(&inbox.data, id);
    let (inbox, raw) = (inbox.clone(), raw.to_vec());
    tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(path.parent().expect("path has a parent folder"))?;
        let mut out = inbox.vault.file(&path).create(std::fs::File::create(&path)?)?;
        out.write_all(&raw)?;
        out.finish()?.sync_all()
    })
    .await??;
    Ok(())
}

/// Reads the original mail from the vault.
pub async fn original(inbox: &Arc<Inbox>, id: i32) -> anyhow::Result<Vec<u8>> {
    let path = paths::letter(&inbox.data, id);
    let inbox = inbox.clone();
    let read = move || {
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut inbox.vault.file(&path).read(std::fs::File::open(&path)?)?, &mut raw)
            .map(|_| raw)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn an_incidents_number_is_found_in_a_subject() {
        for (subject, id) in [
            ("Re: [INC-1007] Printer", Some(7)),
            ("AW: inc-1007", Some(7)),
            ("about INC-1007.", Some(7)),
            ("INC-", None),
            ("PRINC-1007", None),
            ("INC-1007x", None),
            ("ÄINC-1007", Some(7)),
            ("", None),
        ] {
            assert_eq!(named(subject), id, "{subject}");
        }
    }
}
