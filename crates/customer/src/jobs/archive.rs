//! A folder as a ZIP archive, made while it is sent: uncompressed, with the time and the permissions of each file.
//!
//! Links are not followed: they may lead out of the folder. Files that cannot be read are left out, and names that
//! other systems could not unpack are changed; a text file in the archive lists both. A file that fails never ends the
//! archive.

use std::{
    collections::HashSet,
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use protocol::file_name;
use zip::{
    CompressionMethod, DateTime,
    write::{FullFileOptions, StreamWriter, ZipWriter},
};

use super::outgoing::CHUNK_BYTES;
use crate::machine;

/// A deeper folder is a mistake or an attack.
const DEEPEST: usize = 64;
/// The extra field that holds a time in UTC, to the second (Info-ZIP's "extended timestamp").
const EXTENDED_TIMESTAMP: u16 = 0x5455;

/// Writes the archive; returns the writer.
pub fn write<W: Write>(folder: &Path, out: W) -> io::Result<W> {
    let mut archive = Archive { zip: ZipWriter::new_stream(out), left_out: Vec::new(), renamed: Vec::new() };
    let mut top = Names::default();
    let name = top.of(&machine::name_to_text(folder.file_name().unwrap_or("files".as_ref())));
    let inside = archive.add_folder(folder, &name, 0)?;
    archive.add_note(&name, inside)?;
    Ok(archive.zip.finish().map_err(io::Error::other)?.into_inner())
}

struct Archive<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    left_out: Vec<String>,
    renamed: Vec<String>,
}

impl<W: Write> Archive<W> {
    /// Adds the items of a folder; returns the names that are taken in it.
    fn add_folder(&mut self, folder: &Path, name: &str, depth: usize) -> io::Result<Names> {
        let mut names = Names::default();
        self.zip.add_directory(name, options(fs::metadata(folder).ok().as_ref())).map_err(io::Error::other)?;
        let entries = match fs::read_dir(folder) {
            Ok(entries) if depth < DEEPEST => entries,
            Ok(_) => {
                self.left_out.push(format!("{name}: too deep"));
                return Ok(names);
            }
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                return Ok(names);
            }
        };
        let mut found = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => found.push((machine::name_to_text(&entry.file_name()), entry)),
                Err(error) => self.left_out.push(format!("{name}: what else is in it: {error}")),
            }
        }
        // Names that need no change go first, so that only the others get new ones.
        found.sort_by_cached_key(|(text, _)| (portable(text) != *text, text.clone()));
        for (text, entry) in found {
            let portable = names.of(&text);
            let inside = format!("{name}/{portable}");
            if portable != text {
                self.renamed.push(format!("{inside}: its name was “{}”", file_name::shown(&text)));
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => drop(self.add_folder(&entry.path(), &inside, depth + 1)?),
                Ok(kind) if kind.is_file() => self.add_file(&entry.path(), &inside)?,
                Ok(kind) if kind.is_symlink() => self.left_out.push(format!("{inside}: a link")),
                Ok(_) => self.left_out.push(format!("{inside}: not a file")),
                Err(error) => self.left_out.push(format!("{inside}: {error}")),
            }
        }
        Ok(names)
    }

    /// Adds a file with its current length. Only a failure of the archive itself is an error.
    fn add_file(&mut self, path: &Path, name: &str) -> io::Result<()> {
        match File::open(path).and_then(|file| file.metadata().map(|about| (file, about))) {
            Ok((file, about)) => self.add_content(name, file, about.len(), options(Some(&about))),
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                Ok(())
            }
        }
    }

    fn add_content(
        &mut self,
        name: &str,
        mut content: impl Read,
        size: u64,
        options: FullFileOptions<'static, 'static>,
    ) -> io::Result<()> {
        // The first chunk shows whether the file can be read, while it can still be left out.
        let mut chunk = match next_chunk(&mut content, size) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                return Ok(());
            }
        };
        self.zip.start_file(name, options).map_err(io::Error::other)?;
        let mut left = size;
        while !chunk.is_empty() {
            self.zip.write_all(&chunk)?;
            left -= chunk.len() as u64;
            chunk = match next_chunk(&mut content, left) {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.left_out.push(format!("{name}: only its first {} bytes are here: {error}", size - left));
                    return Ok(());
                }
            };
        }
        if left > 0 {
            self.left_out.push(format!("{name}: it became {left} bytes shorter while it was read"));
        }
        Ok(())
    }

    /// Adds the text that lists missing and renamed files.
    fn add_note(&mut self, name: &str, mut names: Names) -> io::Result<()> {
        let lists = [("NOT INCLUDED.txt", &self.left_out), ("RENAMED.txt", &self.renamed)];
        for (note, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            let file = format!("{name}/{}", names.of(note));
            self.zip.start_file(file, options(None)).map_err(io::Error::other)?;
            self.zip.write_all((lines.join("\n") + "\n").as_bytes())?;
        }
        Ok(())
    }
}

/// The next chunk of a reader with this many bytes left; empty at its end.
fn next_chunk(content: &mut impl Read, left: u64) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::new();
    content.take(left.min(CHUNK_BYTES as u64)).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// The names that are taken in one folder of the archive.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// The name of an item in the archive: its own, if it can be unpacked everywhere and is free.
    fn of(&mut self, text: &str) -> String {
        let name = portable(text);
        let numbered = |number: u32| if number == 1 { name.clone() } else { format!("{name} ({number})") };
        let free = (1..).map(numbered).find(|name| !self.0.contains(name)).unwrap_or_else(|| name.clone());
        self.0.insert(free.clone());
        free
    }
}

/// A name with each byte that is invalid, misleading, or a backslash (which other systems take for a separator)
/// replaced by `%` and two digits.
fn portable(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let byte = file_name::as_raw_byte(c);
        if c != '\\' && file_name::shown(c.encode_utf8(&mut [0; 4])) == c.to_string() {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            let bytes = byte.map_or_else(|| c.encode_utf8(&mut bytes).as_bytes().to_vec(), |b| vec![b]);
            name.extend(bytes.iter().map(|b| format!("%{b:02X}")));
        }
    }
    name
}

/// Permissions and time of a file, or of what the archive adds itself.
fn options(about: Option<&Metadata>) -> FullFileOptions<'static, 'static> {
    let options = FullFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let options = match about {
        Some(about) => options.unix_permissions(machine::mode(about)),
        None => options,
    };
    let changed = about.map_or_else(|| Ok(SystemTime::now()), Metadata::modified).unwrap_or(UNIX_EPOCH);
    let Ok(since) = changed.duration_since(UNIX_EPOCH) else { return options };
    let mut options = options.last_modified_time(dos_time(since.as_secs()));
    // Signed 32 bits: until 2038.
    if let Ok(seconds) = i32::try_from(since.as_secs()) {
        let only_changed = [&[1], &seconds.to_le_bytes()[..]].concat();
        let added = options.add_extra_field(EXTENDED_TIMESTAMP, only_changed, false);
        debug_assert!(added.is_ok(), "{added:?}");
    }
    options
}

/// The customer's local time in MS-DOS format: from 1980 to 2107, in steps of two seconds.
fn dos_time(since_1970: u64) -> DateTime {
    let at = i64::try_from(since_1970).ok().and_then(|s| jiff::Timestamp::from_second(s).ok()).unwrap_or_default();
    let at = at.to_zoned(jiff::tz::TimeZone::system());
    let part = |n: i8| u8::try_from(n).unwrap_or_default();
    let (year, month, day) = (u16::try_from(at.year()).unwrap_or(1980), part(at.month()), part(at.day()));
    DateTime::from_date_and_time(year, month, day, part(at.hour()), part(at.minute()), part(at.second()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every entry of the folder's archive, with its content.
    #[cfg(unix)]
    fn archived(folder: &Path) -> zip::ZipArchive<io::Cursor<Vec<u8>>> {
        zip::ZipArchive::new(io::Cursor::new(write(folder, Vec::new()).unwrap())).unwrap()
    }

    fn text(zip: &mut zip::ZipArchive<io::Cursor<Vec<u8>>>, name: &str) -> String {
        let mut text = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn names(zip: &zip::ZipArchive<io::Cursor<Vec<u8>>>) -> Vec<String> {
        let mut names: Vec<_> = zip.file_names().map(|n| n.unwrap().into_owned()).collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed_and_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("box");
        fs::create_dir_all(folder.join("in")).unwrap();
        fs::write(folder.join("in/ä.txt"), "hello").unwrap();
        fs::write(folder.join("empty"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("out")).unwrap();
        let mut zip = archived(&folder);
        assert_eq!(names(&zip), ["box/", "box/NOT INCLUDED.txt", "box/empty", "box/in/", "box/in/ä.txt"]);
        assert_eq!(text(&mut zip, "box/in/ä.txt"), "hello");
        assert_eq!(text(&mut zip, "box/NOT INCLUDED.txt"), "box/out: a link\n");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_other_systems_refuse_are_changed_listed_and_unique() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("box");
        fs::create_dir(&folder).unwrap();
        let given: [&[u8]; 8] = [
            b"gr\xfcn.txt",
            b"gr\xf6n.txt",
            b"gr%FCn.txt",
            b"..\\..\\evil.exe",
            "annexe\u{202E}fdp.exe".as_bytes(),
            b"two\nlines",
            b"NOT INCLUDED.txt",
            "größe.txt".as_bytes(),
        ];
        for name in given {
            fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
        }
        let mut zip = archived(&folder);
        let expected = [
            "box/",
            "box/..%5C..%5Cevil.exe",
            "box/NOT INCLUDED.txt",
            "box/RENAMED.txt",
            "box/annexe%E2%80%AEfdp.exe",
            "box/gr%F6n.txt",
            "box/gr%FCn.txt",
            "box/gr%FCn.txt (2)",
            "box/größe.txt",
            "box/two%0Alines",
        ];
        assert_eq!(names(&zip), expected);
        assert_eq!(text(&mut zip, "box/gr%FCn.txt"), "gr%FCn.txt", "a valid name is kept");
        assert_eq!(text(&mut zip, "box/RENAMED.txt").lines().count(), 5);
        let mut bytes = Vec::new();
        zip.by_name("box/gr%F6n.txt").unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"gr\xf6n.txt");
    }

    #[test]
    fn an_unreadable_file_is_listed_and_the_others_are_included() {
        /// Yields this many bytes and then fails, as a disk does.
        struct Failing(usize);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let some = self.0.min(buffer.len());
                self.0 -= some;
                if some == 0 { Err(io::Error::other("the disk does not answer")) } else { Ok(some) }
            }
        }
        let mut archive = Archive { zip: ZipWriter::new_stream(Vec::new()), left_out: vec![], renamed: vec![] };
        archive.add_file(Path::new("/nowhere/at/all"), "a").unwrap();
        for (name, given) in [("b", 0), ("c", CHUNK_BYTES), ("d", CHUNK_BYTES + 1), ("e", 2 * CHUNK_BYTES)] {
            archive.add_content(name, Failing(given), 2 * CHUNK_BYTES as u64, options(None)).unwrap();
        }
        archive.add_content("f", &b"shorter"[..], 10, options(None)).unwrap();
        archive.add_content("g", &b"longer than it was"[..], 6, options(None)).unwrap();
        let left_out: Vec<&str> = archive.left_out.iter().filter_map(|l| l.split(':').next()).collect();
        assert_eq!(left_out, ["a", "b", "c", "d", "f"]);
        archive.add_note("box", Names::default()).unwrap();
        let bytes = archive.zip.finish().unwrap().into_inner();
        let mut zip = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        assert_eq!(names(&zip), ["box/NOT INCLUDED.txt", "c", "d", "e", "f", "g"]);
        assert_eq!(text(&mut zip, "g"), "longer");
    }

    #[cfg(unix)]
    #[test]
    fn times_and_permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt;

        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("box");
        fs::create_dir(&folder).unwrap();
        let script = folder.join("run.sh");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let changed = UNIX_EPOCH + std::time::Duration::from_secs(1_556_000_001);
        File::options().write(true).open(&script).unwrap().set_modified(changed).unwrap();
        let mut zip = archived(&folder);
        let file = zip.by_name("box/run.sh").unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        let year = file.last_modified().unwrap().year();
        assert_eq!(year, 2019);
        let utc = file.extra_data_fields().find_map(|field| match field {
            zip::ExtraField::ExtendedTimestamp(time) => time.mod_time(),
            _ => None,
        });
        assert_eq!(utc, Some(1_556_000_001));
    }
}
