//! Who may see, take and delete what remains of sessions.

use protocol::{Entry, Event, SessionId};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{ApiError, Result, SignedIn};
use crate::{
    app::Shared,
    store::tables::{incident, user},
};

/// Whose sessions somebody may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Reach {
    /// Those in which they took part.
    Own,
    /// Those of their team, and their own.
    #[default]
    Team,
    /// All.
    All,
}

/// What is done with the evidence. Reading it needs the reach alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Read,
    Watch,
    Export,
    Delete,
}

impl SignedIn {
    /// Whose sessions this technician may see.
    pub fn reach(&self) -> Reach {
        match self.0.reach.as_str() {
            _ if self.0.administrator => Reach::All,
            "own" => Reach::Own,
            "all" => Reach::All,
            _ => Reach::Team,
        }
    }

    /// Whether they have the right as such.
    pub fn has(&self, deed: Deed) -> bool {
        self.0.administrator
            || match deed {
                Deed::Read => true,
                Deed::Watch => self.0.may_watch,
                Deed::Export => self.0.may_export,
                Deed::Delete => self.0.may_delete,
            }
    }

    /// The timeline of a session, if they may do this with it.
    pub async fn evidence(&self, app: &Shared, id: &SessionId, deed: Deed) -> Result<Vec<Entry>> {
        let entries = app.hub.read(app, id).await?.ok_or_else(|| ApiError::missing("session"))?;
        if !self.reaches(app, &entries).await? {
            return Err(ApiError::forbidden("This session is outside of what you may see."));
        }
        if self.has(deed) {
            return Ok(entries);
        }
        Err(ApiError::forbidden(match deed {
            Deed::Read | Deed::Watch => "You may not watch recordings.",
            Deed::Export => "You may not export evidence.",
            Deed::Delete => "You may not delete evidence.",
        }))
    }

    /// Whether a session with this timeline is one of those they may see.
    pub async fn reaches(&self, app: &Shared, entries: &[Entry]) -> Result<bool> {
        let mut owner = None;
        let mut took_part = false;
        for entry in entries {
            match &entry.event {
                Event::Created { owner: to, .. } | Event::Transferred { to, .. } | Event::Inherited { to, .. } => {
                    owner = Some(to.id);
                    took_part |= to.id == self.0.id;
                }
                Event::Taken { by } => owner = Some(by.id),
                Event::Joined { user, .. } => took_part |= *user == Some(self.0.id),
                _ => {}
            }
        }
        let mine = took_part || owner == Some(self.0.id);
        match self.reach() {
            Reach::All => Ok(true),
            Reach::Own => Ok(mine),
            Reach::Team if mine => Ok(true),
            Reach::Team if self.0.team.is_empty() => Ok(false),
            Reach::Team => {
                let owner = user::Entity::find_by_id(owner.unwrap_or_default()).one(&app.db).await?;
                let about = entries.first().and_then(|e| match &e.event {
                    Event::Created { incident, .. } => Some(incident.id),
                    _ => None,
                });
                let incident = incident::Entity::find_by_id(about.unwrap_or_default()).one(&app.db).await?;
                Ok(owner.is_some_and(|o| o.team == self.0.team) || incident.is_some_and(|i| i.team == self.0.team))
            }
        }
    }
}
