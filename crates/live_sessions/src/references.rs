//! Accounts and teams that an event refers to. They may have been disabled or deleted after the command was decided, so
//! they are checked in the transaction that stores the event.
//!
//! After its first write, no other transaction can write to the database. Whoever disables an account or deletes a team
//! looks for its sessions after committing that: events stored before are found there, and later ones are refused here.

use protocol::{Entry, Event, Queue};
use sea_orm::DatabaseTransaction;
use session::Session;
use store::{people, teams};

use super::ActError;

/// Checks that the accounts and teams in these entries exist. `session` is the state before them.
pub(super) async fn check(db: &DatabaseTransaction, session: &Session, entries: &[Entry]) -> Result<(), ActError> {
    for Entry { event, .. } in entries {
        if let Some(account) = joining_account(session, event)
            && people::is_disabled(db, account).await?
        {
            return Err(ActError::Disabled);
        }
        // Without `by`, the session went to the queue by itself, and is moved if the team is renamed or deleted.
        if let Event::Queued { by: Some(_), queue: Queue::Team { team } } = event
            && !teams::exists(db, team).await?
        {
            return Err(ActError::NoTeam);
        }
    }
    Ok(())
}

/// The account that joins a session, or becomes its owner at somebody's request, by this event.
fn joining_account(session: &Session, event: &Event) -> Option<i32> {
    match event {
        Event::Joined { user, .. } => *user,
        Event::Returned { id, .. } => session.account_of(*id),
        Event::Created { owner: to, .. }
        | Event::Transferred { to, .. }
        | Event::Taken { by: to }
        | Event::SharedWith { with: to, .. } => Some(to.id),
        Event::KeyIssued { .. }
        | Event::KeyRevoked { .. }
        | Event::LinkRevoked { .. }
        | Event::Dropped { .. }
        | Event::Left { .. }
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
        | Event::Held { .. }
        | Event::Reopened { .. }
        | Event::Queued { .. }
        | Event::QueueMoved { .. }
        | Event::Inherited { .. }
        | Event::RoleChanged { .. }
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
        | Event::Ended { .. }
        | Event::Recorded { .. }
        | Event::Stored { .. }
        | Event::Watched { .. }
        | Event::Exported { .. }
        | Event::LegalHold { .. } => None,
    }
}
