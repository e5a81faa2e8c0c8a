//! Checksums of files that a browser uploaded in a single request. A browser that sends a file without interruption
//! need not read it again to compute its checksum.

use std::{collections::VecDeque, sync::Mutex};

/// How many are remembered.
const MOST: usize = 256;

/// The SHA-256, in hexadecimal, of each transfer.
#[derive(Default)]
pub struct Uploads(Mutex<VecDeque<(u64, String)>>);

impl Uploads {
    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, String)>> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// Remembers the checksum of a complete transfer.
    pub fn remember(&self, transfer: u64, sum: String) {
        let mut all = self.all();
        all.push_back((transfer, sum));
        if all.len() > MOST {
            all.pop_front();
        }
    }

    /// The checksum of a transfer that was uploaded in a single request.
    pub fn sum(&self, transfer: u64) -> Option<String> {
        self.all().iter().rev().find(|(number, _)| *number == transfer).map(|(_, sum)| sum.clone())
    }
}
