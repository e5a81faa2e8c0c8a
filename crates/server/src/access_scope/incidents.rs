//! Who may assign an incident, change its team and type, and change its customer's mail address. Every technician sees
//! and edits every incident. But an incident's team decides who may see its sessions, its team and type decide which
//! policy applies to new sessions and how long they are kept, and its customer's address is where links to its sessions
//! are sent.

use live_sessions::{
    SessionRegistry,
    standing::{Reach, Standing},
};
use protocol::{Phase, SessionId};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use store::{
    tables::{incident, session_row, user},
    teams::TeamId,
};

use super::{Denied, reaches};

/// The team, type and owner of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentPlace<'a> {
    pub team: Option<TeamId>,
    pub kind: &'a str,
    pub owner: Option<i32>,
}

impl<'a> IncidentPlace<'a> {
    /// The current place of an incident.
    pub fn of(row: &'a incident::Model) -> Self {
        Self { team: row.team, kind: &row.kind, owner: row.owner }
    }

    /// Whether somebody may move it: it is their own, their team's, or has no team.
    fn is_of(self, who: &user::Model) -> bool {
        self.team.is_none() || self.team == who.team || self.owner == Some(who.id)
    }
}

/// Checks a change of an incident's owner, team or type.
pub async fn may_move(
    sessions: &SessionRegistry,
    who: &user::Model,
    before: &incident::Model,
    to: IncidentPlace<'_>,
) -> Result<(), Denied> {
    let from = IncidentPlace::of(before);
    if from == to || Reach::of(who) == Reach::All {
        return Ok(());
    }
    if !from.is_of(who) {
        return Err(Denied::OthersIncident);
    }
    // Moving an incident to another team lets other people see its sessions.
    if from.team != to.team && !reaches_all(sessions, who, before.id).await? {
        return Err(Denied::OthersSessions);
    }
    if loosens(sessions, from, to) {
        return Err(Denied::Loosened);
    }
    Ok(())
}

/// Checks a change of the address to which invitations to these incidents' sessions are sent. Only somebody who may see
/// all running sessions of the incidents may change it.
pub async fn may_redirect(sessions: &SessionRegistry, who: &user::Model, incidents: &[i32]) -> Result<(), Denied> {
    for live in sessions.all_with_new().await {
        let entries = live.entries().await;
        let about = Standing::of(&entries).is_some_and(|standing| incidents.contains(&standing.incident));
        let ended = matches!(live.now().phase(), Phase::Ended { .. });
        if about && !ended && !reaches(&sessions.services.db, who, &entries).await? {
            return Err(Denied::OthersCustomer);
        }
    }
    Ok(())
}

async fn reaches_all(sessions: &SessionRegistry, who: &user::Model, incident: i32) -> Result<bool, Denied> {
    let rows = session_row::Entity::find()
        .filter(session_row::Column::Incident.eq(incident))
        .all(&sessions.services.db)
        .await?;
    for row in rows {
        let id = SessionId::try_from(row.id).map_err(|e| DbErr::Custom(e.to_string()))?;
        // A deleted session has no entries left to see.
        let entries = sessions.read(&id).await?.unwrap_or_default();
        if !entries.is_empty() && !reaches(&sessions.services.db, who, &entries).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the change would allow new sessions more, or delete sessions sooner.
fn loosens(sessions: &SessionRegistry, from: IncidentPlace<'_>, to: IncidentPlace<'_>) -> bool {
    let rules = sessions.services.rules.get();
    let policy = |place: IncidentPlace<'_>| rules.policy(sessions.services.policy.policy(), place.team, place.kind);
    policy(to).allows_more_than(&policy(from))
        || archive::deletes_sooner(&sessions.services.policy.settings.get().retention, from.kind, to.kind)
}
