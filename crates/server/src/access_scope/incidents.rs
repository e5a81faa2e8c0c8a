//! Who may assign an incident and change its team and type, and who may say where its customer's invitations go. Every
//! technician sees every incident and works on it; but its team says who may see its sessions, and its team and type say by
//! which policy new ones go and how long they are kept. Its customer's address is where the links to its sessions are sent.

use live_sessions::{
    SessionRegistry,
    standing::{Reach, Standing},
};
use protocol::{Phase, SessionId};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use store::tables::{incident, session_row, user};

use super::{Denied, reaches};

/// Where an incident belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentPlace<'a> {
    pub team: &'a str,
    pub kind: &'a str,
    pub owner: Option<i32>,
}

impl<'a> IncidentPlace<'a> {
    /// Where this incident belongs.
    pub fn of(row: &'a incident::Model) -> Self {
        Self { team: &row.team, kind: &row.kind, owner: row.owner }
    }

    /// Whether it is somebody's to move: their own, their team's, or nobody's.
    fn is_of(self, who: &user::Model) -> bool {
        self.team.is_empty() || self.team == who.team || self.owner == Some(who.id)
    }
}

/// Judges a change of an incident's owner, team or type.
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
    // Whoever moves an incident moves its sessions into the sight of others, or into their own.
    if from.team != to.team && !reaches_all(sessions, who, before.id).await? {
        return Err(Denied::OthersSessions);
    }
    if loosens(sessions, from, to) {
        return Err(Denied::Loosened);
    }
    Ok(())
}

/// Judges a change of whom invitations to these incidents' sessions are sent to: whoever makes it may see every session that
/// goes on there, and could invite anybody themselves where it is theirs.
pub async fn may_redirect(sessions: &SessionRegistry, who: &user::Model, incidents: &[i32]) -> Result<(), Denied> {
    for live in sessions.all_with_new().await {
        let entries = live.entries().await;
        let about = Standing::of(&entries).is_some_and(|standing| incidents.contains(&standing.incident));
        let over = matches!(live.now().phase(), Phase::Ended { .. });
        if about && !over && !reaches(&sessions.services.db, who, &entries).await? {
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
        // Of what was deleted nothing is left to be seen.
        let entries = sessions.read(&id).await?.unwrap_or_default();
        if !entries.is_empty() && !reaches(&sessions.services.db, who, &entries).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether new sessions would be allowed more there, or any be deleted sooner.
fn loosens(sessions: &SessionRegistry, from: IncidentPlace<'_>, to: IncidentPlace<'_>) -> bool {
    let rules = sessions.services.rules.get();
    let policy = |place: IncidentPlace<'_>| rules.policy(sessions.services.policy.policy(), place.team, place.kind);
    policy(to).allows_more_than(&policy(from))
        || archive::deletes_sooner(&sessions.services.policy.settings.get().retention, from.kind, to.kind)
}
