//! What the server asks of the customer's program on a bidirectional stream of its own: files, clipboard, shell, system
//! information. The server judges each job by the session's grants, and the program judges it again.
//!
//! A stream begins with one [`Job`], framed as every message. Unless said otherwise the program answers with one framed
//! [`Answer`]; bytes may follow in either direction, as the job says.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ClipboardKind, MAX_FAULT_CHARS, Right, file_name::shown};

/// A job.
///
/// The bytes of a file follow on the job's stream, or by a *lane*: an HTTPS request of their own to `/api/lanes/TOKEN`,
/// `POST` for what the program sends and `GET` for what it gets. That takes a fraction of the work, and knows nothing of
/// priorities: the server names one only where the way to the program is short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// What is in a folder; an empty path is the home folder. Answer: [`Answer::Folder`].
    List {
        /// The folder's whole path.
        path: String,
    },
    /// Make a folder. Answer: [`Answer::Done`].
    MakeFolder {
        /// Its whole path.
        path: String,
    },
    /// Give a file or folder another name in the same folder. Answer: [`Answer::Done`].
    Rename {
        /// Its whole path.
        path: String,
        /// Its new name, without a folder.
        name: String,
    },
    /// Delete a file, a link (not what it leads to), or a folder with all that is in it. Answer: [`Answer::Done`].
    Delete {
        /// Its whole path.
        path: String,
    },
    /// Read a file from an offset on; a folder is read as a ZIP archive, from its beginning only.
    ///
    /// Answer: [`Answer::File`], then the file's bytes, and where the answer announces sums 64 more: the SHA-256 of the
    /// whole file, from its first byte, and the SHA-256 from `since` on. They are needed where a file goes on in its middle,
    /// and where no size says when it is whole; what comes in one go over an authenticated connection needs none.
    Fetch {
        /// Its whole path.
        path: String,
        /// The first byte wanted.
        from: u64,
        /// From where on the server counts what it passes to one reader: `from`, or before it when the way broke since.
        since: u64,
        /// A lane for the bytes (see [`Job`]).
        lane: Option<String>,
    },
    /// Write a file beside its place, from an offset on. Answer: [`Answer::Kept`] with what is there already, which must
    /// be `from`; then the bytes follow, and when they end, again [`Answer::Kept`] with what is there now.
    Bring {
        /// A number that names this transfer while the program runs.
        transfer: u64,
        /// The folder's whole path.
        folder: String,
        /// The file's name.
        name: String,
        /// The file's whole size.
        size: u64,
        /// The first byte that will follow; the size when none is left.
        from: u64,
        /// A lane for the bytes (see [`Job`]).
        lane: Option<String>,
    },
    /// How much of a transfer is there. Answer: [`Answer::Kept`].
    Kept {
        /// The transfer's number.
        transfer: u64,
    },
    /// Check a brought file and put it in its place at once. Answer: [`Answer::Placed`].
    Place {
        /// The transfer's number.
        transfer: u64,
        /// The SHA-256 of the whole file in hexadecimal.
        sum: String,
        /// Whether a file of that name is replaced; otherwise the new one gets a number.
        replace: bool,
    },
    /// Throw away what was brought so far. Answer: [`Answer::Done`].
    Abandon {
        /// The transfer's number.
        transfer: u64,
    },
    /// Read the clipboard. Answer: [`Answer::Clipboard`], then its bytes: UTF-8 or PNG.
    ReadClipboard {},
    /// Write the clipboard: the bytes follow, then the stream's end. Answer: [`Answer::Done`].
    WriteClipboard {
        /// What follows.
        kind: ClipboardKind,
    },
    /// Open a command shell. Answer: [`Answer::Done`]; then [`ShellInput`] messages follow in, and the terminal's raw
    /// output out, until either side ends.
    Shell {
        /// The terminal's width in characters.
        columns: u16,
        /// Its height in lines.
        rows: u16,
    },
    /// What the computer is, and what runs on it. Answer: [`Answer::SystemInfo`].
    SystemInfo {},
    /// End a process, if it still has this name. Answer: [`Answer::Done`].
    EndProcess {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Restart the computer, and come back once it runs again. Answer: [`Answer::Done`], if the connection lives for it.
    Restart {},
    /// Start once more as administrator, for which the system asks the customer, and let that program go on. Answer:
    /// [`Answer::Done`] when the customer said yes.
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

/// What kind of thing a folder holds.
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
    /// Neither: a device, a socket, a link that leads nowhere.
    Other,
}

/// One thing in a folder.
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

/// A folder and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Folder {
    /// Its whole path.
    pub path: String,
    /// The folder that it is in; `None` at the top.
    pub parent: Option<String>,
    /// Places to start from: the home folder and what is in it by custom, disks.
    pub places: Vec<String>,
    /// What separates the names of a path on this system.
    pub separator: String,
    /// What is in it, folders first.
    pub items: Vec<Item>,
    /// How many more there are than are told.
    pub left_out: u32,
    /// How many bytes are free on its disk.
    #[ts(type = "number")]
    pub free: u64,
}

/// Why a job was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Fault {
    /// The customer does not allow this.
    #[error("the customer does not allow this")]
    NotAllowed,
    /// Nothing by that name.
    #[error("there is nothing by that name")]
    NotFound,
    /// The system does not let the customer's user do this.
    #[error("the customer's user has no permission for this")]
    NoPermission,
    /// There is something by that name already.
    #[error("there is something by that name already")]
    Exists,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The name is not one that the customer's system takes.
    #[error("the customer's system does not take this name")]
    BadName,
    /// The file changed while it was read.
    #[error("the file has changed meanwhile")]
    Changed,
    /// The bytes that arrived are not those that were sent.
    #[error("what arrived is not what was sent: its checksum is wrong")]
    WrongHash,
    /// There is nothing, or nothing that can be carried.
    #[error("the clipboard holds nothing that can be carried")]
    Empty,
    /// It is larger than what may be carried.
    #[error("it is too large")]
    TooLarge,
    /// Something else, in the system's words.
    #[error("{why}")]
    Other {
        /// What the system says.
        why: String,
    },
}

impl Fault {
    /// The same in few words, on one line that reads as what it is: what a program says is shown to people, and kept.
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
#[expect(missing_docs, reason = "the jobs say what is in each")]
pub enum Answer {
    Done {},
    Folder {
        folder: Folder,
    },
    /// `size` is `None` for an archive that is made while it is sent; `version` changes when the file does; `sums` says
    /// whether sums stand at the end.
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

/// What goes into a command shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShellInput {
    /// Keys, as a terminal sends them.
    Keys {
        /// The characters.
        text: String,
    },
    /// The terminal has another size.
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

/// Lines of the system's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Log {
    /// Where they are from.
    pub source: String,
    /// The newest, oldest first.
    pub lines: Vec<String>,
}

/// What a computer is, and what runs on it.
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
    /// `None` where the system has none that can be asked.
    pub services: Option<Vec<Service>>,
    pub log: Option<Log>,
}
