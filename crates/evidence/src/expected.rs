//! What somebody who checks a bundle knows from elsewhere: the server's key, the session, an earlier state of it.
//!
//! A bundle proves nothing about itself, because anybody can make one and sign it with their own key. Expectations must
//! come from a source that the maker of the bundle does not control.

use std::str::FromStr;

use protocol::SessionId;

use crate::seal::{fingerprint, grouped};

/// What a bundle must be, besides whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The key that must have signed it, directly or through endorsements.
    pub key: Option<KeyName>,
    /// The session whose evidence it must be.
    pub session: Option<SessionId>,
    /// The hash of an entry that was the last one earlier: it must still be there.
    pub head: Option<Head>,
}

/// Text that cannot be parsed as an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExpected {
    /// Neither a key nor a fingerprint.
    #[error("a fingerprint has 32 hexadecimal digits, a key has 64")]
    Key,
    /// Not a hash.
    #[error("the hash of an entry has 64 hexadecimal digits")]
    Head,
}

/// A server's key, by all of its digits or by its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Whether this names the key.
    pub fn names(&self, key: &str) -> bool {
        key == self.0 || digits(&fingerprint(key)) == self.0
    }

    /// The fingerprint as people compare it.
    pub fn fingerprint(&self) -> String {
        if self.0.len() == 64 { fingerprint(&self.0) } else { grouped(&self.0) }
    }
}

impl FromStr for KeyName {
    type Err = NotExpected;

    fn from_str(text: &str) -> Result<Self, NotExpected> {
        let digits = digits(text);
        if matches!(digits.len(), 32 | 64) && is_hex(&digits) { Ok(Self(digits)) } else { Err(NotExpected::Key) }
    }
}

/// The hash of a timeline entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head(String);

impl Head {
    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Head {
    type Err = NotExpected;

    fn from_str(text: &str) -> Result<Self, NotExpected> {
        let digits = digits(text);
        if digits.len() == 64 && is_hex(&digits) { Ok(Self(digits)) } else { Err(NotExpected::Head) }
    }
}

/// Without the separators that people put between digits.
fn digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_whole_fingerprint_or_all_of_its_digits() {
        let key = "ab".repeat(32);
        let print = fingerprint(&key);
        for name in [&key, &key.to_uppercase(), &print, &print.replace(' ', ":"), &print.replace(' ', "")] {
            assert!(name.parse::<KeyName>().unwrap().names(&key), "{name}");
            assert!(!name.parse::<KeyName>().unwrap().names(&"ac".repeat(32)), "{name}");
            assert_eq!(name.parse::<KeyName>().unwrap().fingerprint(), print, "{name}");
        }
        for nothing in ["", " ", "ffff", &print[..38], &key[..62], &"xy".repeat(16)] {
            assert_eq!(nothing.parse::<KeyName>(), Err(NotExpected::Key), "{nothing:?}");
        }
    }
}
