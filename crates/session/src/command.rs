//! What somebody wishes. Whether it happens is for `decide`.

use protocol::{
    Client, Event, IncidentRef, Monitor, ParticipantId, Pause, Queue, Right, Role, RoleRights, ShareTrouble, UserRef,
};

/// Who wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The server itself: connections that broke, times that ran out, pictures that came.
    Server,
    /// Somebody who takes part, over their connection.
    Participant(ParticipantId),
    /// A technician at the console, without being connected to this session.
    Technician(UserRef),
    /// Another system, which acts for the whole service desk: whoever owns the session.
    System(UserRef),
}

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields repeat the words of the events")]
pub enum Command {
    /// Make the session. The first command of every session.
    Create { incident: IncidentRef, owner: UserRef, organisation: String },
    /// Generate a key and a link, in place of the ones before. `life` is the link's, in milliseconds, where it is not the
    /// policy's; no key outlives its link.
    IssueKey { life: Option<u64> },
    /// Make the key useless.
    RevokeKey,
    /// Make the link useless.
    RevokeLink,
    /// Take part. For a customer, `by_key` says whether they typed the key or opened the link; for a technician,
    /// `by_role` what their role gives, where they have one.
    Join { role: Role, name: String, client: Client, user: Option<i32>, by_role: Option<RoleRights>, by_key: bool },
    /// A connection broke.
    Drop { id: ParticipantId },
    /// A connection is back.
    Return { id: ParticipantId, client: Client },
    /// Say something.
    Chat { text: String, nonce: u32 },
    /// Ask the customer for rights.
    Ask { rights: Vec<Right> },
    /// Answer the open question with what is allowed; nothing is a no.
    Answer { rights: Vec<Right> },
    /// End a right.
    Withdraw { right: Right },
    /// Stop the picture for a while.
    Pause(Pause),
    /// Let the picture go on.
    Resume,
    /// A picture of this size came from the customer.
    Picture { width: u16, height: u16 },
    /// The shared screen consists of these.
    Monitors { monitors: Vec<Monitor> },
    /// The customer's system keeps the technician's input from the window in front, or no more.
    InputBlocked { blocked: bool },
    /// The customer's program cannot share.
    ShareFailed { trouble: ShareTrouble },
    /// The server cannot record.
    RecordingFailed { reason: String },
    /// Leave: a customer, an expert, or a technician who is not the owner.
    Leave,
    /// Put the session on hold.
    Hold,
    /// Open a held session again.
    Reopen,
    /// Give the session to another technician, with a note that only technicians read.
    Transfer { to: UserRef, note: String },
    /// Put the session into a queue of several, with a note that only technicians read.
    Enqueue { queue: Queue, note: String },
    /// A queue is another one now: its team has another name, or is gone.
    MoveQueue { from: Queue, to: Queue },
    /// Take the session out of a queue. `team` is the taker's own.
    Take { team: String },
    /// This account may no longer be used: its owner leaves, and what they owned goes to whoever shares it, else into the
    /// queue that it came from, else into this one.
    Expel { user: i32, queue: Queue },
    /// A technician has another role, or their role gives something else.
    ChangeRole { user: i32, by_role: Option<RoleRights> },
    /// Watch how others help.
    Supervise { user: UserRef },
    /// Ask another technician to join.
    ShareWith { with: UserRef },
    /// Invite an expert.
    InviteExpert { name: String, rights: Vec<Right> },
    /// Join by the invitation of this number.
    JoinAsExpert { number: u16 },
    /// Let an expert or a sharing technician go.
    Dismiss { who: ParticipantId },
    /// Would like to hold the control.
    WantControl,
    /// Hand the control over.
    PassControl { to: ParticipantId },
    /// Leave a note for technicians.
    Note { text: String },
    /// Keep what another system knows of the session.
    Attribute { name: String, value: String },
    /// What was done with a right goes into the timeline. It was judged before it was done.
    Record { deed: Event },
    /// The customer's computer restarts because of this participant. It was judged before it was done.
    Restart { by: ParticipantId },
    /// Rate a session that has ended.
    Rate { stars: u8, comment: String },
    /// End the session.
    Close,
    /// Let whatever is due happen.
    Tick,
    /// What becomes of the evidence goes into the timeline, also after the session's end.
    Evidence { event: Event },
}

impl Command {
    /// The text in it that somebody writes for others to read later. What is said in a conversation is none: its readers are
    /// those whom it was meant for.
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

    /// The command's name as refusals and permits say it.
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
