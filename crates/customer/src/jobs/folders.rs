//! Folders: listing, renaming, deleting.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use protocol::{Fault, Folder, Item, Kind, MAX_FOLDER_ITEMS};

use super::fault;
use crate::machine::{self, name_fits};

/// The usual folders of a home; existing ones are offered as places to start from.
const CUSTOMARY: [&str; 6] = ["Desktop", "Documents", "Downloads", "Pictures", "Schreibtisch", "Dokumente"];

/// The home folder of the customer's user.
pub fn home() -> PathBuf {
    std::env::home_dir().filter(|h| h.is_dir()).unwrap_or_else(machine::top)
}

/// Lists a folder; an empty path is the home folder.
pub fn list(path: &str) -> Result<Folder, Fault> {
    let path = if path.is_empty() { home() } else { absolute(path)? };
    let mut items = Vec::new();
    let mut left_out = 0;
    for entry in fs::read_dir(&path).map_err(|e| fault(&e))? {
        // Items beyond the limit are counted.
        match entry.ok().filter(|_| items.len() < MAX_FOLDER_ITEMS).and_then(|entry| item(&entry)) {
            Some(item) => items.push(item),
            None => left_out += 1,
        }
    }
    let rank = |k: Kind| !matches!(k, Kind::Folder | Kind::FolderLink);
    items.sort_by_cached_key(|i| (rank(i.kind), i.name.to_lowercase()));
    Ok(Folder {
        parent: path.parent().map(to_text),
        places: places(),
        separator: std::path::MAIN_SEPARATOR_STR.into(),
        items,
        left_out,
        free: machine::free(&path),
        path: to_text(&path),
    })
}

fn item(entry: &fs::DirEntry) -> Option<Item> {
    let name = machine::name_to_text(&entry.file_name());
    let own = entry.metadata().ok()?;
    let link = own.is_symlink();
    let target = if link { fs::metadata(entry.path()).ok() } else { Some(own) };
    let kind = match (&target, link) {
        (Some(t), false) if t.is_file() => Kind::File,
        (Some(t), false) if t.is_dir() => Kind::Folder,
        (Some(t), true) if t.is_file() => Kind::FileLink,
        (Some(t), true) if t.is_dir() => Kind::FolderLink,
        _ => Kind::Other,
    };
    let bytes = target.as_ref().filter(|t| t.is_file()).map_or(0, fs::Metadata::len);
    let changed = target.and_then(|t| t.modified().ok()).and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    Some(Item { name, kind, bytes, changed: changed.map_or(0, |c| u64::try_from(c.as_millis()).unwrap_or(0)) })
}

fn places() -> Vec<String> {
    let home = home();
    let customary = CUSTOMARY.iter().map(|name| home.join(name));
    let all = [home.clone()].into_iter().chain(customary).chain(machine::disks());
    all.filter(|p| p.is_dir()).map(|p| to_text(&p)).take(32).collect()
}

/// A path on the wire.
pub fn to_text(path: &Path) -> String {
    machine::name_to_text(path.as_os_str())
}

/// The path for a path from the wire, which must be absolute.
pub fn absolute(path: &str) -> Result<PathBuf, Fault> {
    let path = PathBuf::from(machine::name_of_text(path));
    if path.is_absolute() { Ok(path) } else { Err(Fault::BadName) }
}

pub fn make(path: &str) -> Result<(), Fault> {
    fs::create_dir(absolute(path)?).map_err(|e| fault(&e))
}

pub fn rename(path: &str, name: &str) -> Result<(), Fault> {
    let from = absolute(path)?;
    if !name_fits(name) {
        return Err(Fault::BadName);
    }
    let to = from.parent().ok_or(Fault::BadName)?.join(machine::name_of_text(name));
    // A rename replaces nothing, not even a stream_error link.
    if fs::symlink_metadata(&to).is_ok() {
        return Err(Fault::Exists);
    }
    fs::rename(from, to).map_err(|e| fault(&e))
}

/// Deletes. Of a link, the target stays. Deleting a folder stops as soon as it is no longer allowed.
pub fn delete(path: &str, allowed: &dyn Fn() -> bool) -> Result<(), Fault> {
    let path = absolute(path)?;
    if path.parent().is_none() || path == home() {
        return Err(Fault::NoPermission);
    }
    let gone = || -> io::Result<ControlFlow<()>> {
        if fs::symlink_metadata(&path)?.is_dir() {
            return machine::remove_folder(&path, allowed);
        }
        fs::remove_file(&path).map(ControlFlow::Continue)
    };
    match gone().map_err(|e| fault(&e))? {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Fault::NotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_are_distinguished_and_deleted_without_their_targets() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("kept")).unwrap();
        fs::write(root.path().join("kept/file ü 文"), "x").unwrap();
        symlink(root.path().join("kept"), root.path().join("link")).unwrap();
        symlink("/nowhere", root.path().join("dead")).unwrap();
        let folder = list(root.path().to_str().unwrap()).unwrap();
        let kinds: Vec<_> = folder.items.iter().map(|i| (i.name.as_str(), i.kind)).collect();
        assert_eq!(kinds, [("kept", Kind::Folder), ("link", Kind::FolderLink), ("dead", Kind::Other)]);
        delete(root.path().join("link").to_str().unwrap(), &|| true).unwrap();
        assert!(root.path().join("kept/file ü 文").exists());
        delete(root.path().join("kept").to_str().unwrap(), &|| true).unwrap();
        assert!(!root.path().join("kept").exists());
    }

    #[test]
    fn a_rename_replaces_nothing_and_stays_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "a").unwrap();
        fs::write(root.path().join("b"), "b").unwrap();
        let a = root.path().join("a").to_str().unwrap().to_owned();
        assert_eq!(rename(&a, "b"), Err(Fault::Exists));
        for name in ["../c", "c/d", "", ".", "..", "c\0"] {
            assert_eq!(rename(&a, name), Err(Fault::BadName), "{name:?}");
        }
        rename(&a, "ç").unwrap();
        assert_eq!(fs::read_to_string(root.path().join("ç")).unwrap(), "a");
        assert_eq!(delete(machine::top().to_str().unwrap(), &|| true), Err(Fault::NoPermission));
        assert_eq!(list("relative").unwrap_err(), Fault::BadName);
    }

    /// The number of files and folders below.
    fn count(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        entries.map(|path| if path.is_dir() && !path.is_symlink() { 1 + count(&path) } else { 1 }).sum()
    }

    #[test]
    fn deleting_a_folder_stops_when_it_is_no_longer_allowed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a");
        let make = || {
            fs::create_dir_all(folder.join("b/c")).unwrap();
            for name in ["1", "2", "b/3", "b/4", "b/c/5"] {
                fs::write(folder.join(name), name).unwrap();
            }
        };
        for allowed in 0..8 {
            make();
            let left = std::cell::Cell::new(allowed);
            let is_allowed = || left.replace(left.get().max(1) - 1) > 0;
            assert_eq!(delete(folder.to_str().unwrap(), &is_allowed), Err(Fault::NotAllowed), "{allowed}");
            assert!(count(&folder) >= 7 - allowed, "{allowed} were allowed, {} are left", count(&folder));
        }
        make();
        assert_eq!(delete(folder.to_str().unwrap(), &|| true), Ok(()));
        assert!(!folder.exists());
    }

    #[cfg(unix)]
    #[test]
    fn deleting_a_folder_keeps_the_targets_of_links_in_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("kept/inner")).unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("kept/file"), "x").unwrap();
        std::os::unix::fs::symlink(root.path().join("kept"), root.path().join("a/link")).unwrap();
        std::os::unix::fs::symlink(root.path().join("kept/file"), root.path().join("a/file")).unwrap();
        assert_eq!(delete(root.path().join("a").to_str().unwrap(), &|| true), Ok(()));
        assert!(!root.path().join("a").exists() && root.path().join("kept/inner").exists());
        assert_eq!(fs::read_to_string(root.path().join("kept/file")).unwrap(), "x");
    }
}
