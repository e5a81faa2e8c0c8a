//! The keys of one server, each endorsed by the one before it, and which of them an expected key vouches for.

use crate::{Endorsement, Finding, KeyName, fingerprint};

/// The keys as a bundle names them, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Keyring(Vec<Endorsement>);

impl Keyring {
    /// Reads the keys; also returns what is wrong with their chain.
    pub fn new(keys: Vec<Endorsement>) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            let before = n.checked_sub(1).map(|n| keys[n].key.as_str());
            let name = fingerprint(&key.key);
            if keys[..n].iter().any(|k| k.key == key.key) {
                findings.push(Finding::Keys(format!("{name} stands there twice")));
            } else if !key.holds() || key.by.as_ref().map(|(by, _)| by.as_str()) != before {
                findings.push(Finding::Keys(format!("{name} is not endorsed by the key before it")));
            }
        }
        (Self(keys), findings)
    }

    /// Whether the key is one of them.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|k| k.key == key)
    }

    /// The keys that `expected` vouches for: itself, and those that endorsements lead to from it. Keys before it do not
    /// count: anybody can put their own key there, because being endorsed takes no action of the endorsed key.
    pub fn vouched_for(&self, expected: &KeyName) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for key in &self.0 {
            let by = key.by.as_ref().map(|(by, _)| by.as_str());
            if expected.names(&key.key) || (by.is_some_and(|by| keys.contains(&by)) && key.holds()) {
                keys.push(&key.key);
            }
        }
        keys
    }
}
