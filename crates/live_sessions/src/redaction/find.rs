//! Finds links and keys in one reading of a text. Links have a known form; for secrets and keys, the caller says which
//! candidates are live.

use std::ops::Range;

use super::forms::{Letter, span};

/// What precedes the secret in a link.
const MARKERS: [&str; 7] = ["/join#", "/expert#", "/setup#", "?ak=", "&ak=", "short_key=", "/session_download?"];
/// The length of a link's secret: of our own links, and of those with hexadecimal digits.
const TOKEN_CHARS: [usize; 2] = [24, 32];
/// The number of digits in a key: of our own keys, and of seven-digit ones.
const KEY_DIGITS: [usize; 2] = [9, 7];
/// Most characters between two digits of a key. None of them is a letter.
const MOST_BETWEEN: usize = 64;

/// Links to sessions, live or not, from the beginning of their URL.
pub fn links(letters: &[Letter]) -> Vec<Range<usize>> {
    let is_at = |at: usize, marker: &str| {
        let here = letters[at..].iter().map(|l| l.c.to_ascii_lowercase());
        here.take(marker.len()).eq(marker.chars())
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let Some(marker) = MARKERS.iter().find(|m| is_at(at, m)) else {
            at += 1;
            continue;
        };
        let secret = at + marker.len();
        // A live secret that continues in the next line is found by its hash.
        let ends = |n: &usize| !is_part(letters[*n].c) || letters[*n].begins_line;
        let end = (secret..letters.len()).find(ends).unwrap_or(letters.len());
        if end > secret {
            let mut start = at;
            while start > 0 && !letters[start].begins_line && !is_outside(letters[start - 1].c) {
                start -= 1;
            }
            found.push(span(&letters[start..end]));
        }
        at = end.max(at + 1);
    }
    found
}

/// Live secrets of links.
pub fn tokens(letters: &[Letter], is_live: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for run in letters.split(|l| !is_token(l.c)).filter(|run| run.len() >= TOKEN_CHARS[0]) {
        found.extend(live_windows(run, TOKEN_CHARS, &is_live));
    }
    found
}

/// Live keys, however their digits are grouped.
pub fn keys(letters: &[Letter], is_live: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let (mut found, mut run, mut between) = (Vec::new(), Vec::new(), 0);
    for letter in letters {
        if letter.c.is_ascii_digit() {
            run.push(letter.clone());
            between = 0;
            continue;
        }
        between += 1;
        if letter.c.is_alphanumeric() || between > MOST_BETWEEN {
            found.extend(live_windows(&run, KEY_DIGITS, &is_live));
            run.clear();
        }
    }
    found.extend(live_windows(&run, KEY_DIGITS, &is_live));
    found
}

/// The live candidates of these lengths within a run of ASCII characters.
fn live_windows(run: &[Letter], lengths: [usize; 2], is_live: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let text: String = run.iter().map(|l| l.c).collect();
    let windows = lengths.into_iter().flat_map(|length| (length..=run.len()).map(move |end| end - length..end));
    windows.filter(|window| is_live(&text[window.clone()])).map(|window| span(&run[window])).collect()
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Whether a character may continue a link after its marker.
fn is_part(c: char) -> bool {
    is_token(c) || matches!(c, '=' | '%' | '&' | ';')
}

/// Whether a URL ends before this character when searching backwards: a space, a bracket or a quotation mark.
fn is_outside(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>' | '(' | '[' | '"' | '\'' | '“' | '„' | '«')
}
