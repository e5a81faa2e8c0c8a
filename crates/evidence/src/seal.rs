//! Seals: a server's signature under the head of a timeline's chain, and the keys that sign.
//!
//! A key that takes another's place is endorsed by it, so that whoever trusts an old key can follow to the new one.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use protocol::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{hex, unhex};

/// A public key, 32 bytes in hexadecimal.
pub type PublicKey = String;
/// A hash of the chain.
pub type Link = session::Link;

/// What stands before everything that is signed, so that a signature is of no use anywhere else.
const SEAL: &str = "deskside seal 1";
const ENDORSEMENT: &str = "deskside endorsement 1";

/// A signature under the timeline as it was after entry `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Whose timeline.
    pub session: SessionId,
    /// The last entry that it covers.
    pub seq: u32,
    /// That entry's hash, in hexadecimal.
    pub hash: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// Who sealed it.
    pub key: PublicKey,
    /// Ed25519, in hexadecimal.
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

/// A key, since when it signs, and the signature of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// The key.
    pub key: PublicKey,
    /// Since when.
    pub since: Timestamp,
    /// The key before it, and its signature; the first key of a server has none.
    pub by: Option<(PublicKey, String)>,
}

impl Endorsement {
    /// A key, endorsed by the one before it.
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

/// The public half, in hexadecimal.
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

/// What people compare of a key: the first 16 bytes of its SHA-256 in groups of four digits.
pub fn fingerprint(key: &str) -> String {
    grouped(&hex(&Sha256::digest(key)[..16]))
}

pub(crate) fn grouped(digits: &str) -> String {
    digits.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>().join(" ")
}
