//! Whom and what an event names outside of its session: accounts that come in, and teams. They may be gone since the wish was
//! judged, so they are asked for in the transaction that stores the event.
//!
//! Nobody else writes to the database behind the first write of a transaction. Whoever disables an account, or takes a team
//! away, looks for the sessions of it when that is stored: what is stored here before is found there, and what would come
//! after is refused here.

use protocol::{Entry, Event, Queue};
use sea_orm::DatabaseTransaction;
use session::Session;
use store::people;

use super::ActError;

/// Whether all that these entries name is there. `session` is as before them.
pub(super) async fn are_there(db: &DatabaseTransaction, session: &Session, entries: &[Entry]) -> Result<(), ActError> {
    for Entry { event, .. } in entries {
        if let Some(account) = newcomer(session, event)
            && people::is_disabled(db, account).await?
        {
            return Err(ActError::Disabled);
        }
        // Into a queue that the session goes to by itself it is followed when that is another one.
        if let Event::Queued { by: Some(_), queue: Queue::Team { team } } = event
            && !people::is_team(db, team).await?
        {
            return Err(ActError::NoTeam);
        }
    }
    Ok(())
}

/// The account that comes into a session by this event, or is to own it because somebody wishes so.
fn newcomer(session: &Session, event: &Event) -> Option<i32> {
    match event {
        Event::Joined { user, .. } => *user,
        Event::Returned { id, .. } => session.account_of(*id),
        Event::Created { owner: to, .. }
        | Event::Transferred { to, .. }
        | Event::Taken { by: to }
        | Event::SharedWith { with: to, .. } => Some(to.id),
        _ => None,
    }
}
