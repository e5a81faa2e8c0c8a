//! Live links and keys in what people write: they are taken out before anything is stored, so that whoever reads a mail, a
//! journal or the data folder cannot enter as the customer. Links are known by their form, keys by their hashes.

use std::{collections::HashSet, ops::Range};

use mail_parser::{Message, PartType};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use crate::{
    app::{self, Shared, stored_time},
    mail, secret,
    store::tables::{expert, incident, journal, letter, mail_row, session_row},
};

/// What stands in the place of a link and of a key.
const LINK: &str = "[link removed]";
const KEY: &str = "[key removed]";
/// What the secret of a link follows, wherever the link was made.
const MARKERS: [&str; 12] = [
    "/join#",
    "/join%23",
    "/expert#",
    "/expert%23",
    "/setup#",
    "/setup%23",
    "?ak=",
    "&ak=",
    "?ak%3d",
    "&ak%3d",
    "short_key=",
    "/session_download?",
];
/// How long a link's secret is: of our own form, and of the one with hexadecimal digits.
const TOKEN_CHARS: [usize; 2] = [24, 32];
/// How many digits a key has: our own, and the one of the other form.
const KEY_DIGITS: [usize; 2] = [9, 7];
/// Two digits of one key have at most so many characters between them.
const MOST_BETWEEN: usize = 3;
/// Rows older than this hold no live secret: thirty days is the longest life of a link.
const OLDEST_MS: i64 = 31 * 24 * 60 * 60 * 1_000;

/// Finds live links and keys.
pub struct Redactor {
    pepper: Vec<u8>,
    /// The hashes of the keys and links that let somebody in now.
    keys: HashSet<String>,
    links: HashSet<String>,
}

impl Redactor {
    /// With the keys and links that are live now.
    pub async fn load(app: &Shared) -> Result<Self, DbErr> {
        let now = app::now();
        let open = Condition::any()
            .add(session_row::Column::KeyHash.is_not_null())
            .add(session_row::Column::LinkHash.is_not_null());
        let rows = session_row::Entity::find().filter(session_row::Column::Stored.eq(false)).filter(open);
        let (mut keys, mut links) = (HashSet::new(), HashSet::new());
        for row in rows.all(&app.db).await? {
            let Some(live) = protocol::SessionId::try_from(row.id).ok().and_then(|id| app.hub.get(&id)) else {
                continue;
            };
            let (by_key, by_link) =
                live.ask(|s| (s.open_for_customer(now, true), s.open_for_customer(now, false))).await;
            keys.extend(row.key_hash.filter(|_| by_key));
            links.extend(row.link_hash.filter(|_| by_link));
        }
        let invited = expert::Entity::find().filter(expert::Column::Until.gt(stored_time(now)));
        links.extend(invited.all(&app.db).await?.into_iter().map(|row| row.hash));
        Ok(Self { pepper: app.identity.pepper().to_vec(), keys, links })
    }

    /// The text without links to sessions and without live keys.
    pub fn clean(&self, text: &str) -> String {
        let mut found: Vec<(Range<usize>, &str)> = links_by_form(text).into_iter().map(|r| (r, LINK)).collect();
        found.extend(self.live_links(text).into_iter().map(|r| (r, LINK)));
        found.extend(self.live_keys(text).into_iter().map(|r| (r, KEY)));
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for (range, instead) in found {
            if range.start >= at {
                clean.push_str(&text[at..range.start]);
                clean.push_str(instead);
            }
            at = at.max(range.end);
        }
        clean.push_str(&text[at..]);
        clean
    }

    /// Whether the text holds a key or a link that lets somebody in now.
    pub fn is_live_in(&self, text: &str) -> bool {
        !self.live_links(text).is_empty() || !self.live_keys(text).is_empty()
    }

    /// Whether a mail does, in any of its parts and of the mails in it.
    pub fn is_live_in_mail(&self, raw: &[u8]) -> bool {
        let mail = mail_parser::MessageParser::default().parse(raw);
        self.is_live_in(&String::from_utf8_lossy(raw)) || mail.is_some_and(|mail| self.is_live_in_parts(&mail))
    }

    fn is_live_in_parts(&self, mail: &Message<'_>) -> bool {
        self.is_live_in(mail.subject().unwrap_or_default())
            || mail.parts.iter().any(|part| match &part.body {
                PartType::Text(text) | PartType::Html(text) => self.is_live_in(text),
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                    self.is_live_in(&String::from_utf8_lossy(bytes))
                }
                PartType::Message(inner) => self.is_live_in_parts(inner),
                PartType::Multipart(_) => false,
            })
    }

    fn live_links(&self, text: &str) -> Vec<Range<usize>> {
        if self.links.is_empty() {
            return vec![];
        }
        let letters = joined(text);
        let mut found = Vec::new();
        for run in letters.split(|(_, c)| !is_token(*c)) {
            for chars in TOKEN_CHARS {
                for window in run.windows(chars) {
                    let token: String = window.iter().map(|(_, c)| *c).collect();
                    if self.links.contains(&secret::hash(&token)) {
                        found.push(span(window));
                    }
                }
            }
        }
        found
    }

    fn live_keys(&self, text: &str) -> Vec<Range<usize>> {
        if self.keys.is_empty() {
            return vec![];
        }
        let mut found = Vec::new();
        for run in digit_runs(text) {
            for digits in KEY_DIGITS {
                for window in run.windows(digits) {
                    let key: String = window.iter().map(|(_, c)| *c).collect();
                    if self.keys.contains(&secret::hash_key(&self.pepper, &key)) {
                        found.push(span(window));
                    }
                }
            }
        }
        found
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn span(window: &[(usize, char)]) -> Range<usize> {
    match (window.first(), window.last()) {
        (Some((start, _)), Some((end, last))) => *start..end + last.len_utf8(),
        _ => 0..0,
    }
}

/// The characters with their places, without line breaks and what mail programs put behind them when they quote.
fn joined(text: &str) -> Vec<(usize, char)> {
    let mut at_start = false;
    let kept = text.char_indices().filter(|(_, c)| {
        let breaks = matches!(c, '\n' | '\r') || (at_start && matches!(c, '>' | ' ' | '\t'));
        at_start = breaks;
        !breaks
    });
    kept.collect()
}

/// Links to sessions by their form, live or not, from their beginning on.
fn links_by_form(text: &str) -> Vec<Range<usize>> {
    let letters = joined(text);
    let is_at = |at: usize, marker: &str| {
        let here = letters[at..].iter().map(|(_, c)| c.to_ascii_lowercase());
        here.take(marker.len()).eq(marker.chars())
    };
    let part = |c: char| is_token(c) || matches!(c, '=' | '%' | '&' | ';');
    let mut found = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let Some(marker) = MARKERS.iter().find(|m| is_at(at, m)) else {
            at += 1;
            continue;
        };
        let secret = at + marker.len();
        // What goes on in the next line is found by its hash, where it is live.
        let ends = |n: &usize| !part(letters[*n].1) || letters[*n].0 != letters[*n - 1].0 + 1;
        let end = (secret..letters.len()).find(ends).unwrap_or(letters.len());
        if end > secret {
            // An address begins after a blank, a bracket or a quotation mark, or where its line does.
            let outside = |(n, (place, c)): &(usize, &(usize, char))| {
                c.is_whitespace()
                    || matches!(c, '<' | '>' | '(' | '[' | '"' | '\'' | '“' | '„' | '«')
                    || letters.get(n + 1).is_some_and(|(next, _)| *next != place + c.len_utf8())
            };
            let before = letters[..at].iter().enumerate().rev().find(outside).map_or(0, |(n, _)| n + 1);
            found.push(span(&letters[before..end]));
        }
        at = end.max(at + 1);
    }
    found
}

/// Digits that may belong to one key, however they are grouped.
fn digit_runs(text: &str) -> Vec<Vec<(usize, char)>> {
    let (mut runs, mut run, mut between) = (Vec::new(), Vec::new(), 0);
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            run.push((at, c));
            between = 0;
        } else {
            between += 1;
            if c.is_alphanumeric() || between > MOST_BETWEEN {
                runs.push(std::mem::take(&mut run));
            }
        }
    }
    runs.push(run);
    runs.retain(|run| run.len() >= KEY_DIGITS[1]);
    runs
}

/// What the author of a mail still needs of it, encrypted with the vault's key.
pub fn seal(app: &Shared, text: &str) -> anyhow::Result<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut sealed = app.vault.create(Vec::new())?;
    std::io::Write::write_all(&mut sealed, text.as_bytes())?;
    Ok(STANDARD.encode(sealed.finish()?))
}

/// What [`seal`] has encrypted.
pub fn open(app: &Shared, sealed: &str) -> anyhow::Result<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut text = String::new();
    std::io::Read::read_to_string(&mut app.vault.read(&STANDARD.decode(sealed)?[..])?, &mut text)?;
    Ok(text)
}

/// Takes links and keys out of what was stored before this was done at once, and forgets sealed mails whose links are dead.
pub async fn scrub(app: &Shared) -> anyhow::Result<()> {
    let redactor = Redactor::load(app).await?;
    let since = stored_time(app::now()) - OLDEST_MS;
    let organisation = app.settings().organisation;
    let mut cleaned = false;
    for row in mail_row::Entity::find().filter(mail_row::Column::At.gt(since)).all(&app.db).await? {
        let (subject, text) = (redactor.clean(&row.subject), redactor.clean(&row.text));
        if subject == row.subject && text == row.text {
            continue;
        }
        let html = Set(mail::html(&text, &organisation));
        let row = mail_row::ActiveModel { subject: Set(subject), text: Set(text), html, ..row.into() };
        row.update(&app.db).await?;
        cleaned = true;
    }
    for row in journal::Entity::find().filter(journal::Column::At.gt(since)).all(&app.db).await? {
        let text = redactor.clean(&row.text);
        if text != row.text {
            journal::ActiveModel { text: Set(text), ..row.into() }.update(&app.db).await?;
            cleaned = true;
        }
    }
    for row in letter::Entity::find().filter(letter::Column::At.gt(since)).all(&app.db).await? {
        let clean = [&row.subject, &row.text, &row.quoted].map(|t| redactor.clean(t));
        if clean.iter().ne([&row.subject, &row.text, &row.quoted]) {
            let [subject, text, quoted] = clean.map(Set);
            letter::ActiveModel { subject, text, quoted, ..row.into() }.update(&app.db).await?;
            cleaned = true;
        }
    }
    for row in incident::Entity::find().filter(incident::Column::Updated.gt(since)).all(&app.db).await? {
        let clean = [&row.subject, &row.description].map(|t| redactor.clean(t));
        if clean.iter().ne([&row.subject, &row.description]) {
            let [subject, description] = clean.map(Set);
            incident::ActiveModel { subject, description, ..row.into() }.update(&app.db).await?;
            cleaned = true;
        }
    }
    if cleaned {
        // The log beside the database still has what was.
        app.db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    forget_dead(app).await
}

/// Forgets what was kept of mails whose links and keys are all dead.
pub async fn forget_dead(app: &Shared) -> anyhow::Result<()> {
    let kept = mail_row::Entity::find().filter(mail_row::Column::Sealed.ne("")).all(&app.db).await?;
    if kept.is_empty() {
        return Ok(());
    }
    let redactor = Redactor::load(app).await?;
    for row in kept {
        // What cannot be opened is of no more use to anybody.
        if !open(app, &row.sealed).is_ok_and(|text| redactor.is_live_in(&text)) {
            forget(app, row.id).await?;
        }
    }
    Ok(())
}

/// Forgets what was kept of a mail for its author.
pub async fn forget(app: &Shared, mail: i32) -> Result<(), DbErr> {
    let rows = mail_row::Entity::update_many().filter(mail_row::Column::Id.eq(mail));
    rows.col_expr(mail_row::Column::Sealed, Expr::value("")).exec(&app.db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "AbCdEfGhIjKlMnOpQrStUv-_";

    fn redactor() -> Redactor {
        let pepper = vec![7; 32];
        let keys = ["123456789", "7654321"].map(|key| secret::hash_key(&pepper, key)).into();
        Redactor { pepper, keys, links: HashSet::from([secret::hash(TOKEN)]) }
    }

    #[test]
    fn links_and_keys_are_taken_out_however_they_are_written() {
        let url = "https://help.example.org";
        for (text, expected) in [
            (format!("Open {url}/join#{TOKEN} now."), "Open [link removed] now."),
            (format!("<{url}/join#{TOKEN}>"), "<[link removed]>"),
            (format!("({url}/expert#{TOKEN})"), "([link removed])"),
            (format!("a\n{url}/?ak=0123456789abcdef0123456789abcdef\nb"), "a\n[link removed]\nb"),
            (format!("{url}/join#key=7654321"), "[link removed]"),
            (format!("{url}/join%23{TOKEN}"), "[link removed]"),
            (format!("{url}/api/start_session?short_key=7654321"), "[link removed]"),
            (format!("{url}/session_download?lsid=l%3Dabc%3Bh%3Ddef&dl_action=chat"), "[link removed]"),
            // A dead link is still a link.
            (format!("{url}/join#abc"), "[link removed]"),
            (format!("> {url}/join#AbCdEfGh\n> IjKlMnOpQrStUv-_ and"), "> [link removed] and"),
            (format!("> {url}/join#\n>> {TOKEN}"), "> https://help.example.org/join#\n>> [link removed]"),
            (format!("Open {url}/join#{TOKEN}\nor call."), "Open [link removed]\nor call."),
            (TOKEN.to_owned(), "[link removed]"),
            (format!("_{TOKEN}_"), "_[link removed]_"),
            ("The key is 123 456 789.".into(), "The key is [key removed]."),
            ("123-456-789, 123.456.789, 123\u{a0}456\u{202f}789".into(), "[key removed], [key removed], [key removed]"),
            ("123\n> 456\n> 789".into(), "[key removed]"),
            ("Call 0049 123456789 or 765 43 21".into(), "Call 0049 [key removed] or [key removed]"),
            ("1 2 3 4 5 6 7 8 9".into(), "[key removed]"),
            // Nothing of these lets anybody in.
            ("Call 987 600 321, or write to /join us# at https://a.example/x#y".into(), ""),
            ("INC-1001, 2026-11-29 22:15:07, 12345678".into(), ""),
            (String::new(), ""),
        ] {
            let expected = if expected.is_empty() { text.as_str() } else { expected };
            assert_eq!(redactor().clean(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_mail_is_searched_in_every_part() {
        let plain = |kind: &str, coding: &str, body: &str| {
            format!(
                "From: a@b.example\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n{body}\r\n"
            )
        };
        use base64::{Engine, engine::general_purpose::STANDARD};
        let coded = STANDARD.encode(format!("see /join#{TOKEN}"));
        let inner = plain("text/plain", "base64", &coded);
        let multipart = format!(
            "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--x--\r\n"
        );
        for live in [
            plain("text/plain", "7bit", &format!("/join#{TOKEN}")),
            plain("text/html", "base64", &coded),
            plain("application/pdf", "base64", &coded),
            plain("text/plain", "quoted-printable", "the key: 123=20456=\r\n 789"),
            multipart,
        ] {
            assert!(redactor().is_live_in_mail(live.as_bytes()), "{live}");
        }
        let dead = plain("text/plain", "7bit", "/join#AAAAAAAAAAAAAAAAAAAAAAAA 111 222 333");
        assert!(!redactor().is_live_in_mail(dead.as_bytes()));
    }

    /// A server with an incident, a technician who is signed in, and a session whose key and link are live.
    async fn server(name: &str) -> (Shared, std::path::PathBuf, crate::desk::intake::Keys) {
        use crate::{access_scope::walk, desk::intake, store::tables::*};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = walk::folder(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let app = crate::serve::open(walk::config(folder.clone())).await.unwrap();
        let ada = crate::desk::Ticket { customer: "Ada".into(), email: "ada@b.example".into(), ..Default::default() };
        let about = intake::mirror(&app, "", "", &ada).await.unwrap();
        let tom = protocol::UserRef { id: 1, name: "Tom".into() };
        let live = intake::session(&app, &about, tom.clone(), None).await.unwrap();
        let by = session::Actor::Technician(tom);
        let keys = intake::keys(&app, &live, &by, None, intake::Form::Ours).await.unwrap();
        let user = user::ActiveModel {
            id: Set(1),
            login: Set("tom".into()),
            name: Set("Tom".into()),
            email: Set("t@a.example".into()),
            team: Set(String::new()),
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
    async fn what_was_stored_in_clear_is_cleaned_at_the_start() {
        let (app, folder, keys) = server("redaction-old").await;
        let grouped = mail::grouped(&keys.key);
        let words = format!("Open {}/join#{} or type {grouped}.", app.config.public_url, keys.token);
        let text = |text: &str| Set(text.to_owned());
        let now = stored_time(app::now());
        let old = mail_row::ActiveModel {
            incident: Set(1),
            at: Set(now),
            sender: text("a@b.example"),
            recipient: text("ada@b.example"),
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
        let about = incident::ActiveModel { id: Set(1), description: text(&words), ..Default::default() };
        about.update(&app.db).await.unwrap();
        scrub(&app).await.unwrap();
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
    async fn a_mail_that_quotes_a_live_invitation_is_shown_without_it() {
        use axum::{body::Body, http::Request};
        use tower::ServiceExt;
        let (app, folder, keys) = server("redaction-letter").await;
        let (grouped, url) = (mail::grouped(&keys.key), &app.config.public_url);
        let raw = format!(
            "From: Ada <ada@b.example>\r\nTo: help@a.example\r\nSubject: Re: your key {grouped}\r\nMessage-ID: <1@b>\r\n\r\n\
             It does not work.\r\n\r\nTom wrote:\r\n> Open {url}/join#{}\r\n> or type {grouped}.\r\n",
            keys.token
        );
        let rules = crate::mailbox::Mailbox::default();
        crate::mailbox::file(&app, &rules, raw.as_bytes(), false, app::now()).await.unwrap();
        let kept = letter::Entity::find().one(&app.db).await.unwrap().unwrap();
        let entry = journal::Entity::find().filter(journal::Column::Kind.eq("letter"));
        let entry = entry.one(&app.db).await.unwrap().unwrap();
        for shown in [&kept.subject, &kept.text, &kept.quoted, &entry.text] {
            assert!(!shown.contains(&keys.token) && !shown.contains(&grouped), "{shown}");
        }
        assert!(kept.text.contains("It does not work.") && kept.quoted.contains("[link removed]"), "{kept:?}");
        let router = crate::api::router(app.clone());
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
        assert_eq!(ask(original, "deskside=cookie", String::new()).await, 200, "it is dead");
        let _ = std::fs::remove_dir_all(&folder);
    }

    proptest! {
        /// Whatever stands around it, nothing live stays, and what is clean is not changed again.
        #[test]
        fn nothing_live_is_left(before in "\\PC{0,40}", after in "\\PC{0,40}", key in any::<bool>(), wide in 0usize..4) {
            let secret = if key { "123 456 789".replace(' ', &" ".repeat(wide)) } else { TOKEN.to_owned() };
            let clean = redactor().clean(&format!("{before}{secret}{after}"));
            prop_assert!(!redactor().is_live_in(&clean), "{}", clean);
            prop_assert_eq!(redactor().clean(&clean), clean.clone());
        }
    }
}
