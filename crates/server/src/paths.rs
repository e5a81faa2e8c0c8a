//! Names on disk: ids, never what somebody typed.

use std::path::{Path, PathBuf};

use protocol::SessionId;

/// The database.
pub fn database(data: &Path) -> PathBuf {
    data.join("deskside.sqlite")
}

/// The folder of recordings.
pub fn recordings(data: &Path) -> PathBuf {
    data.join("recordings")
}

/// A session's video.
pub fn recording(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.webm"))
}

/// Where the pointer was during the video: eight bytes an entry, milliseconds (4), x (2), y (2), big endian.
pub fn pointer(data: &Path, session: &SessionId) -> PathBuf {
    recordings(data).join(format!("{session}.pointer"))
}

/// The server's identity key.
pub fn identity(data: &Path) -> PathBuf {
    data.join("identity.key")
}
