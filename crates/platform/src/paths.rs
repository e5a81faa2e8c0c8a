//! Names on disk. They are made of ids, never of what somebody typed.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use protocol::SessionId;
use rustix::fs::Mode;

/// From now on, only this process's user can read the files that it creates.
pub fn for_us_alone() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Removes the access of other users to the data folder and everything in it: it may have been made by hand, by an
/// older version, or by restoring a backup.
pub fn tighten(data: &Path) {
    let mut waiting = vec![data.to_owned()];
    while let Some(path) = waiting.pop() {
        // A folder of another user, such as a disk's lost+found. The server works all the same.
        if let Err(error) = take_away(&path, &mut waiting) {
            tracing::warn!(path = %path.display(), %error, "access rights of a file in the data folder not changed");
        }
    }
}

fn take_away(path: &Path, waiting: &mut Vec<PathBuf>) -> io::Result<()> {
    let about = fs::metadata(path)?;
    let mode = about.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
    }
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // The target of a link may belong to somebody else.
            if entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()) {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

/// The database.
pub fn database(data: &Path) -> PathBuf {
    data.join("deskside.sqlite")
}

/// The folder of recordings.
pub fn recordings(data: &Path) -> PathBuf {
    data.join("recordings")
}

/// A session's video, encrypted by the vault.
pub fn recording(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.video"))
}

/// The positions of the pointer during the video, encrypted by the vault.
pub fn pointer(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.pointer"))
}

/// Pictures of a video into which the pointer is drawn, encrypted by the vault; they exist while an export runs.
pub fn pointer_video(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}-{}.burned", crate::secret::token()))
}

/// The video while it is made after the end of a session.
pub fn evidence(data: &Path, session: &SessionId) -> [PathBuf; 3] {
    [recording(data, session), pointer(data, session), activity(data, session)]
}

/// A file that was posted in the chat.
pub fn post(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("posts").join(format!("{session}-{number}"))
}

/// The recording of a command shell, an asciicast.
pub fn shell(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("shells").join(format!("{session}-{number}.cast"))
}

/// Stored system information.
pub fn system_info(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("system").join(format!("{session}-{number}.json"))
}

/// A screenshot of the shared screen.
pub fn screenshot(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("screenshots").join(format!("{session}-{number}.png"))
}

/// A received mail, encrypted by the vault.
pub fn letter(data: &Path, id: i32) -> PathBuf {
    data.join("letters").join(format!("{id}.eml"))
}

/// The server's identity key.
pub fn identity(data: &Path) -> PathBuf {
    data.join("identity.key")
}

/// The spans of the video in which something moved, encrypted by the vault.
pub fn activity(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.activity"))
}

/// A raw recording; a session has one for each time that its recorder started.
pub fn raw_recording_part(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    recordings(data).join(format!("{session}-{number}.reel"))
}

/// The vault's key.
pub fn vault(data: &Path) -> PathBuf {
    data.join("vault.key")
}

/// The keys that seal timelines, with their endorsements.
pub fn sealing_keys(data: &Path) -> PathBuf {
    data.join("sealing")
}

/// The folders whose file names begin with a session's id.
pub fn session_folders(data: &Path) -> [PathBuf; 5] {
    ["recordings", "posts", "shells", "system", "screenshots"].map(|folder| data.join(folder))
}
