//! Where links and keys are in one reading of a text: links by their form, and what may be a link's secret or a key for
//! whoever knows which of them are live.

use std::ops::Range;

use super::forms::{Letter, span};

/// What the secret of a link follows, wherever the link was made.
const MARKERS: [&str; 7] = ["/join#", "/expert#", "/setup#", "?ak=", "&ak=", "short_key=", "/session_download?"];
/// How long a link's secret is: of our own form, and of the one with hexadecimal digits.
const TOKEN_CHARS: [usize; 2] = [24, 32];
/// How many digits a key has: our own, and the one of the other form.
const KEY_DIGITS: [usize; 2] = [9, 7];
/// Two digits of one key have at most so many characters between them, none of which is a letter.
const MOST_BETWEEN: usize = 64;

/// Links to sessions by their form, live or not, from their beginning on.
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
        // What goes on in the next line is found by its hash, where it is live.
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

/// What may be a link's secret, as far as it is one.
pub fn tokens(letters: &[Letter], is_live: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for run in letters.split(|l| !is_token(l.c)).filter(|run| run.len() >= TOKEN_CHARS[0]) {
        found.extend(live_windows(run, TOKEN_CHARS, &is_live));
    }
    found
}

/// What may be a key, however its digits are grouped, as far as it is one.
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

/// Of so many letters in a row, all of which are ASCII, those that are live.
fn live_windows(run: &[Letter], lengths: [usize; 2], is_live: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let text: String = run.iter().map(|l| l.c).collect();
    let windows = lengths.into_iter().flat_map(|length| (length..=run.len()).map(move |end| end - length..end));
    windows.filter(|window| is_live(&text[window.clone()])).map(|window| span(&run[window])).collect()
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// What goes on behind a marker.
fn is_part(c: char) -> bool {
    is_token(c) || matches!(c, '=' | '%' | '&' | ';')
}

/// What an address follows: a blank, a bracket or a quotation mark.
fn is_outside(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>' | '(' | '[' | '"' | '\'' | '“' | '„' | '«')
}
