//! Sign-in beyond passwords: second factors, passkeys, OpenID Connect and LDAP directories.

pub mod device;
mod directory;
mod leavers;
pub mod oidc;
pub mod passkeys;
pub mod totp;

use std::sync::{Arc, Mutex};

use live_sessions::{SessionRegistry, logins::Logins, rules::Rules};
use platform::{expiring::Expiring, identity::Identity, outbound::Outbound, passwords::Passwords, text};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use store::{
    people,
    secrets::Secrets,
    setting::{ByTeam, Current, Kind, Setting},
    tables::user,
    teams::TeamId,
};
use ts_rs::TS;

pub use directory::{Directory, NotAsked};
pub use leavers::{account_changed, catch_up, roles_changed, sign_out, sign_out_elsewhere, sign_out_everywhere};
use oidc::PendingLogins;
use passkeys::Passkeys;

use crate::config::PublicUrl;

/// Authentication: accounts, sign-ins, and the ways to sign in.
pub struct Auth {
    pub db: DatabaseConnection,
    pub secrets: Arc<Secrets>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
    /// The addresses that the OpenID provider and the directory may have.
    pub outbound: Outbound,
    pub sessions: Arc<SessionRegistry>,
    /// Write-locked while a team is changed or removed or a setting is saved, read-locked while a team's name goes into a
    /// session's queue.
    pub teams: Arc<tokio::sync::RwLock<()>>,
    pub rules: Arc<Current<Rules>>,
    /// The sign-ins in use.
    pub logins: Logins,
    /// The organisation's OpenID provider.
    pub openid: Arc<Current<OpenId>>,
    /// Sign-ins that are expected back from the provider.
    pub pending_logins: PendingLogins,
    pub passkeys: Passkeys,
    /// The organisation's directory.
    pub directory: Arc<Current<Directory>>,
    /// Second factors that are not confirmed yet.
    pub pending_totp: Expiring<i32, String, i32>,
    /// Hashes and verifies passwords, a few at a time.
    pub passwords: Passwords,
    /// The one-time set-up token, until there is an administrator.
    pub setup: Mutex<Option<String>>,
}

/// Sign-in with an OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct OpenId<Team = Option<TeamId>> {
    pub enabled: bool,
    /// The label of the button.
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    /// Never sent to a page. An empty one leaves the stored one unchanged.
    pub client_secret: String,
    /// A certificate authority to trust instead of the system's (PEM).
    pub authority: String,
    /// The claim that lists a person's groups.
    pub groups_claim: String,
    /// Team and role for members of groups. Without rules, everybody whom the provider knows is a technician.
    pub groups: Vec<GroupRule<Team>>,
}

impl<Team> Default for OpenId<Team> {
    fn default() -> Self {
        Self {
            enabled: false,
            name: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            authority: String::new(),
            groups_claim: String::new(),
            groups: Vec::new(),
        }
    }
}

impl Setting for OpenId {
    const KIND: Kind = Kind::OpenId;

    fn secret(&mut self) -> Option<&mut String> {
        Some(&mut self.client_secret)
    }
}

impl<Team> ByTeam<Team> for OpenId<Team> {
    type With<Other> = OpenId<Other>;

    fn map_teams<Other>(self, map: impl FnMut(Team) -> Other) -> OpenId<Other> {
        let Self { enabled, name, issuer, client_id, client_secret, authority, groups_claim, groups } = self;
        let groups = map_groups(groups, map);
        OpenId { enabled, name, issuer, client_id, client_secret, authority, groups_claim, groups }
    }
}

/// What membership in a group of the organisation means here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct GroupRule<Team = Option<TeamId>> {
    pub group: String,
    /// The members' team; empty leaves it to the next matching rule.
    pub team: Team,
    pub administrator: bool,
    /// The members' role in sessions; 0 leaves it to the next matching rule.
    #[serde(default)]
    pub role: i32,
}

fn map_groups<Team, Other>(rules: Vec<GroupRule<Team>>, mut map: impl FnMut(Team) -> Other) -> Vec<GroupRule<Other>> {
    let rules = rules.into_iter().map(|rule| {
        let GroupRule { group, team, administrator, role } = rule;
        GroupRule { group, team: map(team), administrator, role }
    });
    rules.collect()
}

/// Team and role of a person in these groups; `None` if they may not sign in.
fn membership(rules: &[GroupRule], groups: &[String]) -> Option<GroupMembership> {
    let matching: Vec<&GroupRule> = rules.iter().filter(|r| groups.contains(&r.group)).collect();
    if matching.is_empty() && !rules.is_empty() {
        return None;
    }
    let team = matching.iter().find_map(|r| r.team);
    let role = matching.iter().map(|r| r.role).find(|role| *role != 0).unwrap_or(0);
    Some(GroupMembership { team, administrator: matching.iter().any(|r| r.administrator), role })
}

/// Team and role that result from a person's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GroupMembership {
    team: Option<TeamId>,
    administrator: bool,
    role: i32,
}

/// A person as a directory or an OpenID provider identifies them.
#[derive(Clone, Debug)]
pub struct ExternalIdentity {
    /// The system and its unique identifier of the person, which it never reassigns.
    pub external: String,
    pub login: String,
    pub name: String,
    pub email: String,
    pub groups: Vec<String>,
}

/// Why an external sign-in failed, as it is written in a URL. The page has its own text for each, so that a crafted URL
/// cannot make it show anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export)]
pub enum SignInProblem {
    /// The provider cannot be reached.
    Unavailable,
    /// The provider refused the sign-in.
    Refused,
    /// The sign-in was started in another browser, or too long ago.
    Late,
    /// The provider's response is not valid.
    Unproven,
    /// The person is in none of the groups that may sign in.
    NoGroup,
    /// The account is disabled.
    Disabled,
    /// The person is not the one who is signed in.
    Other,
}

impl SignInProblem {
    /// The word in the URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Late => "late",
            Self::Unproven => "unproven",
            Self::NoGroup => "no-group",
            Self::Disabled => "disabled",
            Self::Other => "other",
        }
    }
}

/// Why an external identity is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("Your account is in none of the groups that may sign in here.")]
    NoGroup,
    #[error("Your account is disabled here.")]
    Disabled,
    #[error(transparent)]
    Store(#[from] DbErr),
}

impl SignInError {
    /// The problem for the URL; `None` if the server itself failed.
    pub fn problem(&self) -> Option<SignInProblem> {
        match self {
            Self::NoGroup => Some(SignInProblem::NoGroup),
            Self::Disabled => Some(SignInProblem::Disabled),
            Self::Store(_) => None,
        }
    }
}

/// Admits an external identity according to its groups. What its account may no longer do ends in running sessions.
pub async fn admit(auth: &Auth, rules: &[GroupRule], who: ExternalIdentity) -> Result<user::Model, SignInError> {
    let known = user::Entity::find().filter(user::Column::External.eq(who.external.as_str())).one(&auth.db).await?;
    let admitted = account_of(&auth.db, rules, who).await;
    match (&known, &admitted) {
        (Some(known), Ok(now)) => account_changed(auth, known, now).await?,
        // The person has left the groups, so their access ends.
        (Some(known), Err(SignInError::NoGroup)) => leavers::revoke_access(auth, known).await?,
        (Some(_), Err(SignInError::Disabled | SignInError::Store(_))) | (None, _) => {}
    }
    admitted
}

/// The account of an external identity: created at the first sign-in, and updated according to the groups.
async fn account_of(
    db: &DatabaseConnection,
    rules: &[GroupRule],
    who: ExternalIdentity,
) -> Result<user::Model, SignInError> {
    // Two concurrent first sign-ins would create two accounts for one person.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let membership = membership(rules, &who.groups).ok_or(SignInError::NoGroup)?;
    let known = user::Entity::find().filter(user::Column::External.eq(who.external.as_str())).one(db).await?;
    if let Some(known) = known {
        if known.disabled {
            return Err(SignInError::Disabled);
        }
        let mut row: user::ActiveModel = known.clone().into();
        row.name = Set(who.name);
        row.email = Set(who.email);
        if membership.team.is_some() {
            row.team = Set(membership.team);
        }
        // Without rules, what an administrator has set is kept.
        if !rules.is_empty() {
            row.role = Set(membership.role);
            row.administrator = Set(membership.administrator || people::is_last_administrator(db, &known).await?);
        }
        return Ok(row.update(db).await?);
    }
    let row = user::ActiveModel {
        login: Set(free_login(db, &who.login).await?),
        name: Set(who.name),
        email: Set(who.email),
        team: Set(membership.team),
        administrator: Set(membership.administrator),
        disabled: Set(false),
        // No password matches this: the account signs in externally.
        password: Set("-".into()),
        may_watch: Set(true),
        may_export: Set(false),
        may_delete: Set(false),
        reach: Set("team".into()),
        role: Set(membership.role),
        external: Set(who.external),
        totp: Set(String::new()),
        totp_step: Set(0),
        recovery: Set(String::new()),
        ..Default::default()
    };
    Ok(row.insert(db).await?)
}

/// Normalises a user name.
pub fn login(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// The key under which guesses at a user name are counted. Directories treat names as equal that differ in width, case,
/// white space or invisible characters (RFC 4518), so all of those map to one key.
pub fn subject(login: &str) -> String {
    text::fold::fold(login).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A free user name like the preferred one.
async fn free_login(db: &DatabaseConnection, preferred: &str) -> Result<String, DbErr> {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "._-@".contains(*c);
    let preferred: String = preferred.to_lowercase().chars().filter(plain).take(58).collect();
    let preferred = if preferred.is_empty() { "technician".to_owned() } else { preferred };
    let mut login = preferred.clone();
    let mut n = 2;
    while user::Entity::find().filter(user::Column::Login.eq(login.as_str())).one(db).await?.is_some() {
        login = format!("{preferred}-{n}");
        n += 1;
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_count_as_one() {
        for same in ["tom", " Tom ", "TOM\t", "t\u{200b}om", "ｔｏｍ", "to\u{ad}m", "t o m", "\u{2003}tom", "t.om"] {
            assert_eq!(subject(&login(same)), "tom", "{same:?}");
        }
        assert_eq!(subject(&login("Straße")), subject(&login("STRASSE")));
        assert_eq!(subject(&login("Μαθιός")), subject(&login("ΜΑΘΙΌΣ")));
        assert_eq!(subject(&login("Zoe\u{308}")), subject(&login("zoë")));
        assert_ne!(subject(&login("tim")), subject(&login("tom")));
    }

    #[test]
    fn groups_decide_team_and_role() {
        let (support, it) = (Some(1), Some(2));
        let rule =
            |group: &str, team, administrator, role| GroupRule { group: group.into(), team, administrator, role };
        let rules = [rule("staff", None, false, 0), rule("desk", support, false, 0), rule("it", it, true, 4)];
        let of = |groups: &[&str]| membership(&rules, &groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>());
        let is = |team, administrator, role| Some(GroupMembership { team, administrator, role });
        assert_eq!(of(&["desk"]), is(support, false, 0));
        assert_eq!(of(&["it", "desk"]), is(support, true, 4), "the first rule's team and role, any administrator");
        assert_eq!(of(&["it", "staff"]), is(it, true, 4), "a rule without a team leaves it to the next");
        assert_eq!(of(&["others"]), None);
        for problem in [SignInProblem::NoGroup, SignInProblem::Late, SignInProblem::Other] {
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.word());
        }
        assert_eq!(membership(&[], &[]), Some(GroupMembership { team: None, administrator: false, role: 0 }));
    }
}
