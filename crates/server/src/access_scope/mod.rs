//! Who may see what of a session or an incident, and do what with it. Every route asks here; what a participant may do
//! inside a session that goes on is for the session itself to judge (`session::decide`).

mod incidents;
#[cfg(test)]
mod walk;
#[cfg(test)]
pub mod world;

use std::collections::BTreeSet;

use platform::clock;
use protocol::{Entry, Event, ExpertInvitation, ParticipantId, Queue, Role, SessionId};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::SelectStatement,
};
use serde::{Deserialize, Serialize};
use store::tables::{incident, session_history, user};
use ts_rs::TS;

pub use incidents::{IncidentPlace, may_move, may_redirect};

use crate::{app::Shared, live::LiveSession};

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

impl Reach {
    /// Of this account.
    pub fn of(who: &user::Model) -> Self {
        match who.reach.as_str() {
            _ if who.administrator => Self::All,
            "own" => Self::Own,
            "all" => Self::All,
            _ => Self::Team,
        }
    }
}

/// What somebody wants of a session that they need not take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAction {
    /// Read what was said and done, with everything that is kept beside it but the recording.
    Read,
    /// Add a note, or write a mail about it.
    Note,
    /// Watch the recording, or how others help.
    Watch,
    /// Take the evidence along.
    Export,
    /// Delete the evidence, or keep it from being deleted.
    Delete,
}

/// Why somebody may not.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error("There is no such session.")]
    NoSession,
    #[error("This session is outside of what you may see.")]
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
        "Its sessions would be allowed more than now, or be kept for a shorter time. Ask an administrator to change its team or type."
    )]
    Loosened,
    #[error(transparent)]
    Store(#[from] DbErr),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Whether an account has the right as such, whatever the session.
pub fn has(who: &user::Model, action: SessionAction) -> bool {
    who.administrator
        || match action {
            SessionAction::Read | SessionAction::Note => true,
            SessionAction::Watch => who.may_watch,
            SessionAction::Export => who.may_export,
            SessionAction::Delete => who.may_delete,
        }
}

/// Whose a session is, as its timeline says. Of one that was deleted it is what stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub incident: i32,
    pub owner: i32,
    /// The accounts of all who have owned it or taken part.
    pub people: BTreeSet<i32>,
    /// Who was asked to join, and in which queue it waits, while it goes on.
    invited: Vec<i32>,
    queue: Queue,
}

impl Standing {
    /// Of a session on this incident of which nothing else is known.
    pub fn on(incident: i32) -> Self {
        Self { incident, owner: 0, people: BTreeSet::new(), invited: Vec::new(), queue: Queue::Own }
    }

    /// Reads a timeline; `None` when it has no beginning.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let Some(Event::Created { incident, owner, .. }) = entries.first().map(|e| &e.event) else { return None };
        let mut standing = Self {
            incident: incident.id,
            owner: owner.id,
            people: BTreeSet::from([owner.id]),
            invited: Vec::new(),
            queue: Queue::Own,
        };
        for entry in entries {
            match &entry.event {
                Event::Transferred { to, .. } | Event::Inherited { to, .. } | Event::Taken { by: to } => {
                    // Whom the owner before had asked in is asked no more; whoever is in is one of the people.
                    standing.invited.clear();
                    standing.owner = to.id;
                    standing.people.insert(to.id);
                    standing.queue = Queue::Own;
                }
                // Who watched on behalf of others has not taken part: that ends with the right to watch.
                Event::Joined { user: Some(user), role: Role::Technician, .. } => drop(standing.people.insert(*user)),
                Event::Queued { queue, .. } => {
                    standing.invited.clear();
                    standing.queue = queue.clone();
                }
                Event::QueueMoved { from, to } if standing.queue == *from => standing.queue = to.clone(),
                Event::SharedWith { with, .. } => standing.invited.push(with.id),
                Event::Held { .. } => standing.invited.clear(),
                Event::Ended { .. } => {
                    standing.invited.clear();
                    standing.queue = Queue::Own;
                }
                Event::Created { .. }
                | Event::Joined { role: Role::Customer | Role::Supervisor | Role::Expert, .. }
                | Event::Joined { user: None, .. }
                | Event::QueueMoved { .. }
                | Event::KeyIssued { .. }
                | Event::KeyRevoked { .. }
                | Event::LinkRevoked { .. }
                | Event::Dropped { .. }
                | Event::Returned { .. }
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
                | Event::Reopened { .. }
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
                | Event::Recorded { .. }
                | Event::Stored { .. }
                | Event::Watched { .. }
                | Event::Exported { .. }
                | Event::LegalHold { .. } => {}
            }
        }
        Some(standing)
    }

    /// Whether somebody has or had to do with it, or may take it.
    fn concerns(&self, who: &user::Model) -> bool {
        let waits = match &self.queue {
            Queue::Own => false,
            Queue::Team { team } => *team == who.team,
            Queue::General => true,
        };
        self.people.contains(&who.id) || self.invited.contains(&who.id) || waits
    }

    /// Whether it is one of the sessions that somebody may see. The teams are those of its owner and of its incident.
    fn reached_by(&self, who: &user::Model, owner_team: &str, incident_team: &str) -> bool {
        match Reach::of(who) {
            Reach::All => true,
            Reach::Own => self.concerns(who),
            Reach::Team => {
                let theirs = !who.team.is_empty() && [owner_team, incident_team].contains(&who.team.as_str());
                theirs || self.concerns(who)
            }
        }
    }
}

/// Whether a session with this timeline is one of those that somebody may see.
pub async fn reaches(app: &Shared, who: &user::Model, entries: &[Entry]) -> Result<bool, DbErr> {
    match Standing::of(entries) {
        Some(standing) => reaches_past(app, who, &standing).await,
        None => Ok(false),
    }
}

/// Whether a session that stood so is one of those that somebody may see.
pub async fn reaches_past(app: &Shared, who: &user::Model, standing: &Standing) -> Result<bool, DbErr> {
    if standing.reached_by(who, "", "") {
        return Ok(true);
    }
    let owner = user::Entity::find_by_id(standing.owner).one(&app.db).await?.map(|u| u.team);
    let about = incident::Entity::find_by_id(standing.incident).one(&app.db).await?.map(|i| i.team);
    Ok(standing.reached_by(who, &owner.unwrap_or_default(), &about.unwrap_or_default()))
}

/// The timeline of a session, if somebody may do this with it.
pub async fn session(
    app: &Shared,
    who: &user::Model,
    id: &SessionId,
    action: SessionAction,
) -> Result<Vec<Entry>, Denied> {
    let entries = app.sessions.read(app, id).await?.ok_or(Denied::NoSession)?;
    if !reaches(app, who, &entries).await? {
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

/// Whether this participant may come by what was given to them before, a ticket or a token: the session admits them, and the
/// account that they are in by may be used.
pub async fn may_enter(app: &Shared, live: &LiveSession, who: ParticipantId) -> Result<bool, DbErr> {
    let known = live.read(|s| s.admits(who).ok().map(|them| (them.role, s.account_of(who)))).await;
    let Some((role, account)) = known else { return Ok(false) };
    let Some(account) = account else { return Ok(true) };
    let Some(account) = usable(&app.db, account).await? else { return Ok(false) };
    match role {
        Role::Technician | Role::Expert | Role::Customer => Ok(true),
        Role::Supervisor => {
            let watches = has(&account, SessionAction::Watch);
            Ok(watches && reaches(app, &account, &live.entries().await).await?)
        }
    }
}

/// The open invitation by this number, while it lets an expert in: the session's word and that of its host's account.
pub async fn invitation(app: &Shared, live: &LiveSession, number: u16) -> Result<Option<ExpertInvitation>, DbErr> {
    let open = |s: &session::Session| Some((s.admits_expert(clock::now(), number).ok()?.clone(), s.host_of(number)?));
    let Some((invitation, host)) = live.read(open).await else { return Ok(None) };
    Ok(usable(&app.db, host).await?.map(|_| invitation))
}

/// The account by this number, while it may be used.
pub async fn usable(db: &impl ConnectionTrait, account: i32) -> Result<Option<user::Model>, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.filter(|u| !u.disabled))
}

/// Whether this is an account that may not be used any more.
pub async fn is_disabled(db: &impl ConnectionTrait, account: i32) -> Result<bool, DbErr> {
    Ok(user::Entity::find_by_id(account).one(db).await?.is_some_and(|u| u.disabled))
}

/// Whether somebody takes part now: what they do in the session's name is theirs to do no longer than that.
pub async fn is_part_of(live: &LiveSession, who: ParticipantId) -> bool {
    live.read(|s| s.is_in(who)).await
}

/// The sessions of the catalogue that somebody may see: the same rule as [`reaches`], for the database.
pub fn past(who: &user::Model) -> Condition {
    let own = Condition::any()
        .add(session_history::Column::Owner.eq(who.id))
        .add(session_history::Column::People.contains(format!(",{},", who.id)));
    match Reach::of(who) {
        Reach::All => Condition::all(),
        Reach::Own => own,
        Reach::Team if who.team.is_empty() => own,
        Reach::Team => own
            .add(session_history::Column::Owner.in_subquery(of_team(
                user::Entity::find(),
                user::Column::Id,
                user::Column::Team,
                who,
            )))
            .add(session_history::Column::Incident.in_subquery(of_team(
                incident::Entity::find(),
                incident::Column::Id,
                incident::Column::Team,
                who,
            ))),
    }
}

fn of_team<E: EntityTrait>(
    all: sea_orm::Select<E>,
    id: E::Column,
    team: E::Column,
    who: &user::Model,
) -> SelectStatement {
    all.select_only().column(id).filter(team.eq(who.team.as_str())).into_query()
}

#[cfg(test)]
mod tests {
    use protocol::{IncidentRef, Timestamp, UserRef};

    use super::*;

    fn person(id: i32, team: &str, reach: &str) -> user::Model {
        user::Model {
            id,
            login: format!("p{id}"),
            name: String::new(),
            email: String::new(),
            team: team.into(),
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

    fn timeline(events: Vec<Event>) -> Vec<Entry> {
        let incident = IncidentRef { id: 7, number: String::new(), subject: String::new(), customer: String::new() };
        let created = Event::Created { incident, owner: one(1), organisation: String::new(), rules: None };
        let all = std::iter::once(created).chain(events).zip(1..);
        all.map(|(event, seq)| Entry { seq, at: Timestamp(u64::from(seq)), event }).collect()
    }

    fn one(id: i32) -> UserRef {
        UserRef { id, name: String::new() }
    }

    #[test]
    fn a_session_is_reached_by_whoever_it_concerns_and_by_the_teams() {
        let shared = || Event::SharedWith { by: one(1), with: one(5) };
        let held = || Event::Held { by: None };
        let queued = |queue| Event::Queued { by: None, queue };
        let team = |team: &str| Queue::Team { team: team.into() };
        let moved = |from: &str, to: &str| Event::QueueMoved { from: team(from), to: team(to) };
        let ended = || Event::Ended { how: protocol::Ending::Closed, by: None };
        let joined = |role| Event::Joined {
            id: ParticipantId(3),
            role,
            name: String::new(),
            client: protocol::Client::Browser,
            user: Some(5),
            rights: Vec::new(),
            by_role: None,
        };
        let passed = |to| Event::Transferred { by: one(1), to: one(to) };
        // Person 5 is of team B; the owner and the incident are of the teams named.
        for (events, owner_team, incident_team, [own, team_reach]) in [
            (vec![], "A", "A", [false, false]),
            (vec![], "B", "A", [false, true]),
            (vec![], "A", "B", [false, true]),
            (vec![], "", "", [false, false]),
            (vec![shared()], "A", "A", [true, true]),
            (vec![shared(), held()], "A", "A", [false, false]),
            (vec![shared(), ended()], "A", "A", [false, false]),
            (vec![shared(), passed(2)], "A", "A", [false, false]),
            (vec![shared(), queued(team("C"))], "A", "A", [false, false]),
            (vec![queued(team("B"))], "A", "A", [true, true]),
            (vec![queued(team("C"))], "A", "A", [false, false]),
            (vec![queued(team("C")), moved("C", "B")], "A", "A", [true, true]),
            (vec![queued(team("B")), moved("B", "C")], "A", "A", [false, false]),
            (vec![queued(team("D")), moved("C", "B")], "A", "A", [false, false]),
            (vec![queued(Queue::General)], "A", "A", [true, true]),
            (vec![queued(Queue::General), ended()], "A", "A", [false, false]),
            (vec![queued(Queue::General), Event::Taken { by: one(2) }], "A", "A", [false, false]),
            (vec![passed(5), passed(2), ended()], "A", "A", [true, true]),
            (vec![joined(Role::Technician), ended()], "A", "A", [true, true]),
            (vec![joined(Role::Supervisor)], "A", "A", [false, false]),
            (vec![joined(Role::Supervisor), ended()], "A", "A", [false, false]),
        ] {
            let standing = Standing::of(&timeline(events)).unwrap();
            let reached = ["own", "team"].map(|r| standing.reached_by(&person(5, "B", r), owner_team, incident_team));
            assert_eq!(reached, [own, team_reach], "{standing:?} {owner_team} {incident_team}");
            assert!(standing.reached_by(&person(9, "", "all"), owner_team, incident_team));
            assert!(!standing.reached_by(&person(9, "", "own"), "", "") || standing.queue == Queue::General);
        }
        // Nobody's team is no team that two people share.
        let standing = Standing::of(&timeline(vec![queued(team(""))])).unwrap();
        assert!(!Standing::of(&timeline(vec![])).unwrap().reached_by(&person(5, "", "team"), "", ""));
        assert!(standing.people.contains(&1));
    }

    #[test]
    fn a_right_is_the_accounts() {
        use SessionAction::{Delete, Export, Note, Read, Watch};
        let mut who = person(1, "", "own");
        assert_eq!([Read, Note, Watch, Export, Delete].map(|a| has(&who, a)), [true, true, false, false, false]);
        who.may_export = true;
        assert_eq!([Watch, Export, Delete].map(|a| has(&who, a)), [false, true, false]);
        who.administrator = true;
        assert_eq!([Watch, Export, Delete].map(|a| has(&who, a)), [true, true, true]);
        assert_eq!(Reach::of(&who), Reach::All);
    }
}
