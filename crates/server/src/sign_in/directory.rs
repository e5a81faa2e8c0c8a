//! Sign-in with an LDAP directory (RFC 4511): a search for the login, and a bind with the password.

use std::{sync::Arc, time::Duration};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream, ldap_escape};
use platform::{
    outbound::Outbound,
    tasks,
    text::{address, line},
    trust,
};
use serde::{Deserialize, Serialize};
use store::{
    setting::{ByTeam, Kind, Setting},
    teams::TeamId,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use ts_rs::TS;

use super::{ExternalIdentity, GroupRule, map_groups};

/// Timeout for each response of the directory.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Limits concurrent sign-ins.
static AT_ONCE: Semaphore = Semaphore::const_new(16);
/// How long a sign-in may wait for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why the directory was not asked.
#[derive(Debug)]
pub enum NotAsked {
    /// Too many sign-ins at the same time.
    Busy,
    /// What failed, in a sentence.
    Unreachable(String),
}

async fn acquire() -> Result<SemaphorePermit<'static>, NotAsked> {
    let permit = tokio::time::timeout(LONGEST_WAIT, AT_ONCE.acquire()).await;
    permit.map_err(|_| NotAsked::Busy)?.map_err(|_| NotAsked::Busy)
}

/// An LDAP directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct Directory<Team = Option<TeamId>> {
    pub enabled: bool,
    /// `ldaps://…`, or `ldap://…`.
    pub url: String,
    /// For `ldap://`: encrypt the connection with StartTLS.
    pub start_tls: bool,
    /// A certificate authority to trust instead of the system's (PEM).
    pub authority: String,
    /// The account that searches; empty to search anonymously.
    pub bind_dn: String,
    /// Never sent to a page. An empty one leaves the stored one unchanged.
    pub bind_password: String,
    /// Where to search for people.
    pub base: String,
    /// Finds a person; `{login}` is what they typed.
    pub filter: String,
    pub name_attribute: String,
    pub mail_attribute: String,
    /// Where to search for groups.
    pub group_base: String,
    /// Finds a person's groups; `{dn}` is their distinguished name, `{login}` what they typed.
    pub group_filter: String,
    pub group_attribute: String,
    /// Team and role for members of groups. Without rules, everybody in the directory is a technician.
    pub groups: Vec<GroupRule<Team>>,
}

impl<Team> Default for Directory<Team> {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            enabled: false,
            url: String::new(),
            start_tls: false,
            authority: String::new(),
            bind_dn: String::new(),
            bind_password: String::new(),
            base: String::new(),
            filter: text("(&(objectClass=person)(uid={login}))"),
            name_attribute: text("cn"),
            mail_attribute: text("mail"),
            group_base: String::new(),
            group_filter: text("(member={dn})"),
            group_attribute: text("cn"),
            groups: Vec::new(),
        }
    }
}

impl Setting for Directory {
    const KIND: Kind = Kind::Directory;

    fn secret(&mut self) -> Option<&mut String> {
        Some(&mut self.bind_password)
    }
}

impl<Team> ByTeam<Team> for Directory<Team> {
    type With<Other> = Directory<Other>;

    fn map_teams<Other>(self, map: impl FnMut(Team) -> Other) -> Directory<Other> {
        let Self { enabled, url, start_tls, authority, bind_dn, bind_password, base, .. } = self;
        let Self { filter, name_attribute, mail_attribute, group_base, group_filter, group_attribute, .. } = self;
        Directory {
            enabled,
            url,
            start_tls,
            authority,
            bind_dn,
            bind_password,
            base,
            filter,
            name_attribute,
            mail_attribute,
            group_base,
            group_filter,
            group_attribute,
            groups: map_groups(self.groups, map),
        }
    }
}

impl Directory {
    /// Host and port.
    fn place(&self) -> Result<(String, u16), String> {
        let invalid = || "The address must start with ldaps:// or ldap://, followed by a host name.".to_owned();
        let url = url::Url::parse(&self.url).map_err(|_| invalid())?;
        let default_port = match url.scheme() {
            "ldap" => 389,
            "ldaps" => 636,
            _ => return Err(invalid()),
        };
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(invalid)?;
        Ok((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default_port)))
    }

    async fn connect(&self, outbound: &Outbound) -> Result<Ldap, String> {
        let (host, port) = self.place()?;
        let stream = outbound.connect(&host, port, TIMEOUT).await?;
        let stream = stream.into_std().map_err(|e| format!("The directory cannot be reached: {e}."))?;
        let mut settings = LdapConnSettings::new().set_conn_timeout(TIMEOUT).set_starttls(self.start_tls);
        settings = settings.set_std_stream(StdStream::Tcp(stream));
        if !self.authority.trim().is_empty() {
            settings = settings.set_config(Arc::new(trust::by(&self.authority)?));
        }
        let connected = LdapConnAsync::with_settings(settings, &self.url).await;
        let (connection, ldap) = connected.map_err(|e| format!("The directory cannot be reached: {e}."))?;
        tasks::spawn("directory connection", async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "directory connection ended");
            }
        });
        Ok(ldap)
    }

    /// Connects, and binds as the account that searches.
    async fn open(&self, outbound: &Outbound) -> Result<Ldap, String> {
        let mut ldap = self.connect(outbound).await?;
        if !self.bind_dn.is_empty() {
            let bound = ldap.with_timeout(TIMEOUT).simple_bind(&self.bind_dn, &self.bind_password).await;
            bound
                .and_then(|r| r.success())
                .map_err(|e| format!("The directory rejects the account that searches: {e}."))?;
        }
        Ok(ldap)
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        filter: &str,
        wanted: Vec<&str>,
    ) -> Result<Vec<SearchEntry>, String> {
        let found = ldap.with_timeout(TIMEOUT).search(base, Scope::Subtree, filter, wanted).await;
        let (found, _) =
            found.and_then(|r| r.success()).map_err(|e| format!("The directory cannot be searched: {e}."))?;
        Ok(found.into_iter().map(SearchEntry::construct).collect())
    }

    /// Checks that the directory can be searched.
    pub async fn test(&self, outbound: &Outbound) -> Result<(), String> {
        let mut ldap = self.open(outbound).await?;
        let filter = self.filter.replace("{login}", "nobody-of-this-name");
        self.search(&mut ldap, &self.base, &filter, vec!["1.1"]).await?;
        let _ = ldap.unbind().await;
        Ok(())
    }

    /// Whether this is the password of the person with this distinguished name.
    pub async fn is_password_of(&self, outbound: &Outbound, dn: &str, password: &str) -> Result<bool, NotAsked> {
        if dn.is_empty() || password.is_empty() {
            return Ok(false);
        }
        let _permit = acquire().await?;
        self.binds(outbound, dn, password).await.map_err(NotAsked::Unreachable)
    }

    async fn binds(&self, outbound: &Outbound, dn: &str, password: &str) -> Result<bool, String> {
        let mut theirs = self.connect(outbound).await?;
        let bound = theirs.with_timeout(TIMEOUT).simple_bind(dn, password).await;
        let right = bound.map_err(|e| format!("The directory cannot be asked: {e}."))?.rc == 0;
        let _ = theirs.unbind().await;
        Ok(right)
    }

    /// The person with this login and password; `None` if the directory does not accept them.
    pub async fn check(
        &self,
        outbound: &Outbound,
        login: &str,
        password: &str,
    ) -> Result<Option<ExternalIdentity>, NotAsked> {
        let _permit = acquire().await?;
        self.ask(outbound, login, password).await.map_err(NotAsked::Unreachable)
    }

    async fn ask(&self, outbound: &Outbound, login: &str, password: &str) -> Result<Option<ExternalIdentity>, String> {
        // A bind with a name and no password is anonymous, and succeeds (RFC 4513, 5.1.2).
        if login.is_empty() || password.is_empty() {
            return Ok(None);
        }
        let mut ldap = self.open(outbound).await?;
        let filter = self.filter.replace("{login}", &ldap_escape(login));
        let wanted = vec![self.name_attribute.as_str(), self.mail_attribute.as_str()];
        let found = self.search(&mut ldap, &self.base, &filter, wanted).await?;
        // An ambiguous login is refused.
        let [person] = found.as_slice() else { return Ok(None) };
        if !self.binds(outbound, &person.dn, password).await? {
            return Ok(None);
        }
        let mut groups = Vec::new();
        if !self.groups.is_empty() {
            let base = if self.group_base.is_empty() { &self.base } else { &self.group_base };
            let filter = self.group_filter.replace("{dn}", &ldap_escape(person.dn.as_str()));
            let filter = filter.replace("{login}", &ldap_escape(login));
            let found = self.search(&mut ldap, base, &filter, vec![self.group_attribute.as_str()]).await?;
            groups =
                found.into_iter().flat_map(|mut g| g.attrs.remove(&self.group_attribute).unwrap_or_default()).collect();
        }
        let _ = ldap.unbind().await;
        let text = |attribute: &str| -> String {
            person.attrs.get(attribute).and_then(|values| values.first()).cloned().unwrap_or_default()
        };
        let name =
            Some(text(&self.name_attribute)).filter(|n| !n.trim().is_empty()).unwrap_or_else(|| login.to_owned());
        let name = line(&name, 120);
        let email = address::whole(&text(&self.mail_attribute)).unwrap_or_default().to_owned();
        let external = format!("ldap {}", person.dn.to_lowercase());
        Ok(Some(ExternalIdentity { external, login: login.to_owned(), name, email, groups }))
    }
}
