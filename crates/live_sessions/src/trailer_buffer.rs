//! Holds back the end of a file that is relayed, until all of it has arrived and its checksums match.

use bytes::{Bytes, BytesMut};

/// The length of the checksums that follow a file's last byte.
const SUMS: usize = 64;

/// The newest bytes of a file: at least its last byte, and the checksums after it.
#[derive(Default)]
pub struct TrailerBuffer(Bytes);

impl TrailerBuffer {
    /// Adds a chunk, and returns the bytes that are certainly not the end. The last byte of the file is never among
    /// them.
    pub fn pass(&mut self, chunk: Bytes) -> Bytes {
        if chunk.len() > SUMS {
            return std::mem::replace(&mut self.0, chunk);
        }
        let mut all = BytesMut::from(std::mem::take(&mut self.0));
        all.extend_from_slice(&chunk);
        let out = all.split_to(all.len().saturating_sub(SUMS + 1));
        self.0 = all.freeze();
        out.freeze()
    }

    /// Ends the file: returns its last bytes, and the checksums if there are any. `None` if the checksums are
    /// incomplete.
    pub fn end(self, sums: bool) -> Option<(Bytes, Option<[Bytes; 2]>)> {
        let mut last = self.0;
        if !sums {
            return Some((last, None));
        }
        let mut whole = last.split_off(last.len().checked_sub(SUMS)?);
        let since = whole.split_off(SUMS / 2);
        Some((last, Some([whole, since])))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_byte_is_held_back_until_the_end(
            lengths in prop::collection::vec(0..200usize, 0..8),
            sums: bool,
        ) {
            let all: Bytes = (0..lengths.iter().sum()).map(|n| n as u8).collect();
            let (mut buffer, mut rest, mut out) = (TrailerBuffer::default(), all.clone(), Vec::new());
            for length in lengths {
                out.extend_from_slice(&buffer.pass(rest.split_to(length)));
            }
            let behind = if sums { SUMS } else { 0 };
            match buffer.end(sums) {
                None => prop_assert!(all.len() < behind),
                Some((last, found)) => {
                    let file = all.len() - behind;
                    prop_assert!(out.len() < file || file == 0);
                    out.extend_from_slice(&last);
                    prop_assert_eq!(&out, &all[..file]);
                    let found: Vec<u8> = found.into_iter().flatten().flatten().collect();
                    prop_assert_eq!(&found, &all[file..]);
                }
            }
        }
    }
}
