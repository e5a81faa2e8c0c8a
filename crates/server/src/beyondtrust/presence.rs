//! Which events change who is connected to a session.

use protocol::{Event, ParticipantId};

/// A change of who is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    Joined(ParticipantId),
    Returned(ParticipantId),
    Dropped(ParticipantId),
    Left(ParticipantId),
    /// The session was put on hold or ended: nobody is connected any more.
    Interrupted,
}

impl PresenceChange {
    /// The change that an event means, if any.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Joined { id, .. } => Some(Self::Joined(*id)),
            Event::Returned { id, .. } => Some(Self::Returned(*id)),
            Event::Dropped { id } => Some(Self::Dropped(*id)),
            Event::Left { id } => Some(Self::Left(*id)),
            Event::Held { .. } | Event::Ended { .. } => Some(Self::Interrupted),
            Event::Created { .. }
            | Event::KeyIssued { .. }
            | Event::KeyRevoked { .. }
            | Event::LinkRevoked { .. }
            | Event::Chat { .. }
            | Event::Asked { .. }
            | Event::Granted { .. }
            | Event::Denied { .. }
            | Event::Withdrawn { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::SharingStarted { .. }
            | Event::ScreenResized { .. }
            | Event::MonitorsChanged { .. }
            | Event::InputBlocked { .. }
            | Event::SharingStopped { .. }
            | Event::SharingFailed { .. }
            | Event::RecordingFailed { .. }
            | Event::Reopened { .. }
            | Event::Transferred { .. }
            | Event::Queued { .. }
            | Event::QueueMoved { .. }
            | Event::Taken { .. }
            | Event::Inherited { .. }
            | Event::RoleChanged { .. }
            | Event::SharedWith { .. }
            | Event::ExpertInvited { .. }
            | Event::ControlWanted { .. }
            | Event::ControlPassed { .. }
            | Event::Noted { .. }
            | Event::Attributed { .. }
            | Event::FileCarried { .. }
            | Event::FileFailed { .. }
            | Event::FolderMade { .. }
            | Event::FileRenamed { .. }
            | Event::FileDeleted { .. }
            | Event::FilePosted { .. }
            | Event::ClipboardCarried { .. }
            | Event::ShellStarted { .. }
            | Event::ShellEnded { .. }
            | Event::SystemInfoRead { .. }
            | Event::ProcessEnded { .. }
            | Event::Restarting { .. }
            | Event::ScreenshotTaken { .. }
            | Event::Rated { .. }
            | Event::Recorded { .. }
            | Event::Stored { .. }
            | Event::Watched { .. }
            | Event::Exported { .. }
            | Event::LegalHold { .. } => None,
        }
    }
}
