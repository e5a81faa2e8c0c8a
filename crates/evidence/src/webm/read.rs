//! Reads the pictures of a video in order, from any reader and in bounded memory.

use std::io::{self, Read};

use super::ebml;

/// The longest picture.
const MAX_PICTURE_BYTES: u64 = 64 * 1024 * 1024;

/// A picture of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Milliseconds from the start of the video.
    pub time: u64,
    /// One AV1 temporal unit.
    pub data: Vec<u8>,
}

/// The pictures of a video. It ends where the file does, or at the first byte that is not valid WebM.
pub struct Pictures<R> {
    reader: R,
    cluster: u64,
}

impl<R: Read> Pictures<R> {
    /// Reads from the file's first byte.
    pub fn new(reader: R) -> Self {
        Self { reader, cluster: 0 }
    }

    fn step(&mut self) -> io::Result<Option<Picture>> {
        loop {
            let Some((id, size)) = self.header()? else { return Ok(None) };
            match id {
                // Segment, cluster, block group: their children are read in place.
                0x1853_8067 | 0x1F43_B675 | 0xA0 => {}
                0xE7 if size <= 8 => {
                    self.cluster = self.bytes(size)?.iter().fold(0, |n, b| n << 8 | u64::from(*b));
                }
                0xA3 | 0xA1 if (4..=MAX_PICTURE_BYTES).contains(&size) => {
                    let mut block = self.bytes(size)?;
                    if block[0] == 0x80 | super::PICTURES {
                        let relative = u64::from(u16::from_be_bytes([block[1], block[2]]));
                        let time = self.cluster.saturating_add(relative);
                        return Ok(Some(Picture { time, data: block.split_off(4) }));
                    }
                }
                _ => {
                    let skipped = io::copy(&mut (&mut self.reader).take(size), &mut io::sink())?;
                    if skipped < size {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// An element's id and size; `None` at the end, and for an element of unknown size.
    fn header(&mut self) -> io::Result<Option<(u32, u64)>> {
        let mut bytes = Vec::with_capacity(12);
        while bytes.len() < 12 {
            let mut byte = [0];
            if self.reader.read(&mut byte)? == 0 {
                return Ok(None);
            }
            bytes.push(byte[0]);
            if let Some((_, size)) = ebml::header(&bytes) {
                return Ok(ebml::id(&bytes).zip(size));
            }
        }
        Ok(None)
    }

    fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.reader).take(count).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl<R: Read> Iterator for Pictures<R> {
    type Item = io::Result<Picture>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// For fuzzing: no input panics the reader.
pub fn oracle(bytes: &[u8]) {
    Pictures::new(bytes).take_while(Result::is_ok).for_each(drop);
    if let Some(unit) = super::Unit::read(bytes) {
        assert!(!unit.key || unit.sequence.is_some());
    }
}
