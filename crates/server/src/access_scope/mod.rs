//! Who may see sessions and incidents, and what they may do with them. Every route asks here. What a participant may do
//! in a running session is decided by the session itself (`session::decide`).

mod incidents;

use live_sessions::{
    LiveSession, SessionRegistry,
    standing::{Reach, Standing, StandingTeams},
};
use platform::clock;
use protocol::{Entry, ExpertInvitation, ParticipantId, Role, SessionId};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::SelectStatement,
};
use store::{
    people,
    tables::{incident, session_history, session_person, user},
    teams::{self, TeamId},
};

pub use incidents::{IncidentPlace, may_move, may_redirect};

/// What somebody may do with a session without taking part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAction {
    /// Read the transcript, with all files but the recording.
    Read,
    /// Add a note, or send a mail about it.
    Note,
    /// Watch the recording, or supervise the session.
    Watch,
    /// Export the evidence.
    Export,
    /// Delete the evidence, or put it under legal hold.
    Delete,
}

/// Why access is denied.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error("There is no such session.")]
    NoSession,
    #[error("You may not see this session.")]
    OutOfReach,
    #[error("You may not watch recordings.")]
    Watch,
    #[error("You may not export evidence.")]
    Export,
    #[error("You may not delete evidence.")]
    Delete,
    #[error(
        "This incident belongs to another team. Ask somebody of that team to assign it or to change its team or type."
    )]
    OthersIncident,
    #[error("This incident has sessions that you may not see. Ask somebody who may see them to change its team.")]
    OthersSessions,
    #[error("There is a session with this customer that you may not see. Ask somebody who may see it to change this.")]
    OthersCustomer,
    #[error(
        "This would allow its sessions more than now, or delete them sooner. Ask an administrator to change its team or type."
    )]
    Loosened,
    #[error(transparent)]
    Store(#[from] DbErr),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Whether an account has this right in general, regardless of the session.
pub fn has(who: &user::Model, action: SessionAction) -> bool {
    who.administrator
        || match action {
            SessionAction::Read | SessionAction::Note => true,
            SessionAction::Watch => who.may_watch,
            SessionAction::Export => who.may_export,
            SessionAction::Delete => who.may_delete,
        }
}

/// Whether an account may see the session with this timeline.
pub async fn reaches(db: &DatabaseConnection, who: &user::Model, entries: &[Entry]) -> Result<bool, DbErr> {
    match Standing::of(entries) {
        Some(standing) => reaches_past(db, who, &standing).await,
        None => Ok(false),
    }
}

/// Whether an account may see a session, given its owner and people.
pub async fn reaches_past(db: &DatabaseConnection, who: &user::Model, standing: &Standing) -> Result<bool, DbErr> {
    let own_name = match standing.waits_for_team() {
        Some(_) => teams::name(db, who.team).await?,
        None => String::new(),
    };
    let mut places = StandingTeams { own_name, ..StandingTeams::default() };
    if standing.reached_by(who, &places) {
        return Ok(true);
    }
    places.owner = user::Entity::find_by_id(standing.owner).one(db).await?.and_then(|u| u.team);
    places.incident = incident::Entity::find_by_id(standing.incident).one(db).await?.and_then(|i| i.team);
    Ok(standing.reached_by(who, &places))
}

/// The timeline of a session, if an account may do this with it.
pub async fn session(
    sessions: &SessionRegistry,
    who: &user::Model,
    id: &SessionId,
    action: SessionAction,
) -> Result<Vec<Entry>, Denied> {
    let entries = sessions.read(id).await?.ok_or(Denied::NoSession)?;
    if !reaches(&sessions.services.db, who, &entries).await? {
        return Err(Denied::OutOfReach);
    }
    match action {
        _ if has(who, action) => Ok(entries),
        SessionAction::Read | SessionAction::Note => Err(Denied::OutOfReach),
        SessionAction::Watch => Err(Denied::Watch),
        SessionAction::Export => Err(Denied::Export),
        SessionAction::Delete => Err(Denied::Delete),
    }
}

/// Whether a participant may connect with a ticket or token that was issued before: the session still admits them, and
/// their account is not disabled.
pub async fn may_enter(db: &DatabaseConnection, live: &LiveSession, who: ParticipantId) -> Result<bool, DbErr> {
    let known = live.read(|s| s.admits(who).ok().map(|them| (them.role, s.account_of(who)))).await;
    let Some((role, account)) = known else { return Ok(false) };
    let Some(account) = account else { return Ok(true) };
    let Some(account) = people::usable(db, account).await? else { return Ok(false) };
    match role {
        Role::Technician | Role::Expert | Role::Customer => Ok(true),
        Role::Supervisor => {
            let watches = has(&account, SessionAction::Watch);
            Ok(watches && reaches(db, &account, &live.entries().await).await?)
        }
    }
}

/// The open invitation with this number, if the session still admits the expert and the host's account is not disabled.
pub async fn invitation(
    db: &DatabaseConnection,
    live: &LiveSession,
    number: u16,
) -> Result<Option<ExpertInvitation>, DbErr> {
    let open = |s: &session::Session| Some((s.admits_expert(clock::now(), number).ok()?.clone(), s.host_of(number)?));
    let Some((invitation, host)) = live.read(open).await else { return Ok(None) };
    Ok(people::usable(db, host).await?.map(|_| invitation))
}

/// Whether a participant is still in the session. What they do on its behalf requires that.
pub async fn is_part_of(live: &LiveSession, who: ParticipantId) -> bool {
    live.read(|s| s.is_in(who)).await
}

/// The rows of the session index that an account may see: the rule of [`reaches`] as a database condition.
pub fn past(who: &user::Model) -> Condition {
    let helped = session_person::Entity::find().select_only().column(session_person::Column::Session);
    let helped = helped.filter(session_person::Column::User.eq(who.id)).into_query();
    let own = Condition::any()
        .add(session_history::Column::Owner.eq(who.id))
        .add(session_history::Column::Session.in_subquery(helped));
    match (Reach::of(who), who.team) {
        (Reach::All, _) => Condition::all(),
        (Reach::Own, _) | (Reach::Team, None) => own,
        (Reach::Team, Some(team)) => own
            .add(session_history::Column::Owner.in_subquery(of_team(
                user::Entity::find(),
                user::Column::Id,
                user::Column::Team,
                team,
            )))
            .add(session_history::Column::Incident.in_subquery(of_team(
                incident::Entity::find(),
                incident::Column::Id,
                incident::Column::Team,
                team,
            ))),
    }
}

fn of_team<E: EntityTrait>(all: sea_orm::Select<E>, id: E::Column, column: E::Column, team: TeamId) -> SelectStatement {
    all.select_only().column(id).filter(column.eq(team)).into_query()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: i32, reach: &str) -> user::Model {
        user::Model {
            id,
            login: format!("p{id}"),
            name: String::new(),
            email: String::new(),
            team: None,
            administrator: false,
            disabled: false,
            password: String::new(),
            may_watch: false,
            may_export: false,
            may_delete: false,
            reach: reach.into(),
            role: 0,
            external: String::new(),
            totp: String::new(),
            totp_step: 0,
            recovery: String::new(),
            email_language: None,
        }
    }

    #[test]
    fn rights_are_those_of_the_account() {
        use SessionAction::{Delete, Export, Note, Read, Watch};
        let mut who = person(1, "own");
        assert_eq!([Read, Note, Watch, Export, Delete].map(|a| has(&who, a)), [true, true, false, false, false]);
        who.may_export = true;
        assert_eq!([Watch, Export, Delete].map(|a| has(&who, a)), [false, true, false]);
        who.administrator = true;
        assert_eq!([Watch, Export, Delete].map(|a| has(&who, a)), [true, true, true]);
        assert_eq!(Reach::of(&who), Reach::All);
    }
}
