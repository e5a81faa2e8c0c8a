//! Parses a received mail (RFC 5322, MIME): its text, the mails to which it replies, and whether a person wrote it.

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use platform::{
    secret,
    text::{address::Unusable, line, shortened},
};
use sha2::{Digest, Sha256};

use super::{encoded_words, html_text, routing, writer};

/// The longest text that is stored, in bytes. All of it is in the original.
const MOST_TEXT: usize = 20_000;
/// Most attachments that are listed.
const MOST_ATTACHMENTS: usize = 50;
/// Most parents that are looked up.
const MOST_PARENTS: usize = 50;
/// The longest Message-ID that is stored as it is. A longer one is replaced by its hash, which keeps it unique.
const MOST_ID: usize = 300;
/// The longest subject that is stored.
const MOST_SUBJECT: usize = 200;

/// A received mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncomingMail {
    /// Its Message-ID without brackets; a hash of the mail if it has none.
    pub id: String,
    /// The mails to which it replies, the nearest first.
    pub parents: Vec<String>,
    pub name: String,
    pub address: String,
    /// The address in `From`, if its writer is only named by `Reply-To`.
    pub via: Option<String>,
    pub subject: String,
    /// The incident whose number is in the subject.
    pub number: Option<i32>,
    /// What its writer wrote.
    pub text: String,
    /// What is quoted below.
    pub quoted: String,
    pub attachments: Vec<Attachment>,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    pub kind: String,
    pub content: Vec<u8>,
}

/// Why a mail is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    Nobody,
    LongAddress,
    Automatic,
    Bounce,
    List,
    Own,
    TooMany,
}

impl Rejected {
    /// The reason in words, as the console shows it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nobody => "it has no sender",
            Self::LongAddress => "its sender's address is longer than the 254 characters that mail allows",
            Self::Automatic => "it was sent automatically, like an out-of-office reply",
            Self::Bounce => "it reports that a mail could not be delivered",
            Self::List => "it was sent to a mailing list",
            Self::Own => "Deskside sent it",
            Self::TooMany => "too many mails came from this address within an hour",
        }
    }
}

/// Parses a mail; `None` if it is invalid. `own` are addresses of the desk.
pub fn read(raw: &[u8], own: &[&str]) -> Option<IncomingMail> {
    let joined = encoded_words::joined(raw);
    let mail = MessageParser::default().parse(&*joined)?;
    let writer = writer::of(&mail, own).unwrap_or_default();
    let (text, quoted) = split(&clean(&body_text(&mail)));
    let subject = mail.subject().unwrap_or_default();
    Some(IncomingMail {
        id: mail
            .message_id()
            .map(stored_id)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| secret::hex(&Sha256::digest(raw))),
        parents: parents(&mail),
        name: writer.name,
        address: writer.address,
        via: writer.via,
        subject: shortened(subject, MOST_SUBJECT),
        number: routing::named(subject),
        text: cut(text),
        quoted: cut(quoted),
        attachments: mail.attachments().take(MOST_ATTACHMENTS).enumerate().map(attachment).collect(),
    })
}

/// The text of all parts in order: mail programs put pictures between text parts.
fn body_text(mail: &Message<'_>) -> String {
    let part = |id: &u32| match &mail.parts.get(*id as usize)?.body {
        PartType::Text(text) => Some(text.replace("\r\n", "\n")),
        PartType::Html(html) => Some(html_text::text(html)),
        PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Message(_) | PartType::Multipart(_) => None,
    };
    let all = |ids: &[u32]| {
        let texts = ids.iter().filter_map(part).map(|t| t.trim_matches('\n').to_owned());
        texts.filter(|t| !t.trim().is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    // Some programs send an empty text part along with the HTML.
    Some(all(&mail.text_body)).filter(|text| !text.is_empty()).unwrap_or_else(|| all(&mail.html_body))
}

/// Why a mail must be rejected according to its own headers (RFC 3834, RFC 2919, RFC 3464).
pub fn rejection(raw: &[u8]) -> Option<Rejected> {
    let Some(mail) = MessageParser::default().parse_headers(raw) else { return Some(Rejected::Nobody) };
    let says = |header: &str| mail.header_raw(header).map(|v| v.trim().to_ascii_lowercase());
    let report = mail.content_type().is_some_and(|t| t.ctype() == "multipart" && t.subtype() == Some("report"));
    let bounce = report || says("Return-Path").is_some_and(|path| path == "<>");
    let automatic = says("Auto-Submitted").is_some_and(|how| how != "no")
        || says("X-Autoreply").is_some()
        || says("X-Autorespond").is_some()
        || says("Precedence").is_some_and(|how| matches!(how.as_str(), "bulk" | "junk" | "auto_reply"));
    let list = says("List-Id").is_some() || says("Precedence").is_some_and(|how| how == "list");
    let from = match writer::of(&mail, &[]) {
        Ok(writer) => writer.via.unwrap_or(writer.address),
        Err(Unusable::NoAddress) => return Some(Rejected::Nobody),
        Err(Unusable::TooLong) => return Some(Rejected::LongAddress),
    };
    match from {
        from if bounce || from.to_ascii_lowercase().starts_with("mailer-daemon@") => Some(Rejected::Bounce),
        _ if automatic => Some(Rejected::Automatic),
        _ if list => Some(Rejected::List),
        _ => None,
    }
}

/// The mails to which it replies: In-Reply-To, then References from the last to the first.
fn parents(mail: &Message<'_>) -> Vec<String> {
    let ids = |value: &HeaderValue<'_>| -> Vec<String> {
        match value {
            HeaderValue::Text(one) => vec![stored_id(one)],
            HeaderValue::TextList(many) => many.iter().rev().map(|id| stored_id(id)).collect(),
            _ => Vec::new(),
        }
    };
    let mut all = ids(mail.in_reply_to());
    for id in ids(mail.references()) {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all.truncate(MOST_PARENTS);
    all
}

fn attachment((n, part): (usize, &mail_parser::MessagePart<'_>)) -> Attachment {
    let kind = part.content_type().map_or_else(
        || "application/octet-stream".to_owned(),
        |t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or("octet-stream")),
    );
    // The last component, if the sender's program sent a path.
    let leaf = |name: &str| shortened(name.rsplit(['/', '\\']).next().unwrap_or_default(), 200);
    let named = part.attachment_name().map(leaf).filter(|name| !name.is_empty());
    // An attached mail has no file name.
    let name = named.unwrap_or_else(|| match kind.as_str() {
        "message/rfc822" => format!("mail-{}.eml", n + 1),
        _ => format!("attachment-{}", n + 1),
    });
    Attachment { name, kind, content: part.contents().to_vec() }
}

/// A Message-ID as it is stored and compared.
fn stored_id(id: &str) -> String {
    let id = line(id, usize::MAX);
    if id.len() <= MOST_ID { id } else { secret::hex(&Sha256::digest(id)) }
}

/// Normalises line ends, and removes control characters.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect()
}

fn cut(text: String) -> String {
    match text.char_indices().find(|(at, _)| *at >= MOST_TEXT) {
        Some((at, _)) => format!("{}…\n(The rest is in the original.)", &text[..at]),
        None => text,
    }
}

/// Separators that mail programs put above the quoted mail.
const RULERS: [&str; 4] = [
    "-----original message-----",
    "-----ursprüngliche nachricht-----",
    "________________________________",
    "-- forwarded",
];

/// Splits what somebody wrote from what they quote below. A mail that consists of quotes alone is not split.
fn split(text: &str) -> (String, String) {
    let lines: Vec<&str> = text.lines().collect();
    let quoted = |l: &&str| l.trim().is_empty() || l.trim_start().starts_with('>');
    let ruler = lines.iter().position(|l| RULERS.iter().any(|r| l.trim().to_lowercase().starts_with(r)));
    // The end of the last line that is not quoted, if quotes follow it.
    let own = lines.iter().rposition(|l| !quoted(l)).map_or(0, |n| n + 1);
    let quotes = lines[own..].iter().any(|l| l.trim_start().starts_with('>'));
    let mut from = match (ruler, quotes) {
        (Some(ruler), _) => ruler,
        (None, true) => own,
        (None, false) => lines.len(),
    };
    // “On Monday Ada wrote:” belongs to the quote. It has at most two lines.
    let before: Vec<usize> = (0..from).rev().filter(|n| !lines[*n].trim().is_empty()).take(2).collect();
    if from < lines.len() && before.first().is_some_and(|n| lines[*n].trim_end().ends_with(':')) {
        let begun = |n: &usize| lines[*n].starts_with("On ") || lines[*n].starts_with("Am ");
        from = before.iter().copied().find(begun).unwrap_or(before[0]);
    }
    let (own, rest) = (lines[..from].join("\n"), lines[from..].join("\n"));
    match own.trim().is_empty() {
        true => (text.trim().to_owned(), String::new()),
        false => (own.trim().to_owned(), rest.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &str = "From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <jm@customer.example>\r\nTo: help@northwind.example\r\n\
        Subject: Re: [INC-1007] Drucker\r\nMessage-ID: <b@customer.example>\r\nIn-Reply-To: <a@desk>\r\n\
        References: <old@desk> <a@desk>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nEr geht wieder: danke!\r\n\r\nAm Montag schrieb\r\n\
        Northwind <help@northwind.example>:\r\n> Bitte klicken Sie\r\n> hier.\r\n\r\n--x\r\n\
        Content-Type: text/csv\r\nContent-Disposition: attachment; filename*=utf-8''..%2Fpr%C3%BCf%0A.csv\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nYTtiCg==\r\n--x--\r\n";

    #[test]
    fn a_reply_is_parsed_with_its_attachment() {
        let mail = read(REPLY.as_bytes(), &[]).unwrap();
        assert_eq!(mail.id, "b@customer.example");
        assert_eq!(mail.parents, ["a@desk", "old@desk"]);
        assert_eq!((mail.name.as_str(), mail.address.as_str()), ("Jürgen Müller", "jm@customer.example"));
        assert_eq!(mail.text, "Er geht wieder: danke!");
        assert!(mail.quoted.starts_with("Am Montag schrieb") && mail.quoted.ends_with("> hier."));
        let [file] = mail.attachments.as_slice() else { panic!("{:?}", mail.attachments) };
        assert_eq!(
            (file.name.as_str(), file.kind.as_str(), file.content.as_slice()),
            ("prüf .csv", "text/csv", &b"a;b\n"[..])
        );
        assert_eq!(rejection(REPLY.as_bytes()), None);
    }

    #[test]
    fn only_mails_written_by_people_are_accepted() {
        let with = |header: &str| format!("From: a@b.example\r\n{header}\r\nSubject: x\r\n\r\ny");
        for (header, why) in [
            ("Auto-Submitted: auto-replied", Some(Rejected::Automatic)),
            ("Auto-Submitted: no", None),
            ("Precedence: bulk", Some(Rejected::Automatic)),
            ("X-Autoreply: yes", Some(Rejected::Automatic)),
            ("List-Id: <l.example>", Some(Rejected::List)),
            ("Return-Path: <>", Some(Rejected::Bounce)),
            ("Content-Type: multipart/report; boundary=x", Some(Rejected::Bounce)),
            ("X-Priority: 1", None),
        ] {
            assert_eq!(rejection(with(header).as_bytes()), why, "{header}");
        }
        assert_eq!(rejection(b"From: MAILER-DAEMON@b.example\r\n\r\nx"), Some(Rejected::Bounce));
        assert_eq!(rejection(b"Subject: x\r\n\r\ny"), Some(Rejected::Nobody));
        assert_eq!(rejection(b"From: not an address\r\n\r\ny"), Some(Rejected::Nobody));
    }

    #[test]
    fn quotes_are_split_from_the_text() {
        let is = |text: &str, own: &str, quoted: &str| assert_eq!(split(text), (own.to_owned(), quoted.to_owned()));
        is("Yes.\n\nOn Monday Ada wrote:\n> Is it on?", "Yes.", "On Monday Ada wrote:\n> Is it on?");
        is(
            "Yes.\n-----Original Message-----\nFrom: Ada\nIs it on?",
            "Yes.",
            "-----Original Message-----\nFrom: Ada\nIs it on?",
        );
        is("> Is it on?\nYes.\n> And now?\nNo.", "> Is it on?\nYes.\n> And now?\nNo.", "");
        is("> Is it on?", "> Is it on?", "");
        is("Two things:\n1. paper", "Two things:\n1. paper", "");
        is("", "", "");
    }

    fn case(raw: &[u8]) -> IncomingMail {
        assert_eq!(rejection(raw), None);
        read(raw, &["help@northwind.example"]).unwrap()
    }

    #[test]
    fn mails_of_other_programs_are_read_completely() {
        let apple = case(include_bytes!("../../tests/mails/apple-text-picture-text.eml"));
        assert_eq!(
            apple.text,
            "The error looks like this:\n\nIt comes only on machine PC-4711 after 5 pm. Please call 555-0199."
        );
        assert_eq!(apple.attachments.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["shot.png"]);
        let subject = case(include_bytes!("../../tests/mails/split-subject.eml"));
        assert_eq!(subject.subject, "Der Drucker bei der Behörde streikt");
        let form = case(include_bytes!("../../tests/mails/form-reply-to.eml"));
        assert_eq!((form.name.as_str(), form.address.as_str()), ("Pat Guest", "pat@guest.example"));
        assert_eq!(form.via.as_deref(), Some("noreply@northwind.example"));
        let one = case(include_bytes!("../../tests/mails/long-address-one.eml"));
        let two = case(include_bytes!("../../tests/mails/long-address-two.eml"));
        assert!(one.address.ends_with(".salesmail.one.example") && two.address.ends_with(".salesmail.two.example"));
        let html = case(include_bytes!("../../tests/mails/html-only.eml"));
        for text in ["Hello,\n", "Host | PC-1\nIP | 192.0.2.7\n", "- one\n- two\n", "5 < 7 & 3 € ’x'"] {
            assert!(html.text.contains(text), "{}", html.text);
        }
    }

    #[test]
    fn parts_are_joined_in_order() {
        let part = |kind: &str, body: &str| format!("--B\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
        let mail = |kind: &str, parts: &[String]| {
            let all = parts.concat();
            let raw = format!(
                "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=B\r\n\r\n{all}--B--\r\n"
            );
            read(raw.as_bytes(), &[]).unwrap().text
        };
        let (plain, html) = (part("text/plain", "plain"), part("text/html", "<p>rich</p>"));
        let inner = "multipart/alternative; boundary=C";
        let nested = part(
            inner,
            "--C\r\nContent-Type: text/plain\r\n\r\nplain\r\n--C\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--C--",
        );
        let picture = part("image/png", "x");
        assert_eq!(mail("mixed", &[plain.clone(), picture.clone(), html.clone()]), "plain\n\nrich");
        assert_eq!(mail("mixed", &[html.clone(), picture.clone(), html.clone()]), "rich\n\nrich");
        assert_eq!(mail("alternative", &[plain.clone(), html.clone()]), "plain");
        assert_eq!(mail("alternative", &[part("text/plain", " "), html.clone()]), "rich");
        assert_eq!(mail("related", &[html.clone(), picture.clone()]), "rich");
        assert_eq!(mail("mixed", &[nested, picture, plain]), "plain\n\nplain");
    }

    #[test]
    fn identifiers_are_never_truncated() {
        let with = |id: &str, subject: &str| {
            let raw = format!("From: a@b.example\r\nMessage-ID: <{id}>\r\nSubject: {subject}\r\n\r\nx");
            read(raw.as_bytes(), &[]).unwrap()
        };
        let long = "x".repeat(400);
        let (one, two) = (with(&format!("{long}1@b.example"), ""), with(&format!("{long}2@b.example"), ""));
        assert_ne!(one.id, two.id);
        assert!(one.id.len() <= MOST_ID);
        let answer = format!("From: a@b.example\r\nIn-Reply-To: <{long}1@b.example>\r\n\r\nx");
        assert_eq!(read(answer.as_bytes(), &[]).unwrap().parents, [one.id]);
        assert_eq!(with("a", &format!("{} [INC-1007]", "x ".repeat(150))).number, Some(7));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_handled(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2_000)) {
            let _ = (read(&raw, &[]), rejection(&raw));
        }

        #[test]
        fn any_mail_is_handled(head in "(From: [a-z<>@\" ]{0,30}\r\n|Content-Type: [a-z/;= \"]{0,40}\r\n|[A-Za-z-]{1,12}: .{0,40}\r\n){0,8}", body in "(.|\n|\r\n|--x|> ){0,200}") {
            let raw = format!("{head}\r\n{body}");
            if let Some(mail) = read(raw.as_bytes(), &[]) {
                proptest::prop_assert!(mail.text.len() <= MOST_TEXT + 64 && mail.subject.chars().count() <= 200);
            }
            let _ = rejection(raw.as_bytes());
        }
    }
}
