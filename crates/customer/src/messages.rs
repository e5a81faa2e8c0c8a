//! What the threads of the program say to each other: the windows to the network, and back.

use std::sync::Arc;

use protocol::{ClientMessage, Entry, ParticipantId, SessionState};

/// A question about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileQuestion {
    /// May the technician have it?
    Fetch { path: String },
    /// May the technician put it here?
    Bring { name: String, bytes: u64, folder: String },
    /// May the technician change this?
    Change { path: String },
}

/// What the windows wish.
#[derive(Debug)]
pub enum UiCommand {
    /// Tell the server.
    Message(ClientMessage),
    /// Try this session key.
    EnterKey(String),
    /// The customer changed what is allowed: follow at once.
    ConsentChanged,
    /// Save this file of the chat.
    Save { number: u32, name: String },
    /// Let the customer choose a file in a window of this title, and put it into the chat.
    Attach { title: String },
    /// Send the customer's rating.
    Rate { stars: u8, comment: String },
    /// Go back into the session from before the restart.
    GoOn,
}

/// The way into a session that this program was in before.
#[derive(Clone, Debug)]
pub enum PriorSession {
    /// Before the computer restarted: the customer is asked whether it goes on.
    Restart(String),
    /// Before this program ran as administrator: it goes on.
    Elevation(String),
}

/// What the windows are told.
#[derive(Debug)]
pub enum UiEvent {
    /// A key is needed.
    EnterKey,
    /// The computer was restarted during the session: may it go on?
    Returned,
    /// Coming in.
    Connecting,
    /// In.
    Connected { you: ParticipantId },
    /// An entry of the timeline.
    Happened(Entry),
    /// The state after it.
    State(Box<SessionState>),
    /// The technician is typing.
    Typing,
    /// A sentence for the customer.
    Problem(String),
    /// May this be done with a file? Saying nothing is a no.
    Approve(FileQuestion, tokio::sync::oneshot::Sender<bool>),
    /// A file of the chat was saved here.
    Saved(String),
    /// A file is on its way into the chat; without a name it is there, or there is none.
    Attaching(Option<String>),
    /// The rating arrived.
    Rated,
    /// Draw this on the screen for a while.
    Draw(protocol::Mark),
    /// The connection broke; it is tried again.
    Reconnecting,
    /// It is over, or it cannot be.
    Failed(String),
    /// The program that runs as administrator goes on; this one waits behind it.
    HandedOver,
    /// That program is gone with the session.
    Finished,
    /// This is that program, and the customer wants it no more.
    GiveBack,
}

/// How the windows are told. Called on the network's thread.
pub type Notify = Arc<dyn Fn(UiEvent) + Send + Sync>;
