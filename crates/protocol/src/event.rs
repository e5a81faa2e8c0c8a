//! What happened in a session. Only these are stored; everything else is read from them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{MAX_NAME_CHARS, MAX_SIDE, ParticipantId, RoleRights, SessionRules, Timestamp};

/// Whoever takes part in a session is one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Role {
    /// Whoever helps.
    Technician,
    /// Whoever is helped.
    Customer,
    /// An outsider whom a technician invited for a while, with the rights that the invitation names.
    Expert,
    /// Somebody of the organisation who watches how others help, and does nothing.
    Supervisor,
}

/// What a person looks through.
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
    /// The same on Windows.
    WindowsProgram,
    /// The same, run as administrator.
    WindowsAdministrator,
}

impl Client {
    /// Whether this is the customer's program, on whatever system.
    pub fn is_program(self) -> bool {
        matches!(self, Self::Program | Self::WindowsProgram | Self::WindowsAdministrator)
    }
}

/// What a customer may allow, each asked for, given and withdrawn apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Right {
    /// See the customer's screen.
    View,
    /// Move the customer's pointer, click and type. Never held without [`Right::View`].
    Control,
    /// See, fetch, bring, rename and delete files.
    Files,
    /// Read and write the clipboard.
    Clipboard,
    /// Run commands in a shell, as the customer's user.
    Shell,
    /// Read what the computer is and what runs on it, and end processes.
    SystemInfo,
    /// Restart the computer once, and come back into the session.
    Restart,
    /// Let the program run as administrator, so that it reaches the windows of programs that do.
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

    /// Its name, as it is written on the wire.
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

/// A technician's account, as a session remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct UserRef {
    /// The account's number.
    pub id: i32,
    /// The person's full name at that time.
    pub name: String,
}

/// The incident that a session belongs to, as it was when the session was made.
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

/// Whether a participant is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Presence {
    /// Connected now.
    Here,
    /// The connection broke; whoever it is may come back until then.
    Reconnecting {
        /// When the grace time ends.
        until: Timestamp,
    },
    /// Gone, for good or until asked again.
    Gone,
}

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Participant {
    /// Their number within the session.
    pub id: ParticipantId,
    /// Technician or customer.
    pub role: Role,
    /// Their name, as shown to everybody.
    pub name: String,
    /// What they look through.
    pub client: Client,
    /// The technician's account; customers and experts have none.
    pub user: Option<i32>,
    /// What they may use of what the customer granted: an expert by the invitation, a technician by their role.
    pub rights: Vec<Right>,
    /// Whether they are there.
    pub presence: Presence,
}

/// Where a session waits for somebody to help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Queue {
    /// With its owner.
    Own,
    /// With a team: whoever of it takes it becomes its owner.
    Team {
        /// The team's name.
        team: String,
    },
    /// With everybody.
    General,
}

/// An invitation of an expert that has not been used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ExpertInvitation {
    /// Its number within the session.
    pub number: u16,
    /// The expert's name.
    pub name: String,
    /// What the expert may use.
    pub rights: Vec<Right>,
    /// Until when the link works.
    pub until: Timestamp,
}

/// A monitor of the customer's machine: a part of the shared screen, in its pixels.
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
    /// Whether it is a part of a screen that can be shared, by a name that fits a line.
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
    /// The customer wishes so.
    #[default]
    Customer,
    /// The customer's system shows something that no other program may see: it asks for a password, or is locked.
    System,
}

impl Pause {
    /// Whether the customer wishes so, which is not written down apart.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_wished(&self) -> bool {
        *self == Self::Customer
    }
}

/// Which way something was carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Direction {
    /// From a technician to the customer's machine.
    ToCustomer,
    /// From the customer's machine to a technician.
    FromCustomer,
}

/// What a clipboard held.
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
    /// The customer took it back.
    Customer,
    /// The technician gave it back.
    Technician,
    /// The session was held or ended, and all grants fall.
    Session,
    /// The server could not record what its policy says must be recorded.
    Recording,
}

/// Why a session has another owner without anybody having handed it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum WhyInherited {
    /// The owner's connection broke and did not come back in time.
    #[default]
    Lost,
    /// The owner's account may no longer be used.
    Removed,
}

impl WhyInherited {
    /// Whether the connection was lost, which is not written down apart.
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
    /// The customer's connection broke and did not come back in time.
    CustomerLost,
    /// Nobody came before key and link were used up.
    NeverJoined,
    /// It was held for longer than the limit.
    HoldExpired,
    /// It could not be recorded, and the policy forbids going on without.
    NotRecorded,
}

/// What happened. The names are the ones in the stored timeline; a name or field is never given a second meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the fields repeat the words defined above; the variants say what happened")]
pub enum Event {
    /// A technician generated a session for an incident.
    Created {
        incident: IncidentRef,
        owner: UserRef,
        organisation: String,
        /// Sessions from before there were policies have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<SessionRules>,
    },
    /// A session key and a session link were generated (the secrets themselves are never events).
    KeyIssued { by: UserRef, key_until: Timestamp, link_until: Timestamp },
    /// The key no longer works.
    KeyRevoked { by: UserRef },
    /// The link no longer works.
    LinkRevoked { by: UserRef },
    /// Somebody came for the first time.
    Joined {
        id: ParticipantId,
        role: Role,
        name: String,
        client: Client,
        user: Option<i32>,
        /// For an expert: what the invitation gives.
        #[serde(default)]
        rights: Vec<Right>,
        /// For a technician: what their role gives; without one, everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by_role: Option<RoleRights>,
    },
    /// A participant's connection broke.
    Dropped { id: ParticipantId },
    /// A participant is back, perhaps by other means.
    Returned { id: ParticipantId, client: Client },
    /// A participant left of their own will.
    Left { id: ParticipantId },
    /// Somebody said something. `nonce` lets the sender recognise their own message after a reconnect.
    Chat { from: ParticipantId, text: String, nonce: u32 },
    /// A technician asks the customer for rights.
    Asked { by: ParticipantId, rights: Vec<Right> },
    /// The customer allowed these rights, and they are now the whole set.
    Granted { by: ParticipantId, rights: Vec<Right> },
    /// The customer said no.
    Denied { by: ParticipantId },
    /// A right ended.
    Withdrawn { right: Right, why: WhyWithdrawn },
    /// The picture is paused; the grants stay.
    Paused {
        by: ParticipantId,
        #[serde(default, skip_serializing_if = "Pause::is_wished")]
        why: Pause,
    },
    /// The picture goes on.
    Resumed { by: ParticipantId },
    /// The first picture of a sharing arrived.
    SharingStarted { width: u16, height: u16, recorded: bool },
    /// The shared screen has another size now.
    ScreenResized { width: u16, height: u16 },
    /// The shared screen consists of these monitors now.
    MonitorsChanged { monitors: Vec<Monitor> },
    /// Whether the customer's system keeps the technician's input from the window in front, which belongs to a program
    /// with more rights.
    InputBlocked { blocked: bool },
    /// The picture ended.
    SharingStopped {},
    /// The customer's program could not do what was allowed.
    SharingFailed { reason: String },
    /// The recording could not go on.
    RecordingFailed { reason: String },
    /// The session was put on hold.
    Held { by: Option<UserRef> },
    /// A held session was opened again.
    Reopened { by: UserRef },
    /// The session has another owner.
    Transferred { by: UserRef, to: UserRef },
    /// The session waits for somebody of a team, or for anybody.
    Queued { by: Option<UserRef>, queue: Queue },
    /// A queue is another one now: its team has another name, or is gone. So it is for a session that waits there, and for
    /// one that was taken from there.
    QueueMoved { from: Queue, to: Queue },
    /// Somebody took the session out of a queue.
    Taken { by: UserRef },
    /// The owner is gone: whoever shared the session for longest owns it now.
    Inherited {
        from: UserRef,
        to: UserRef,
        #[serde(default, skip_serializing_if = "WhyInherited::is_lost")]
        why: WhyInherited,
    },
    /// A technician has another role, or their role gives something else; without one, they may ask for everything.
    RoleChanged { id: ParticipantId, by_role: Option<RoleRights> },
    /// Another technician was asked to join.
    SharedWith { by: UserRef, with: UserRef },
    /// An expert was invited by a link.
    ExpertInvited { by: UserRef, invitation: ExpertInvitation },
    /// Somebody would like to hold the control.
    ControlWanted { by: ParticipantId },
    /// The control is in other hands.
    ControlPassed { by: ParticipantId, to: ParticipantId },
    /// A note for technicians only.
    Noted { by: UserRef, text: String },
    /// What another system knows of the session: a text by that name. An empty one takes it away.
    Attributed { by: UserRef, name: String, value: String },
    /// A file was carried, whole and checked.
    FileCarried {
        by: ParticipantId,
        way: Direction,
        path: String,
        #[ts(type = "number")]
        bytes: u64,
        sha256: String,
    },
    /// A file was not carried, and nothing of it stays under its name.
    FileFailed { by: ParticipantId, way: Direction, path: String, reason: String },
    /// A folder was made on the customer's machine.
    FolderMade { by: ParticipantId, path: String },
    /// A file or folder of the customer's machine has another name.
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
    /// A clipboard was carried. What it held is not kept.
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
    /// The customer's computer restarts; its program comes back once, and asks.
    Restarting { by: ParticipantId },
    /// A picture of the shared screen was put into the incident's journal, under this number.
    ScreenshotTaken { by: ParticipantId, number: u32, sha256: String },
    /// The customer rated the session, after its end.
    Rated { stars: u8, comment: String },
    /// The session is over.
    Ended { how: Ending, by: Option<UserRef> },
    /// These pictures were recorded, in this order after those before, and are on the disk.
    Recorded {
        pictures: u32,
        #[ts(type = "number")]
        bytes: u64,
        /// Over each picture's length (4 bytes, big endian) and its bytes.
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
    /// Somebody watched the recording, after the end or while it ran.
    Watched { by: UserRef },
    /// Somebody took the evidence with them.
    Exported { by: Option<UserRef> },
    /// The evidence must not be deleted, for this reason; or it may be again.
    LegalHold { by: UserRef, on: bool, reason: String },
}

impl Event {
    /// Whether only technicians may know of it.
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

    /// Whether it says what became of the evidence: also after the session's end.
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

    /// Whether it says that something was done with a right: judged before it was done, told after.
    pub fn is_deed(&self) -> bool {
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
