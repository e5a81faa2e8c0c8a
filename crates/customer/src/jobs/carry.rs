//! Files on their way: out in pieces with a checksum at the end, in beside their place until they are whole and checked.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use protocol::{Answer, BLOCK_BYTES, Fault, Right, name_fits};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream};

use super::{Done, FileQuestion, Line, Work, fault, folders};
use crate::link::{broken, lock};

/// How large the pieces are, and how many may wait for the network.
const PIECE: usize = 128 * 1024;
const PIECES: usize = 8;
/// Deeper folders than this are a mistake or a trap.
const DEEPEST: usize = 64;

/// The sums of a file, taken piece by piece: the SHA-256 of all, and the one of its blocks' SHA-256s.
#[derive(Clone, Default)]
struct Sums {
    whole: Sha256,
    block: Sha256,
    in_block: usize,
    blocks: Sha256,
}

impl Sums {
    fn update(&mut self, mut bytes: &[u8]) {
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
    fn end(mut self) -> [[u8; 32]; 2] {
        if self.in_block > 0 {
            self.end_block();
        }
        [self.whole.finalize().into(), self.blocks.finalize().into()]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Sends a file from an offset on, or a folder as a ZIP archive.
pub async fn fetch<W: SendStream, R: RecvStream>(
    work: &Work,
    line: &mut Line<W, R>,
    path: String,
    from: u64,
) -> anyhow::Result<Done> {
    if let Err(fault) = work.approve(FileQuestion::Fetch { path: path.clone() }).await {
        return Ok(Err(fault));
    }
    let path = match folders::absolute(&path) {
        Ok(path) => path,
        Err(fault) => return Ok(Err(fault)),
    };
    let opened = tokio::task::spawn_blocking(move || Source::open(&path, from)).await?;
    let source = match opened {
        Ok(source) => source,
        Err(fault) => return Ok(Err(fault)),
    };
    line.answer(&Answer::File { size: source.size(), version: source.version() }).await?;
    let (pieces, mut queue) = mpsc::channel(PIECES);
    let reading = tokio::task::spawn_blocking(move || source.read(from, pieces));
    while let Some(piece) = queue.recv().await {
        if !work.may(Right::Files) {
            return Err(anyhow::anyhow!("the customer has taken files back"));
        }
        line.sender.write_chunk(piece).await.map_err(broken)?;
    }
    // A file that could not be read to its end ends without its checksum: the other side knows.
    let sums = reading.await??;
    line.sender.write_chunk(sums.concat().into()).await.map_err(broken)?;
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

    /// Hands out every piece from `from` on, and says the sums of the whole.
    fn read(self, from: u64, pieces: mpsc::Sender<Bytes>) -> io::Result<[[u8; 32]; 2]> {
        let mut out = Outgoing { sums: Sums::default(), pieces, buffer: Vec::with_capacity(PIECE) };
        match self {
            Self::File { mut file, size, .. } => {
                let mut buffer = vec![0; PIECE];
                let mut at = 0;
                while at < size {
                    let most = usize::try_from(size - at).map_or(PIECE, |left| left.min(PIECE));
                    let most = if at < from { most.min(usize::try_from(from - at).unwrap_or(PIECE)) } else { most };
                    let got = file.read(&mut buffer[..most])?;
                    if got == 0 {
                        return Err(io::Error::other("the file became shorter"));
                    }
                    // What the other side has already only counts for the checksum.
                    if at < from {
                        out.sums.update(&buffer[..got])
                    } else {
                        out.write_all(&buffer[..got])?
                    }
                    at += got as u64;
                }
            }
            Self::Folder { path } => out = archive(&path, out)?,
        }
        out.flush()?;
        Ok(out.sums.end())
    }
}

/// Bytes on their way to the network, counted into the checksum.
struct Outgoing {
    sums: Sums,
    pieces: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sums.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.blocking_send(piece.into()).map_err(|_| io::Error::other("the connection ended"))
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

/// A file that comes, as the job says it.
pub struct Brought {
    pub transfer: u64,
    pub folder: String,
    pub name: String,
    pub size: u64,
    pub from: u64,
}

/// Takes a file in from an offset on.
pub async fn bring<W: SendStream, R: RecvStream>(
    work: &Work,
    line: &mut Line<W, R>,
    brought: Brought,
) -> anyhow::Result<Done> {
    let Brought { transfer, folder, name, size, from } = brought;
    let question = FileQuestion::Bring { name: name.clone(), bytes: size, folder: folder.clone() };
    if let Err(fault) = work.approve(question).await {
        return Ok(Err(fault));
    }
    let transfers = work.transfers.clone();
    let begun = tokio::task::spawn_blocking(move || transfers.begin(transfer, &folder, &name, size)).await?;
    let (part, turn, kept) = match begun {
        Ok(begun) => begun,
        Err(fault) => return Ok(Err(fault)),
    };
    line.answer(&Answer::Kept { bytes: kept }).await?;
    if kept != from {
        return Ok(Ok(None));
    }
    let (pieces, mut queue) = mpsc::channel::<Bytes>(PIECES);
    let writing = {
        let part = part.clone();
        tokio::task::spawn_blocking(move || {
            while let Some(bytes) = queue.blocking_recv() {
                lock(&part).write(turn, &bytes)?;
            }
            Ok(())
        })
    };
    while let Some(bytes) = line.bytes().await? {
        if !work.may(Right::Files) || pieces.send(bytes).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let written: io::Result<()> = writing.await?;
    Ok(match written {
        Ok(()) => Ok(Some(Answer::Kept { bytes: lock(&part).written })),
        Err(error) => {
            work.transfers.abandon(transfer);
            Err(fault(&error))
        }
    })
}

/// The transfers that are not in their place yet. What is left when the program ends is deleted.
#[derive(Clone, Default)]
pub struct Transfers(Arc<Mutex<HashMap<u64, Arc<Mutex<Part>>>>>);

/// A file that is not whole yet, beside its place.
struct Part {
    temporary: PathBuf,
    folder: PathBuf,
    name: String,
    size: u64,
    written: u64,
    sums: Sums,
    file: File,
    /// Which stream writes: the newest. An older one that has not noticed its end writes no more.
    turn: u64,
}

impl Part {
    fn write(&mut self, turn: u64, bytes: &[u8]) -> io::Result<()> {
        if turn != self.turn {
            return Ok(());
        }
        let most = usize::try_from(self.size - self.written).unwrap_or(usize::MAX).min(bytes.len());
        if most < bytes.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more arrived than the file has"));
        }
        self.file.write_all(bytes)?;
        self.sums.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was put in its place.
        let _ = fs::remove_file(&self.temporary);
    }
}

impl Transfers {
    fn begin(&self, transfer: u64, folder: &str, name: &str, size: u64) -> Result<(Arc<Mutex<Part>>, u64, u64), Fault> {
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
        let (turn, written) = {
            let mut part = lock(&part);
            part.turn += 1;
            (part.turn, part.written)
        };
        Ok((part, turn, written))
    }

    fn open(transfer: u64, folder: &str, name: &str, size: u64) -> Result<Part, Fault> {
        if !name_fits(name) {
            return Err(Fault::BadName);
        }
        let folder = folders::absolute(folder)?;
        if folders::free(&folder) < size {
            return Err(Fault::Full);
        }
        let temporary = folder.join(format!(".deskside-{transfer:x}.part"));
        let file = File::create_new(&temporary).map_err(|e| fault(&e))?;
        Ok(Part { temporary, folder, name: name.to_owned(), size, written: 0, sums: Sums::default(), file, turn: 0 })
    }

    /// How much of a transfer is there.
    pub fn kept(&self, transfer: u64) -> u64 {
        lock(&self.0).get(&transfer).map_or(0, |part| lock(part).written)
    }

    /// Throws away what came so far.
    pub fn abandon(&self, transfer: u64) {
        lock(&self.0).remove(&transfer);
    }

    /// Checks a file and puts it in its place at once; says its path, its size and its SHA-256.
    pub fn place(&self, transfer: u64, sum: &str, replace: bool) -> Result<(String, u64, String), Fault> {
        let part = lock(&self.0).remove(&transfer).ok_or(Fault::NotFound)?;
        let mut part = lock(&part);
        // No stream writes any more.
        part.turn += 1;
        let [sha256, blocks] = part.sums.clone().end();
        if hex(&blocks) != sum || part.written != part.size {
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
        Ok((place.to_str().ok_or(Fault::BadName)?.to_owned(), part.size, hex(&sha256)))
    }
}

/// Writes a file beside its place and then puts it there; says its path.
pub fn save(folder: &Path, name: &str, content: &mut dyn Read) -> io::Result<String> {
    if !name_fits(name) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    let temporary = folder.join(format!(".deskside-{:x}.part", crate::link::random_nonce()));
    let written = File::create_new(&temporary).and_then(|mut file| {
        io::copy(content, &mut file)?;
        file.sync_all()?;
        let place = free_place(folder, name, false)?;
        fs::rename(&temporary, &place)?;
        Ok(place.to_string_lossy().into_owned())
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Where a file of this name goes: its own place, or one with a number, which is taken at once so that nobody else does.
fn free_place(folder: &Path, name: &str, replace: bool) -> io::Result<PathBuf> {
    if replace {
        return Ok(folder.join(name));
    }
    let (stem, end) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    for number in 1..1_000 {
        let name = if number == 1 { name.to_owned() } else { format!("{stem} ({number}){end}") };
        match File::create_new(folder.join(&name)) {
            Ok(_) => return Ok(folder.join(name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> PathBuf {
        let room = std::env::temp_dir().join(format!("deskside-carry-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&room);
        fs::create_dir_all(&room).unwrap();
        room
    }

    fn hash(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    /// The block sum of a file that is shorter than a block.
    fn sum(bytes: &[u8]) -> String {
        if bytes.is_empty() { hash(&[]) } else { hash(&Sha256::digest(bytes)) }
    }

    #[test]
    fn the_sums_do_not_depend_on_the_pieces() {
        let content = vec![7u8; BLOCK_BYTES + 10];
        let mut sums = Sums::default();
        content.chunks(1_000_003).for_each(|piece| sums.update(piece));
        let blocks = [Sha256::digest(&content[..BLOCK_BYTES]), Sha256::digest(&content[BLOCK_BYTES..])].concat();
        let [whole, of_blocks] = sums.end();
        assert_eq!((hex(&whole), hex(&of_blocks)), (hash(&content), hash(&blocks)));
        assert_eq!(Sums::default().end().map(|s| hex(&s)), [hash(b""), sum(b"")]);
    }

    fn names(room: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(room).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_goes_on_after_a_cut_and_gets_its_name_only_when_it_is_whole() {
        let room = room("resume");
        let transfers = Transfers::default();
        let folder = room.to_str().unwrap();
        let (part, old, kept) = transfers.begin(7, folder, "ü 文.bin", 6).unwrap();
        assert_eq!(kept, 0);
        lock(&part).write(old, b"abc").unwrap();
        let (part, new, kept) = transfers.begin(7, folder, "ü 文.bin", 6).unwrap();
        assert_eq!((kept, transfers.kept(7)), (3, 3));
        // The older stream comes to life once more: it writes nothing.
        lock(&part).write(old, b"XYZ").unwrap();
        lock(&part).write(new, b"def").unwrap();
        assert_eq!(names(&room), [".deskside-7.part"], "nothing stands under the final name yet");
        drop(part);
        let (path, bytes, sha256) = transfers.place(7, &sum(b"abcdef"), false).unwrap();
        assert_eq!(sha256, hash(b"abcdef"));
        assert_eq!((fs::read(&path).unwrap().as_slice(), bytes), (&b"abcdef"[..], 6));
        assert_eq!(names(&room), ["ü 文.bin"]);
    }

    #[test]
    fn a_wrong_checksum_or_a_missing_end_leaves_nothing() {
        let room = room("wrong");
        let transfers = Transfers::default();
        for (written, said) in [(&b"abcdef"[..], sum(b"abcdeX")), (b"abc", sum(b"abc"))] {
            let (part, turn, _) = transfers.begin(1, room.to_str().unwrap(), "f", 6).unwrap();
            lock(&part).write(turn, written).unwrap();
            drop(part);
            assert_eq!(transfers.place(1, &said, false), Err(Fault::WrongHash));
            assert_eq!(names(&room), [] as [&str; 0]);
        }
        let (part, turn, _) = transfers.begin(2, room.to_str().unwrap(), "f", 2).unwrap();
        assert!(lock(&part).write(turn, b"abc").is_err(), "more than was announced");
        drop(part);
        transfers.abandon(2);
        assert_eq!(names(&room), [] as [&str; 0]);
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_unless_it_is_to_be_replaced() {
        let room = room("taken");
        fs::write(room.join("a.txt"), "old").unwrap();
        let transfers = Transfers::default();
        for (replace, expected) in [(false, "a (2).txt"), (false, "a (3).txt"), (true, "a.txt")] {
            let (part, turn, _) = transfers.begin(1, room.to_str().unwrap(), "a.txt", 1).unwrap();
            lock(&part).write(turn, b"n").unwrap();
            drop(part);
            let (path, ..) = transfers.place(1, &sum(b"n"), replace).unwrap();
            assert_eq!(Path::new(&path).file_name().unwrap(), expected);
        }
        assert_eq!(fs::read_to_string(room.join("a.txt")).unwrap(), "n");
    }

    #[test]
    fn names_that_lead_elsewhere_and_folders_that_are_not_there_are_refused() {
        let room = room("names");
        let transfers = Transfers::default();
        for name in ["../x", "/etc/x", "..", "", "a\\b"] {
            assert_eq!(transfers.begin(1, room.to_str().unwrap(), name, 1).err(), Some(Fault::BadName), "{name:?}");
        }
        assert_eq!(transfers.begin(1, room.join("no").to_str().unwrap(), "x", 0).err(), Some(Fault::NotFound));
        assert_eq!(transfers.begin(1, room.to_str().unwrap(), "x", u64::MAX).err(), Some(Fault::Full));
    }

    fn all_of(source: Source, from: u64) -> (Vec<u8>, String) {
        let (pieces, mut queue) = mpsc::channel(PIECES);
        let reader = std::thread::spawn(move || source.read(from, pieces).unwrap());
        let mut bytes = Vec::new();
        while let Some(piece) = queue.blocking_recv() {
            bytes.extend_from_slice(&piece);
        }
        (bytes, hex(&reader.join().unwrap()[0]))
    }

    #[test]
    fn a_file_is_read_from_an_offset_with_the_checksum_of_the_whole() {
        let room = room("read");
        let content: Vec<u8> = (0..400_000u32).map(|n| (n % 251) as u8).collect();
        fs::write(room.join("f"), &content).unwrap();
        for from in [0, 1, 131_072, 399_999, 400_000] {
            let (bytes, sum) = all_of(Source::open(&room.join("f"), from).unwrap(), from);
            assert_eq!(bytes, content[from as usize..]);
            assert_eq!(sum, hash(&content));
        }
        assert_eq!(Source::open(&room.join("f"), 400_001).err(), Some(Fault::Changed));
        assert!(matches!(Source::open(Path::new("/dev/zero"), 0).err(), Some(Fault::Other { .. })));
    }

    #[test]
    fn a_folder_is_an_archive_without_what_links_lead_to() {
        let room = room("zip");
        fs::create_dir_all(room.join("box/in")).unwrap();
        fs::write(room.join("box/in/ä.txt"), "hello").unwrap();
        fs::write(room.join("box/empty"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", room.join("box/out")).unwrap();
        let (bytes, _) = all_of(Source::open(&room.join("box"), 0).unwrap(), 0);
        fs::write(room.join("box.zip"), bytes).unwrap();
        let mut zip = zip::ZipArchive::new(File::open(room.join("box.zip")).unwrap()).unwrap();
        let mut names: Vec<_> = zip.file_names().map(|n| n.unwrap().into_owned()).collect();
        names.sort();
        assert_eq!(names, ["box/", "box/NOT INCLUDED.txt", "box/empty", "box/in/", "box/in/ä.txt"]);
        let mut text = String::new();
        zip.by_name("box/in/ä.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
}
