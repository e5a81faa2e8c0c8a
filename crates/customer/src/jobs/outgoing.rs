//! Downloads: in chunks from an offset on, folders as archives, with checksums at the end.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use protocol::{Answer, Fault, Right};
use session::FileTransfer;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream};

use super::{CHUNKS, JobContext, JobResult, JobStream, archive, fault, folders, side_channel::Chunks};
use crate::streams::stream_error;

/// The size of a chunk.
pub const CHUNK_BYTES: usize = 128 * 1024;

/// The requested part of a file.
#[derive(Clone, Copy)]
pub struct ByteRange {
    /// The first byte to send.
    pub from: u64,
    /// Where the second checksum begins.
    pub since: u64,
}

/// Sends a file from an offset on, or a folder as a ZIP archive.
pub async fn download<W: SendStream, R: RecvStream>(
    context: &JobContext,
    stream: &mut JobStream<W, R>,
    path: String,
    part: ByteRange,
    side_channel: Option<String>,
) -> anyhow::Result<JobResult> {
    let (source, act) = match open(context, path, part).await {
        Ok(allowed) => allowed,
        Err(fault) => return Ok(Err(fault)),
    };
    let (size, version, sums) = (source.size(), source.version(), source.needs_sums(part));
    stream.answer(&Answer::File { size, version, sums }).await?;
    let (chunks, mut queue) = mpsc::channel(CHUNKS);
    let reading = tokio::task::spawn_blocking(move || source.read(part, chunks));
    if let Some(token) = side_channel {
        let (mut chunks, http) = (Chunks { context: context.clone(), queue, rest: Bytes::new() }, context.http.clone());
        tokio::task::spawn_blocking(move || http.send_to_side_channel(&token, &mut chunks)).await??;
    } else {
        while let Some(chunk) = queue.recv().await {
            if !context.may(Right::Files) {
                return Err(anyhow::anyhow!("the customer has withdrawn files"));
            }
            stream.sender.write_chunk(chunk).await.map_err(stream_error)?;
        }
    }
    // A file that could not be read to its end is too short or lacks its checksums, so the other side notices.
    reading.await??;
    context.finish_transfer(|known| *known == act);
    Ok(Ok(None))
}

/// Opens the source, and asks about it if the customer wants that. The question is about the opened file, whatever is
/// at the path later.
async fn open(context: &JobContext, path: String, part: ByteRange) -> Result<(Source, FileTransfer), Fault> {
    let whole = folders::absolute(&path)?;
    let opened = tokio::task::spawn_blocking(move || Source::open(&whole, part.from)).await;
    let source = opened.map_err(|e| Fault::Other { why: e.to_string() })??;
    let act = FileTransfer::Fetch { path, version: source.version() };
    context.approve_transfer(act.clone(), part.from > 0).await?;
    Ok((source, act))
}

/// The source of a download.
enum Source {
    File { file: File, size: u64, version: String },
    Folder { path: PathBuf },
}

impl Source {
    fn open(path: &Path, from: u64) -> Result<Self, Fault> {
        let about = fs::metadata(path).map_err(|e| fault(&e))?;
        if about.is_dir() {
            // An archive is made again each time, so it cannot be resumed.
            return if from == 0 { Ok(Self::Folder { path: path.to_owned() }) } else { Err(Fault::Changed) };
        }
        // A pipe or a device has no end.
        if !about.is_file() {
            return Err(Fault::Other { why: "this is not a file".into() });
        }
        let file = File::open(path).map_err(|e| fault(&e))?;
        let about = file.metadata().map_err(|e| fault(&e))?;
        let changed = about.modified().ok().and_then(|m| m.duration_since(UNIX_EPOCH).ok());
        let version = format!("{}-{}", changed.map_or(0, |c| c.as_nanos()), about.len());
        if from > about.len() { Err(Fault::Changed) } else { Ok(Self::File { file, size: about.len(), version }) }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::File { size, .. } => Some(*size),
            Self::Folder { .. } => None,
        }
    }

    fn version(&self) -> String {
        match self {
            Self::File { version, .. } => version.clone(),
            Self::Folder { .. } => "archive".into(),
        }
    }

    /// Whether the other side needs checksums: see [`protocol::Job::Fetch`].
    fn needs_sums(&self, part: ByteRange) -> bool {
        part.from > 0 || self.size().is_none()
    }

    /// Sends every chunk of the part, and the checksums at its end where they are needed.
    fn read(self, part: ByteRange, chunks: mpsc::Sender<Bytes>) -> io::Result<()> {
        let sums = self.needs_sums(part).then(|| Checksums::new(part.since));
        let mut out = Outgoing { sums, chunks, buffer: Vec::new() };
        match self {
            Self::File { mut file, size, .. } => {
                // Bytes that the other side has already count only for the checksums.
                for at in (0..part.from).step_by(CHUNK_BYTES) {
                    out.count(&chunk(&mut file, part.from - at)?);
                }
                let mut left = size - part.from;
                while left > 0 {
                    let chunk = chunk(&mut file, left)?;
                    left -= chunk.len() as u64;
                    out.count(&chunk);
                    out.send(chunk)?;
                }
            }
            Self::Folder { path } => out = archive::write(&path, out)?,
        }
        out.end()
    }
}

/// The next chunk of a file with this many bytes left.
fn chunk(file: &mut File, left: u64) -> io::Result<Vec<u8>> {
    let long = left.min(CHUNK_BYTES as u64);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let got = file.take(long).read_to_end(&mut chunk)?;
    if got as u64 == long { Ok(chunk) } else { Err(io::Error::other("the file became shorter")) }
}

/// The SHA-256 of the whole file, and the one from an offset on.
struct Checksums {
    whole: Sha256,
    at: u64,
    since: u64,
    /// Where it differs from the whole.
    part: Option<Sha256>,
}

impl Checksums {
    fn new(since: u64) -> Self {
        Self { whole: Sha256::new(), at: 0, since, part: (since > 0).then(Sha256::new) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        if let Some(part) = &mut self.part {
            let before = self.since.saturating_sub(self.at).min(bytes.len() as u64);
            part.update(&bytes[before as usize..]);
        }
        self.at += bytes.len() as u64;
    }

    fn end(self) -> [[u8; 32]; 2] {
        let whole: [u8; 32] = self.whole.finalize().into();
        [whole, self.part.map_or(whole, |part| part.finalize().into())]
    }
}

/// Bytes for the network, counted into the checksums.
struct Outgoing {
    sums: Option<Checksums>,
    chunks: mpsc::Sender<Bytes>,
    /// Collects writes that are too small to be sent.
    buffer: Vec<u8>,
}

impl Outgoing {
    fn count(&mut self, bytes: &[u8]) {
        if let Some(sums) = &mut self.sums {
            sums.update(bytes);
        }
    }

    fn send(&self, chunk: Vec<u8>) -> io::Result<()> {
        self.chunks.blocking_send(chunk.into()).map_err(|_| io::Error::other("the connection ended"))
    }

    fn end(mut self) -> io::Result<()> {
        if let Some(sums) = self.sums.take() {
            self.buffer.extend_from_slice(&sums.end().concat());
        }
        self.flush()
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.buffer);
        if chunk.is_empty() { Ok(()) } else { self.send(chunk) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(whole: &[u8], part: &[u8]) -> Vec<u8> {
        [Sha256::digest(whole), Sha256::digest(part)].concat()
    }

    fn all_of(source: Source, part: ByteRange) -> Vec<u8> {
        let (chunks, mut queue) = mpsc::channel(CHUNKS);
        let reader = std::thread::spawn(move || source.read(part, chunks).unwrap());
        let mut bytes = Vec::new();
        while let Some(chunk) = queue.blocking_recv() {
            bytes.extend_from_slice(&chunk);
        }
        reader.join().unwrap();
        bytes
    }

    #[test]
    fn a_resumed_file_has_the_checksums_of_the_whole_and_of_the_part() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..400_000u32).map(|n| (n % 251) as u8).collect();
        fs::write(folder.path().join("f"), &content).unwrap();
        let read =
            |from, since| all_of(Source::open(&folder.path().join("f"), from).unwrap(), ByteRange { from, since });
        assert_eq!(read(0, 0), content);
        for (from, since) in [(1, 1), (131_072, 0), (131_072, 7), (399_999, 131_072), (400_000, 400_000)] {
            let sums = sums(&content, &content[since as usize..]);
            assert_eq!(read(from, since), [&content[from as usize..], &sums].concat());
        }
        assert_eq!(Source::open(&folder.path().join("f"), 400_001).err(), Some(Fault::Changed));
        #[cfg(unix)]
        assert!(matches!(Source::open(Path::new("/dev/zero"), 0).err(), Some(Fault::Other { .. })));
    }

    #[tokio::test]
    async fn a_download_resumes_only_with_the_file_that_was_approved() {
        use crate::{jobs::approval, util::lock};

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let path = folders::to_text(&file);
        fs::write(&file, "what was allowed").unwrap();
        let (context, asked) = approval::tests::context(true);
        let opens = async |from| {
            open(&context, path.clone(), ByteRange { from, since: 0 }).await.map(drop).unwrap();
            lock(&asked).len()
        };
        assert_eq!((opens(0).await, opens(3).await), (1, 1), "it resumes");
        fs::write(&file, "what was written later").unwrap();
        assert_eq!(opens(3).await, 2, "it is another file");
        assert_eq!(opens(4).await, 2, "and that was approved, too");
    }
}
