//! Random secrets and the hashes that are stored of them.

use base64::Engine;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// The 32 secret bytes in a file. The file is created if it is missing, readable only by the owner.
pub fn kept(path: &std::path::Path) -> std::io::Result<[u8; 32]> {
    use std::{io, io::Write, os::unix::fs::OpenOptionsExt};
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("a key has 32 bytes")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let bytes = random::<32>();
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            Ok(bytes)
        }
        Err(e) => Err(e),
    }
}

/// 144 random bits for links, cookies, tickets and tokens, in 24 characters that need no escaping.
pub fn token() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<18>())
}

/// A random number of at most nine digits, to be read out on the phone.
pub fn spoken_key(digits: usize) -> String {
    // 64 random bits over 10^9 values: the bias is below one in ten billion.
    format!("{:0digits$}", u64::from_be_bytes(random()) % 10u64.pow(u32::try_from(digits.min(9)).unwrap_or(9)))
}

/// The digits of what somebody typed, if there are nine, or seven as in another system's key.
pub fn digits(typed: &str) -> Option<String> {
    let rest: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (matches!(rest.len(), 7 | 9) && rest.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
}

/// The hash of a long random token, for the database.
pub fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

/// The hash of a spoken key, for the database: keys are short, so the hash needs the server's secret.
pub fn hash_key(pepper: &[u8], key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(pepper).expect("any length will do");
    mac.update(key.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_in_any_spelling() {
        for typed in ["123456789", "123 456 789", " 123-456-789 "] {
            assert_eq!(digits(typed).as_deref(), Some("123456789"), "{typed}");
        }
        for typed in ["", "12345678", "123456", "1234567890", "12345678a", "１２３４５６７８９"] {
            assert_eq!(digits(typed), None, "{typed}");
        }
        assert_eq!(digits("123 4567").as_deref(), Some("1234567"));
        assert_eq!([9, 7].map(|n| spoken_key(n).len()), [9, 7]);
    }
}
