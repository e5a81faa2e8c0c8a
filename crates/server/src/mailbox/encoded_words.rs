//! Encoded words in headers (RFC 2047). Many programs split them within a character, which the standard forbids. So
//! adjacent words of one charset are joined before they are decoded. Headers in bare 8-bit text become UTF-8.

use std::borrow::Cow;

use base64::{Engine, alphabet, engine};

/// Base64 with or without padding, as found in mails.
const LENIENT: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The longest sequence of words that is joined, in bytes.
const MOST_JOINED: usize = 64 * 1_024;

/// Joins the encoded words in a mail's headers, so that no character is split between two words.
pub fn joined(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let (mut from, mut changed) = (0, false);
    for (start, end) in headers(raw) {
        let header = &raw[start..end];
        let text = match std::str::from_utf8(header) {
            Ok(text) => Cow::Borrowed(text),
            // Bare 8-bit text is most likely Latin-1.
            Err(_) => Cow::Owned(header.iter().map(|b| char::from(*b)).collect()),
        };
        let now = join(&text);
        if now.as_bytes() != header {
            out.extend_from_slice(&raw[from..start]);
            out.extend_from_slice(now.as_bytes());
            (from, changed) = (end, true);
        }
    }
    if !changed {
        return Cow::Borrowed(raw);
    }
    out.extend_from_slice(&raw[from..]);
    Cow::Owned(out)
}

/// The ranges of headers: at the start, and after each possible boundary of a multipart mail.
fn headers(raw: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut begun = Some(0);
    let mut at = 0;
    for line in raw.split_inclusive(|b| *b == b'\n') {
        let end = at + line.len();
        match begun {
            Some(start) if line.trim_ascii().is_empty() => {
                found.push((start, at));
                begun = None;
            }
            // A line like a boundary is followed by a part's header only if that begins with `Content-`.
            None if line.starts_with(b"--") && is_part(&raw[end..]) => begun = Some(end),
            _ => {}
        }
        at = end;
    }
    found.extend(begun.map(|start| (start, raw.len())));
    found
}

fn is_part(rest: &[u8]) -> bool {
    rest.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"))
}

/// An encoded word.
struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
    /// The offset of its end in the text.
    end: usize,
}

/// Joins adjacent words of one charset.
fn join(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut from = 0;
    let mut look = 0;
    while let Some(start) = text[look..].find("=?").map(|n| look + n) {
        let Some(mut word) = word(text, start) else {
            look = start + 2;
            continue;
        };
        let mut count = 1;
        while let Some(next) = next_to(text, word.end).and_then(|at| self::word(text, at)) {
            if !next.charset.eq_ignore_ascii_case(word.charset) || word.bytes.len() > MOST_JOINED {
                break;
            }
            word.bytes.extend(next.bytes);
            (word.end, count) = (next.end, count + 1);
        }
        if count > 1 {
            out.push_str(&text[from..start]);
            out.push_str(&format!("=?{}?B?{}?=", word.charset, LENIENT.encode(&word.bytes)));
            from = word.end;
        }
        look = word.end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// The offset of the next word, if only white space precedes it.
fn next_to(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    rest[blanks..].starts_with("=?").then_some(end + blanks)
}

fn word(text: &str, start: usize) -> Option<Word<'_>> {
    let (charset, rest) = text[start + 2..].split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (data, after) = rest.split_once("?=")?;
    let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic() && b != b'=');
    if !plain(charset) || data.contains(['\n', '\r']) {
        return None;
    }
    // Ignore a language after the charset (RFC 2231, 5).
    let charset = charset.split('*').next()?;
    let bytes = match encoding {
        "B" | "b" => LENIENT.decode(data.trim_end_matches('=')).ok()?,
        "Q" | "q" => quoted(data.as_bytes()),
        _ => return None,
    };
    Some(Word { charset, bytes, end: text.len() - after.len() })
}

fn quoted(data: &[u8]) -> Vec<u8> {
    let hex = |at: usize| data.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut bytes = Vec::with_capacity(data.len());
    let mut at = 0;
    while at < data.len() {
        match (data[at], hex(at + 1), hex(at + 2)) {
            (b'=', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'_', ..) => bytes.push(b' '),
            (other, ..) => bytes.push(other),
        }
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn subject(header: &[u8]) -> String {
        let raw = [b"Subject: ", header, b"\r\n\r\nx"].concat();
        let raw = joined(&raw);
        MessageParser::default().parse(&*raw).unwrap().subject().unwrap().to_owned()
    }

    #[test]
    fn a_character_may_be_split_between_words() {
        let table: [(&[u8], &str); 11] = [
            (
                b"=?utf-8?B?RGVyIERydWNrZXIgYmVpIGRlciBCZWjD?=\r\n =?utf-8?B?tnJkZSBzdHJlaWt0?=",
                "Der Drucker bei der Behörde streikt",
            ),
            (b"=?utf-8?Q?Beh=C3?= =?UTF-8?Q?=B6rde_streikt?=", "Behörde streikt"),
            (b"=?utf-8?Q?Beh=C3?=\n\t=?utf-8?B?tnJkZQ==?=", "Behörde"),
            (b"=?utf-8?B?5omT5Q==?= =?utf-8?B?jbDmnLo?=", "打印机"),
            (b"=?gb2312?B?tPLToQ==?= =?gb2312?B?u/o=?=", "打印机"),
            (b"=?iso-8859-1?Q?a=E4?= =?utf-8?Q?=C3=B6?=", "aäö"),
            (b"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
            (b"=?utf-8?Q?one?=", "one"),
            (b"=?utf-8?X?one?= =?", "=?utf-8?X?one?= =?"),
            (b"Beh\xf6rde", "Behörde"),
            ("Behörde".as_bytes(), "Behörde"),
        ];
        for (header, expected) in table {
            assert_eq!(subject(header), expected, "{}", String::from_utf8_lossy(header));
        }
    }

    #[test]
    fn bodies_are_not_changed() {
        let mail =
            b"Subject: x\n\n=?utf-8?B?w?= =?utf-8?B?tg==?=\n--x\nnot a header =?utf-8?Q?a?= =?utf-8?Q?b?=\n\n\xf6\n";
        assert_eq!(joined(mail), Cow::Borrowed(&mail[..]));
    }

    #[test]
    fn names_of_attachments_are_joined_too() {
        let mail =
            b"Subject: x\n\n--b\nContent-Type: text/csv; name=\"=?utf-8?Q?pr=C3?=\n =?utf-8?Q?=BCf.csv?=\"\n\nx\n";
        let text = String::from_utf8(joined(mail).into_owned()).unwrap();
        assert!(text.contains("=?utf-8?B?cHLDvGYuY3N2?="), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn a_text_may_be_split_into_words_anywhere(text in "[a-zäöü€打印机]{1,30}", at in 0_usize..100) {
            let bytes = text.as_bytes();
            let (one, two) = bytes.split_at(at % bytes.len());
            let words = [one, two].map(|w| format!("=?utf-8?B?{}?=", LENIENT.encode(w))).join("\r\n ");
            if !one.is_empty() {
                proptest::prop_assert_eq!(subject(words.as_bytes()), text);
            }
        }
    }
}
