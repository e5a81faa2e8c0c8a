//! The bundle: all evidence of a session in one signed file.
//!
//! A ZIP archive, uncompressed, whose comment is `deskside-bundle-1 KEY SIGNATURE`. The signature (Ed25519) covers the
//! SHA-256 of every byte before the comment, so that no byte of the file can be changed unnoticed. `manifest.json`
//! lists the length and SHA-256 of every other file, and so shows where something was changed.

use std::io::{self, Read, Seek, SeekFrom, Write};

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{hex, seal};

/// The names of the files in a bundle.
pub mod names {
    /// The lengths and hashes of all other files.
    pub const MANIFEST: &str = "manifest.json";
    /// The timeline as it was stored: one JSON object a line.
    pub const TIMELINE: &str = "timeline.jsonl";
    /// The signatures under the timeline's head.
    pub const SEALS: &str = "seals.json";
    /// The signing keys and their endorsements.
    pub const KEYS: &str = "keys.json";
    /// The transcript.
    pub const TRANSCRIPT: &str = "transcript.txt";
    /// The video of a session whose screen was recorded.
    pub const VIDEO: &str = "video.webm";
    /// The video with the pointer drawn into it, if the export asked for it. It is re-encoded: the other one is what
    /// was recorded.
    pub const VIDEO_WITH_POINTER: &str = "video-with-pointer.webm";
    /// The positions of the pointer during the video.
    pub const POINTER: &str = "pointer.bin";
}

/// `deskside-bundle-1`, a key and a signature in hexadecimal, and the spaces between them.
pub const SIGNATURE_BYTES: usize = MARK.len() + 1 + 64 + 1 + 128;
const MARK: &str = "deskside-bundle-1";

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not a readable archive.
    #[error("the archive cannot be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The name is not allowed for a file of a bundle.
    #[error("{0:?} is not a valid name for a file of a bundle")]
    Name(String),
}

/// Whether a file of a bundle may have this name: letters, digits, `.`, `-` and `_`, in at most one folder. So no
/// program that unpacks a bundle writes outside of its target folder.
pub fn name_fits(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut parts = name.split('/');
    parts.by_ref().take(2).all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(fits))
        && parts.next().is_none()
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name in the archive.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Writes a bundle sequentially.
pub struct Writer<W: Write> {
    zip: zip::ZipWriter<zip::write::StreamWriter<Signing<W>>>,
    entries: Vec<Entry>,
}

impl<W: Write> Writer<W> {
    /// Starts a bundle.
    pub fn new(out: W) -> Self {
        let out = Signing { out, tail: Vec::new(), sum: Sha256::new() };
        Self { zip: zip::ZipWriter::new_stream(out), entries: vec![] }
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, content: &mut dyn Read) -> Result<(), BundleError> {
        if !name_fits(name) {
            return Err(BundleError::Name(name.into()));
        }
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(true);
        self.zip.start_file(name, options)?;
        let (mut sum, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let got = content.read(&mut buffer)?;
            if got == 0 {
                break;
            }
            sum.update(&buffer[..got]);
            bytes += got as u64;
            self.zip.write_all(&buffer[..got])?;
        }
        self.entries.push(Entry { name: name.to_owned(), bytes, sha256: hex(&sum.finalize()) });
        Ok(())
    }

    /// Adds the manifest and signs the file.
    pub fn finish(mut self, key: &SigningKey) -> Result<W, BundleError> {
        let manifest = serde_json::to_vec_pretty(&self.entries).map_err(io::Error::other)?;
        self.file(names::MANIFEST, &mut &manifest[..])?;
        self.zip.set_comment("-".repeat(SIGNATURE_BYTES))?;
        let Signing { mut out, sum, .. } = self.zip.finish()?.into_inner();
        let comment = comment(key, &hex(&sum.finalize()));
        out.write_all(comment.as_bytes())?;
        out.flush()?;
        Ok(out)
    }
}

fn comment(key: &SigningKey, sum: &str) -> String {
    format!("{MARK} {} {}", seal::public(key), seal::sign(key, &text(sum)))
}

fn text(sum: &str) -> String {
    format!("deskside bundle 1\n{sum}\n")
}

/// Hashes what passes, except the last [`SIGNATURE_BYTES`], which hold the signature.
struct Signing<W> {
    out: W,
    tail: Vec<u8>,
    sum: Sha256,
}

impl<W: Write> Write for Signing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tail.extend_from_slice(bytes);
        let ready = self.tail.len().saturating_sub(SIGNATURE_BYTES);
        self.sum.update(&self.tail[..ready]);
        self.out.write_all(&self.tail[..ready])?;
        self.tail.drain(..ready);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Checks the signature at the end of a file: returns the key that signed, or `None`.
pub fn signature<R: Read + Seek>(file: &mut R) -> io::Result<Option<String>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(covered) = length.checked_sub(SIGNATURE_BYTES as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Sha256::new();
    io::copy(&mut file.take(covered), &mut sum)?;
    let mut comment = String::new();
    if file.read_to_string(&mut comment).is_err() {
        return Ok(None);
    }
    let mut words = comment.split(' ');
    let parts = (words.next(), words.next(), words.next(), words.next());
    let (Some(MARK), Some(key), Some(signature), None) = parts else { return Ok(None) };
    Ok(seal::signed(key, &text(&hex(&sum.finalize())), signature).then(|| key.to_owned()))
}
