//! The server's identity: an Ed25519 key in the data folder, by which the customer's program recognises its own server.

use std::path::Path;

use anyhow::Context;
use ed25519_dalek::{Signer, SigningKey};

use crate::secret;

/// The prefix of every proof, so that a signature is of no use in another context.
const PURPOSE: &[u8] = b"deskside server identity 1\n";

/// The key pair.
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// Reads the key, or creates it at the first start.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = secret::kept(path).context("the identity key")?;
        Ok(Self { key: SigningKey::from_bytes(&bytes) })
    }

    /// The public key in hexadecimal, as it is stored in the support program.
    pub fn public(&self) -> String {
        secret::hex(self.key.verifying_key().as_bytes())
    }

    /// The signature of a program's challenge, in hexadecimal.
    pub fn prove(&self, challenge: &str) -> String {
        secret::hex(&self.key.sign(&[PURPOSE, challenge.as_bytes()].concat()).to_bytes())
    }

    /// A secret of this server for keyed hashes; it never leaves the process.
    pub fn pepper(&self) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest([b"deskside pepper".as_slice(), self.key.as_bytes()].concat()).into()
    }
}
