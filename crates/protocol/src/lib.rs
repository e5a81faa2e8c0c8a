//! What is sent between the console, the server and the customer's program: messages, framing, limits, versions.
//!
//! This crate is pure: it turns values into bytes and bytes into values. It opens no connection, reads no clock and
//! imports no other crate of Deskside. `docs/protocol.md` describes the same in prose.

mod binding;
mod copy;
mod event;
pub mod file_name;
mod frame;
mod id;
mod input;
mod job;
mod limits;
pub mod links;
mod mark;
mod message;
pub mod oracle;
mod rules;
mod screen;

pub use binding::{Binding, ProgramFile, ProgramPass, UnreadableProgram};
pub use copy::{MAX_PIECES, PIECE_BYTES, RedundantDatagrams, pieces};
pub use event::{
    Client, ClipboardKind, Direction, Ending, Event, ExpertInvitation, IncidentRef, Monitor, Participant, Pause,
    Presence, Queue, Right, Role, UserRef, WhyInherited, WhyWithdrawn,
};
pub use file_name::name_fits;
pub use frame::{FrameError, Framed, decode, encode};
pub use id::{BadId, ParticipantId, SessionId, Timestamp};
pub use input::{Button, Input, Modifier, Special};
pub use job::{Answer, Disk, Fault, Folder, Item, Job, Kind, Log, Network, Process, Service, ShellInput, SystemInfo};
pub use limits::*;
pub use mark::Mark;
pub use message::{
    Act, ByeReason, ClientMessage, Entry, Hello, Path, Permit, Phase, RefusalReason, ServerMessage, SessionState,
    ShareTrouble,
};
pub use rules::{RoleRights, SessionRules, Unrecorded};
pub use screen::{FrameKind, HEADER_BYTES, Header, HeaderError, MAX_REGIONS, PointerShape, REGION_BYTES, Region};

/// The version of everything in this crate. Both ends must speak the same version; it grows with every change that an
/// older end could not read.
pub const VERSION: u16 = 10;
