//! Finds the writer of a mail.
//!
//! A person in `From` is always the writer. If nobody reads replies to `From` (a web form, a scanner, a notification),
//! the first valid address in `Reply-To` is the writer, and the mail says by whom it was sent. No mail server verifies
//! `Reply-To`, so such a mail can only create an incident, never update one.

use mail_parser::{Address, Message};
use platform::text::{address, address::Unusable, line};

/// The writer of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    pub name: String,
    pub address: String,
    /// The address in `From`, if the writer is only named by `Reply-To`.
    pub via: Option<String>,
}

/// The writer. `own` are addresses of the desk itself, from which web forms may be sent.
pub fn of(mail: &Message<'_>, own: &[&str]) -> Result<Writer, Unusable> {
    let from = first(mail.from()).unwrap_or(Err(Unusable::NoAddress))?;
    if !is_unattended(&from.address) && !own.iter().any(|own| own.eq_ignore_ascii_case(&from.address)) {
        return Ok(from);
    }
    match first(mail.reply_to()) {
        Some(Ok(person)) if !is_unattended(&person.address) && !person.address.eq_ignore_ascii_case(&from.address) => {
            Ok(Writer { via: Some(from.address), ..person })
        }
        Some(Ok(_) | Err(_)) | None => Ok(from),
    }
}

/// The first address of a header; `None` if the header is missing or empty.
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

/// Parts of a mail address's local part that show that nobody reads replies.
const UNATTENDED: [&str; 12] = [
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
/// Likewise, but only as whole words.
const UNATTENDED_WORDS: [&str; 8] =
    ["form", "forms", "webform", "notification", "notifications", "scanner", "website", "robot"];

/// Whether nobody reads replies to this address.
fn is_unattended(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local).to_ascii_lowercase();
    let letters: String = local.chars().filter(|c| !"-_. ".contains(*c)).collect();
    let mut words = local.split(|c: char| !c.is_alphanumeric());
    UNATTENDED.iter().any(|name| letters.contains(name)) || words.any(|word| UNATTENDED_WORDS.contains(&word))
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
    fn the_writer_is_a_person() {
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
            // A person who wants replies elsewhere is still the writer.
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
    fn addresses_are_never_truncated() {
        let long = |n: usize| format!("From: {}@b.example", "a".repeat(n - 10));
        assert_eq!(who(&long(254)).unwrap().0.len(), 254);
        assert_eq!(who(&long(255)), Err(Unusable::TooLong));
        assert_eq!(who("From: not an address"), Err(Unusable::NoAddress));
        assert_eq!(who("To: x@y.example"), Err(Unusable::NoAddress));
    }
}
