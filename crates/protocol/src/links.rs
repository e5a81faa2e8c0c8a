//! Web addresses in what people write, for the server's mails and the support program. The console has the same rule
//! (console/src/lib/session/links.ts); both are tested against links.json beside it.

/// Nobody writes longer addresses.
const LONGEST: usize = 2_000;
/// Characters that an address never contains, besides spaces and invisible ones.
const NEVER: &str = "<>\"'`\\“”„‘’«»。，、；：！？（）【】「」『』《》";

/// The first web address in a message.
pub fn first(text: &str) -> Option<&str> {
    all(text).next()
}

/// The web addresses in a message, in order.
pub fn all(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(start) = next_scheme(text, from) {
            let rest = &text[start..];
            let end = rest.find(never).unwrap_or(rest.len());
            let address = without_tail(&rest[..end]);
            from = start + end.max(1);
            let joined = text[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
            if !joined && address.len() <= LONGEST && has_host(address) {
                return Some(address);
            }
        }
        None
    })
}

fn never(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || unseen || NEVER.contains(c)
}

/// The length of the scheme at the start.
fn scheme(text: &str) -> Option<usize> {
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    ["https://", "http://"].into_iter().find(|scheme| starts(scheme)).map(str::len)
}

fn next_scheme(text: &str, from: usize) -> Option<usize> {
    text.get(from..)?.char_indices().map(|(at, _)| from + at).find(|at| scheme(&text[*at..]).is_some())
}

/// An address without the punctuation of the sentence around it. A closing bracket belongs to it if it opens there,
/// too.
fn without_tail(mut address: &str) -> &str {
    while let Some(last) = address.chars().next_back() {
        let opening = match last {
            ')' => Some('('),
            ']' => Some('['),
            '}' => Some('{'),
            _ => None,
        };
        let count = |sign: char| address.matches(sign).count();
        let lonely = opening.is_some_and(|opening| count(last) > count(opening));
        if !lonely && !".,!?;:".contains(last) {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

/// A host, optionally a port, and nothing that disguises it.
fn has_host(address: &str) -> bool {
    let Some(rest) = scheme(address).map(|n| &address[n..]) else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (place, None),
    };
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match literal {
        Some(literal) => !literal.is_empty() && literal.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c)),
        None => {
            !host.is_empty()
                && !host.starts_with('.')
                && host.chars().all(|c| c.is_alphanumeric() || "._-".contains(c) || !c.is_ascii())
        }
    };
    let port_fits = |port: &str| (1..=5).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit());
    host_fits && port.is_none_or(port_fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_table_of_links_holds() {
        let table = include_str!("../../../console/src/lib/session/links.json");
        let table: Vec<(String, Vec<String>)> = serde_json::from_str(table).unwrap();
        for (text, links) in table {
            assert_eq!(all(&text).collect::<Vec<_>>(), links, "{text}");
        }
    }
}
