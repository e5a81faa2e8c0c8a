//! The SHA-256 of what passes, on a thread of its own: whoever passes it on does not wait for it.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

/// So many pieces may wait to be counted.
const PIECES: usize = 16;

/// A sum on its way.
pub struct Summing {
    pieces: mpsc::Sender<Bytes>,
    sum: JoinHandle<[u8; 32]>,
}

impl Summing {
    /// Of nothing yet.
    pub fn new() -> Self {
        let (pieces, mut queue) = mpsc::channel::<Bytes>(PIECES);
        let sum = tokio::task::spawn_blocking(move || {
            let mut sum = Sha256::new();
            while let Some(bytes) = queue.blocking_recv() {
                sum.update(&bytes);
            }
            sum.finalize().into()
        });
        Self { pieces, sum }
    }

    /// These bytes pass.
    pub async fn update(&self, bytes: Bytes) {
        // The thread ends only with the pieces.
        let _ = self.pieces.send(bytes).await;
    }

    /// All has passed; `None` when the thread was lost.
    pub async fn end(self) -> Option<[u8; 32]> {
        drop(self.pieces);
        self.sum.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sum_does_not_depend_on_the_pieces() {
        let content: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let summing = Summing::new();
        for piece in content.chunks(777) {
            summing.update(Bytes::copy_from_slice(piece)).await;
        }
        assert_eq!(summing.end().await.unwrap()[..], Sha256::digest(&content)[..]);
        assert_eq!(Summing::new().end().await.unwrap()[..], Sha256::digest(b"")[..]);
    }
}
