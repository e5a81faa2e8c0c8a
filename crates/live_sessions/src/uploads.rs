//! What the server knows of files that came from a browser by one request each: whoever sends a file without a break need
//! not read it a second time for its checksum.

use std::{collections::VecDeque, sync::Mutex};

/// So many are remembered.
const MOST: usize = 256;

/// The SHA-256, in hexadecimal, of each transfer.
#[derive(Default)]
pub struct Uploads(Mutex<VecDeque<(u64, String)>>);

impl Uploads {
    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, String)>> {
        self.0.lock().expect("nobody panics while holding what was brought")
    }

    /// All of this transfer has come, with this sum.
    pub fn remember(&self, transfer: u64, sum: String) {
        let mut all = self.all();
        all.push_back((transfer, sum));
        if all.len() > MOST {
            all.pop_front();
        }
    }

    /// The sum of a transfer that came by one request.
    pub fn sum(&self, transfer: u64) -> Option<String> {
        self.all().iter().rev().find(|(number, _)| *number == transfer).map(|(_, sum)| sum.clone())
    }
}
