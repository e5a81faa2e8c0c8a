//! Messages between the program's threads: from the windows to the network, and back.

use std::sync::Arc;

use protocol::{ClientMessage, Entry, ParticipantId, SessionState};

/// A question to the customer about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileQuestion {
    /// May the technician download it?
    Fetch { path: String },
    /// May the technician upload it to this folder?
    Bring { name: String, bytes: u64, folder: String },
    /// May the technician change it?
    Change { path: String },
}

/// Commands from the windows.
#[derive(Debug)]
pub enum UiCommand {
    /// Send this to the server.
    Message(ClientMessage),
    /// Try this session key.
    EnterKey(String),
    /// The customer changed what is allowed: apply it at once.
    ConsentChanged,
    /// Save this file of the chat.
    Save { number: u32, name: String },
    /// Let the customer choose a file in a dialog with this title, and post it in the chat.
    Attach { title: String },
    /// Send the customer's rating.
    Rate { stars: u8, comment: String },
    /// Resume the session from before the restart.
    Resume,
}

/// The resume token of a session that this program was in before.
#[derive(Clone, Debug)]
pub enum PriorSession {
    /// Before the computer restarted: the customer is asked whether to resume.
    Restart(String),
    /// Before this program ran as administrator: it resumes at once.
    Elevation(String),
}

/// Events for the windows.
#[derive(Debug)]
pub enum UiEvent {
    /// A key is needed.
    EnterKey,
    /// The computer was restarted during the session: may it resume?
    AskToResume,
    /// The program is joining.
    Connecting,
    /// The program is in the session.
    Connected { you: ParticipantId },
    /// An entry of the timeline.
    Happened(Entry),
    /// The state after the entries so far.
    State(Box<SessionState>),
    /// The technician is typing.
    Typing,
    /// A sentence for the customer.
    Problem(String),
    /// May this be done with a file? Dropping the sender is a no.
    Approve(FileQuestion, tokio::sync::oneshot::Sender<bool>),
    /// A file of the chat was saved at this path.
    Saved(String),
    /// A file is being posted in the chat; `None` when it is posted or has failed.
    Attaching(Option<String>),
    /// The rating arrived.
    Rated,
    /// Draw this on the screen for a few seconds.
    Draw(protocol::Mark),
    /// The connection was lost; the program reconnects.
    Reconnecting,
    /// The session has ended, or joining failed.
    Failed(String),
    /// The elevated process has taken over; this one waits.
    HandedOver,
    /// The elevated process has ended with the session.
    Finished,
    /// This is the elevated process, and the customer has withdrawn elevation.
    ElevationWithdrawn,
}

/// Delivers events to the windows. Called on the network's thread.
pub type Notify = Arc<dyn Fn(UiEvent) + Send + Sync>;
