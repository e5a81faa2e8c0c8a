//! The messages of the control stream.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    Client, Ending, Event, ExpertInvitation, IncidentRef, MAX_CHAT_CHARS, Mark, Monitor, Participant, ParticipantId,
    Pause, Queue, Right, SessionId, Timestamp, UserRef,
};

/// The first message on a connection. Nothing is read after a hello that is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Hello {
    /// [`crate::VERSION`] of the sender.
    pub version: u16,
    /// The single-use admission that the web API gave out a moment ago.
    pub ticket: String,
    /// What the sender looks through.
    pub client: Client,
    /// The newest timeline entry the sender already has; zero for none.
    pub have: u32,
    /// 32 random bytes in hexadecimal that the server signs with its identity key, so that the customer's program knows
    /// its own server. Pages leave it empty: their browser has checked the certificate.
    #[serde(default)]
    pub challenge: String,
}

/// Why the customer's program cannot share, in kinds that the console explains.
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

/// What a console, a customer's page or a customer's program says after its hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
#[expect(missing_docs, reason = "the fields repeat the words defined elsewhere; the variants say what is wished")]
pub enum ClientMessage {
    /// Say something. The nonce comes back with the event.
    Chat { text: String, nonce: u32 },
    /// The sender is typing; good for a few seconds.
    Typing {},
    /// Technician: ask the customer for these rights.
    Ask { rights: Vec<Right> },
    /// Customer: answer the open question with what is allowed; nothing is a no.
    Answer { rights: Vec<Right> },
    /// Customer: take a right back. Technician: give it back.
    Withdraw { right: Right },
    /// Customer: stop the picture for a while.
    Pause {
        #[serde(default)]
        why: Pause,
    },
    /// Customer: let the picture go on.
    Resume {},
    /// Customer: end the session.
    Leave {},
    /// Technician: would like to hold the control.
    WantControl {},
    /// Technician: hand the control to another technician or expert.
    PassControl { to: ParticipantId },
    /// Technician: leave a note that only technicians read.
    Note { text: String },
    /// Owner: let an expert or a technician who shares the session go.
    Dismiss { who: ParticipantId },
    /// Technician: draw on the customer's screen for a while.
    Annotate { mark: Mark },
    /// Technician: a sharper picture, or a smoother one.
    Prefer { smooth: bool },
    /// Technician: hold the session.
    Hold {},
    /// Technician: close the session.
    Close {},
    /// Technician: this frame has been drawn.
    Drawn { seq: u32 },
    /// Technician: the decoder lost its state and needs a keyframe.
    NeedKeyframe {},
    /// From a technician's page: the best format that its decoder showed rightly in its self-test.
    Shows { format: PictureFormat },
    /// Customer's program: sharing is allowed but does not work.
    ShareFailed { trouble: ShareTrouble },
    /// From a customer's program: the shared screen consists of these.
    Monitors { monitors: Vec<Monitor> },
    /// From a customer's program: whether its system keeps the technician's input from the window in front, which
    /// belongs to a program with more rights.
    InputBlocked { blocked: bool },
    /// Is the connection alive? `t` comes back in the pong.
    Ping { t: u32 },
}

impl ClientMessage {
    /// Whether a chat text may be sent: something in it, and not too much.
    pub fn chat_fits(text: &str) -> bool {
        !text.trim().is_empty() && text.chars().count() <= MAX_CHAT_CHARS
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "is", rename_all = "snake_case")]
#[ts(export)]
pub enum Phase {
    /// For the customer to come.
    Waiting,
    /// The customer is there, or about to reconnect.
    Active,
    /// In the owner's queue, without the customer.
    Held,
    /// Over.
    Ended {
        /// How it ended.
        how: Ending,
    },
}

/// What somebody in a session can do, as far as a page has a button for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Act {
    /// To say something.
    Chat,
    /// To ask the customer for the screen.
    AskView,
    /// To ask the customer for mouse and keyboard.
    AskControl,
    /// To ask the customer for files.
    AskFiles,
    /// To ask the customer for the clipboard.
    AskClipboard,
    /// To ask the customer for a command line.
    AskShell,
    /// To ask the customer for what their computer says of itself.
    AskSystemInfo,
    /// To ask the customer for a restart of their computer.
    AskRestart,
    /// To ask the customer to let the program run as administrator.
    AskElevate,
    /// To answer a question.
    Answer,
    /// To give the screen back.
    WithdrawView,
    /// To give mouse and keyboard back.
    WithdrawControl,
    /// To show nothing for a while.
    Pause,
    /// To show the screen again.
    Resume,
    /// To wish for the control that somebody else has.
    WantControl,
    /// To give the control to somebody else.
    PassControl,
    /// To write a note that only technicians read.
    Note,
    /// To ask a colleague in.
    ShareWith,
    /// To put the session on hold.
    Hold,
    /// To end the session.
    Close,
    /// To leave the session.
    Leave,
}

impl Act {
    /// To ask the customer for a right.
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

/// What the reader of a state may do now, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Permit {
    /// What it is about.
    pub act: Act,
    /// `None` when it may be done now.
    pub why_not: Option<RefusalReason>,
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ByeReason {
    /// There is nothing more to say: the session is over, or its participant is not in it any more.
    Done,
    /// The same participant has another connection.
    Elsewhere,
}

/// Why a wish was refused.
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
    /// No customer is there.
    #[error("the customer is not here")]
    NoCustomer,
    /// The customer's page cannot share a screen.
    #[error("the customer is in a browser; the screen needs the support program")]
    NeedsProgram,
    /// Other systems have no such thing.
    #[error("only Windows keeps rights apart for administrators")]
    NeedsWindows,
    /// Only a customer may do this.
    #[error("only the customer decides this")]
    CustomerOnly,
    /// Only a technician may do this.
    #[error("only a technician may do this")]
    TechnicianOnly,
    /// The owner cannot just go.
    #[error("the session's owner holds, transfers or closes it")]
    Owner,
    /// Another holds the control.
    #[error("somebody else holds the control")]
    NotInControl,
    /// Only the session's owner may do this.
    #[error("the session belongs to another technician")]
    NotOwner,
    /// A supervisor does nothing.
    #[error("whoever supervises a session only watches it")]
    OnlyWatching,
    /// The customer has not granted it.
    #[error("the customer has not allowed this")]
    NotGranted,
    /// The policy of this server does not allow it.
    #[error("the session policy does not allow this")]
    Policy,
    /// The technician's role does not give it.
    #[error("your role does not allow this")]
    Role,
    /// A question is open already.
    #[error("the customer has been asked already")]
    AskedAlready,
    /// There is no open question.
    #[error("nothing was asked")]
    NothingAsked,
    /// It is so already.
    #[error("this is so already")]
    Already,
    /// An empty message.
    #[error("there is nothing to send")]
    Empty,
    /// A message that is too long.
    #[error("a message may have up to 4,000 characters")]
    TooLong,
    /// Nobody by that number.
    #[error("nobody by that number takes part")]
    Stranger,
    /// Somebody else is the customer of this session already.
    #[error("the customer of this session is here already")]
    Taken,
    /// Key or link are used, revoked or too old.
    #[error("the key or link no longer works")]
    KeyDead,
    /// More of it than anybody needs in so short a time.
    #[error("this happened too often; please wait a moment")]
    TooOften,
    /// There is as much in this session as there may be.
    #[error("this session is full; please go on in a new one")]
    Full,
}

/// A session as its participants see it. Read from the timeline, sent with every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct SessionState {
    /// The session.
    pub id: SessionId,
    /// Its incident.
    pub incident: IncidentRef,
    /// The organisation that helps.
    pub organisation: String,
    /// Whose it is, or whose it was last while it waits in a queue of several.
    pub owner: UserRef,
    /// Where it waits.
    pub queue: Queue,
    /// The technicians who were asked to join.
    pub shared_with: Vec<UserRef>,
    /// The experts who were invited and have not come yet.
    pub invitations: Vec<ExpertInvitation>,
    /// Where it stands.
    pub phase: Phase,
    /// Everybody who is or was there.
    pub participants: Vec<Participant>,
    /// What the customer allows now.
    pub grants: Vec<Right>,
    /// What was asked and not yet answered.
    pub asked: Vec<Right>,
    /// Who asked.
    pub asked_by: Option<ParticipantId>,
    /// Whose hands reach the customer's desktop while control is granted.
    pub control: Option<ParticipantId>,
    /// Who would like to hold the control.
    pub control_wanted: Vec<ParticipantId>,
    /// Why there is no picture for a while, if so.
    pub paused: Option<Pause>,
    /// Until when a customer's computer that restarts is awaited.
    pub restarting: Option<Timestamp>,
    /// The size of the shared screen while there is a picture.
    pub screen: Option<(u16, u16)>,
    /// The monitors that the shared screen consists of, as far as they are known.
    pub monitors: Vec<Monitor>,
    /// Whether the customer's system keeps the technician's input from the window in front.
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

/// How pictures are coded. The first that every viewer shows rightly is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum PictureFormat {
    /// AV1 profile 1, 4:4:4, identity matrix, full range: every pixel equal in the end.
    Gbr,
    /// AV1 profile 0, 4:2:0, BT.709, limited range: for browsers that cannot show the other.
    Yuv420,
}

/// How the customer's program reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Path {
    /// QUIC, or else a WebSocket.
    pub quic: bool,
    /// A round trip between server and program, in milliseconds.
    pub round_trip: u32,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
#[expect(missing_docs, reason = "the fields repeat the words defined above; the variants say what is told")]
pub enum ServerMessage {
    /// The hello was admitted. The timeline follows as [`ServerMessage::Happened`], then [`ServerMessage::CaughtUp`].
    Welcome {
        you: ParticipantId,
        now: Timestamp,
        /// The Ed25519 signature of the hello's challenge in hexadecimal; empty when none was asked for.
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
    /// A wish was refused. Nothing changed.
    Refused { what: String, why: RefusalReason, text: String },
    /// To the customer's program: the viewers have drawn up to this frame.
    Drawn { seq: u32 },
    /// To the customer's program: draw this on the screen for a while.
    Annotate { from: ParticipantId, mark: Mark },
    /// To the customer's program: what the technician who looks wishes of the picture.
    Prefer { smooth: bool },
    /// To the customer's program: a viewer needs a keyframe.
    NeedKeyframe {},
    /// To the customer's program: what all viewers can show.
    UseFormat { format: PictureFormat },
    /// The answer to a ping, and how things stand beyond the server.
    ///
    /// `relay` is how long the last picture stayed in the server, in tenths of a millisecond.
    Pong { t: u32, customer: Option<Path>, relay: u32 },
    /// The connection ends now: somebody opened this session elsewhere, or the server stops.
    Bye { reason: ByeReason },
}
