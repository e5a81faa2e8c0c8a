//! Seals: a server's signature over the head of a timeline's chain, and the keys that sign.
//!
//! A new key is endorsed by the key that it replaces, so that whoever trusts an old key can follow to the new one.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use protocol::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{hex, unhex};

/// A public key, 32 bytes in hexadecimal.
pub type PublicKey = String;
/// A hash of the chain.
pub type Link = session::Link;

/// The prefix of everything that is signed, so that a signature is of no use in another context.
const SEAL: &str = "deskside seal 1";
const ENDORSEMENT: &str = "deskside endorsement 1";

/// A signature over the timeline up to entry `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The session of the timeline.
    pub session: SessionId,
    /// The last entry that it covers.
    pub seq: u32,
    /// The hash of that entry, in hexadecimal.
    pub hash: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// The key that sealed it.
    pub key: PublicKey,
    /// The Ed25519 signature, in hexadecimal.
    pub signature: String,
}

impl Seal {
    /// Seals a timeline.
    pub fn new(key: &SigningKey, session: SessionId, seq: u32, head: &Link, at: Timestamp) -> Self {
        let mut seal = Self { session, seq, hash: hex(head), at, key: public(key), signature: String::new() };
        seal.signature = hex(&key.sign(seal.text().as_bytes()).to_bytes());
        seal
    }

    fn text(&self) -> String {
        format!("{SEAL}\n{}\n{}\n{}\n{}\n{}\n", self.session, self.seq, self.hash, self.at.0, self.key)
    }

    /// Whether the key that it names has signed it.
    pub fn holds(&self) -> bool {
        signed(&self.key, &self.text(), &self.signature)
    }
}

/// A key, the time since when it signs, and the signature of the key before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// The key.
    pub key: PublicKey,
    /// Since when it signs.
    pub since: Timestamp,
    /// The key before it, and its signature; none for a server's first key.
    pub by: Option<(PublicKey, String)>,
}

impl Endorsement {
    /// A key that the key before it endorses.
    pub fn new(key: &SigningKey, since: Timestamp, before: Option<&SigningKey>) -> Self {
        let key = public(key);
        let by = before.map(|b| (public(b), hex(&b.sign(Self::text(&key, since).as_bytes()).to_bytes())));
        Self { key, since, by }
    }

    fn text(key: &str, since: Timestamp) -> String {
        format!("{ENDORSEMENT}\n{key}\n{}\n", since.0)
    }

    /// Whether the key before it has signed it.
    pub fn holds(&self) -> bool {
        self.by.as_ref().is_none_or(|(by, signature)| signed(by, &Self::text(&self.key, self.since), signature))
    }
}

/// The public key, in hexadecimal.
pub fn public(key: &SigningKey) -> PublicKey {
    hex(key.verifying_key().as_bytes())
}

/// Signs a text.
pub fn sign(key: &SigningKey, text: &str) -> String {
    hex(&key.sign(text.as_bytes()).to_bytes())
}

/// Whether `key` has signed `text`.
pub fn signed(key: &str, text: &str, signature: &str) -> bool {
    let key = unhex(key).and_then(|k| VerifyingKey::from_bytes(&k).ok());
    let signature = unhex(signature).map(|s| Signature::from_bytes(&s));
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(text.as_bytes(), &signature).is_ok())
}

/// The fingerprint of a key: the first 16 bytes of its SHA-256 in groups of four digits.
pub fn fingerprint(key: &str) -> String {
    grouped(&hex(&Sha256::digest(key)[..16]))
}

pub(crate) fn grouped(digits: &str) -> String {
    digits.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>().join(" ")
}
