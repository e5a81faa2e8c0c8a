//! Who wrote a mail.
//!
//! A person's `From` is the writer, always. Where `From` is nobody who reads answers (a form of a web site, a scanner, a
//! notification) the first whole address of `Reply-To` is the writer, and the mail says by whom it came. `Reply-To` is
//! a claim that no mail server checks: it names a customer for a new incident, and never opens one that exists.

use mail_parser::{Address, Message};
use platform::text::{address, address::Unusable, line};

/// Who wrote a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    pub name: String,
    pub address: String,
    /// The sender that passed it on, when the writer is only named by `Reply-To`.
    pub via: Option<String>,
}

/// Who wrote it. `own` are addresses of the desk itself, from which forms are sent.
pub fn of(mail: &Message<'_>, own: &[&str]) -> Result<Writer, Unusable> {
    let from = first(mail.from()).unwrap_or(Err(Unusable::NoAddress))?;
    if !is_nobodys(&from.address) && !own.iter().any(|own| own.eq_ignore_ascii_case(&from.address)) {
        return Ok(from);
    }
    match first(mail.reply_to()) {
        Some(Ok(person)) if !is_nobodys(&person.address) && !person.address.eq_ignore_ascii_case(&from.address) => {
            Ok(Writer { via: Some(from.address), ..person })
        }
        Some(Ok(_) | Err(_)) | None => Ok(from),
    }
}

/// The first address of a header; `None` where there is none at all.
fn first(header: Option<&Address<'_>>) -> Option<Result<Writer, Unusable>> {
    let first = header.and_then(Address::first)?;
    let address = match address::whole(first.address().unwrap_or_default()) {
        Ok(address) => address.to_owned(),
        Err(why) => return Some(Err(why)),
    };
    let name = line(first.name().unwrap_or_default(), protocol::MAX_NAME_CHARS);
    let name = match name.is_empty() {
        true => line(address.split('@').next().unwrap_or_default(), protocol::MAX_NAME_CHARS),
        false => name,
    };
    Some(Ok(Writer { name, address, via: None }))
}

/// What the name before the @ of an address says when nobody reads what is sent there.
const NOBODYS: [&str; 12] = [
    "noreply",
    "noreplies",
    "donotreply",
    "dontreply",
    "noanswer",
    "nepasrepondre",
    "keineantwort",
    "nichtantworten",
    "wordpress",
    "wwwdata",
    "apache",
    "nobody",
];
/// These are nobody's only as a whole word of it.
const WORDS: [&str; 8] = ["form", "forms", "webform", "notification", "notifications", "scanner", "website", "robot"];

/// Whether an address is nobody's who reads answers.
fn is_nobodys(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local).to_ascii_lowercase();
    let letters: String = local.chars().filter(|c| !"-_. ".contains(*c)).collect();
    let mut words = local.split(|c: char| !c.is_alphanumeric());
    NOBODYS.iter().any(|name| letters.contains(name)) || words.any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn who(headers: &str) -> Result<(String, Option<String>), Unusable> {
        let raw = format!("{headers}\r\nSubject: x\r\n\r\ny");
        let mail = MessageParser::default().parse(&raw).unwrap();
        of(&mail, &["help@northwind.example"]).map(|w| (w.address, w.via))
    }

    #[test]
    fn a_person_is_the_writer() {
        let table = [
            (
                "From: Website <noreply@northwind.example>\r\nReply-To: Pat <pat@guest.example>",
                "pat@guest.example",
                Some("noreply@northwind.example"),
            ),
            (
                "From: no-reply+7@x.example\r\nReply-To: pat@guest.example",
                "pat@guest.example",
                Some("no-reply+7@x.example"),
            ),
            (
                "From: Do.Not_Reply@x.example\r\nReply-To: pat@guest.example",
                "pat@guest.example",
                Some("Do.Not_Reply@x.example"),
            ),
            (
                "From: contact-form@x.example\r\nReply-To: pat@guest.example, b@guest.example",
                "pat@guest.example",
                Some("contact-form@x.example"),
            ),
            (
                "From: help@northwind.example\r\nReply-To: pat@guest.example",
                "pat@guest.example",
                Some("help@northwind.example"),
            ),
            // A person who wants answers elsewhere is still that person.
            ("From: kim@customer.example\r\nReply-To: pat@guest.example", "kim@customer.example", None),
            ("From: informant@x.example\r\nReply-To: pat@guest.example", "informant@x.example", None),
            ("From: noreply@x.example", "noreply@x.example", None),
            ("From: noreply@x.example\r\nReply-To: not an address", "noreply@x.example", None),
            ("From: noreply@x.example\r\nReply-To: donotreply@x.example", "noreply@x.example", None),
        ];
        for (headers, address, via) in table {
            assert_eq!(who(headers), Ok((address.to_owned(), via.map(str::to_owned))), "{headers}");
        }
    }

    #[test]
    fn an_address_is_never_cut() {
        let long = |n: usize| format!("From: {}@b.example", "a".repeat(n - 10));
        assert_eq!(who(&long(254)).unwrap().0.len(), 254);
        assert_eq!(who(&long(255)), Err(Unusable::TooLong));
        assert_eq!(who("From: not an address"), Err(Unusable::NoAddress));
        assert_eq!(who("To: x@y.example"), Err(Unusable::NoAddress));
    }
}
