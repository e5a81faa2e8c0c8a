//! Roles of technicians and policies of sessions. Administrators edit them, and this module answers which rights
//! somebody has in a session, and why not. The `session` crate decides what a session may do; this module only finds
//! the role and the policy that apply.

use std::sync::Arc;

use platform::text::is_plain;
use protocol::{Right, RoleRights, Unrecorded};
use serde::{Deserialize, Serialize};
use session::{Policy, WhyNot};
use store::{
    setting::{ByTeam, Current, Kind, Setting},
    settings::Settings,
    teams::TeamId,
};
use ts_rs::TS;

/// Most roles, and most policies.
const MOST: usize = 100;
/// The longest name of a role or policy, in Unicode scalar values.
const NAME_CHARS: usize = 80;

/// Which rights a technician may ask customers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct StaffRole {
    /// The number by which accounts refer to it; 0 in a new one.
    pub id: i32,
    pub name: String,
    pub rights: Vec<Right>,
}

/// The rules of sessions on certain incidents. An empty team or type matches all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct SessionPolicy<Team = Option<TeamId>> {
    pub name: String,
    /// The team of the incident.
    pub team: Team,
    /// The incident's type.
    pub kind: String,
    pub rights: Vec<Right>,
    pub record: bool,
    pub unrecorded: Unrecorded,
}

/// All roles and policies. The first policy that matches an incident applies to its sessions; without a match, the
/// settings do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct Rules<Team = Option<TeamId>> {
    pub roles: Vec<StaffRole>,
    pub policies: Vec<SessionPolicy<Team>>,
}

impl<Team> Default for Rules<Team> {
    fn default() -> Self {
        Self { roles: Vec::new(), policies: Vec::new() }
    }
}

impl Setting for Rules {
    const KIND: Kind = Kind::Rules;
}

impl<Team> ByTeam<Team> for Rules<Team> {
    type With<Other> = Rules<Other>;

    fn map_teams<Other>(self, mut map: impl FnMut(Team) -> Other) -> Rules<Other> {
        let Self { roles, policies } = self;
        let policies = policies.into_iter().map(|policy| {
            let SessionPolicy { name, team, kind, rights, record, unrecorded } = policy;
            SessionPolicy { name, team: map(team), kind, rights, record, unrecorded }
        });
        Rules { roles, policies: policies.collect() }
    }
}

/// The policy of sessions that no other policy matches: the current settings, and the limits from the server's
/// configuration.
pub struct DefaultPolicy {
    pub settings: Arc<Current<Settings>>,
    /// How long a participant may take to reconnect, in milliseconds.
    pub grace_ms: u64,
    /// How long a session may be on hold, in milliseconds.
    pub hold_ms: u64,
}

impl DefaultPolicy {
    /// The current default policy.
    pub fn policy(&self) -> Policy {
        let settings = self.settings.get();
        Policy {
            key_life: u64::from(settings.key_minutes) * 60_000,
            link_life: u64::from(settings.link_hours) * 60 * 60_000,
            grace: self.grace_ms,
            hold_limit: self.hold_ms,
            rights: settings.rights,
            record: settings.record,
            unrecorded: settings.unrecorded,
            ..Policy::default()
        }
    }
}

/// Whether somebody may request a right, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Decision {
    pub right: Right,
    /// `None` if only the customer's consent is missing.
    pub why_not: Option<WhyNot>,
    /// The rights that the customer must also grant.
    pub needs: Vec<Right>,
}

/// Why rules are refused: a sentence for the administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("There are at most {MOST} roles and {MOST} policies.")]
    TooMany,
    #[error("A name has between 1 and {NAME_CHARS} characters.")]
    Name,
    #[error("The name {0} is used twice.")]
    Twice(String),
    #[error("“{}” is reserved for the policy that the settings define.", Policy::DEFAULT)]
    Default,
    #[error("There is no role number {0}.")]
    NoRole(i32),
}

impl Rules {
    /// The role with this number; `None` for 0, which may request everything. A deleted role has no rights.
    pub fn role(&self, id: i32) -> Option<RoleRights> {
        if id == 0 {
            return None;
        }
        let found = self.roles.iter().find(|r| r.id == id);
        let deleted = || RoleRights { name: format!("role number {id}, which was deleted"), rights: vec![] };
        Some(found.map_or_else(deleted, |r| RoleRights { name: r.name.clone(), rights: r.rights.clone() }))
    }

    /// The policy for sessions on an incident of this team and type.
    pub fn policy(&self, default: Policy, team: Option<TeamId>, kind: &str) -> Policy {
        let fits = |p: &&SessionPolicy| (p.team.is_none() || p.team == team) && (p.kind.is_empty() || p.kind == kind);
        match self.policies.iter().find(fits) {
            Some(found) => found.over(default),
            None => default,
        }
    }

    /// The policy with this name.
    pub fn named(&self, default: Policy, name: &str) -> Option<Policy> {
        if name == default.name {
            return Some(default);
        }
        self.policies.iter().find(|p| p.name == name).map(|p| p.over(default))
    }

    /// What a technician with this role may request under this policy.
    pub fn verdicts(&self, role: i32, policy: &Policy) -> Vec<Decision> {
        let held = self.role(role).map_or_else(|| Right::ALL.to_vec(), |r| r.rights);
        let judge = |right| Decision {
            right,
            why_not: session::denial(right, &held, &policy.rights),
            needs: session::permission::needs(right).to_vec(),
        };
        Right::ALL.into_iter().map(judge).collect()
    }
}

impl<Team> Rules<Team> {
    /// Validates and normalises rules: new roles get numbers, and rights are put in the order of [`Right::ALL`].
    pub fn checked(mut self, before: &Rules) -> Result<Self, RulesError> {
        if self.roles.len() > MOST || self.policies.len() > MOST {
            return Err(RulesError::TooMany);
        }
        let highest = |roles: &[StaffRole]| roles.iter().map(|r| r.id).max().unwrap_or(0);
        let mut next = highest(&self.roles).max(highest(&before.roles)) + 1;
        for role in &mut self.roles {
            if role.id == 0 {
                role.id = next;
                next += 1;
            } else if !before.roles.iter().any(|r| r.id == role.id) {
                return Err(RulesError::NoRole(role.id));
            }
            role.rights = in_order(&role.rights);
        }
        for policy in &mut self.policies {
            if policy.name.trim() == Policy::DEFAULT {
                return Err(RulesError::Default);
            }
            policy.rights = in_order(&policy.rights);
        }
        names(self.roles.iter_mut().map(|r| &mut r.name))?;
        names(self.policies.iter_mut().map(|p| &mut p.name))?;
        Ok(self)
    }
}

impl SessionPolicy {
    /// This policy, with the time limits of the default.
    fn over(&self, default: Policy) -> Policy {
        let Self { name, rights, record, unrecorded, .. } = self.clone();
        Policy { name, rights, record, unrecorded, ..default }
    }
}

fn in_order(rights: &[Right]) -> Vec<Right> {
    Right::ALL.into_iter().filter(|r| rights.contains(r)).collect()
}

fn names<'a>(names: impl Iterator<Item = &'a mut String>) -> Result<(), RulesError> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        *name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > NAME_CHARS || !is_plain(name) {
            return Err(RulesError::Name);
        }
        if seen.contains(&name.as_str()) {
            return Err(RulesError::Twice(name.clone()));
        }
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(id: i32, name: &str, rights: &[Right]) -> StaffRole {
        StaffRole { id, name: name.into(), rights: rights.to_vec() }
    }

    fn policy(name: &str, team: Option<TeamId>, kind: &str, rights: &[Right]) -> SessionPolicy {
        SessionPolicy {
            name: name.into(),
            team,
            kind: kind.into(),
            rights: rights.to_vec(),
            record: true,
            unrecorded: Unrecorded::GoOn,
        }
    }

    #[test]
    fn the_first_matching_policy_applies() {
        let (finance, it) = (Some(1), Some(2));
        let rules = Rules {
            roles: vec![],
            policies: vec![
                policy("Pay", finance, "Payroll", &[Right::View]),
                policy("Finance", finance, "", &[Right::View, Right::Control]),
                policy("Requests", None, "Request", &[]),
            ],
        };
        for (team, kind, expected) in [
            (finance, "Payroll", "Pay"),
            (finance, "Request", "Finance"),
            (it, "Request", "Requests"),
            (it, "Incident", "Default"),
            (None, "", "Default"),
        ] {
            assert_eq!(rules.policy(Policy::default(), team, kind).name, expected, "{team:?} {kind}");
        }
    }

    #[test]
    fn a_decision_names_what_denies_a_right() {
        let rules = Rules {
            roles: vec![role(1, "Trainee", &[Right::View, Right::Files])],
            policies: vec![policy("Pay", None, "", &[Right::View, Right::Control])],
        };
        let pay = rules.named(Policy::default(), "Pay").unwrap();
        let why = |verdicts: Vec<Decision>, right| verdicts.into_iter().find(|v| v.right == right).unwrap().why_not;
        let table = [
            (Right::View, None),
            (Right::Control, Some(WhyNot::Role)),
            (Right::Files, Some(WhyNot::Policy)),
            (Right::Shell, Some(WhyNot::RoleAndPolicy)),
        ];
        for (right, expected) in table {
            assert_eq!(why(rules.verdicts(1, &pay), right), expected, "{right:?}");
        }
        assert_eq!(why(rules.verdicts(9, &pay), Right::View), Some(WhyNot::Role), "a deleted role has no rights");
        assert_eq!(
            why(rules.verdicts(0, &pay), Right::Control),
            None,
            "without a role, everything that the policy allows"
        );
        // Control needs view, so a role with control alone has neither.
        let odd = Rules { roles: vec![role(1, "Odd", &[Right::Control])], policies: vec![] };
        assert_eq!(why(odd.verdicts(1, &Policy::default()), Right::Control), Some(WhyNot::Role));
    }

    #[test]
    fn invalid_rules_are_refused() {
        let before = Rules { roles: vec![role(3, "Old", &[])], policies: vec![] };
        let roles = |roles| Rules::<Option<TeamId>> { roles, policies: vec![] }.checked(&before);
        let good = roles(vec![role(0, " New ", &[Right::Files, Right::View]), role(3, "Renamed", &[])]).unwrap();
        assert_eq!(good.roles[0], role(4, "New", &[Right::View, Right::Files]));
        assert_eq!(good.roles[1].name, "Renamed");
        assert_eq!(roles(vec![role(7, "X", &[])]), Err(RulesError::NoRole(7)));
        assert_eq!(roles(vec![role(0, "", &[])]), Err(RulesError::Name));
        assert_eq!(roles(vec![role(0, "A", &[]), role(3, "A", &[])]), Err(RulesError::Twice("A".into())));
        let default = Rules { roles: vec![], policies: vec![policy("Default", None, "", &[])] };
        assert_eq!(default.checked(&before), Err(RulesError::Default));
    }
}
