//! Uploads: a partial file beside its final place until it is complete and verified.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use protocol::{Answer, Fault, Right};
use session::FileTransfer;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream};

use super::{CHUNKS, JobContext, JobResult, JobStream, fault, folders};
use crate::{
    machine::{self, name_fits},
    util::{hex, lock},
};

/// The most bytes that are read from a side channel at once.
const SIDE_CHANNEL_CHUNK: usize = 256 * 1024;

/// An upload, as the job describes it.
pub struct Upload {
    pub transfer: u64,
    pub folder: String,
    pub name: String,
    pub size: u64,
    pub from: u64,
}

/// Receives a file from an offset on.
pub async fn upload<W: SendStream, R: RecvStream>(
    context: &JobContext,
    stream: &mut JobStream<W, R>,
    upload: Upload,
    side_channel: Option<String>,
) -> anyhow::Result<JobResult> {
    let Upload { transfer, folder, name, size, from } = upload;
    let act = FileTransfer::Bring { transfer, folder: folder.clone(), name: name.clone(), bytes: size };
    if let Err(fault) = context.approve_transfer(act, context.transfers.is_started(transfer)).await {
        return Ok(Err(fault));
    }
    let transfers = context.transfers.clone();
    let started = tokio::task::spawn_blocking(move || transfers.begin(transfer, &folder, &name, size)).await?;
    let (part, generation, kept) = match started {
        Ok(started) => started,
        Err(fault) => return Ok(Err(fault)),
    };
    stream.answer(&Answer::Kept { bytes: kept }).await?;
    if kept != from {
        return Ok(Ok(None));
    }
    let written = match side_channel {
        Some(token) => from_side_channel(context, part.clone(), generation, token).await?,
        None => from_stream(context, stream, part.clone(), generation).await?,
    };
    Ok(match written {
        Ok(()) => Ok(Some(Answer::Kept { bytes: lock(&part).written })),
        Err(error) => {
            context.transfers.abandon(transfer);
            context.finish_transfer(
                |act| matches!(act, FileTransfer::Bring { transfer: known, .. } if *known == transfer),
            );
            Err(fault(&error))
        }
    })
}

/// Writes the bytes from the job's stream.
async fn from_stream<W: SendStream, R: RecvStream>(
    context: &JobContext,
    stream: &mut JobStream<W, R>,
    part: Arc<Mutex<PartialFile>>,
    generation: u64,
) -> anyhow::Result<io::Result<()>> {
    let (chunks, mut queue) = mpsc::channel::<Bytes>(CHUNKS);
    let writing = {
        let part = part.clone();
        tokio::task::spawn_blocking(move || {
            while let Some(bytes) = queue.blocking_recv() {
                lock(&part).write(generation, &bytes)?;
            }
            Ok(())
        })
    };
    while let Some(bytes) = stream.bytes().await? {
        if !context.may(Right::Files) || chunks.send(bytes).await.is_err() {
            break;
        }
    }
    drop(chunks);
    Ok(writing.await?)
}

/// Writes the bytes from a side channel. If that breaks, the bytes so far stay.
async fn from_side_channel(
    context: &JobContext,
    part: Arc<Mutex<PartialFile>>,
    generation: u64,
    token: String,
) -> anyhow::Result<io::Result<()>> {
    let context = context.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let Ok(mut content) = context.http.receive_from_side_channel(&token) else { return Ok(()) };
        let mut buffer = vec![0; SIDE_CHANNEL_CHUNK];
        while context.may(Right::Files) {
            match content.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(got) => lock(&part).write(generation, &buffer[..got])?,
            }
        }
        Ok(())
    });
    Ok(writing.await?)
}

/// The uploads that are not in their place yet. Their partial files are deleted when the program ends.
#[derive(Clone, Default)]
pub struct Transfers(Arc<Mutex<HashMap<u64, Arc<Mutex<PartialFile>>>>>);

/// A partial file beside its final place.
struct PartialFile {
    temporary: PathBuf,
    folder: PathBuf,
    name: String,
    size: u64,
    written: u64,
    sum: Sha256,
    file: File,
    /// The stream that may write: the newest. An older stream that has not noticed its end writes nothing more.
    generation: u64,
}

impl PartialFile {
    fn write(&mut self, generation: u64, bytes: &[u8]) -> io::Result<()> {
        if generation != self.generation {
            return Ok(());
        }
        let most = usize::try_from(self.size - self.written).unwrap_or(usize::MAX).min(bytes.len());
        if most < bytes.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more arrived than the file has"));
        }
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // It no longer exists if it was moved to its place.
        let _ = fs::remove_file(&self.temporary);
    }
}

impl Transfers {
    fn begin(
        &self,
        transfer: u64,
        folder: &str,
        name: &str,
        size: u64,
    ) -> Result<(Arc<Mutex<PartialFile>>, u64, u64), Fault> {
        let mut all = lock(&self.0);
        let part = match all.get(&transfer) {
            Some(part) => part.clone(),
            None => {
                let part = Arc::new(Mutex::new(Self::open(transfer, folder, name, size)?));
                all.insert(transfer, part.clone());
                part
            }
        };
        drop(all);
        let (generation, written) = {
            let mut part = lock(&part);
            part.generation += 1;
            (part.generation, part.written)
        };
        Ok((part, generation, written))
    }

    fn open(transfer: u64, folder: &str, name: &str, size: u64) -> Result<PartialFile, Fault> {
        if !name_fits(name) {
            return Err(Fault::BadName);
        }
        let folder = folders::absolute(folder)?;
        if machine::free(&folder) < size {
            return Err(Fault::Full);
        }
        let temporary = folder.join(format!(".deskside-{transfer:x}.part"));
        let file = File::create_new(&temporary).map_err(|e| fault(&e))?;
        Ok(PartialFile {
            temporary,
            folder,
            name: name.to_owned(),
            size,
            written: 0,
            sum: Sha256::new(),
            file,
            generation: 0,
        })
    }

    /// The stored bytes of a transfer.
    pub fn kept(&self, transfer: u64) -> u64 {
        lock(&self.0).get(&transfer).map_or(0, |part| lock(part).written)
    }

    /// Whether any bytes of a transfer were received before.
    fn is_started(&self, transfer: u64) -> bool {
        lock(&self.0).contains_key(&transfer)
    }

    /// The path of the file that a transfer would replace, if there is one.
    pub fn replaces(&self, transfer: u64) -> Option<String> {
        let part = lock(&self.0).get(&transfer)?.clone();
        let part = lock(&part);
        let place = part.folder.join(machine::name_of_text(&part.name));
        fs::symlink_metadata(&place).is_ok().then(|| folders::to_text(&place))
    }

    /// Deletes the bytes so far.
    pub fn abandon(&self, transfer: u64) {
        lock(&self.0).remove(&transfer);
    }

    /// Verifies a file and moves it to its place atomically; returns its path, size and SHA-256.
    pub fn place(&self, transfer: u64, sum: &str, replace: bool) -> Result<(String, u64, String), Fault> {
        let part = lock(&self.0).remove(&transfer).ok_or(Fault::NotFound)?;
        let mut part = lock(&part);
        // No stream may write any more.
        part.generation += 1;
        let sha256 = hex(&part.sum.clone().finalize());
        if sha256 != sum || part.written != part.size {
            return Err(Fault::WrongHash);
        }
        part.file.sync_all().map_err(|e| fault(&e))?;
        let place = free_place(&part.folder, &part.name, replace).map_err(|e| fault(&e))?;
        if let Err(error) = fs::rename(&part.temporary, &place) {
            if !replace {
                let _ = fs::remove_file(&place);
            }
            return Err(fault(&error));
        }
        Ok((folders::to_text(&place), part.size, sha256))
    }
}

/// Writes a file beside its place and then moves it there; returns its path.
pub fn save(folder: &Path, name: &str, content: &mut dyn Read) -> io::Result<String> {
    if !name_fits(name) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    let temporary = folder.join(format!(".deskside-{:x}.part", crate::util::random_nonce()));
    let written = File::create_new(&temporary).and_then(|mut file| {
        io::copy(content, &mut file)?;
        file.sync_all()?;
        let place = free_place(folder, name, false)?;
        fs::rename(&temporary, &place)?;
        Ok(folders::to_text(&place))
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The place for a file of this name: its own, or one with a number. It is created at once, so that nobody else takes
/// it.
fn free_place(folder: &Path, name: &str, replace: bool) -> io::Result<PathBuf> {
    if replace {
        return Ok(folder.join(machine::name_of_text(name)));
    }
    let (stem, end) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    for number in 1..1_000 {
        let name = if number == 1 { name.to_owned() } else { format!("{stem} ({number}){end}") };
        let place = folder.join(machine::name_of_text(&name));
        match File::create_new(&place) {
            Ok(_) => return Ok(place),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_upload_resumes_and_gets_its_name_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let transfers = Transfers::default();
        let folder_path = folder.path().to_str().unwrap();
        let (part, old, kept) = transfers.begin(7, folder_path, "ü 文.bin", 6).unwrap();
        assert_eq!(kept, 0);
        lock(&part).write(old, b"abc").unwrap();
        let (part, new, kept) = transfers.begin(7, folder_path, "ü 文.bin", 6).unwrap();
        assert_eq!((kept, transfers.kept(7)), (3, 3));
        // The older stream becomes active again: it writes nothing.
        lock(&part).write(old, b"XYZ").unwrap();
        lock(&part).write(new, b"def").unwrap();
        assert_eq!(names(folder.path()), [".deskside-7.part"], "nothing has the final name yet");
        drop(part);
        let (path, bytes, sha256) = transfers.place(7, &hash(b"abcdef"), false).unwrap();
        assert_eq!(sha256, hash(b"abcdef"));
        assert_eq!((fs::read(&path).unwrap().as_slice(), bytes), (&b"abcdef"[..], 6));
        assert_eq!(names(folder.path()), ["ü 文.bin"]);
    }

    #[test]
    fn a_wrong_checksum_or_length_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let transfers = Transfers::default();
        for (written, said) in [(&b"abcdef"[..], hash(b"abcdeX")), (b"abc", hash(b"abc"))] {
            let (part, generation, _) = transfers.begin(1, folder.path().to_str().unwrap(), "f", 6).unwrap();
            lock(&part).write(generation, written).unwrap();
            drop(part);
            assert_eq!(transfers.place(1, &said, false), Err(Fault::WrongHash));
            assert_eq!(names(folder.path()), [] as [&str; 0]);
        }
        let (part, generation, _) = transfers.begin(2, folder.path().to_str().unwrap(), "f", 2).unwrap();
        assert!(lock(&part).write(generation, b"abc").is_err(), "more than was announced");
        drop(part);
        transfers.abandon(2);
        assert_eq!(names(folder.path()), [] as [&str; 0]);
    }

    #[test]
    fn a_taken_name_gets_a_number_unless_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "old").unwrap();
        let transfers = Transfers::default();
        for (replace, expected) in [(false, "a (2).txt"), (false, "a (3).txt"), (true, "a.txt")] {
            let (part, generation, _) = transfers.begin(1, folder.path().to_str().unwrap(), "a.txt", 1).unwrap();
            lock(&part).write(generation, b"n").unwrap();
            drop(part);
            let (path, ..) = transfers.place(1, &hash(b"n"), replace).unwrap();
            assert_eq!(Path::new(&path).file_name().unwrap(), expected);
        }
        assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "n");
    }

    #[test]
    fn invalid_names_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let transfers = Transfers::default();
        for name in ["../x", "/etc/x", "..", "", "a\\b"] {
            assert_eq!(
                transfers.begin(1, folder.path().to_str().unwrap(), name, 1).err(),
                Some(Fault::BadName),
                "{name:?}"
            );
        }
        assert_eq!(transfers.begin(1, folder.path().join("no").to_str().unwrap(), "x", 0).err(), Some(Fault::NotFound));
        assert_eq!(transfers.begin(1, folder.path().to_str().unwrap(), "x", u64::MAX).err(), Some(Fault::Full));
    }

    #[tokio::test]
    async fn replacing_a_file_needs_a_question_of_its_own() {
        use protocol::Job;

        use crate::{
            jobs::{answer_to, approval},
            messages::FileQuestion,
        };

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let bring = async |context: &JobContext, transfer| {
            let (part, generation, _) =
                context.transfers.begin(transfer, folder.path().to_str().unwrap(), "a.txt", 1).unwrap();
            lock(&part).write(generation, b"n").unwrap();
            drop(part);
            answer_to(context, Job::Place { transfer, sum: hash(b"n"), replace: true }).await
        };
        let (context, asked) = approval::tests::context(true);
        assert!(bring(&context, 1).await.is_ok());
        assert_eq!((fs::read(&path).unwrap().as_slice(), lock(&asked).len()), (&b"n"[..], 0), "there was no file");

        fs::write(&path, "old").unwrap();
        let (context, asked) = approval::tests::context(false);
        assert_eq!(bring(&context, 2).await, Err(Fault::NotAllowed));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let question = FileQuestion::Change { path: folders::to_text(&path) };
        assert_eq!(lock(&asked).as_slice(), std::slice::from_ref(&question));

        let (context, asked) = approval::tests::context(true);
        assert!(bring(&context, 3).await.is_ok());
        assert_eq!((fs::read(&path).unwrap().as_slice(), lock(&asked).as_slice()), (&b"n"[..], &[question][..]));
    }
}
