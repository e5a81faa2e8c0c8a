//! The readings of a text. Texts are quoted, wrapped, escaped or turned into HTML in transit, and their readers can
//! undo that. Each reading is the text with some of it undone, and knows which bytes each of its characters stands for.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizer;
use mail_parser::decoders::html::html_to_text;

/// How many levels of nested escapes are undone.
const ROUNDS: usize = 3;
/// The longest HTML character reference, without `&` and `;`.
const LONGEST_REFERENCE: usize = 32;
/// The longest HTML tag.
const LONGEST_TAG: usize = 4_000;

/// A character of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub c: char,
    /// The bytes of the text that it stands for.
    pub at: Range<usize>,
    /// Whether a line of the text begins with it.
    pub begins_line: bool,
}

/// The range of bytes that these letters stand for.
pub fn span(letters: &[Letter]) -> Range<usize> {
    match (letters.first(), letters.last()) {
        (Some(first), Some(last)) => first.at.start..last.at.end,
        _ => 0..0,
    }
}

/// The distinct readings of a text: as it is, unescaped, decoded from quoted-printable, and as HTML without its tags.
pub fn readings(text: &str) -> Vec<Vec<Letter>> {
    let plain: Vec<Letter> =
        text.char_indices().map(|(at, c)| Letter { c, at: at..at + c.len_utf8(), begins_line: false }).collect();
    let undone = [
        plain.clone(),
        unescaped(plain.clone()),
        unescaped(from_quoted_printable(&plain)),
        unescaped(without_tags(&from_quoted_printable(&plain))),
    ];
    let mut readings: Vec<Vec<Letter>> = Vec::new();
    for reading in undone.into_iter().map(joined) {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
    readings
}

/// Removes invisible characters, line breaks, and the quote marks that mail programs put at the start of a line.
fn joined(letters: Vec<Letter>) -> Vec<Letter> {
    let mut kept: Vec<Letter> = Vec::with_capacity(letters.len());
    let (mut begins_line, mut in_margin) = (false, false);
    for letter in letters {
        match letter.c {
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                // A wrapped line may end with a space.
                while kept.last().is_some_and(|l| is_blank(l.c)) {
                    kept.pop();
                }
                (begins_line, in_margin) = (true, true);
            }
            c if is_ignorable(c) => {}
            c if in_margin && (is_blank(c) || matches!(c, '>' | '|' | ':' | '¦' | '│' | '»' | '›')) => {}
            c => {
                in_margin = false;
                kept.push(Letter { c: narrow(c), at: letter.at, begins_line: std::mem::take(&mut begins_line) });
            }
        }
    }
    kept
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{a0}')
}

/// Whether a character is invisible (Unicode's Default_Ignorable_Code_Point, standalone accents, controls) or is the
/// replacement that Deskside itself puts in place of such characters.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{20d0}'..='\u{20ff}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | char::REPLACEMENT_CHARACTER | '\u{e0000}'..='\u{e0fff}')
        || (c.is_control() && c != '\t')
}

/// The ASCII character of which another one is a compatibility form, as `９` is of `9`; otherwise itself.
fn narrow(c: char) -> char {
    match c {
        _ if c.is_ascii() => c,
        '\u{2010}' | '\u{2011}' | '\u{2212}' => '-',
        _ => {
            let mut buffer = [0; 4];
            let apart = DecomposingNormalizer::new_nfkd().normalize(c.encode_utf8(&mut buffer)).into_owned();
            let mut all = apart.chars();
            match (all.next(), all.next()) {
                (Some(one), None) if one.is_ascii_graphic() => one,
                _ => c,
            }
        }
    }
}

/// Undoes percent-encoding and HTML character references, also nested ones.
fn unescaped(mut letters: Vec<Letter>) -> Vec<Letter> {
    for _ in 0..ROUNDS {
        let count = letters.len();
        letters = references(&bytes_of(&letters, '%'));
        if letters.len() == count {
            break;
        }
    }
    letters
}

/// Decodes quoted-printable: its bytes and its soft line breaks.
fn from_quoted_printable(letters: &[Letter]) -> Vec<Letter> {
    let mut kept = Vec::with_capacity(letters.len());
    for (n, letter) in letters.iter().enumerate() {
        let ends_line = || {
            let after = letters[n + 1..].iter().map(|l| l.c).find(|c| !is_blank(*c));
            matches!(after, Some('\r' | '\n'))
        };
        if letter.c != '=' || !ends_line() {
            kept.push(letter.clone());
        }
    }
    bytes_of(&kept, '=')
}

/// Decodes characters whose bytes are written as `sign` and two hexadecimal digits.
fn bytes_of(letters: &[Letter], sign: char) -> Vec<Letter> {
    let byte = |at: usize| -> Option<u8> {
        let [first, high, low] = letters.get(at..at + 3)? else { return None };
        let digits = high.c.to_digit(16)? * 16 + low.c.to_digit(16)?;
        (first.c == sign).then_some(digits as u8)
    };
    let character = |at: usize| -> Option<(char, usize)> {
        let length = match byte(at)? {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let bytes: Vec<u8> = (0..length).map(|n| byte(at + 3 * n)).collect::<Option<_>>()?;
        Some((std::str::from_utf8(&bytes).ok()?.chars().next()?, 3 * length))
    };
    replaced(letters, |at| if letters[at].c == sign { character(at) } else { None })
}

/// Decodes HTML character references.
fn references(letters: &[Letter]) -> Vec<Letter> {
    replaced(letters, |at| {
        if letters[at].c != '&' {
            return None;
        }
        let named = |l: &&Letter| l.c.is_ascii_alphanumeric() || l.c == '#';
        let name: String = letters[at + 1..].iter().take(LONGEST_REFERENCE).take_while(named).map(|l| l.c).collect();
        let closed = letters.get(at + 1 + name.len()).is_some_and(|l| l.c == ';');
        match name.strip_prefix('#') {
            // The semicolon may be missing after a number.
            Some(number) => {
                numbered(number).map(|(c, long)| (c, 2 + long + usize::from(closed && long == number.len())))
            }
            None if closed => named_reference(&name).map(|c| (c, 2 + name.len())),
            None => None,
        }
    })
}

/// The character with this number, and the length of the number in the text.
fn numbered(number: &str) -> Option<(char, usize)> {
    let (digits, radix, before) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (number, 10, 0),
    };
    let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let c = char::from_u32(u32::from_str_radix(&digits[..length], radix).ok()?)?;
    Some((c, before + length))
}

fn named_reference(name: &str) -> Option<char> {
    let whole = format!("&{name};");
    let read = html_to_text(&whole);
    let mut all = read.chars();
    match (all.next(), all.next()) {
        // `html_to_text` trims spaces.
        (None, _) => Some(' '),
        (Some(c), None) => Some(c),
        (Some(_), Some(_)) => None,
    }
}

/// Removes tags: `12<b>34</b>` becomes `1234`. A URL in angle brackets is no tag.
fn without_tags(letters: &[Letter]) -> Vec<Letter> {
    let mut kept = Vec::with_capacity(letters.len());
    let mut at = 0;
    while at < letters.len() {
        match tag_length(&letters[at..]) {
            Some(length) => at += length,
            None => {
                kept.push(letters[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// The length of the tag at the start of these letters.
fn tag_length(letters: &[Letter]) -> Option<usize> {
    if letters.first()?.c != '<' {
        return None;
    }
    let end = 1 + letters[1..].iter().take(LONGEST_TAG).position(|l| matches!(l.c, '<' | '>'))?;
    let inner: String = letters[1..end].iter().map(|l| l.c).collect();
    let name = inner.split_whitespace().next()?.trim_matches('/');
    let is_tag = name.starts_with("!--") || (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
    (is_tag && letters[end].c == '>' && !inner.starts_with(char::is_whitespace)).then_some(end + 1)
}

/// Replaces letters: at each position `read` gives a character and how many letters it replaces, or `None` to keep the
/// letter.
fn replaced(letters: &[Letter], read: impl Fn(usize) -> Option<(char, usize)>) -> Vec<Letter> {
    let mut kept = Vec::with_capacity(letters.len());
    let mut at = 0;
    while at < letters.len() {
        let (c, length) = read(at).unwrap_or((letters[at].c, 1));
        kept.push(Letter { c, at: span(&letters[at..at + length]), begins_line: letters[at].begins_line });
        at += length;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        readings(text).iter().map(|reading| reading.iter().map(|l| l.c).collect()).collect()
    }

    #[test]
    fn escapes_wrapping_and_tags_are_undone() {
        for (text, expected) in [
            ("a%2Db%2db", "a-b-b"),
            ("a%252Db", "a-b"),
            ("1%C2%AD2%E2%80%8B3", "123"),
            ("a&#45;b&#x2D;c&#45d&amp;#45;e", "a-b-c-d-e"),
            ("a&lowbar;b&shy;c&nbsp;d", "a_bc\u{a0}d"),
            ("12=\r\n34=3D=2D5", "1234=-5"),
            ("12= \n34", "1234"),
            ("12<b>34</b><br/>5", "12345"),
            ("12<span style=\"x\">3", "123"),
            ("ab\r\n> cd \n| ef\n> | gh", "abcdefgh"),
            ("a\u{200b}b\u{ad}c\u{feff}d\u{fffd}e", "abcde"),
            ("１２３‑４", "123-4"),
            ("<https://a.example/b>", "<https://a.example/b>"),
            ("50% of 7 & more = 1 < 2 > 0", "50% of 7 & more = 1 < 2 > 0"),
            ("&;&#;&#x;&nosuch;%zz%", "&;&#;&#x;&nosuch;%zz%"),
        ] {
            assert!(read(text).iter().any(|r| r == expected), "{text}: {:?}", read(text));
        }
        assert_eq!(read("Nothing was done to this.").len(), 1);
    }

    proptest::proptest! {
        /// In every reading, letters stand for whole characters of the text, in ascending order.
        #[test]
        fn letters_stand_for_characters_of_the_text(text in "([&%=<>;#x0-9a-f/!\r\n |:-]|\\PC){0,60}") {
            for reading in readings(&text) {
                let mut before = 0;
                for Letter { at, .. } in reading {
                    proptest::prop_assert!(at.start >= before && at.start < at.end && text.get(at.clone()).is_some());
                    before = at.end;
                }
            }
        }
    }
}
