//! The raw recording: what a recorder writes while the screen is shared, record by record, each with its time. It is
//! only appended to, and every complete record can be read.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of what follows |
//! | 1 | 1 picture, 2 pointer |
//! | 8 | time, milliseconds since 1970 UTC |
//! | 4 | a picture's width and height; a pointer's x and y |
//! | 1 | a picture: 1 when decoding can start here, otherwise 0 |
//! | … | a picture: one AV1 temporal unit |
//!
//! Numbers are big endian.

use std::io::{self, Read};

use protocol::Timestamp;

/// The largest record: the relay passes on no larger frame.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;
const HEAD: usize = 13;

/// What happened on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A picture.
    Picture {
        /// When it arrived.
        at: Timestamp,
        /// In pixels.
        width: u16,
        /// In pixels.
        height: u16,
        /// Whether decoding can start here.
        key: bool,
        /// One AV1 temporal unit.
        data: Vec<u8>,
    },
    /// The pointer moved.
    Pointer {
        /// When it moved.
        at: Timestamp,
        /// In pixels of the screen.
        x: u16,
        /// In pixels of the screen.
        y: u16,
    },
}

/// Encodes a record.
pub fn encode(record: &Record) -> Vec<u8> {
    let (kind, at, a, b, rest): (u8, _, _, _, &[u8]) = match record {
        Record::Picture { at, width, height, data, .. } => (1, at, width, height, data),
        Record::Pointer { at, x, y } => (2, at, x, y, &[]),
    };
    let key: &[u8] = match record {
        Record::Picture { key, .. } => &[*key as u8],
        Record::Pointer { .. } => &[],
    };
    let length = (HEAD + key.len() + rest.len()) as u32;
    [&length.to_be_bytes()[..], &[kind], &at.0.to_be_bytes(), &a.to_be_bytes(), &b.to_be_bytes(), key, rest].concat()
}

/// Reads records until the end, or until the first incomplete one: after a power failure the last one may be torn.
pub struct Records<R>(pub R);

impl<R: Read> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut length = [0; 4];
        let body = match whole(&mut self.0, &mut length) {
            Ok(true) => u32::from_be_bytes(length) as usize,
            Ok(false) => return None,
            Err(error) => return Some(Err(error)),
        };
        if !(HEAD..=MAX_RECORD_BYTES).contains(&body) {
            return None;
        }
        let mut bytes = Vec::new();
        match (&mut self.0).take(body as u64).read_to_end(&mut bytes) {
            Ok(got) if got == body => decode(bytes).map(Ok),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn decode(mut bytes: Vec<u8>) -> Option<Record> {
    let number = |from: usize| Some(u16::from_be_bytes(bytes.get(from..from + 2)?.try_into().ok()?));
    let at = Timestamp(u64::from_be_bytes(bytes.get(1..9)?.try_into().ok()?));
    let (a, b) = (number(9)?, number(11)?);
    match (bytes[0], bytes.len()) {
        (2, HEAD) => Some(Record::Pointer { at, x: a, y: b }),
        (1, length) if length > HEAD => {
            let key = match bytes[HEAD] {
                0 => false,
                1 => true,
                _ => return None,
            };
            let data = bytes.split_off(HEAD + 1);
            Some(Record::Picture { at, width: a, height: b, key, data })
        }
        _ => None,
    }
}

/// For fuzzing: no input panics the reader, and each record that it reads encodes to the same bytes.
pub fn oracle(bytes: &[u8]) {
    let mut at = 0;
    for record in Records(bytes) {
        let again = encode(&record.expect("memory can be read"));
        assert_eq!(&bytes[at..at + again.len()], again);
        at += again.len();
    }
}
