//! The bytes of a file over an HTTPS request of their own, if the server names a side channel: see [`protocol::Job`].

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use protocol::Right;
use tokio::sync::mpsc;

use super::JobContext;

/// Chunks as a reader, which ends when the customer no longer allows it.
pub struct Chunks {
    pub context: JobContext,
    pub queue: mpsc::Receiver<Bytes>,
    pub rest: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            if !self.context.may(Right::Files) {
                return Err(io::Error::other("the customer has withdrawn files"));
            }
            self.rest = self.queue.blocking_recv().unwrap_or_default();
        }
        let now = into.len().min(self.rest.len());
        self.rest.split_to(now).copy_to_slice(&mut into[..now]);
        Ok(now)
    }
}
