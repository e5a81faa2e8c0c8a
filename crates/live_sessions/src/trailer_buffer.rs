//! The end of a file that passes: it is held back until it is known to be the end, and right.

use bytes::{Bytes, BytesMut};

/// How long the sums are, behind a file's last byte.
const SUMS: usize = 64;

/// The newest bytes of a file that passes: among them its last, and the sums behind it.
#[derive(Default)]
pub struct TrailerBuffer(Bytes);

impl TrailerBuffer {
    /// A piece has come. What is certainly not the end goes on; whoever gets all of that has not got the last byte.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        if piece.len() > SUMS {
            return std::mem::replace(&mut self.0, piece);
        }
        let mut all = BytesMut::from(std::mem::take(&mut self.0));
        all.extend_from_slice(&piece);
        let out = all.split_to(all.len().saturating_sub(SUMS + 1));
        self.0 = all.freeze();
        out.freeze()
    }

    /// All has come: the last bytes of the file, and the sums where there are some. `None` when these are not whole.
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
        fn however_it_comes_the_last_byte_is_held_back_until_the_end(
            lengths in prop::collection::vec(0..200usize, 0..8),
            sums: bool,
        ) {
            let all: Bytes = (0..lengths.iter().sum()).map(|n| n as u8).collect();
            let (mut tail, mut rest, mut out) = (TrailerBuffer::default(), all.clone(), Vec::new());
            for length in lengths {
                out.extend_from_slice(&tail.pass(rest.split_to(length)));
            }
            let behind = if sums { SUMS } else { 0 };
            match tail.end(sums) {
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
