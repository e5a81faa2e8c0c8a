//! Names on disk: ids, never what somebody typed.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use protocol::SessionId;
use rustix::fs::Mode;

/// From now on nobody else on this machine reads what this process makes, in the data folder or elsewhere.
pub fn for_us_alone() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Takes the data folder, and whatever lies in it, away from everybody else on this machine: it may have been made by
/// hand, by an older version, or by somebody who brought a backup back.
pub fn tighten(data: &Path) {
    let mut waiting = vec![data.to_owned()];
    while let Some(path) = waiting.pop() {
        // Another user's folder, like a disk's lost+found, say: the server works all the same.
        if let Err(error) = take_away(&path, &mut waiting) {
            tracing::warn!(path = %path.display(), %error, "the rights of a file in the data folder stay as they are");
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
            // What a link leads to is somebody else's business.
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

/// A session's video, in the vault.
pub fn recording(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.video"))
}

/// Where the pointer was during the video, in the vault.
pub fn pointer(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.pointer"))
}

/// Pictures of a video into which the pointer is drawn, in the vault, for as long as an export takes.
pub fn burned(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}-{}.burned", crate::secret::token()))
}

/// What is made of a recording when its session is over.
pub fn evidence(data: &Path, session: &SessionId) -> [PathBuf; 3] {
    [recording(data, session), pointer(data, session), activity(data, session)]
}

/// A file that was put into the chat.
pub fn post(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("posts").join(format!("{session}-{number}"))
}

/// The recording of a command shell, an asciicast.
pub fn shell(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("shells").join(format!("{session}-{number}.cast"))
}

/// System information as it was read.
pub fn system_info(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("system").join(format!("{session}-{number}.json"))
}

/// A picture of the shared screen.
pub fn screenshot(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    data.join("screenshots").join(format!("{session}-{number}.png"))
}

/// A mail that came, in the vault.
pub fn letter(data: &Path, id: i32) -> PathBuf {
    data.join("letters").join(format!("{id}.eml"))
}

/// The server's identity key.
pub fn identity(data: &Path) -> PathBuf {
    data.join("identity.key")
}

/// When something moved in the video, in the vault.
pub fn activity(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.activity"))
}

/// What a recorder writes while the screen is shared; a session has one for each time that its recorder started.
pub fn reel(data: &Path, session: &SessionId, number: u32) -> PathBuf {
    recordings(data).join(format!("{session}-{number}.reel"))
}

/// The vault's key.
pub fn vault(data: &Path) -> PathBuf {
    data.join("vault.key")
}

/// The keys that seal timelines, and who endorsed them.
pub fn sealing_keys(data: &Path) -> PathBuf {
    data.join("sealing")
}

/// The folders in which files begin with a session's name.
pub fn kept(data: &Path) -> [PathBuf; 5] {
    ["recordings", "posts", "shells", "system", "screenshots"].map(|folder| data.join(folder))
}
