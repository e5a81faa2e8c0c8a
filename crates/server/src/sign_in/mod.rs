//! How people prove who they are, beside a password: a second factor, passkeys, and an organisation's own sign-in.

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
    setting::{Current, Kind, Setting},
    tables::user,
};
use ts_rs::TS;

pub use directory::{Directory, NotAsked};
pub use leavers::{account_changed, catch_up, roles_changed, sign_out, sign_out_elsewhere, sign_out_everywhere};
use oidc::PendingLogins;
use passkeys::Passkeys;

use crate::config::PublicUrl;

/// Everything that is needed to say who asks: accounts, sign-ins, and the ways to sign in.
pub struct Auth {
    pub db: DatabaseConnection,
    pub secrets: Arc<Secrets>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
    /// Where the organisation's own sign-in and directory may be.
    pub outbound: Outbound,
    pub sessions: Arc<SessionRegistry>,
    /// Held while a team gets another name or goes, and, to read, while the rules for a team are looked up.
    pub teams: Arc<tokio::sync::RwLock<()>>,
    pub rules: Arc<Current<Rules>>,
    /// Sign-ins that are in use.
    pub logins: Logins,
    /// The organisation's own sign-in, and who is on the way to it.
    pub openid: Arc<Current<OpenId>>,
    pub pending_logins: PendingLogins,
    pub passkeys: Passkeys,
    /// The organisation's directory.
    pub directory: Arc<Current<Directory>>,
    /// Second factors that were offered and not confirmed yet.
    pub pending_totp: Expiring<i32, String, i32>,
    /// Hashes and compares passwords, a few at a time.
    pub passwords: Passwords,
    /// The one-time set-up token, while there is no administrator.
    pub setup: Mutex<Option<String>>,
}

/// An organisation's own sign-in, by OpenID Connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct OpenId {
    pub enabled: bool,
    /// What the button says.
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    /// Never told to a page: empty leaves it as it is.
    pub client_secret: String,
    /// A certificate authority to trust in place of the system's (PEM).
    pub authority: String,
    /// The claim that lists somebody's groups.
    pub groups_claim: String,
    /// Who may sign in as what. Without any rule, everybody whom the provider knows is a technician.
    pub groups: Vec<GroupRule>,
}

impl Setting for OpenId {
    const KIND: Kind = Kind::OpenId;

    fn secret(&mut self) -> Option<&mut String> {
        Some(&mut self.client_secret)
    }
}

/// What a group of the organisation's directory is here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct GroupRule {
    pub group: String,
    /// Its members' team; empty leaves it to the next rule.
    pub team: String,
    pub administrator: bool,
    /// Its members' role in sessions; 0 leaves it to the next rule.
    #[serde(default)]
    pub role: i32,
}

/// What somebody in these groups is here; `None` when they may not sign in.
fn standing(rules: &[GroupRule], groups: &[String]) -> Option<GroupMembership> {
    let fitting: Vec<&GroupRule> = rules.iter().filter(|r| groups.contains(&r.group)).collect();
    if fitting.is_empty() && !rules.is_empty() {
        return None;
    }
    let team = fitting.iter().map(|r| r.team.trim()).find(|t| !t.is_empty()).map(str::to_owned);
    let role = fitting.iter().map(|r| r.role).find(|role| *role != 0).unwrap_or(0);
    Some(GroupMembership { team, administrator: fitting.iter().any(|r| r.administrator), role })
}

/// What the groups make of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GroupMembership {
    team: Option<String>,
    administrator: bool,
    role: i32,
}

/// Who somebody is, as another system vouches for.
#[derive(Clone, Debug)]
pub struct ExternalIdentity {
    /// Who vouches, and by which name: never given to anybody else.
    pub external: String,
    pub login: String,
    pub name: String,
    pub email: String,
    pub groups: Vec<String>,
}

/// Why a sign-in elsewhere came to nothing, as an address says it. The page has words of its own for each, so that nobody
/// can have it show theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export)]
pub enum SignInProblem {
    /// The provider cannot be asked.
    Unavailable,
    /// The provider did not let them in.
    Refused,
    /// It was begun elsewhere, or too long ago.
    Late,
    /// What the provider says of them does not hold.
    Unproven,
    /// They are in none of the groups that may sign in.
    NoGroup,
    /// Their account is disabled.
    Disabled,
    /// Whoever came back is not who was signed in.
    Other,
}

impl SignInProblem {
    /// As it stands in an address.
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

/// Why somebody is known elsewhere and not let in.
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
    /// The same for an address; `None` when it is this server's own failure.
    pub fn problem(&self) -> Option<SignInProblem> {
        match self {
            Self::NoGroup => Some(SignInProblem::NoGroup),
            Self::Disabled => Some(SignInProblem::Disabled),
            Self::Store(_) => None,
        }
    }
}

/// Lets in whom another system vouches for, as their groups say. What they may do no more ends in sessions that go on.
pub async fn admit(auth: &Auth, rules: &[GroupRule], who: ExternalIdentity) -> Result<user::Model, SignInError> {
    let known = user::Entity::find().filter(user::Column::External.eq(who.external.as_str())).one(&auth.db).await?;
    let admitted = account_of(&auth.db, rules, who).await;
    match (&known, &admitted) {
        (Some(known), Ok(now)) => account_changed(auth, known, now).await?,
        // They have left the groups: whatever they opened while they were in one ends.
        (Some(known), Err(SignInError::NoGroup)) => leavers::works_no_more(auth, known).await?,
        (Some(_), Err(SignInError::Disabled | SignInError::Store(_))) | (None, _) => {}
    }
    admitted
}

/// The account of somebody whom another system vouches for: made at their first sign-in, kept as their groups say.
async fn account_of(
    db: &DatabaseConnection,
    rules: &[GroupRule],
    who: ExternalIdentity,
) -> Result<user::Model, SignInError> {
    // Two first sign-ins at once would make two accounts of one person.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let standing = standing(rules, &who.groups).ok_or(SignInError::NoGroup)?;
    let known = user::Entity::find().filter(user::Column::External.eq(who.external.as_str())).one(db).await?;
    if let Some(team) = &standing.team {
        people::know(db, team).await?;
    }
    if let Some(known) = known {
        if known.disabled {
            return Err(SignInError::Disabled);
        }
        let mut row: user::ActiveModel = known.clone().into();
        row.name = Set(who.name);
        row.email = Set(who.email);
        if let Some(team) = standing.team {
            row.team = Set(team);
        }
        // Without rules an administrator's word stands.
        if !rules.is_empty() {
            row.role = Set(standing.role);
            row.administrator = Set(standing.administrator || people::is_last_administrator(db, &known).await?);
        }
        return Ok(row.update(db).await?);
    }
    let row = user::ActiveModel {
        login: Set(free_login(db, &who.login).await?),
        name: Set(who.name),
        email: Set(who.email),
        team: Set(standing.team.unwrap_or_default()),
        administrator: Set(standing.administrator),
        disabled: Set(false),
        // No password fits: this account signs in elsewhere.
        password: Set("-".into()),
        may_watch: Set(true),
        may_export: Set(false),
        may_delete: Set(false),
        reach: Set("team".into()),
        role: Set(standing.role),
        external: Set(who.external),
        totp: Set(String::new()),
        totp_step: Set(0),
        recovery: Set(String::new()),
        ..Default::default()
    };
    Ok(row.insert(db).await?)
}

/// A user name as accounts are found by it, however it was typed.
pub fn login(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// What guesses at a user name are counted as. Directories take names for the same that differ in width, case, blanks, or
/// marks that nobody sees (RFC 4518): whatever they could confuse is one here.
pub fn subject(login: &str) -> String {
    text::fold::fold(login).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A user name like the one wished for that nobody has.
async fn free_login(db: &DatabaseConnection, wished: &str) -> Result<String, DbErr> {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "._-@".contains(*c);
    let wished: String = wished.to_lowercase().chars().filter(plain).take(58).collect();
    let wished = if wished.is_empty() { "technician".to_owned() } else { wished };
    let mut login = wished.clone();
    let mut n = 2;
    while user::Entity::find().filter(user::Column::Login.eq(login.as_str())).one(db).await?.is_some() {
        login = format!("{wished}-{n}");
        n += 1;
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_however_it_is_written() {
        for same in ["tom", " Tom ", "TOM\t", "t\u{200b}om", "ｔｏｍ", "to\u{ad}m", "t o m", "\u{2003}tom", "t.om"] {
            assert_eq!(subject(&login(same)), "tom", "{same:?}");
        }
        assert_eq!(subject(&login("Straße")), subject(&login("STRASSE")));
        assert_eq!(subject(&login("Μαθιός")), subject(&login("ΜΑΘΙΌΣ")));
        assert_eq!(subject(&login("Zoe\u{308}")), subject(&login("zoë")));
        assert_ne!(subject(&login("tim")), subject(&login("tom")));
    }

    #[test]
    fn groups_say_who_is_what() {
        let rule = |group: &str, team: &str, administrator, role| GroupRule {
            group: group.into(),
            team: team.into(),
            administrator,
            role,
        };
        let rules = [rule("desk", "Support", false, 0), rule("it", "IT", true, 4)];
        let of = |groups: &[&str]| standing(&rules, &groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>());
        let is =
            |team: &str, administrator, role| Some(GroupMembership { team: Some(team.into()), administrator, role });
        assert_eq!(of(&["desk"]), is("Support", false, 0));
        assert_eq!(of(&["it", "desk"]), is("Support", true, 4), "the first rule's team and role, any administrator");
        assert_eq!(of(&["others"]), None);
        for problem in [SignInProblem::NoGroup, SignInProblem::Late, SignInProblem::Other] {
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.word());
        }
        assert_eq!(standing(&[], &[]), Some(GroupMembership { team: None, administrator: false, role: 0 }));
    }
}
