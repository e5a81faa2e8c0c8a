//! Which accounts may see a session, derived from its timeline.

use std::collections::BTreeSet;

use protocol::{Entry, Event, Queue, Role};
use serde::{Deserialize, Serialize};
use store::{tables::user, teams::TeamId};
use ts_rs::TS;

/// Whose sessions an account may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Reach {
    /// Sessions in which they took part.
    Own,
    /// Sessions of their team, and their own.
    #[default]
    Team,
    /// All sessions.
    All,
}

impl Reach {
    /// The reach of an account.
    pub fn of(who: &user::Model) -> Self {
        match who.reach.as_str() {
            _ if who.administrator => Self::All,
            "own" => Self::Own,
            "all" => Self::All,
            _ => Self::Team,
        }
    }
}

/// The owner, people and queue of a session. It is stored with the tombstone of a deleted session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub incident: i32,
    pub owner: i32,
    /// The accounts that have owned it or taken part.
    pub people: BTreeSet<i32>,
    /// The accounts that are invited to join, until the session ends.
    invited: Vec<i32>,
    /// The queue in which it waits, until the session ends.
    queue: Queue,
}

impl Standing {
    /// A session of which only the incident is known.
    pub fn on(incident: i32) -> Self {
        Self { incident, owner: 0, people: BTreeSet::new(), invited: Vec::new(), queue: Queue::Own }
    }

    /// Reads a timeline; `None` if it does not begin with the session's creation.
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
                    // Invitations of the previous owner lapse; those who have joined are among `people`.
                    standing.invited.clear();
                    standing.owner = to.id;
                    standing.people.insert(to.id);
                    standing.queue = Queue::Own;
                }
                // Supervisors do not count as people: what they may see depends on their account's rights alone.
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

    /// The team in whose queue it waits, by name as the timeline has it.
    pub fn waits_for_team(&self) -> Option<&str> {
        match &self.queue {
            Queue::Own | Queue::General => None,
            Queue::Team { team } => Some(team),
        }
    }

    /// Whether an account has taken part, is invited, or may take the session from its queue.
    fn concerns(&self, who: &user::Model, own_team: &str) -> bool {
        let waits = match &self.queue {
            Queue::Own => false,
            Queue::Team { team } => team == own_team,
            Queue::General => true,
        };
        self.people.contains(&who.id) || self.invited.contains(&who.id) || waits
    }

    /// Whether an account may see the session.
    pub fn reached_by(&self, who: &user::Model, teams: &StandingTeams) -> bool {
        match Reach::of(who) {
            Reach::All => true,
            Reach::Own => self.concerns(who, &teams.own_name),
            Reach::Team => {
                let theirs = who.team.is_some() && [teams.owner, teams.incident].contains(&who.team);
                theirs || self.concerns(who, &teams.own_name)
            }
        }
    }
}

/// The teams that decide whether somebody may see a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingTeams {
    /// The name of the team of who wants to see it. Only needed for a session that waits for a team.
    pub own_name: String,
    /// The team of the session's owner.
    pub owner: Option<TeamId>,
    /// The team of the session's incident.
    pub incident: Option<TeamId>,
}

#[cfg(test)]
mod tests {
    use protocol::{IncidentRef, ParticipantId, Timestamp, UserRef};

    use super::*;

    fn person(id: i32, team: Option<TeamId>, reach: &str) -> user::Model {
        user::Model {
            id,
            login: format!("p{id}"),
            name: String::new(),
            email: String::new(),
            team,
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
    fn a_session_is_seen_by_its_people_and_by_its_teams() {
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
        let (a, b) = (Some(1), Some(2));
        // Person 5 is in team B; the owner and the incident have the teams given.
        for (events, owner_team, incident_team, [own, team_reach]) in [
            (vec![], a, a, [false, false]),
            (vec![], b, a, [false, true]),
            (vec![], a, b, [false, true]),
            (vec![], None, None, [false, false]),
            (vec![shared()], a, a, [true, true]),
            (vec![shared(), held()], a, a, [false, false]),
            (vec![shared(), ended()], a, a, [false, false]),
            (vec![shared(), passed(2)], a, a, [false, false]),
            (vec![shared(), queued(team("C"))], a, a, [false, false]),
            (vec![queued(team("B"))], a, a, [true, true]),
            (vec![queued(team("C"))], a, a, [false, false]),
            (vec![queued(team("C")), moved("C", "B")], a, a, [true, true]),
            (vec![queued(team("B")), moved("B", "C")], a, a, [false, false]),
            (vec![queued(team("D")), moved("C", "B")], a, a, [false, false]),
            (vec![queued(Queue::General)], a, a, [true, true]),
            (vec![queued(Queue::General), ended()], a, a, [false, false]),
            (vec![queued(Queue::General), Event::Taken { by: one(2) }], a, a, [false, false]),
            (vec![passed(5), passed(2), ended()], a, a, [true, true]),
            (vec![joined(Role::Technician), ended()], a, a, [true, true]),
            (vec![joined(Role::Supervisor)], a, a, [false, false]),
            (vec![joined(Role::Supervisor), ended()], a, a, [false, false]),
        ] {
            let standing = Standing::of(&timeline(events)).unwrap();
            let teams = |own: &str| StandingTeams { own_name: own.into(), owner: owner_team, incident: incident_team };
            let reached = ["own", "team"].map(|r| standing.reached_by(&person(5, b, r), &teams("B")));
            assert_eq!(reached, [own, team_reach], "{standing:?} {owner_team:?} {incident_team:?}");
            assert!(standing.reached_by(&person(9, None, "all"), &teams("")));
            let none = StandingTeams::default();
            assert!(!standing.reached_by(&person(9, None, "own"), &none) || standing.queue == Queue::General);
        }
        // People without a team do not share one.
        let standing = Standing::of(&timeline(vec![])).unwrap();
        assert!(!standing.reached_by(&person(5, None, "team"), &StandingTeams::default()));
        assert!(standing.people.contains(&1));
    }
}
