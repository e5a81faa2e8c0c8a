//! What happened in a session. Only events are stored; everything else is derived from them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{MAX_NAME_CHARS, MAX_SIDE, ParticipantId, RoleRights, SessionRules, Timestamp};

/// The role of a participant in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Role {
    /// Helps the customer.
    Technician,
    /// Is helped.
    Customer,
    /// An outsider whom a technician invited for a while, with the rights that the invitation names.
    Expert,
    /// A technician who watches how others help and does nothing.
    Supervisor,
}

/// The client that a participant uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Client {
    /// The technician's web page.
    Console,
    /// The customer's web page: chat only.
    Browser,
    /// The customer's program: chat and screen.
    Program,
    /// The customer's program on Windows.
    WindowsProgram,
    /// The customer's program on Windows, run as administrator.
    WindowsAdministrator,
}

impl Client {
    /// Whether this is the customer's program, on any system.
    pub fn is_program(self) -> bool {
        matches!(self, Self::Program | Self::WindowsProgram | Self::WindowsAdministrator)
    }
}

/// A right that a customer can allow. Each is asked for, granted and withdrawn separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Right {
    /// See the customer's screen.
    View,
    /// Move the customer's pointer, click and type. Never held without [`Right::View`].
    Control,
    /// List, download, upload, rename and delete files.
    Files,
    /// Read and write the clipboard.
    Clipboard,
    /// Run commands in a shell, as the customer's user.
    Shell,
    /// Read what the computer is and what runs on it, and end processes.
    SystemInfo,
    /// Restart the computer once and come back into the session.
    Restart,
    /// Run the program as administrator, so that it reaches the windows of other such programs.
    Elevate,
}

impl Right {
    /// Every right, in the order in which a customer is asked.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Control,
        Self::Files,
        Self::Clipboard,
        Self::Shell,
        Self::SystemInfo,
        Self::Restart,
        Self::Elevate,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::Files => "files",
            Self::Clipboard => "clipboard",
            Self::Shell => "shell",
            Self::SystemInfo => "system_info",
            Self::Restart => "restart",
            Self::Elevate => "elevate",
        }
    }
}

/// A technician's account, as a session keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct UserRef {
    /// The account's number.
    pub id: i32,
    /// The person's full name at that time.
    pub name: String,
}

/// The incident that a session belongs to, as it was when the session was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct IncidentRef {
    /// The incident's database number.
    pub id: i32,
    /// What people call it, like `INC-1042`.
    pub number: String,
    /// Its subject.
    pub subject: String,
    /// The customer's name.
    pub customer: String,
}

/// Whether a participant is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Presence {
    /// Connected now.
    Here,
    /// The connection broke; the participant may come back until the grace time ends.
    Reconnecting {
        /// When the grace time ends.
        until: Timestamp,
    },
    /// Not in the session: for good, or until admitted again.
    Gone,
}

/// Somebody who takes or took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Participant {
    /// Their number within the session.
    pub id: ParticipantId,
    /// Their role.
    pub role: Role,
    /// Their name, as everybody sees it.
    pub name: String,
    /// The client that they use.
    pub client: Client,
    /// The technician's account; customers and experts have none.
    pub user: Option<i32>,
    /// The rights that they may use of those that the customer granted: an expert's come from the invitation, a
    /// technician's from their role.
    pub rights: Vec<Right>,
    /// Whether they are connected.
    pub presence: Presence,
}

/// Where a session waits for a technician.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Queue {
    /// In the queue of its owner.
    Own,
    /// In a team's queue: the member who takes it becomes its owner.
    Team {
        /// The team's name.
        team: String,
    },
    /// In the general queue.
    General,
}

/// An expert's invitation that has not been used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ExpertInvitation {
    /// Its number within the session.
    pub number: u16,
    /// The expert's name.
    pub name: String,
    /// The rights that it gives.
    pub rights: Vec<Right>,
    /// Until when its link works.
    pub until: Timestamp,
}

/// A monitor of the customer's machine: a part of the shared screen, in pixels of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Monitor {
    pub name: String,
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Monitor {
    /// Whether it lies on a screen that can be shared, and has a name that fits a line.
    pub fn fits(&self) -> bool {
        let within = |from: u16, side: u16| side > 0 && from.checked_add(side).is_some_and(|end| end <= MAX_SIDE);
        let named = self.name.chars().count() <= MAX_NAME_CHARS && !self.name.chars().any(char::is_control);
        named && within(self.x, self.width) && within(self.y, self.height)
    }
}

/// Why there is no picture for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Pause {
    /// The customer paused it.
    #[default]
    Customer,
    /// The customer's system shows something that no other program may see: a password prompt or the lock screen.
    System,
}

impl Pause {
    /// Whether the customer paused it. Then the reason is not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_wished(&self) -> bool {
        *self == Self::Customer
    }
}

/// Which way a file or the clipboard was transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Direction {
    /// From a technician to the customer's machine.
    ToCustomer,
    /// From the customer's machine to a technician.
    FromCustomer,
}

/// The content of a clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ClipboardKind {
    /// Text.
    Text,
    /// A picture.
    Image,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum WhyWithdrawn {
    /// The customer withdrew it.
    Customer,
    /// The technician gave it back.
    Technician,
    /// The session was held or ended, which ends all grants.
    Session,
    /// The server could not record what its policy says must be recorded.
    Recording,
}

/// Why a session has another owner although nobody handed it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum WhyInherited {
    /// The owner's connection broke, and they did not come back in time.
    #[default]
    Lost,
    /// The owner's account was disabled.
    Removed,
}

impl WhyInherited {
    /// Whether the connection was lost. Then the reason is not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_lost(&self) -> bool {
        *self == Self::Lost
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Ending {
    /// A technician closed it.
    Closed,
    /// The customer left.
    CustomerLeft,
    /// The customer's connection broke, and they did not come back in time.
    CustomerLost,
    /// Nobody joined before the key and the link expired.
    NeverJoined,
    /// It was on hold for longer than the limit.
    HoldExpired,
    /// It could not be recorded, and the policy does not allow a session without recording.
    NotRecorded,
}

/// What happened. The names are stored in timelines: never change the meaning of a name or a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the fields are the types defined above; the variants say what happened")]
pub enum Event {
    /// A technician created a session for an incident.
    Created {
        incident: IncidentRef,
        owner: UserRef,
        organisation: String,
        /// Sessions that were created before there were policies have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<SessionRules>,
    },
    /// A session key and a session link were generated. (The secrets themselves are never in events.)
    KeyIssued { by: UserRef, key_until: Timestamp, link_until: Timestamp },
    /// The key no longer works.
    KeyRevoked { by: UserRef },
    /// The link no longer works.
    LinkRevoked { by: UserRef },
    /// A participant joined for the first time.
    Joined {
        id: ParticipantId,
        role: Role,
        name: String,
        client: Client,
        user: Option<i32>,
        /// For an expert: the rights that the invitation gives.
        #[serde(default)]
        rights: Vec<Right>,
        /// For a technician: what their role gives; without a role, everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_role: Option<RoleRights>,
    },
    /// A participant's connection broke.
    Dropped { id: ParticipantId },
    /// A participant is back, perhaps with another client.
    Returned { id: ParticipantId, client: Client },
    /// A participant left.
    Left { id: ParticipantId },
    /// A chat message. `nonce` lets the sender recognise their own message after a reconnect.
    Chat { from: ParticipantId, text: String, nonce: u32 },
    /// A technician asked the customer for rights.
    Asked { by: ParticipantId, rights: Vec<Right> },
    /// The customer allowed these rights, which replace all earlier ones.
    Granted { by: ParticipantId, rights: Vec<Right> },
    /// The customer refused.
    Denied { by: ParticipantId },
    /// A right was withdrawn.
    Withdrawn { right: Right, why: WhyWithdrawn },
    /// The picture was paused; the grants stay.
    Paused {
        by: ParticipantId,
        #[serde(default, skip_serializing_if = "Pause::is_wished")]
        why: Pause,
    },
    /// The picture was resumed.
    Resumed { by: ParticipantId },
    /// The first picture of a screen share arrived.
    SharingStarted { width: u16, height: u16, recorded: bool },
    /// The size of the shared screen changed.
    ScreenResized { width: u16, height: u16 },
    /// The monitors of the shared screen changed.
    MonitorsChanged { monitors: Vec<Monitor> },
    /// Whether the customer's system keeps the technician's input from the active window, because that window belongs
    /// to a program with more rights.
    InputBlocked { blocked: bool },
    /// The screen share ended.
    SharingStopped {},
    /// The customer's program could not do what was allowed.
    SharingFailed { reason: String },
    /// The recording failed.
    RecordingFailed { reason: String },
    /// The session was put on hold.
    Held { by: Option<UserRef> },
    /// A held session was reopened.
    Reopened { by: UserRef },
    /// The session was transferred to another owner.
    Transferred { by: UserRef, to: UserRef },
    /// The session was put into a team's queue or the general one.
    Queued { by: Option<UserRef>, queue: Queue },
    /// A queue changed: its team was renamed or deleted. Stored for sessions that wait there, and for those that were
    /// taken from there.
    QueueMoved { from: Queue, to: Queue },
    /// A technician took the session out of a queue.
    Taken { by: UserRef },
    /// The owner is gone: the technician who has shared the session for longest owns it now.
    Inherited {
        from: UserRef,
        to: UserRef,
        #[serde(default, skip_serializing_if = "WhyInherited::is_lost")]
        why: WhyInherited,
    },
    /// A technician has another role, or their role gives other rights; without a role, they may ask for everything.
    RoleChanged { id: ParticipantId, by_role: Option<RoleRights> },
    /// Another technician was asked to join.
    SharedWith { by: UserRef, with: UserRef },
    /// An expert was invited by a link.
    ExpertInvited { by: UserRef, invitation: ExpertInvitation },
    /// A participant asked for control.
    ControlWanted { by: ParticipantId },
    /// Another participant has control.
    ControlPassed { by: ParticipantId, to: ParticipantId },
    /// A note for technicians only.
    Noted { by: UserRef, text: String },
    /// What another system stores with the session: a text by name. An empty text deletes it.
    Attributed { by: UserRef, name: String, value: String },
    /// A file was transferred, whole and verified.
    FileCarried {
        by: ParticipantId,
        way: Direction,
        path: String,
        #[ts(type = "number")]
        bytes: u64,
        sha256: String,
    },
    /// A file was not transferred, and nothing of it remains.
    FileFailed { by: ParticipantId, way: Direction, path: String, reason: String },
    /// A folder was created on the customer's machine.
    FolderMade { by: ParticipantId, path: String },
    /// A file or folder of the customer's machine was renamed.
    FileRenamed { by: ParticipantId, from: String, to: String },
    /// A file or folder of the customer's machine was deleted.
    FileDeleted { by: ParticipantId, path: String },
    /// A file was put into the chat. The server keeps it under its number.
    FilePosted {
        from: ParticipantId,
        number: u32,
        name: String,
        #[ts(type = "number")]
        bytes: u64,
        sha256: String,
    },
    /// A clipboard was transferred. Its content is not stored.
    ClipboardCarried { by: ParticipantId, way: Direction, kind: ClipboardKind, bytes: u32 },
    /// A command shell was opened; its recording has this number.
    ShellStarted { by: ParticipantId, number: u32 },
    /// A command shell was closed.
    ShellEnded {
        number: u32,
        /// The SHA-256 of its recording; empty when it could not be recorded.
        #[serde(default)]
        sha256: String,
    },
    /// The system information was read; the server keeps it under this number.
    SystemInfoRead { by: ParticipantId, number: u32, sha256: String },
    /// A process of the customer's machine was ended.
    ProcessEnded { by: ParticipantId, pid: u32, name: String },
    /// The customer's computer restarts; its program comes back once and asks for every right again.
    Restarting { by: ParticipantId },
    /// A screenshot of the shared screen was put into the incident's journal, under this number.
    ScreenshotTaken { by: ParticipantId, number: u32, sha256: String },
    /// The customer rated the session, after its end.
    Rated { stars: u8, comment: String },
    /// The session ended.
    Ended { how: Ending, by: Option<UserRef> },
    /// These pictures were recorded, in this order after the earlier ones, and are on disk.
    Recorded {
        pictures: u32,
        #[ts(type = "number")]
        bytes: u64,
        /// Over the length (4 bytes, big endian) and the bytes of each picture.
        sha256: String,
    },
    /// Transcript and recording are complete and stored.
    Stored {
        #[ts(type = "number | null")]
        recording_bytes: Option<u64>,
        transcript_sha256: String,
        #[serde(default)]
        recording_sha256: Option<String>,
        #[serde(default)]
        pointer_sha256: Option<String>,
    },
    /// Somebody watched the recording, after the end or live.
    Watched { by: UserRef },
    /// Somebody exported the evidence.
    Exported { by: Option<UserRef> },
    /// The evidence must not be deleted, for this reason; or it may be deleted again.
    LegalHold { by: UserRef, on: bool, reason: String },
}

impl Event {
    /// Whether only technicians may read it.
    pub fn is_private(&self) -> bool {
        matches!(
            self,
            Self::Noted { .. }
                | Self::RoleChanged { .. }
                | Self::QueueMoved { .. }
                | Self::Attributed { .. }
                | Self::Recorded { .. }
                | Self::Watched { .. }
                | Self::Exported { .. }
                | Self::LegalHold { .. }
        )
    }

    /// Whether it is about the evidence. Such events are stored after the session's end, too.
    pub fn is_evidence(&self) -> bool {
        matches!(
            self,
            Self::Recorded { .. }
                | Self::Stored { .. }
                | Self::Watched { .. }
                | Self::Exported { .. }
                | Self::LegalHold { .. }
        )
    }

    /// Whether it records the use of a right: allowed before it was done, stored afterwards.
    pub fn is_use_of_right(&self) -> bool {
        matches!(
            self,
            Self::FileCarried { .. }
                | Self::FileFailed { .. }
                | Self::FolderMade { .. }
                | Self::FileRenamed { .. }
                | Self::FileDeleted { .. }
                | Self::FilePosted { .. }
                | Self::ClipboardCarried { .. }
                | Self::ShellStarted { .. }
                | Self::ShellEnded { .. }
                | Self::SystemInfoRead { .. }
                | Self::ProcessEnded { .. }
                | Self::ScreenshotTaken { .. }
        )
    }
}
