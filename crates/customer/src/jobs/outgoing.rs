//! Files on their way out: in pieces from an offset on, folders as archives, with their sums at the end.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use protocol::{Answer, Fault, Right};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream};

use super::{Done, FileQuestion, Line, PIECES, Work, fault, folders, lane::Pieces};
use crate::link::broken;

/// How large the pieces are.
const PIECE: usize = 128 * 1024;
/// Deeper folders than this are a mistake or a trap.
const DEEPEST: usize = 64;

/// The part of a file that is wanted.
#[derive(Clone, Copy)]
pub struct Part {
    /// The first byte to send.
    pub from: u64,
    /// The first byte of the second sum.
    pub since: u64,
}

/// Sends a file from an offset on, or a folder as a ZIP archive.
pub async fn fetch<W: SendStream, R: RecvStream>(
    work: &Work,
    line: &mut Line<W, R>,
    path: String,
    part: Part,
    lane: Option<String>,
) -> anyhow::Result<Done> {
    if let Err(fault) = work.approve(FileQuestion::Fetch { path: path.clone() }).await {
        return Ok(Err(fault));
    }
    let path = match folders::absolute(&path) {
        Ok(path) => path,
        Err(fault) => return Ok(Err(fault)),
    };
    let opened = tokio::task::spawn_blocking(move || Source::open(&path, part.from)).await?;
    let source = match opened {
        Ok(source) => source,
        Err(fault) => return Ok(Err(fault)),
    };
    let (size, version, sums) = (source.size(), source.version(), source.needs_sums(part));
    line.answer(&Answer::File { size, version, sums }).await?;
    let (pieces, mut queue) = mpsc::channel(PIECES);
    let reading = tokio::task::spawn_blocking(move || source.read(part, pieces));
    if let Some(token) = lane {
        let (mut pieces, http) = (Pieces { work: work.clone(), queue, rest: Bytes::new() }, work.http.clone());
        tokio::task::spawn_blocking(move || http.send_by_lane(&token, &mut pieces)).await??;
    } else {
        while let Some(piece) = queue.recv().await {
            if !work.may(Right::Files) {
                return Err(anyhow::anyhow!("the customer has taken files back"));
            }
            line.sender.write_chunk(piece).await.map_err(broken)?;
        }
    }
    // A file that could not be read to its end is too short, or without its sums: the other side knows.
    reading.await??;
    Ok(Ok(None))
}

/// What is read.
enum Source {
    File { file: File, size: u64, version: String },
    Folder { path: PathBuf },
}

impl Source {
    fn open(path: &Path, from: u64) -> Result<Self, Fault> {
        let about = fs::metadata(path).map_err(|e| fault(&e))?;
        if about.is_dir() {
            // An archive is made anew each time, and cannot go on in the middle.
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

    /// Whether the other side cannot know without sums that all is right: see [`protocol::Job::Fetch`].
    fn needs_sums(&self, part: Part) -> bool {
        part.from > 0 || self.size().is_none()
    }

    /// Hands out every piece of the part, and the sums at its end where they are needed.
    fn read(self, part: Part, pieces: mpsc::Sender<Bytes>) -> io::Result<()> {
        let sums = self.needs_sums(part).then(|| Sums::new(part.since));
        let mut out = Outgoing { sums, pieces, buffer: Vec::new() };
        match self {
            Self::File { mut file, size, .. } => {
                // What the other side has already only counts for the sums.
                for at in (0..part.from).step_by(PIECE) {
                    out.count(&piece(&mut file, part.from - at)?);
                }
                let mut left = size - part.from;
                while left > 0 {
                    let piece = piece(&mut file, left)?;
                    left -= piece.len() as u64;
                    out.count(&piece);
                    out.send(piece)?;
                }
            }
            Self::Folder { path } => out = archive(&path, out)?,
        }
        out.end()
    }
}

/// The next piece of a file of which so much is left.
fn piece(file: &mut File, left: u64) -> io::Result<Vec<u8>> {
    let long = left.min(PIECE as u64);
    let mut piece = Vec::with_capacity(PIECE);
    let got = file.take(long).read_to_end(&mut piece)?;
    if got as u64 == long { Ok(piece) } else { Err(io::Error::other("the file became shorter")) }
}

/// The SHA-256 of all, and the one from an offset on.
struct Sums {
    whole: Sha256,
    at: u64,
    since: u64,
    /// Where it is not the same.
    part: Option<Sha256>,
}

impl Sums {
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

/// Bytes on their way to the network, counted into the sums.
struct Outgoing {
    sums: Option<Sums>,
    pieces: mpsc::Sender<Bytes>,
    /// Written in parts too small to be sent.
    buffer: Vec<u8>,
}

impl Outgoing {
    fn count(&mut self, bytes: &[u8]) {
        if let Some(sums) = &mut self.sums {
            sums.update(bytes);
        }
    }

    fn send(&self, piece: Vec<u8>) -> io::Result<()> {
        self.pieces.blocking_send(piece.into()).map_err(|_| io::Error::other("the connection ended"))
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
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.buffer);
        if piece.is_empty() { Ok(()) } else { self.send(piece) }
    }
}

/// A folder as a ZIP archive, uncompressed, made while it is sent. Links are not followed: they may lead out of it. What
/// cannot be read is left out and named in a file of the archive.
fn archive(folder: &Path, out: Outgoing) -> io::Result<Outgoing> {
    let mut zip = zip::ZipWriter::new_stream(out);
    let mut left_out = Vec::new();
    let name = folder.file_name().map_or("files".into(), |n| n.to_string_lossy().into_owned());
    add_folder(&mut zip, folder, &name, 0, &mut left_out)?;
    if !left_out.is_empty() {
        zip.start_file(format!("{name}/NOT INCLUDED.txt"), options()).map_err(io::Error::other)?;
        zip.write_all(left_out.join("\n").as_bytes())?;
    }
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}

type Zip = zip::ZipWriter<zip::write::StreamWriter<Outgoing>>;

fn options() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true)
}

fn add_folder(zip: &mut Zip, folder: &Path, name: &str, depth: usize, left_out: &mut Vec<String>) -> io::Result<()> {
    zip.add_directory(name, options()).map_err(io::Error::other)?;
    let entries = match fs::read_dir(folder) {
        Ok(entries) if depth < DEEPEST => entries,
        Ok(_) => {
            left_out.push(format!("{name}: too deep"));
            return Ok(());
        }
        Err(error) => {
            left_out.push(format!("{name}: {error}"));
            return Ok(());
        }
    };
    for entry in entries.flatten() {
        let inside = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => add_folder(zip, &entry.path(), &inside, depth + 1, left_out)?,
            Ok(kind) if kind.is_file() => match File::open(entry.path()) {
                Ok(mut file) => {
                    zip.start_file(&inside, options()).map_err(io::Error::other)?;
                    io::copy(&mut file, zip)?;
                }
                Err(error) => left_out.push(format!("{inside}: {error}")),
            },
            Ok(kind) if kind.is_symlink() => left_out.push(format!("{inside}: a link")),
            _ => left_out.push(format!("{inside}: not a file")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(whole: &[u8], part: &[u8]) -> Vec<u8> {
        [Sha256::digest(whole), Sha256::digest(part)].concat()
    }

    fn all_of(source: Source, part: Part) -> Vec<u8> {
        let (pieces, mut queue) = mpsc::channel(PIECES);
        let reader = std::thread::spawn(move || source.read(part, pieces).unwrap());
        let mut bytes = Vec::new();
        while let Some(piece) = queue.blocking_recv() {
            bytes.extend_from_slice(&piece);
        }
        reader.join().unwrap();
        bytes
    }

    #[test]
    fn a_file_is_read_from_an_offset_and_what_goes_on_in_the_middle_has_the_sums_of_the_whole_and_of_the_part() {
        let room = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..400_000u32).map(|n| (n % 251) as u8).collect();
        fs::write(room.path().join("f"), &content).unwrap();
        let read = |from, since| all_of(Source::open(&room.path().join("f"), from).unwrap(), Part { from, since });
        assert_eq!(read(0, 0), content);
        for (from, since) in [(1, 1), (131_072, 0), (131_072, 7), (399_999, 131_072), (400_000, 400_000)] {
            let sums = sums(&content, &content[since as usize..]);
            assert_eq!(read(from, since), [&content[from as usize..], &sums].concat());
        }
        assert_eq!(Source::open(&room.path().join("f"), 400_001).err(), Some(Fault::Changed));
        #[cfg(unix)]
        assert!(matches!(Source::open(Path::new("/dev/zero"), 0).err(), Some(Fault::Other { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_an_archive_without_what_links_lead_to() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir_all(room.path().join("box/in")).unwrap();
        fs::write(room.path().join("box/in/ä.txt"), "hello").unwrap();
        fs::write(room.path().join("box/empty"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", room.path().join("box/out")).unwrap();
        let mut bytes = all_of(Source::open(&room.path().join("box"), 0).unwrap(), Part { from: 0, since: 0 });
        let at_end = bytes.split_off(bytes.len() - 64);
        assert_eq!(at_end, sums(&bytes, &bytes));
        fs::write(room.path().join("box.zip"), bytes).unwrap();
        let mut zip = zip::ZipArchive::new(File::open(room.path().join("box.zip")).unwrap()).unwrap();
        let mut names: Vec<_> = zip.file_names().map(|n| n.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["box/", "box/NOT INCLUDED.txt", "box/empty", "box/in/", "box/in/ä.txt"]);
        let mut text = String::new();
        zip.by_name("box/in/ä.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
}
