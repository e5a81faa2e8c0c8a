//! Where a mail belongs: the incident of the mail that it answers, else the one that its subject names, else a new one.

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
    tables::{customer, incident, journal, mail_row, received_mail},
};
use ts_rs::TS;

use super::{
    Inbox, Mailbox,
    message::{self, IncomingMail, Rejected},
};

use crate::desk::{Status, Ticket, ticket_import, word};

/// So many mails of one address within [`SPAN_MS`] are a conversation; more are two machines.
const MOST_OF_ONE: u64 = 30;
const SPAN_MS: u64 = 60 * 60_000;

/// Something that came with a mail, as it is listed; its number is its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AttachmentInfo {
    pub name: String,
    #[ts(type = "number")]
    pub bytes: u64,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// It came before.
    Known,
    Rejected(Rejected),
    In {
        incident: i32,
    },
}

/// Files a mail. It is all there afterwards, or nothing is, and it may be tried again.
pub async fn file(
    inbox: &Arc<Inbox>,
    rules: &Mailbox,
    raw: &[u8],
    too_large: bool,
    now: Timestamp,
) -> anyhow::Result<Filed> {
    let own = [inbox.mailer.address(), rules.user.as_str()];
    let mut letter = message::read(raw, &own).unwrap_or_else(|| unreadable(raw));
    if too_large {
        letter.text = "This mail is too large to be taken in: it is still in the mailbox.".into();
    }
    if received_mail::Entity::find().filter(received_mail::Column::Name.eq(letter.id.as_str())).count(&inbox.db).await?
        > 0
    {
        return Ok(Filed::Known);
    }
    if platform::disk::free_bytes(&inbox.data) < inbox.disk_floor {
        anyhow::bail!("the server's disk is nearly full");
    }
    // A customer who answers an invitation quotes it, and may not have followed it yet.
    let redactor = inbox.desk.sessions.redactor().await?;
    let names = letter.attachments.iter_mut().map(|a| &mut a.name).chain(&mut letter.via);
    for text in [&mut letter.name, &mut letter.subject, &mut letter.text, &mut letter.quoted].into_iter().chain(names) {
        *text = redactor.clean(text);
    }
    let why = match message::judge(raw) {
        None => kept_out_here(inbox, &letter, now).await?,
        why => why,
    };
    if let Some(why) = why {
        row(&letter, now, None, why.words())?.insert(&inbox.db).await?;
        return Ok(Filed::Rejected(why));
    }
    let customer = ticket_import::known_customer(&inbox.desk, &ticket(&letter)).await?;
    let transaction = inbox.db.begin().await?;
    let incident = belongs(&transaction, rules, &letter, customer, now).await?;
    let kept = row(&letter, now, Some(incident), "")?.insert(&transaction).await?;
    let by = match &letter.via {
        Some(via) => format!("{} <{}>, by {via}", letter.name, letter.address),
        None => format!("{} <{}>", letter.name, letter.address),
    };
    let entry = journal::entry(incident, stored_time(now), "letter", &by, letter.text);
    journal::ActiveModel { mail: Set(Some(kept.id)), ..entry }.insert(&transaction).await?;
    keep(inbox, kept.id, raw).await?;
    transaction.commit().await?;
    Ok(Filed::In { incident })
}

/// A mail's row: it belongs to an incident, or was kept out for this reason.
fn row(
    letter: &IncomingMail,
    now: Timestamp,
    incident: Option<i32>,
    kept_out: &str,
) -> serde_json::Result<received_mail::ActiveModel> {
    let enclosed = |a: &message::Attachment| AttachmentInfo { name: a.name.clone(), bytes: a.content.len() as u64 };
    let enclosed: Vec<AttachmentInfo> = letter.attachments.iter().map(enclosed).collect();
    Ok(received_mail::ActiveModel {
        name: Set(letter.id.clone()),
        at: Set(stored_time(now)),
        sender: Set(letter.address.clone()),
        sender_name: Set(letter.name.clone()),
        subject: Set(letter.subject.clone()),
        text: Set(letter.text.clone()),
        quoted: Set(letter.quoted.clone()),
        attachments: Set(serde_json::to_string(&enclosed)?),
        incident: Set(incident),
        kept_out: Set(kept_out.into()),
        ..Default::default()
    })
}

/// What cannot be read is a mail of nobody, and kept out.
fn unreadable(raw: &[u8]) -> IncomingMail {
    IncomingMail { id: secret::hex(&Sha256::digest(raw)), ..IncomingMail::default() }
}

/// Why it is to be kept out, for what came and went before.
async fn kept_out_here(inbox: &Arc<Inbox>, letter: &IncomingMail, now: Timestamp) -> Result<Option<Rejected>, DbErr> {
    let sent = mail_row::Entity::find().filter(mail_row::Column::Name.eq(letter.id.as_str())).count(&inbox.db).await?;
    if sent > 0 || letter.address.eq_ignore_ascii_case(inbox.mailer.address()) {
        return Ok(Some(Rejected::Own));
    }
    let since = stored_time(now).saturating_sub_unsigned(SPAN_MS);
    let theirs = received_mail::Entity::find().filter(received_mail::Column::Sender.eq(letter.address.as_str()));
    let count = theirs.filter(received_mail::Column::At.gt(since)).count(&inbox.db).await?;
    Ok((count >= MOST_OF_ONE).then_some(Rejected::TooMany))
}

fn ticket(letter: &IncomingMail) -> Ticket {
    Ticket { customer: letter.name.clone(), email: letter.address.clone(), ..Ticket::default() }
}

/// The incident that a mail is about: found, and opened again where it was resolved or waited; or made.
async fn belongs(
    db: &DatabaseTransaction,
    rules: &Mailbox,
    letter: &IncomingMail,
    customer: i32,
    now: Timestamp,
) -> Result<i32, DbErr> {
    if let Some(known) = about(db, letter).await? {
        let status = known.status.clone();
        let row = incident::ActiveModel { updated: Set(stored_time(now)), ..known.clone().into() };
        if status == word(Status::Resolved) || status == word(Status::Waiting) {
            let row = incident::ActiveModel { status: Set(word(Status::InProgress)), ..row };
            row.update(db).await?;
            let text = format!("status: {status} → in progress, since a mail came");
            journal::entry(known.id, stored_time(now), "change", &letter.name, text).insert(db).await?;
        } else {
            row.update(db).await?;
        }
        return Ok(known.id);
    }
    let subject = match letter.subject.as_str() {
        "" => "(without a subject)".to_owned(),
        subject => subject.to_owned(),
    };
    let row = incident::ActiveModel {
        customer: Set(customer),
        subject: Set(subject),
        description: Set(letter.text.chars().take(5_000).collect()),
        status: Set(word(Status::New)),
        priority: Set("normal".into()),
        kind: Set(rules.kind.clone()),
        owner: Set(None),
        team: Set(rules.team.clone()),
        desk: Set(String::new()),
        ticket: Set(String::new()),
        stamp: Set(String::new()),
        created: Set(stored_time(now)),
        updated: Set(stored_time(now)),
        ..Default::default()
    };
    Ok(row.insert(db).await?.id)
}

/// The incident of the nearest mail that it answers, else the one whose number its subject names. Message-IDs are
/// known to whoever was written to; numbers can be guessed, so that a number counts only from somebody who takes part.
/// Of a mail whose writer is only named by `Reply-To` neither counts.
async fn about<C: ConnectionTrait>(db: &C, letter: &IncomingMail) -> Result<Option<incident::Model>, DbErr> {
    if letter.via.is_some() {
        return Ok(None);
    }
    for parent in &letter.parents {
        let sent = mail_row::Entity::find().filter(mail_row::Column::Name.eq(parent.as_str())).one(db).await?;
        let came =
            received_mail::Entity::find().filter(received_mail::Column::Name.eq(parent.as_str())).one(db).await?;
        let incident = sent.map(|m| m.incident).or_else(|| came.and_then(|l| l.incident));
        if let Some(incident) = incident {
            return incident::Entity::find_by_id(incident).one(db).await;
        }
    }
    let Some(id) = letter.number else { return Ok(None) };
    match incident::Entity::find_by_id(id).one(db).await? {
        Some(incident) if takes_part(db, &incident, &letter.address).await? => Ok(Some(incident)),
        Some(_) | None => Ok(None),
    }
}

/// Whether an address is the incident's customer's or a colleague's, or has written or been written to about it.
async fn takes_part<C: ConnectionTrait>(db: &C, about: &incident::Model, address: &str) -> Result<bool, DbErr> {
    let address = canonical(address);
    let customer = customer::Entity::find_by_id(about.customer).one(db).await?;
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let theirs = customer.map(|c| canonical(&c.email)).unwrap_or_default();
    if theirs == address || domain(&theirs).is_some_and(|theirs| domain(&address) == Some(theirs)) {
        return Ok(true);
    }
    let came = received_mail::Entity::find().filter(received_mail::Column::Incident.eq(about.id)).all(db).await?;
    let sent = mail_row::Entity::find().filter(mail_row::Column::Incident.eq(about.id)).all(db).await?;
    let reached =
        |to: &str| to.parse::<lettre::message::Mailbox>().is_ok_and(|to| canonical(to.email.as_ref()) == address);
    Ok(came.iter().any(|l| canonical(&l.sender) == address) || sent.iter().any(|m| reached(&m.recipient)))
}

/// The incident whose number stands in a subject: `[INC-1007]`, however it is written.
pub(super) fn named(subject: &str) -> Option<i32> {
    let mut words = subject.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.find(|w| w.len() > 4 && w[..4].eq_ignore_ascii_case("INC-")).and_then(ticket_import::id_of)
}

/// Keeps the mail as it came, in the vault.
async fn keep(inbox: &Arc<Inbox>, id: i32, raw: &[u8]) -> anyhow::Result<()> {
    let path = paths::letter(&inbox.data, id);
    let (inbox, raw) = (inbox.clone(), raw.to_vec());
    tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(path.parent().expect("a path of ours has a folder"))?;
        let mut out = inbox.vault.file(&path).create(std::fs::File::create(&path)?)?;
        out.write_all(&raw)?;
        out.finish()?.sync_all()
    })
    .await??;
    Ok(())
}

/// A mail as it came.
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
    fn a_subject_names_an_incident() {
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
