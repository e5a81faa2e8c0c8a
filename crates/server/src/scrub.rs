//! Removes links and keys from rows of older versions when the server starts. Newer versions remove them before
//! storing.

use live_sessions::redaction::Redactor;
use platform::clock;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait,
};
use store::{
    stored_time,
    tables::{customer, incident, journal, mail_row, message_template, received_mail},
};

use crate::{mail, mailbox::AttachmentInfo, unsent_mail::UnsentMail};

/// Rows older than this contain no live secret: a link is valid for at most thirty days.
const OLDEST_MS: i64 = 31 * 24 * 60 * 60 * 1_000;

/// Removes links and keys from rows of older versions, and forgets sealed mails whose links have expired.
pub async fn scrub(unsent: &UnsentMail, organisation: &str) -> anyhow::Result<()> {
    let redactor = unsent.sessions.redactor().await?;
    let db = &unsent.db;
    let since = stored_time(clock::now()) - OLDEST_MS;
    let cleaned = [
        scrub_mails(db, &redactor, since, organisation).await?,
        scrub_received_mails(db, &redactor, since).await?,
        scrub_desk(db, &redactor, since).await?,
    ];
    if cleaned.contains(&true) {
        // The write-ahead log still contains the old rows.
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    unsent.forget_dead().await
}

/// The cleaned texts; `None` if they are clean already.
fn cleaned<const N: usize>(redactor: &Redactor, texts: [&str; N]) -> Option<[String; N]> {
    let clean = texts.map(|text| redactor.clean(text));
    (clean.iter().ne(&texts)).then_some(clean)
}

async fn scrub_mails(
    db: &DatabaseConnection,
    redactor: &Redactor,
    since: i64,
    organisation: &str,
) -> anyhow::Result<bool> {
    let mut any = false;
    for row in mail_row::Entity::find().filter(mail_row::Column::At.gt(since)).all(db).await? {
        let Some([recipient, subject, text]) = cleaned(redactor, [&row.recipient, &row.subject, &row.text]) else {
            continue;
        };
        let html = Set(mail::html(&text, organisation));
        let (recipient, subject, text) = (Set(recipient), Set(subject), Set(text));
        mail_row::ActiveModel { recipient, subject, text, html, ..row.into() }.update(db).await?;
        any = true;
    }
    Ok(any)
}

async fn scrub_received_mails(db: &DatabaseConnection, redactor: &Redactor, since: i64) -> anyhow::Result<bool> {
    let mut any = false;
    for row in received_mail::Entity::find().filter(received_mail::Column::At.gt(since)).all(db).await? {
        let mut attachments: Vec<AttachmentInfo> = serde_json::from_str(&row.attachments)?;
        attachments.iter_mut().for_each(|file| file.name = redactor.clean(&file.name));
        let attachments = serde_json::to_string(&attachments)?;
        let clean = [&row.sender_name, &row.subject, &row.text, &row.quoted].map(|text| redactor.clean(text));
        if attachments != row.attachments || clean.iter().ne([&row.sender_name, &row.subject, &row.text, &row.quoted]) {
            let [sender_name, subject, text, quoted] = clean.map(Set);
            let attachments = Set(attachments);
            let row = received_mail::ActiveModel { sender_name, subject, text, quoted, attachments, ..row.into() };
            row.update(db).await?;
            any = true;
        }
    }
    Ok(any)
}

/// Incidents, their customers and journals, and message templates.
async fn scrub_desk(db: &DatabaseConnection, redactor: &Redactor, since: i64) -> anyhow::Result<bool> {
    let mut any = false;
    for row in journal::Entity::find().filter(journal::Column::At.gt(since)).all(db).await? {
        if let Some(clean) = cleaned(redactor, [&row.author, &row.text]) {
            let [author, text] = clean.map(Set);
            journal::ActiveModel { author, text, ..row.into() }.update(db).await?;
            any = true;
        }
    }
    for row in incident::Entity::find().filter(incident::Column::Updated.gt(since)).all(db).await? {
        if let Some(clean) = cleaned(redactor, [&row.subject, &row.description, &row.kind]) {
            let [subject, description, kind] = clean.map(Set);
            incident::ActiveModel { subject, description, kind, ..row.into() }.update(db).await?;
            any = true;
        }
    }
    let helped = incident::Entity::find().select_only().column(incident::Column::Customer);
    let helped = helped.filter(incident::Column::Updated.gt(since)).into_query();
    for row in customer::Entity::find().filter(customer::Column::Id.in_subquery(helped)).all(db).await? {
        if let Some(clean) = cleaned(redactor, [&row.name, &row.company]) {
            let [name, company] = clean.map(Set);
            customer::ActiveModel { name, company, ..row.into() }.update(db).await?;
            any = true;
        }
    }
    for row in message_template::Entity::find().all(db).await? {
        if let Some(clean) = cleaned(redactor, [&row.title, &row.text]) {
            let [title, text] = clean.map(Set);
            message_template::ActiveModel { title, text, ..row.into() }.update(db).await?;
            any = true;
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::AppState;
    use platform::secret;

    /// A server with an incident, a signed-in technician, and a session with a live key and link.
    async fn server(name: &str) -> (AppState, std::path::PathBuf, crate::desk::session_start::Keys) {
        use store::tables::*;

        use crate::{desk::session_start, world};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = world::folder(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let app = crate::compose::open(&world::config(folder.clone())).await.unwrap();
        let ada = crate::desk::Ticket { customer: "Ada".into(), email: "ada@b.example".into(), ..Default::default() };
        let about = session_start::upsert_incident(&app.desk, IncidentSource::BuiltIn, "", &ada).await.unwrap();
        let tom = protocol::UserRef { id: 1, name: "Tom".into() };
        let live = session_start::session(&app.desk, &about, tom.clone(), None).await.unwrap();
        let by = session::Actor::Technician(tom);
        let keys = session_start::keys(&app.desk, &live, &by, None, session_start::Form::Ours).await.unwrap();
        let user = user::ActiveModel {
            id: Set(1),
            login: Set("tom".into()),
            name: Set("Tom".into()),
            email: Set("t@a.example".into()),
            team: Set(None),
            administrator: Set(true),
            disabled: Set(false),
            password: Set("-".into()),
            may_watch: Set(true),
            may_export: Set(true),
            may_delete: Set(true),
            reach: Set("all".into()),
            role: Set(0),
            external: Set(String::new()),
            totp: Set(String::new()),
            totp_step: Set(0),
            recovery: Set(String::new()),
            email_language: Set(None),
        };
        user.insert(&app.db).await.unwrap();
        let (hash, until) = (secret::hash("cookie"), i64::MAX);
        let cookie = login::ActiveModel { hash: Set(hash), user: Set(1), until: Set(until), confirmed: Set(0) };
        cookie.insert(&app.db).await.unwrap();
        (app, folder, keys)
    }

    #[tokio::test]
    async fn rows_of_older_versions_are_cleaned_at_the_start() {
        let (app, folder, keys) = server("redaction-old").await;
        let grouped = mail::grouped(&keys.key);
        let words = format!("Open {}/join#{} or type {grouped}.", app.public_url, keys.token);
        let text = |text: &str| Set(text.to_owned());
        let now = stored_time(clock::now());
        let old = mail_row::ActiveModel {
            incident: Set(1),
            at: Set(now),
            sender: text("a@b.example"),
            recipient: text(&format!("\"{grouped}\" <ada@b.example>")),
            subject: text(&format!("Key {grouped}")),
            text: text(&words),
            html: text(&mail::html(&words, "Acme")),
            sent: Set(false),
            name: text("1@desk"),
            author: Set(0),
            sealed: text(""),
            ..Default::default()
        };
        old.insert(&app.db).await.unwrap();
        journal::entry(1, now, "note", "Tom", words.clone()).insert(&app.db).await.unwrap();
        let about =
            incident::ActiveModel { id: Set(1), description: text(&words), kind: text(&grouped), ..Default::default() };
        about.update(&app.db).await.unwrap();
        let ada =
            customer::ActiveModel { id: Set(1), name: text(&words), company: text(&grouped), ..Default::default() };
        ada.update(&app.db).await.unwrap();
        message_template::ActiveModel {
            title: text(&grouped),
            text: text(&words),
            team: Set(None),
            ..Default::default()
        }
        .insert(&app.db)
        .await
        .unwrap();
        let received = received_mail::ActiveModel {
            name: text("1@b"),
            at: Set(now),
            sender: text("ada@b.example"),
            sender_name: text(&words),
            subject: text(&grouped),
            text: text(&words),
            quoted: text(&words),
            attachments: Set(format!(r#"[{{"name":"{grouped}.pdf","bytes":7}}]"#)),
            incident: Set(Some(1)),
            kept_out: text(""),
            ..Default::default()
        };
        received.insert(&app.db).await.unwrap();
        scrub(&app.unsent, "Acme").await.unwrap();
        let mails = mail_row::Entity::find().one(&app.db).await.unwrap().unwrap();
        assert_eq!(mails.text, "Open [link removed] or type [key removed].");
        let bytes = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file());
        let bytes: Vec<u8> = bytes.flat_map(|f| std::fs::read(f).unwrap()).collect();
        for secret in [&keys.token, &keys.key, &grouped] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} is in the data folder");
        }
        let _ = std::fs::remove_dir_all(&folder);
    }

    #[tokio::test]
    async fn a_mail_that_quotes_a_live_invitation_is_shown_without_its_link() {
        use axum::{body::Body, http::Request};
        use tower::ServiceExt;
        let (app, folder, keys) = server("redaction-letter").await;
        let (grouped, url) = (mail::grouped(&keys.key), &app.public_url);
        let raw = format!(
            "From: Ada <ada@b.example>\r\nTo: help@a.example\r\nSubject: Re: your key {grouped}\r\nMessage-ID: <1@b>\r\n\r\n\
             It does not work.\r\n\r\nTom wrote:\r\n> Open {url}/join#{}\r\n> or type {grouped}.\r\n",
            keys.token
        );
        let rules = crate::mailbox::Mailbox::default();
        crate::mailbox::file(&app.inbox, &rules, raw.as_bytes(), false, clock::now()).await.unwrap();
        let kept = received_mail::Entity::find().one(&app.db).await.unwrap().unwrap();
        let entry = journal::Entity::find().filter(journal::Column::Kind.eq("letter"));
        let entry = entry.one(&app.db).await.unwrap().unwrap();
        for shown in [&kept.subject, &kept.text, &kept.quoted, &entry.text] {
            assert!(!shown.contains(&keys.token) && !shown.contains(&grouped), "{shown}");
        }
        assert!(kept.text.contains("It does not work.") && kept.quoted.contains("[link removed]"), "{kept:?}");
        let router = crate::routes::router(app.clone());
        let ask = async |path: &str, cookie: &str, body: String| {
            let method = if body.is_empty() { "GET" } else { "POST" };
            let request = Request::builder().method(method).uri(path).header("cookie", cookie);
            let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
            router.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        let original = "/api/letters/1/original";
        assert_eq!(ask(original, "deskside=cookie", String::new()).await, 409);
        let enter = format!(r#"{{"pass":{{"by":"link","token":"{}"}},"client":"browser"}}"#, keys.token);
        assert_eq!(ask("/api/join/enter", "", enter).await, 200);
        assert_eq!(ask(original, "deskside=cookie", String::new()).await, 200, "the link has expired");
        let _ = std::fs::remove_dir_all(&folder);
    }
}
