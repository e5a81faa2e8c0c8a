//! Encryption at rest: each file has a key of its own, which the server's key encrypts.
//!
//! A file is a head and records. The head: `DSKVLT2\n`, a nonce (12 bytes), and the file's key (32 bytes) sealed with
//! the vault's. The file's name is authenticated with it, so that a file does not open in another's place. Files that
//! begin with `DSKVLT1\n`, from before there were names, still open anywhere.
//!
//! A record: four bytes with the length of its plaintext, the highest bit set in the last record of a finished file; then
//! the ciphertext and its tag. All sealing is AES-256-GCM; a record's nonce is its number, and its length is authenticated
//! with it. A file that is only appended to can be read up to where it was cut off; in a finished file every record but
//! the last holds [`CHUNK`] bytes, so that any position is found directly.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    path::Path,
};

use anyhow::Context;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::secret;

/// The most bytes of plaintext in a record.
pub const CHUNK: usize = 64 * 1024;
/// The length of a file's head.
pub const HEAD: usize = MAGIC.len() + 12 + 32 + 16;
/// The bytes of a record besides its ciphertext.
const EXTRA: usize = 4 + 16;
const MAGIC: &[u8; 8] = b"DSKVLT2\n";
/// The name for files that are bound to none.
const UNBOUND: &[u8; 8] = b"DSKVLT1\n";
const LAST: u32 = 1 << 31;

/// The server's key, which encrypts the keys of files.
pub struct Vault {
    key: LessSafeKey,
}

impl Vault {
    /// Reads the key, or creates it at the first start.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = secret::kept(path).context("the vault's key")?;
        Ok(Self { key: unbound(&bytes) })
    }

    /// The file at this path. What is written for it opens under no other name. The name includes the folder's, but no
    /// more, so that a data folder may be moved.
    pub fn file(&self, path: &Path) -> Named<'_> {
        let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let folder = part(path.parent().and_then(Path::file_name));
        Named { vault: self, name: Some(format!("{folder}/{}", part(path.file_name()))) }
    }

    /// Starts a stream that is not a file and has no name.
    pub fn create<W: Write>(&self, out: W) -> io::Result<Writer<W>> {
        Named { vault: self, name: None }.create(out)
    }

    /// Reads what [`Self::create`] wrote.
    pub fn read<R: Read>(&self, sealed: R) -> io::Result<Reader<R>> {
        Named { vault: self, name: None }.read(sealed)
    }
}

/// What opens under one name.
pub struct Named<'a> {
    vault: &'a Vault,
    name: Option<String>,
}

impl Named<'_> {
    /// The magic bytes, and the data that is authenticated with the file's key.
    fn bound_to(&self) -> (&'static [u8; 8], Vec<u8>) {
        match &self.name {
            Some(name) => (MAGIC, [&MAGIC[..], name.as_bytes()].concat()),
            None => (UNBOUND, UNBOUND.to_vec()),
        }
    }

    /// Starts a file.
    pub fn create<W: Write>(&self, mut out: W) -> io::Result<Writer<W>> {
        let mut key = secret::random::<32>();
        let nonce = secret::random::<12>();
        let file_key = unbound(&key);
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        let (magic, bound) = self.bound_to();
        let tag = self.vault.key.seal_in_place_separate_tag(nonce_of, Aad::from(bound), &mut key).map_err(sealed)?;
        out.write_all(&[&magic[..], &nonce, &key, tag.as_ref()].concat())?;
        Ok(Writer { out, key: file_key, records: 0, buffer: Vec::with_capacity(CHUNK) })
    }

    /// Reads the file's key from its head.
    pub fn unlock(&self, head: &[u8]) -> io::Result<FileKey> {
        let damaged =
            || io::Error::new(io::ErrorKind::InvalidData, "damaged, or not the file of this vault that belongs here");
        let head: &[u8; HEAD] = head.try_into().map_err(|_| damaged())?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (nonce, wrapped) = rest.split_at(12);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut wrapped = wrapped.to_vec();
        let (expected, bound) = self.bound_to();
        let bound = match magic {
            magic if magic == expected => bound,
            // A file from before there were names.
            magic if magic == UNBOUND => UNBOUND.to_vec(),
            _ => return Err(damaged()),
        };
        let key = self.vault.key.open_in_place(nonce, Aad::from(bound), &mut wrapped).map_err(|_| damaged())?;
        Ok(FileKey(unbound((&*key).try_into().map_err(|_| damaged())?)))
    }

    /// Reads a file from its start.
    pub fn read<R: Read>(&self, mut file: R) -> io::Result<Reader<R>> {
        let mut head = [0; HEAD];
        file.read_exact(&mut head)?;
        Ok(Reader { key: self.unlock(&head)?, file, records: 0, plain: Vec::new(), at: 0, ended: false })
    }
}

fn unbound(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes is one"))
}

fn sealed(_: ring::error::Unspecified) -> io::Error {
    io::Error::other("sealing failed")
}

fn nonce(record: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&record.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// A file that is being written. Bytes that are not flushed are not in it.
pub struct Writer<W> {
    out: W,
    key: LessSafeKey,
    records: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn seal(&mut self, last: u32) -> io::Result<()> {
        let length = (self.buffer.len() as u32 | last).to_be_bytes();
        let mut bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.key.seal_in_place_append_tag(nonce(self.records), Aad::from(length), &mut bytes).map_err(sealed)?;
        self.records += 1;
        self.out.write_all(&length)?;
        self.out.write_all(&bytes)
    }

    /// The underlying writer.
    pub fn inner(&self) -> &W {
        &self.out
    }

    /// Finishes the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(LAST)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The last record is not sealed here: only the end tells whether it is the last.
        if self.buffer.len() == CHUNK {
            self.seal(0)?;
        }
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.seal(0)?;
        }
        self.out.flush()
    }
}

/// The key of one file.
pub struct FileKey(LessSafeKey);

impl FileKey {
    /// Decrypts a record: its number, and all its bytes.
    fn record(&self, number: u64, bytes: &mut [u8]) -> io::Result<(usize, bool)> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a record of this file is damaged");
        let (length, sealed) = bytes.split_at_mut_checked(4).ok_or_else(damaged)?;
        let length: [u8; 4] = (&*length).try_into().expect("it was cut to four bytes");
        let plain = self.0.open_in_place(nonce(number), Aad::from(length), sealed).map_err(|_| damaged())?;
        Ok((plain.len(), u32::from_be_bytes(length) & LAST != 0))
    }

    /// Decrypts the chunks in `bytes`; `first` is the number of the first one.
    pub fn chunks(&self, first: u64, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut plain = Vec::with_capacity(bytes.len());
        for (number, record) in (first..).zip(bytes.chunks_mut(CHUNK + EXTRA)) {
            let (length, _) = self.record(number, record)?;
            plain.extend_from_slice(&record[4..4 + length]);
        }
        Ok(plain)
    }
}

/// The length of a finished file's plaintext.
pub fn plain_length(file: u64) -> Option<u64> {
    let records = file.checked_sub(HEAD as u64)?;
    let count = records.div_ceil((CHUNK + EXTRA) as u64);
    records.checked_sub(count * EXTRA as u64)
}

/// The position of this chunk in a finished file.
pub fn chunk_at(number: u64) -> u64 {
    HEAD as u64 + number * (CHUNK + EXTRA) as u64
}

/// Reads a file from its start. It ends where the file was cut off; a record that was changed is an error.
pub struct Reader<R> {
    key: FileKey,
    file: R,
    records: u64,
    plain: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Reader<R> {
    fn next_record(&mut self) -> io::Result<bool> {
        let mut bytes = vec![0; 4];
        if self.ended || !whole(&mut self.file, &mut bytes)? {
            return Ok(false);
        }
        let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) & !LAST;
        if length as usize > CHUNK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of this file is damaged"));
        }
        bytes.resize(length as usize + EXTRA, 0);
        if !whole(&mut self.file, &mut bytes[4..])? {
            return Ok(false);
        }
        let (length, last) = self.key.record(self.records, &mut bytes)?;
        self.records += 1;
        self.ended = last;
        bytes.truncate(4 + length);
        (self.plain, self.at) = (bytes, 4);
        Ok(true)
    }
}

fn whole(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if !self.next_record()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.plain.len() - self.at);
        buffer[..count].copy_from_slice(&self.plain[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vault() -> Vault {
        Vault { key: unbound(&[7; 32]) }
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    const PATH: &str = "/data/recordings/a.video";

    #[test]
    fn any_part_of_a_finished_file_can_be_read() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 500] {
            let mut writer = vault().file(Path::new(PATH)).create(Vec::new()).unwrap();
            content(length).chunks(7_000).for_each(|piece| writer.write_all(piece).unwrap());
            let file = writer.finish().unwrap();
            assert_eq!(plain_length(file.len() as u64), Some(length as u64));
            let mut read = Vec::new();
            vault().file(Path::new(PATH)).read(&file[..]).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, content(length));
            let key = vault().file(Path::new(PATH)).unlock(&file[..HEAD]).unwrap();
            for chunk in 0..length.div_ceil(CHUNK) {
                let end = (chunk_at(chunk as u64 + 1) as usize).min(file.len());
                let part = key.chunks(chunk as u64, file[chunk_at(chunk as u64) as usize..end].to_vec()).unwrap();
                assert_eq!(part, content(length)[chunk * CHUNK..length.min((chunk + 1) * CHUNK)]);
            }
        }
    }

    #[test]
    fn a_file_opens_in_its_own_vault_alone() {
        let file = vault().file(Path::new(PATH)).create(Vec::new()).unwrap().finish().unwrap();
        assert!(Vault { key: unbound(&[8; 32]) }.file(Path::new(PATH)).unlock(&file[..HEAD]).is_err());
        let mut writer = vault().file(Path::new(PATH)).create(Vec::new()).unwrap();
        writer.write_all(b"hello").unwrap();
        let mut other = writer.finish().unwrap();
        other[..HEAD].copy_from_slice(&file[..HEAD]);
        assert!(vault().file(Path::new(PATH)).read(&other[..]).unwrap().read_to_end(&mut Vec::new()).is_err());
        assert!(!file.windows(5).any(|w| w == b"hello"));
    }

    /// A file does not open in another's place, neither in another session's nor as another file of the same one.
    #[test]
    fn a_file_opens_under_its_own_name_alone() {
        let mut writer = vault().file(Path::new(PATH)).create(Vec::new()).unwrap();
        writer.write_all(b"hello").unwrap();
        let file = writer.finish().unwrap();
        let read = |path: &str| {
            let mut text = String::new();
            vault().file(Path::new(path)).read(&file[..]).and_then(|mut r| r.read_to_string(&mut text)).map(|_| text)
        };
        assert_eq!(read(PATH).unwrap(), "hello");
        assert_eq!(read("/moved/elsewhere/recordings/a.video").unwrap(), "hello", "the data folder may be moved");
        for path in ["/data/recordings/b.video", "/data/recordings/a.pointer", "/data/shells/a.video", "a.video", ""] {
            assert!(read(path).is_err(), "{path}");
        }
        assert!(vault().read(&file[..]).is_err(), "without a name");
    }

    /// `hello` as the version before names sealed it.
    #[test]
    fn a_file_of_an_earlier_version_opens() {
        let file = concat!(
            "44534b564c54310a0303030303030303030303032cf7aa0a5321574b73494a55e25ef605e435e9e6bd9c9d7926d78eb8",
            "eaec49b1156569b1437971d85f1062ed78743ed9800000058ea609484870a1ac9b3a129c87628c3139c12e73f4"
        );
        let byte = |at| u8::from_str_radix(&file[at..at + 2], 16).unwrap();
        let file: Vec<u8> = (0..file.len()).step_by(2).map(byte).collect();
        let mut text = String::new();
        vault().file(Path::new(PATH)).read(&file[..]).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    proptest! {
        /// What was flushed before a cut is read; a change is noticed.
        #[test]
        fn a_truncated_file_loses_only_what_was_cut_off(pieces in prop::collection::vec(1usize..5_000, 1..20), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>()) {
            let mut writer = vault().file(Path::new(PATH)).create(Vec::new()).unwrap();
            let (mut ends, mut total) = (vec![], 0);
            for piece in &pieces {
                writer.write_all(&content(total + piece)[total..]).unwrap();
                writer.flush().unwrap();
                total += piece;
                ends.push((writer.inner().len(), total));
            }
            let file = writer.inner().clone();
            let cut = HEAD + cut.index(file.len() - HEAD + 1);
            let kept = ends.iter().take_while(|(end, _)| *end <= cut).last().map_or(0, |(_, plain)| *plain);
            let mut read = Vec::new();
            vault().file(Path::new(PATH)).read(&file[..cut]).unwrap().read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, &content(kept));
            let mut changed = file.clone();
            let place = flip.index(file.len());
            changed[place] ^= 0x10;
            let mut read = Vec::new();
            let opened = vault().file(Path::new(PATH)).read(&changed[..]).and_then(|mut r| r.read_to_end(&mut read));
            // A changed length may look like a cut; then less is read, never anything else.
            prop_assert!(opened.is_err() || (read.len() < total && content(total).starts_with(&read)));
        }
    }
}
