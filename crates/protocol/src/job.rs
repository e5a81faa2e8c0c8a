//! What the server asks of the customer's program, each job on a bidirectional stream of its own: files, clipboard,
//! shell, system information. The server checks each job against the session's grants, and the program checks it again.
//!
//! A stream begins with one [`Job`], framed like every message. Unless stated otherwise, the program answers with one
//! framed [`Answer`]; bytes may follow in either direction, as documented at the job.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ClipboardKind, MAX_FAULT_CHARS, Right, file_name::shown};

/// A job.
///
/// The bytes of a file follow on the job's stream or by a *side channel*: an HTTPS request of their own to
/// `/api/lanes/TOKEN`, `POST` for what the program sends and `GET` for what it receives. A side channel costs a
/// fraction of the CPU time but knows no priorities, so the server names one only where the path to the program is
/// short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// List a folder; an empty path is the home folder. Answer: [`Answer::Folder`].
    List {
        /// The folder's full path.
        path: String,
    },
    /// Create a folder. Answer: [`Answer::Done`].
    MakeFolder {
        /// Its full path.
        path: String,
    },
    /// Rename a file or folder within its folder. Answer: [`Answer::Done`].
    Rename {
        /// Its full path.
        path: String,
        /// Its new name, without a folder.
        name: String,
    },
    /// Delete a file, a link (not its target), or a folder with everything in it. Answer: [`Answer::Done`].
    Delete {
        /// Its full path.
        path: String,
    },
    /// Read a file from an offset on. A folder is read as a ZIP archive, always from its beginning.
    ///
    /// Answer: [`Answer::File`], then the file's bytes. Where the answer announces checksums, 64 more bytes follow: the
    /// SHA-256 of the whole file, and the SHA-256 from `since` on. They are needed where a download resumes in the
    /// middle of the file, and where no size tells when the file is complete. A file that arrives in one go over an
    /// authenticated connection needs none.
    Fetch {
        /// Its full path.
        path: String,
        /// The first byte wanted.
        from: u64,
        /// Where the server's count of the bytes for this reader begins: at `from`, or before it when the connection
        /// broke in between.
        since: u64,
        /// A side channel for the bytes (see [`Job`]).
        lane: Option<String>,
    },
    /// Write a file to a temporary place, from an offset on. Answer: [`Answer::Kept`] with the number of bytes already
    /// stored, which must be `from`. Then the bytes follow, and after them [`Answer::Kept`] again.
    Bring {
        /// Identifies this transfer while the program runs.
        transfer: u64,
        /// The folder's full path.
        folder: String,
        /// The file's name.
        name: String,
        /// The file's total size.
        size: u64,
        /// The first byte that will follow; the size when none is left.
        from: u64,
        /// A side channel for the bytes (see [`Job`]).
        lane: Option<String>,
    },
    /// How many bytes of a transfer are stored. Answer: [`Answer::Kept`].
    Kept {
        /// The transfer's number.
        transfer: u64,
    },
    /// Verify an uploaded file and move it to its place atomically. Answer: [`Answer::Placed`].
    Place {
        /// The transfer's number.
        transfer: u64,
        /// The SHA-256 of the whole file in hexadecimal.
        sum: String,
        /// Whether to replace a file of that name; otherwise the new file gets a number.
        replace: bool,
    },
    /// Delete what was uploaded so far. Answer: [`Answer::Done`].
    Abandon {
        /// The transfer's number.
        transfer: u64,
    },
    /// Read the clipboard. Answer: [`Answer::Clipboard`], then its bytes: UTF-8 or PNG.
    ReadClipboard {},
    /// Write the clipboard: the bytes follow, then the end of the stream. Answer: [`Answer::Done`].
    WriteClipboard {
        /// What follows.
        kind: ClipboardKind,
    },
    /// Open a command shell. Answer: [`Answer::Done`]. Then [`ShellInput`] messages go in and the terminal's raw output
    /// comes out, until either side ends.
    Shell {
        /// The terminal's width in characters.
        columns: u16,
        /// Its height in lines.
        rows: u16,
    },
    /// Read what the computer is and what runs on it. Answer: [`Answer::SystemInfo`].
    SystemInfo {},
    /// End a process, if it still has this name. Answer: [`Answer::Done`].
    EndProcess {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Restart the computer, and come back once it runs again. Answer: [`Answer::Done`], if the connection lives long
    /// enough.
    Restart {},
    /// Start again as administrator, for which the system asks the customer, and let that program continue the session.
    /// Answer: [`Answer::Done`] when the customer agreed.
    Elevate {},
}

impl Job {
    /// The right that it needs.
    pub fn right(&self) -> Right {
        match self {
            Self::List { .. }
            | Self::MakeFolder { .. }
            | Self::Rename { .. }
            | Self::Delete { .. }
            | Self::Fetch { .. }
            | Self::Bring { .. }
            | Self::Kept { .. }
            | Self::Place { .. }
            | Self::Abandon { .. } => Right::Files,
            Self::ReadClipboard {} | Self::WriteClipboard { .. } => Right::Clipboard,
            Self::Shell { .. } => Right::Shell,
            Self::SystemInfo {} | Self::EndProcess { .. } => Right::SystemInfo,
            Self::Restart {} => Right::Restart,
            Self::Elevate {} => Right::Elevate,
        }
    }
}

/// The kind of an item of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link to a file.
    FileLink,
    /// A link to a folder.
    FolderLink,
    /// Anything else: a device, a socket, a broken link.
    Other,
}

/// One item of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Item {
    /// Its name, without a folder.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// When it was changed, in milliseconds since 1970 UTC.
    #[ts(type = "number")]
    pub changed: u64,
}

/// A folder and its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Folder {
    /// Its full path.
    pub path: String,
    /// The folder that it is in; `None` at the top.
    pub parent: Option<String>,
    /// Places to start from: the home folder, its usual subfolders, and disks.
    pub places: Vec<String>,
    /// What separates the names of a path on this system.
    pub separator: String,
    /// Its items, folders first.
    pub items: Vec<Item>,
    /// How many more items there are than are listed.
    pub left_out: u32,
    /// How many bytes are free on its disk.
    #[ts(type = "number")]
    pub free: u64,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Fault {
    /// The customer does not allow this.
    #[error("the customer does not allow this")]
    NotAllowed,
    /// No file or folder has this name.
    #[error("no such file or folder")]
    NotFound,
    /// The system denies it to the customer's user.
    #[error("the customer's user has no permission for this")]
    NoPermission,
    /// The name is taken.
    #[error("a file or folder of this name exists already")]
    Exists,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The customer's system does not accept the name.
    #[error("the customer's system does not accept this name")]
    BadName,
    /// The file changed while it was read.
    #[error("the file has changed while it was read")]
    Changed,
    /// The bytes that arrived are not those that were sent.
    #[error("the checksum of the received bytes is wrong")]
    WrongHash,
    /// The clipboard is empty, or holds something that is neither text nor a picture.
    #[error("the clipboard holds neither text nor a picture")]
    Empty,
    /// It exceeds the limit.
    #[error("larger than the limit")]
    TooLarge,
    /// Another error, in the system's words.
    #[error("{why}")]
    Other {
        /// What the system says.
        why: String,
    },
}

impl Fault {
    /// A short form of the error on one safe line. It comes from the customer's program, is shown to people and is
    /// stored.
    #[must_use]
    pub fn in_short(mut self) -> Self {
        if let Self::Other { why } = &mut self {
            let more = why.chars().nth(MAX_FAULT_CHARS).is_some();
            let start: String = why.trim().chars().take(MAX_FAULT_CHARS).collect();
            *why = format!("{}{}", shown(&start), if more { "…" } else { "" });
        }
        self
    }
}

/// A program's answer to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the jobs say what each answer holds")]
pub enum Answer {
    Done {},
    Folder {
        folder: Folder,
    },
    /// `size` is `None` for an archive that is made while it is sent; `version` changes whenever the file does; `sums`
    /// says whether checksums follow the bytes.
    File {
        size: Option<u64>,
        version: String,
        sums: bool,
    },
    Kept {
        bytes: u64,
    },
    Placed {
        path: String,
        bytes: u64,
        sha256: String,
    },
    Clipboard {
        kind: ClipboardKind,
        bytes: u32,
    },
    SystemInfo {
        info: Box<SystemInfo>,
    },
    Fault {
        fault: Fault,
    },
}

/// Input of a command shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShellInput {
    /// Keys, as a terminal sends them.
    Keys {
        /// The characters.
        text: String,
    },
    /// The terminal was resized.
    Size {
        /// Its width in characters.
        columns: u16,
        /// Its height in lines.
        rows: u16,
    },
}

/// A disk of the customer's machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it; sizes are in bytes")]
pub struct Disk {
    pub name: String,
    pub mounted_at: String,
    pub system: String,
    #[ts(type = "number")]
    pub total: u64,
    #[ts(type = "number")]
    pub free: u64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it; sizes are in bytes since the system started")]
pub struct Network {
    pub name: String,
    pub hardware: String,
    pub addresses: Vec<String>,
    #[ts(type = "number")]
    pub received: u64,
    #[ts(type = "number")]
    pub sent: u64,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Process {
    pub pid: u32,
    pub name: String,
    pub user: String,
    /// Share of one core, in percent.
    pub cpu: f32,
    /// Bytes in memory.
    #[ts(type = "number")]
    pub memory: u64,
    /// Seconds since it started.
    pub seconds: u32,
    pub command: String,
}

/// A service of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Service {
    pub name: String,
    pub state: String,
    pub description: String,
}

/// Lines of a system log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Log {
    /// The log's source.
    pub source: String,
    /// The newest lines, oldest first.
    pub lines: Vec<String>,
}

/// What a computer is and what runs on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it; sizes are in bytes")]
pub struct SystemInfo {
    pub system: String,
    pub kernel: String,
    pub host: String,
    pub user: String,
    pub processor: String,
    pub cores: u32,
    /// Share of all cores, in percent.
    pub cpu: f32,
    #[ts(type = "number")]
    pub memory: u64,
    #[ts(type = "number")]
    pub memory_used: u64,
    #[ts(type = "number")]
    pub swap: u64,
    #[ts(type = "number")]
    pub swap_used: u64,
    /// Seconds since the system started.
    #[ts(type = "number")]
    pub uptime: u64,
    pub disks: Vec<Disk>,
    pub networks: Vec<Network>,
    pub processes: Vec<Process>,
    /// `None` where the system has no service manager that can be queried.
    pub services: Option<Vec<Service>>,
    pub log: Option<Log>,
}
