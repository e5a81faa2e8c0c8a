//! What somebody requests. `decide` judges whether it happens.

use protocol::{
    Client, Event, IncidentRef, Monitor, ParticipantId, Pause, Queue, Right, Role, RoleRights, ShareTrouble, UserRef,
};

/// Who requests it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The server itself: for broken connections, expired times and incoming pictures.
    Server,
    /// A participant, over their connection.
    Participant(ParticipantId),
    /// A technician at the console who is not connected to this session.
    Technician(UserRef),
    /// Another system, which acts with the rights of the session's owner.
    System(UserRef),
}

/// A request to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the events' fields")]
pub enum Command {
    /// Create the session. The first command of every session.
    Create { incident: IncidentRef, owner: UserRef, organisation: String },
    /// Generate a key and a link, which replace earlier ones. `life` is the link's lifetime in milliseconds where it
    /// differs from the policy's; no key outlives its link.
    IssueKey { life: Option<u64> },
    /// Revoke the key.
    RevokeKey,
    /// Revoke the link.
    RevokeLink,
    /// Join. For a customer, `by_key` says whether they typed the key or opened the link; for a technician, `by_role`
    /// is what their role gives, if they have one.
    Join { role: Role, name: String, client: Client, user: Option<i32>, by_role: Option<RoleRights>, by_key: bool },
    /// A connection broke.
    Drop { id: ParticipantId },
    /// A connection is back.
    Return { id: ParticipantId, client: Client },
    /// Send a chat message.
    Chat { text: String, nonce: u32 },
    /// Ask the customer for rights.
    Ask { rights: Vec<Right> },
    /// Answer the open question with the allowed rights; an empty list is a no.
    Answer { rights: Vec<Right> },
    /// End a right.
    Withdraw { right: Right },
    /// Pause the picture.
    Pause(Pause),
    /// Resume the picture.
    Resume,
    /// A picture of this size arrived from the customer.
    Picture { width: u16, height: u16 },
    /// The monitors of the shared screen.
    Monitors { monitors: Vec<Monitor> },
    /// The customer's system keeps the technician's input from the active window, or no longer does.
    InputBlocked { blocked: bool },
    /// The customer's program cannot share.
    ShareFailed { trouble: ShareTrouble },
    /// The server cannot record.
    RecordingFailed { reason: String },
    /// Leave: a customer, an expert, or a technician who is not the owner.
    Leave,
    /// Put the session on hold.
    Hold,
    /// Reopen a held session.
    Reopen,
    /// Transfer the session to another technician, with a note that only technicians read.
    Transfer { to: UserRef, note: String },
    /// Put the session into a team's queue or the general one, with a note that only technicians read.
    Enqueue { queue: Queue, note: String },
    /// A queue changed: its team was renamed or deleted.
    MoveQueue { from: Queue, to: Queue },
    /// Take the session out of a queue. `team` is the taker's own.
    Take { team: String },
    /// This account was disabled. Where it owns the session, the session goes to whoever shares it, else into the queue
    /// that it came from, else into this one.
    Expel { user: i32, queue: Queue },
    /// A technician has another role, or their role gives other rights.
    ChangeRole { user: i32, by_role: Option<RoleRights> },
    /// Watch the session as a supervisor.
    Supervise { user: UserRef },
    /// Ask another technician to join.
    ShareWith { with: UserRef },
    /// Invite an expert.
    InviteExpert { name: String, rights: Vec<Right> },
    /// Join with the invitation of this number.
    JoinAsExpert { number: u16 },
    /// Remove an expert or a technician who shares the session.
    Dismiss { who: ParticipantId },
    /// Ask for control.
    WantControl,
    /// Give control to another participant.
    PassControl { to: ParticipantId },
    /// Write a note for technicians.
    Note { text: String },
    /// Store what another system keeps with the session.
    Attribute { name: String, value: String },
    /// Record that a right was used. It was checked before it was done.
    Record { event: Event },
    /// Record that this participant restarts the customer's computer. It was checked before it was done.
    Restart { by: ParticipantId },
    /// Rate a session that has ended.
    Rate { stars: u8, comment: String },
    /// End the session.
    Close,
    /// Apply everything that is due.
    Tick,
    /// Record what happened to the evidence, also after the session's end.
    Evidence { event: Event },
}

impl Command {
    /// The text that the command stores for later readers. Chat messages do not count: their readers are the
    /// participants.
    pub fn written(&mut self) -> Option<&mut String> {
        match self {
            Self::Note { text }
            | Self::Transfer { note: text, .. }
            | Self::Enqueue { note: text, .. }
            | Self::Attribute { value: text, .. }
            | Self::InviteExpert { name: text, .. }
            | Self::Rate { comment: text, .. } => Some(text),
            Self::Create { .. }
            | Self::IssueKey { .. }
            | Self::RevokeKey
            | Self::RevokeLink
            | Self::Join { .. }
            | Self::Drop { .. }
            | Self::Return { .. }
            | Self::Chat { .. }
            | Self::Ask { .. }
            | Self::Answer { .. }
            | Self::Withdraw { .. }
            | Self::Pause(_)
            | Self::Resume
            | Self::Picture { .. }
            | Self::Monitors { .. }
            | Self::InputBlocked { .. }
            | Self::ShareFailed { .. }
            | Self::RecordingFailed { .. }
            | Self::Leave
            | Self::Hold
            | Self::Reopen
            | Self::MoveQueue { .. }
            | Self::Take { .. }
            | Self::Expel { .. }
            | Self::ChangeRole { .. }
            | Self::Supervise { .. }
            | Self::ShareWith { .. }
            | Self::JoinAsExpert { .. }
            | Self::Dismiss { .. }
            | Self::WantControl
            | Self::PassControl { .. }
            | Self::Record { .. }
            | Self::Restart { .. }
            | Self::Close
            | Self::Tick
            | Self::Evidence { .. } => None,
        }
    }

    /// The command's name in refusals and permits.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::IssueKey { .. } => "issue_key",
            Self::RevokeKey => "revoke_key",
            Self::RevokeLink => "revoke_link",
            Self::Join { .. } => "join",
            Self::Drop { .. } => "drop",
            Self::Return { .. } => "return",
            Self::Chat { .. } => "chat",
            Self::Ask { .. } => "ask",
            Self::Answer { .. } => "answer",
            Self::Withdraw { .. } => "withdraw",
            Self::Pause(_) => "pause",
            Self::Resume => "resume",
            Self::Picture { .. } => "picture",
            Self::Monitors { .. } => "monitors",
            Self::InputBlocked { .. } => "input_blocked",
            Self::ShareFailed { .. } => "share_failed",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::Leave => "leave",
            Self::Hold => "hold",
            Self::Reopen => "reopen",
            Self::Transfer { .. } => "transfer",
            Self::Enqueue { .. } => "enqueue",
            Self::MoveQueue { .. } => "move_queue",
            Self::Take { .. } => "take",
            Self::Expel { .. } => "expel",
            Self::ChangeRole { .. } => "change_role",
            Self::Supervise { .. } => "supervise",
            Self::ShareWith { .. } => "share_with",
            Self::InviteExpert { .. } => "invite_expert",
            Self::JoinAsExpert { .. } => "join_as_expert",
            Self::Dismiss { .. } => "dismiss",
            Self::WantControl => "want_control",
            Self::PassControl { .. } => "pass_control",
            Self::Note { .. } => "note",
            Self::Attribute { .. } => "attribute",
            Self::Record { .. } => "record",
            Self::Restart { .. } => "restart",
            Self::Rate { .. } => "rate",
            Self::Close => "close",
            Self::Tick => "tick",
            Self::Evidence { .. } => "evidence",
        }
    }
}
