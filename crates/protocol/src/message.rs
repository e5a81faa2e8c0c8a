//! The messages of the control stream.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    Client, Ending, Event, ExpertInvitation, IncidentRef, MAX_CHAT_CHARS, Mark, Monitor, Participant, ParticipantId,
    Pause, Queue, Right, SessionId, Timestamp, UserRef,
};

/// The first message on a connection. The server reads nothing more unless it admits the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Hello {
    /// [`crate::VERSION`] of the sender.
    pub version: u16,
    /// The single-use ticket that the web API has just issued.
    pub ticket: String,
    /// The client that the sender uses.
    pub client: Client,
    /// The newest timeline entry that the sender has; zero for none.
    pub have: u32,
    /// 32 random bytes in hexadecimal. The server signs them with its identity key, so that the customer's program
    /// recognises its own server. Pages leave it empty: the browser has checked the certificate.
    #[serde(default)]
    pub challenge: String,
}

/// Why the customer's program cannot share its screen, in kinds that the console explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ShareTrouble {
    /// The system does not let this program see the screen.
    NoPermission,
    /// There is no screen that this program can capture.
    NoScreen,
    /// The encoder failed.
    Encoder,
    /// One side of the screen is longer than [`MAX_SIDE`](crate::MAX_SIDE).
    TooLarge,
}

/// What a console, a customer's page or a customer's program sends after its hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
#[expect(missing_docs, reason = "the fields are documented at their types; the variants say what is requested")]
pub enum ClientMessage {
    /// Send a chat message. The nonce comes back with the event.
    Chat { text: String, nonce: u32 },
    /// The sender is typing; expires after a few seconds.
    Typing {},
    /// Technician: ask the customer for these rights.
    Ask { rights: Vec<Right> },
    /// Customer: answer the open question with the allowed rights; an empty list is a no.
    Answer { rights: Vec<Right> },
    /// Customer: withdraw a right. Technician: give it back.
    Withdraw { right: Right },
    /// Customer: pause the picture.
    Pause {
        #[serde(default)]
        why: Pause,
    },
    /// Customer: resume the picture.
    Resume {},
    /// Customer: end the session.
    Leave {},
    /// Technician: ask for control, which somebody else has.
    WantControl {},
    /// Technician: give control to another technician or an expert.
    PassControl { to: ParticipantId },
    /// Technician: write a note that only technicians read.
    Note { text: String },
    /// Owner: remove an expert or a technician who shares the session.
    Dismiss { who: ParticipantId },
    /// Technician: draw on the customer's screen for a few seconds.
    Annotate { mark: Mark },
    /// Technician: prefer a sharper picture, or a smoother one.
    Prefer { smooth: bool },
    /// Technician: hold the session.
    Hold {},
    /// Technician: end the session.
    Close {},
    /// Technician: this frame has been drawn.
    Drawn { seq: u32 },
    /// Technician: the decoder lost its state and needs a keyframe.
    NeedKeyframe {},
    /// Customer's program: sharing is allowed but failed.
    ShareFailed { trouble: ShareTrouble },
    /// From a customer's program: the monitors of the shared screen.
    Monitors { monitors: Vec<Monitor> },
    /// From a customer's program: whether its system keeps the technician's input from the active window, because that
    /// window belongs to a program with more rights.
    InputBlocked { blocked: bool },
    /// Checks the connection. `t` comes back in the pong.
    Ping { t: u32 },
}

impl ClientMessage {
    /// Whether a chat text may be sent: not empty, and within the limit.
    pub fn chat_fits(text: &str) -> bool {
        !text.trim().is_empty() && text.chars().count() <= MAX_CHAT_CHARS
    }
}

/// The phase of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Phase {
    /// Waits for the customer to join.
    Waiting,
    /// The customer is connected, or about to reconnect.
    Active,
    /// On hold in the owner's queue, without the customer.
    Held,
    /// Ended.
    Ended {
        /// How it ended.
        how: Ending,
    },
}

/// An action of a participant, as far as a page has a button for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Act {
    /// Send a chat message.
    Chat,
    /// Ask the customer for the screen.
    AskView,
    /// Ask the customer for mouse and keyboard.
    AskControl,
    /// Ask the customer for files.
    AskFiles,
    /// Ask the customer for the clipboard.
    AskClipboard,
    /// Ask the customer for a command line.
    AskShell,
    /// Ask the customer for information about their computer.
    AskSystemInfo,
    /// Ask the customer for a restart of their computer.
    AskRestart,
    /// Ask the customer to let the program run as administrator.
    AskElevate,
    /// Answer a question.
    Answer,
    /// Give the screen back.
    WithdrawView,
    /// Give mouse and keyboard back.
    WithdrawControl,
    /// Pause the picture.
    Pause,
    /// Resume the picture.
    Resume,
    /// Ask for the control that somebody else has.
    WantControl,
    /// Give control to somebody else.
    PassControl,
    /// Write a note that only technicians read.
    Note,
    /// Ask a colleague to join.
    ShareWith,
    /// Put the session on hold.
    Hold,
    /// End the session.
    Close,
    /// Leave the session.
    Leave,
}

impl Act {
    /// Asking the customer for this right.
    pub fn ask(right: Right) -> Self {
        match right {
            Right::View => Self::AskView,
            Right::Control => Self::AskControl,
            Right::Files => Self::AskFiles,
            Right::Clipboard => Self::AskClipboard,
            Right::Shell => Self::AskShell,
            Right::SystemInfo => Self::AskSystemInfo,
            Right::Restart => Self::AskRestart,
            Right::Elevate => Self::AskElevate,
        }
    }
}

/// Whether the reader of a state may do something now, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Permit {
    /// The action.
    pub act: Act,
    /// `None` when it is allowed now.
    pub why_not: Option<RefusalReason>,
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ByeReason {
    /// The session has ended, or its participant is no longer in it.
    Done,
    /// The same participant has another connection.
    Elsewhere,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RefusalReason {
    /// The session is over.
    #[error("the session has ended")]
    Ended,
    /// The session is not over.
    #[error("the session has not ended yet")]
    NotEnded,
    /// The session is on hold.
    #[error("the session is on hold")]
    OnHold,
    /// The session is not on hold.
    #[error("the session is not on hold")]
    NotOnHold,
    /// The customer is not connected.
    #[error("the customer is not here")]
    NoCustomer,
    /// The customer uses a browser page, which cannot do this.
    #[error("the customer is in a browser, and this needs the support program")]
    NeedsProgram,
    /// The right exists on Windows alone.
    #[error("only Windows keeps rights apart for administrators")]
    NeedsWindows,
    /// Only a customer may do this.
    #[error("only the customer decides this")]
    CustomerOnly,
    /// Only a technician may do this.
    #[error("only a technician may do this")]
    TechnicianOnly,
    /// The owner cannot leave a session without handing it on.
    #[error("the session's owner holds, transfers or closes it")]
    Owner,
    /// Another participant has control.
    #[error("somebody else has control")]
    NotInControl,
    /// Only the session's owner may do this.
    #[error("the session belongs to another technician")]
    NotOwner,
    /// A supervisor only watches.
    #[error("you only watch this session")]
    OnlyWatching,
    /// The customer has not granted it.
    #[error("the customer has not allowed this")]
    NotGranted,
    /// The session's policy does not allow it.
    #[error("the session's policy does not allow this")]
    Policy,
    /// The technician's role does not allow it.
    #[error("your role does not allow this")]
    Role,
    /// A question is open already.
    #[error("the customer has been asked already")]
    AskedAlready,
    /// There is no open question.
    #[error("there is no open question")]
    NothingAsked,
    /// It is so already.
    #[error("nothing to change")]
    Already,
    /// An empty message.
    #[error("there is nothing to send")]
    Empty,
    /// A message that is too long.
    #[error("a message may have up to 4,000 characters")]
    TooLong,
    /// No participant has this number.
    #[error("no such participant")]
    Stranger,
    /// The session has another customer.
    #[error("the customer of this session is here already")]
    Taken,
    /// The key or link was used, revoked, or has expired.
    #[error("the key or link no longer works")]
    KeyDead,
    /// The rate limit is reached.
    #[error("this happened too often; please wait a moment")]
    TooOften,
    /// A limit of the session is reached.
    #[error("this session is full; please continue in a new one")]
    Full,
}

/// A session as its participants see it. Derived from the timeline, sent with every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SessionState {
    /// The session.
    pub id: SessionId,
    /// Its incident.
    pub incident: IncidentRef,
    /// The organisation that helps.
    pub organisation: String,
    /// Its owner, or its last owner while it waits in a team's queue or the general one.
    pub owner: UserRef,
    /// The queue that it waits in.
    pub queue: Queue,
    /// The technicians who were asked to join.
    pub shared_with: Vec<UserRef>,
    /// The experts who were invited and have not joined yet.
    pub invitations: Vec<ExpertInvitation>,
    /// Its phase.
    pub phase: Phase,
    /// Everybody who takes or took part.
    pub participants: Vec<Participant>,
    /// The rights that the customer has granted.
    pub grants: Vec<Right>,
    /// The rights that were asked for and not answered yet.
    pub asked: Vec<Right>,
    /// Who asked for them.
    pub asked_by: Option<ParticipantId>,
    /// The participant whose input reaches the customer's desktop while control is granted.
    pub control: Option<ParticipantId>,
    /// Who asks for control.
    pub control_wanted: Vec<ParticipantId>,
    /// Why there is no picture, while it is paused.
    pub paused: Option<Pause>,
    /// Until when a restarting computer of the customer is awaited.
    pub restarting: Option<Timestamp>,
    /// The size of the shared screen while there is a picture.
    pub screen: Option<(u16, u16)>,
    /// The monitors of the shared screen, as far as they are known.
    pub monitors: Vec<Monitor>,
    /// Whether the customer's system keeps the technician's input from the active window.
    pub input_blocked: bool,
    /// Whether sharing is recorded on this server.
    pub recorded: bool,
    /// Until when the key works, if it does.
    pub key_until: Option<Timestamp>,
    /// Until when the link works, if it does.
    pub link_until: Option<Timestamp>,
}

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Entry {
    /// Its number, counted from 1.
    pub seq: u32,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// The path between the server and the customer's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Path {
    /// Whether it is QUIC; otherwise it is a WebSocket.
    pub quic: bool,
    /// The round-trip time between server and program, in milliseconds.
    pub round_trip: u32,
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the fields are documented at their types; the variants say what is sent")]
pub enum ServerMessage {
    /// The hello was admitted. The timeline follows as [`ServerMessage::Happened`], then [`ServerMessage::CaughtUp`].
    Welcome {
        you: ParticipantId,
        now: Timestamp,
        /// The Ed25519 signature of the hello's challenge in hexadecimal; empty when there was no challenge.
        proof: String,
        state: Box<SessionState>,
        permits: Vec<Permit>,
    },
    /// One entry of the timeline.
    Happened { entry: Entry },
    /// The timeline is complete up to now.
    CaughtUp {},
    /// The state after the entries sent so far.
    State { state: Box<SessionState>, permits: Vec<Permit> },
    /// Somebody is typing.
    Typing { from: ParticipantId },
    /// A command was refused. Nothing changed.
    Refused { what: String, why: RefusalReason, text: String },
    /// To the customer's program: the viewers have drawn all frames up to this one.
    Drawn { seq: u32 },
    /// To the customer's program: draw this on the screen for a few seconds.
    Annotate { from: ParticipantId, mark: Mark },
    /// To the customer's program: whether the watching technician prefers a sharper or a smoother picture.
    Prefer { smooth: bool },
    /// To the customer's program: a viewer needs a keyframe.
    NeedKeyframe {},
    /// The answer to a ping, with the state of the path beyond the server.
    ///
    /// `relay` is how long the last picture stayed in the server, in tenths of a millisecond.
    Pong { t: u32, customer: Option<Path>, relay: u32 },
    /// The connection ends now: the participant opened the session elsewhere, or the server stops.
    Bye { reason: ByeReason },
}
