//! Removes live links and keys from texts before they are stored, so that whoever reads a mail, a journal or the data
//! folder cannot join as the customer. Links are recognised by their form and keys by their hashes, in every reading of
//! a text that its readers could have.

mod find;
mod forms;

use std::{collections::HashSet, ops::Range};

use mail_parser::{Message, PartType};
use platform::secret;

use forms::Letter;

/// What replaces a link.
const LINK: &str = "[link removed]";
/// What replaces a key.
const KEY: &str = "[key removed]";
/// How often a text is cleaned at most: what is left after a removal could form a link again.
const ROUNDS: usize = 4;
/// A long text is searched in pieces of this many bytes.
const PIECE: usize = 256 * 1_024;
/// By how many bytes the pieces overlap: more than the length of any link or key.
const OVERLAP: usize = 16 * 1_024;

/// Finds live links and keys.
pub struct Redactor {
    pepper: Vec<u8>,
    /// The hashes of live keys and links.
    keys: HashSet<String>,
    links: HashSet<String>,
}

impl Redactor {
    /// Finds links to any session, and the keys and links with these hashes.
    pub fn new(pepper: &[u8], keys: HashSet<String>, links: HashSet<String>) -> Self {
        Self { pepper: pepper.to_vec(), keys, links }
    }

    /// Removes links to sessions and live keys.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for _ in 0..ROUNDS {
            let found = self.found(&clean);
            if found.is_empty() {
                break;
            }
            clean = without(&clean, found);
        }
        clean
    }

    /// What to remove, in the order of the text.
    fn found(&self, text: &str) -> Vec<(Range<usize>, &'static str)> {
        let mut found = Vec::new();
        for reading in forms::readings(text) {
            let links = find::links(&reading).into_iter().chain(self.live_links(&reading));
            found.extend(links.map(|place| (place, LINK)));
            found.extend(self.live_keys(&reading).into_iter().map(|place| (place, KEY)));
        }
        found.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
        found
    }

    /// Whether the text contains a live key or link.
    pub fn is_live_in(&self, text: &str) -> bool {
        let is_live =
            |reading: &Vec<Letter>| !self.live_links(reading).is_empty() || !self.live_keys(reading).is_empty();
        let nothing_is = self.links.is_empty() && self.keys.is_empty();
        !nothing_is && pieces(text).any(|piece| forms::readings(piece).iter().any(is_live))
    }

    /// Whether a mail contains a live key or link in any of its parts, including attached mails.
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

    fn live_links(&self, reading: &[Letter]) -> Vec<Range<usize>> {
        if self.links.is_empty() {
            return vec![];
        }
        find::tokens(reading, |token| self.links.contains(&secret::hash(token)))
    }

    fn live_keys(&self, reading: &[Letter]) -> Vec<Range<usize>> {
        if self.keys.is_empty() {
            return vec![];
        }
        find::keys(reading, |key| self.keys.contains(&secret::hash_key(&self.pepper, key)))
    }
}

/// Replaces what was found, once where ranges overlap.
fn without(text: &str, found: Vec<(Range<usize>, &str)>) -> String {
    let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
    for (place, instead) in found {
        if place.start >= at {
            clean.push_str(&text[at..place.start]);
            clean.push_str(instead);
        }
        at = at.max(place.end);
    }
    clean.push_str(&text[at..]);
    clean
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let starts = (0..text.len()).step_by(PIECE - OVERLAP);
    starts.map(|start| &text[text.floor_char_boundary(start)..text.floor_char_boundary(start + PIECE)])
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
    fn links_and_keys_are_removed_however_they_are_written() {
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
            // None of these is a link or a live key.
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

    /// The forms in which a link or a key may arrive.
    #[derive(Clone, Copy, Debug)]
    enum Form {
        AsItIs,
        Percent,
        Decimal,
        Hexadecimal,
        SoftHyphens,
        ZeroWidth,
        Quoted,
        QuotedByBars,
        Wrapped,
        SoftBreaks,
        QuotedPrintable,
        Wide,
        FullWidth,
        Tags,
    }

    const FORMS: [Form; 14] = [
        Form::AsItIs,
        Form::Percent,
        Form::Decimal,
        Form::Hexadecimal,
        Form::SoftHyphens,
        Form::ZeroWidth,
        Form::Quoted,
        Form::QuotedByBars,
        Form::Wrapped,
        Form::SoftBreaks,
        Form::QuotedPrintable,
        Form::Wide,
        Form::FullWidth,
        Form::Tags,
    ];

    /// A secret in a form; every `every`th of its characters is changed.
    fn written(secret: &str, form: Form, every: usize) -> String {
        let at = |n: usize| n.is_multiple_of(every) && n > 0;
        let between = |what: &str| -> String {
            secret.chars().enumerate().map(|(n, c)| if at(n) { format!("{what}{c}") } else { c.to_string() }).collect()
        };
        let escaped = |escape: &dyn Fn(u32) -> String| -> String {
            let one = |(n, c): (usize, char)| if at(n) { escape(u32::from(c)) } else { c.to_string() };
            secret.chars().enumerate().map(one).collect()
        };
        let is_key = secret.bytes().all(|b| b.is_ascii_digit());
        match form {
            Form::AsItIs => secret.to_owned(),
            Form::Percent => escaped(&|c| format!("%{c:02X}")),
            Form::Decimal => escaped(&|c| format!("&#{c};")),
            Form::Hexadecimal => escaped(&|c| format!("&#x{c:x};")),
            Form::SoftHyphens => between("\u{ad}"),
            Form::ZeroWidth => between("\u{200b}"),
            Form::Quoted => between("\r\n> "),
            Form::QuotedByBars => between("\n| > "),
            Form::Wrapped => between(" \n"),
            Form::SoftBreaks => between("=\r\n"),
            Form::QuotedPrintable => escaped(&|c| format!("={c:02X}")),
            Form::Wide if is_key => between("   \t  \u{a0}  –  "),
            Form::FullWidth if is_key => {
                secret.bytes().map(|b| char::from_u32(0xff10 + u32::from(b - b'0')).unwrap()).collect()
            }
            Form::Wide | Form::FullWidth => secret.to_owned(),
            Form::Tags => between("<b class=x>"),
        }
    }

    #[test]
    fn links_and_keys_are_removed_in_every_form() {
        for form in FORMS {
            for secret in [TOKEN, "123456789", "7654321"] {
                for every in 1..5 {
                    let text = format!("before: {} (after)", written(secret, form, every));
                    let clean = redactor().clean(&text);
                    assert!(redactor().is_live_in(&text), "{form:?}: {text}");
                    let removed = if secret == TOKEN { LINK } else { KEY };
                    assert_eq!(clean, format!("before: {removed} (after)"), "{form:?}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_link_at_the_seam_of_two_pieces_is_whole_in_one() {
        for filler in [".", "ä"] {
            for at in (PIECE - OVERLAP - 60..PIECE - OVERLAP + 10).chain(PIECE - 60..PIECE + 10) {
                let text = format!("{}{TOKEN}{}", filler.repeat(at / filler.len()), filler.repeat(PIECE));
                assert!(pieces(&text).any(|piece| piece.contains(TOKEN)), "{filler} {at}");
            }
        }
        assert_eq!(pieces("").count() + pieces("short").count(), 1);
    }

    proptest! {
        /// In any form and context, nothing live is left, and cleaning again changes nothing.
        #[test]
        fn nothing_live_is_left(
            before in "(\\PC|[&%=<>;#0-9\r\n ]){0,40}", after in "(\\PC|[&%=<>;#0-9\r\n ]){0,40}",
            secret in prop::sample::select(vec![TOKEN, "123456789", "7654321"]),
            form in prop::sample::select(FORMS.to_vec()), every in 1usize..6,
        ) {
            let text = format!("{before} {} {after}", written(secret, form, every));
            let clean = redactor().clean(&text);
            prop_assert!(!redactor().is_live_in(&clean), "{}", clean);
            prop_assert_eq!(redactor().clean(&clean), clean.clone());
            prop_assert!(clean.contains("removed]"), "{}", clean);
        }

        /// Numbers that are no live keys are left alone, however they are grouped.
        #[test]
        fn ordinary_numbers_are_left_alone(numbers in prop::collection::vec("[0-9]{1,4}", 1..12), between in "[ /.+()-]{1,3}") {
            let text = format!("Serial {} end", numbers.join(&between));
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            prop_assume!(!digits.contains("123456789") && !digits.contains("7654321"));
            prop_assert_eq!(redactor().clean(&text), text);
        }
    }
}
