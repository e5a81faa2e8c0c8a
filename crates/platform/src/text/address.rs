//! Mail addresses (RFC 5321): accepted whole or refused, and compared in one canonical form.

/// The longest address that mail allows (RFC 5321, 4.5.3.1.3).
pub const MOST: usize = 254;

/// Why a text is not a usable address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is longer than allowed for mail.
    TooLong,
    /// It is not an address.
    NoAddress,
}

/// The address that a text consists of.
pub fn whole(text: &str) -> Result<&str, Unusable> {
    let text = text.trim();
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>,;\u{202a}\u{202b}\u{202d}\u{202e}".contains(c);
    match text.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !text.contains(bad) => {
            if text.len() > MOST { Err(Unusable::TooLong) } else { Ok(text) }
        }
        _ => Err(Unusable::NoAddress),
    }
}

/// The canonical form for comparisons: the domain in Punycode and lower case, the local part in lower case.
pub fn canonical(address: &str) -> String {
    let address = address.trim();
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", lower(local), ascii_domain(domain).unwrap_or_else(|| lower(domain))),
        None => lower(address),
    }
}

/// A domain as every mail server accepts it (RFC 5890); `None` if it is invalid.
pub fn ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return Some(domain.to_ascii_lowercase());
    }
    idna::domain_to_ascii(domain).ok().filter(|domain| !domain.is_empty())
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_accepted_whole_or_refused() {
        let long = |n: usize| format!("{}@b.example", "a".repeat(n - 10));
        let table = [
            (" ann@b.example ", Ok("ann@b.example")),
            ("anna@bücher.example", Ok("anna@bücher.example")),
            ("\"a@b\"@c.example", Ok("\"a@b\"@c.example")),
            ("ann", Err(Unusable::NoAddress)),
            ("@b.example", Err(Unusable::NoAddress)),
            ("ann@", Err(Unusable::NoAddress)),
            ("a nn@b.example", Err(Unusable::NoAddress)),
            ("ann@b.example,bob@b.example", Err(Unusable::NoAddress)),
            ("", Err(Unusable::NoAddress)),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text), expected, "{text}");
        }
        assert_eq!(whole(&long(MOST)).map(str::len), Ok(MOST));
        assert_eq!(whole(&long(MOST + 1)), Err(Unusable::TooLong));
    }

    #[test]
    fn spellings_of_one_address_are_equal() {
        for (written, same) in [
            ("Ann@B.example", "ann@b.example"),
            ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
            ("anna@XN--bcher-kva.example", "anna@bücher.example"),
            ("JÜRGEN@b.example", "jürgen@b.example"),
        ] {
            assert_eq!(canonical(written), canonical(same), "{written}");
        }
        assert_ne!(canonical("ann@b.example"), canonical("ann@c.example"));
    }

    proptest::proptest! {
        #[test]
        fn different_addresses_stay_different(a in "[a-z+]{1,60}@[a-z.]{1,180}", b in "[a-z+]{1,60}@[a-z.]{1,180}") {
            proptest::prop_assert_eq!(a == b, canonical(&a) == canonical(&b));
            proptest::prop_assert_eq!(whole(&a), Ok(a.as_str()));
        }
    }
}
