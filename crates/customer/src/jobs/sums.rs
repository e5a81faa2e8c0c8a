//! What a file is checked by at its end.

use protocol::BLOCK_BYTES;
use sha2::{Digest, Sha256};

/// The sums of a file, taken piece by piece: the SHA-256 of all, and the one of its blocks' SHA-256s.
#[derive(Clone, Default)]
pub struct Sums {
    whole: Sha256,
    block: Sha256,
    in_block: usize,
    blocks: Sha256,
}

impl Sums {
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.in_block));
            self.block.update(now);
            self.in_block += now.len();
            if self.in_block == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.blocks.update(std::mem::take(&mut self.block).finalize());
        self.in_block = 0;
    }

    /// The SHA-256 of all, and the block sum.
    pub fn end(mut self) -> [[u8; 32]; 2] {
        if self.in_block > 0 {
            self.end_block();
        }
        [self.whole.finalize().into(), self.blocks.finalize().into()]
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    #[test]
    fn the_sums_do_not_depend_on_the_pieces() {
        let content = vec![7u8; BLOCK_BYTES + 10];
        let mut sums = Sums::default();
        content.chunks(1_000_003).for_each(|piece| sums.update(piece));
        let blocks = [Sha256::digest(&content[..BLOCK_BYTES]), Sha256::digest(&content[BLOCK_BYTES..])].concat();
        let [whole, of_blocks] = sums.end();
        assert_eq!((hex(&whole), hex(&of_blocks)), (hash(&content), hash(&blocks)));
        assert_eq!(Sums::default().end().map(|s| hex(&s)), [hash(b""), hash(b"")]);
    }
}
