//! Sign-in by an LDAP directory (RFC 4511): a search for whoever types their name, and a bind with their password.

use std::{sync::Arc, time::Duration};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream, ldap_escape};
use platform::{
    outbound::Outbound,
    text::{address, line},
    trust,
};
use serde::{Deserialize, Serialize};
use store::setting::{Kind, Setting};
use tokio::sync::{Semaphore, SemaphorePermit};
use ts_rs::TS;

use super::{ExternalIdentity, GroupRule};

/// How long a directory may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many people are asked about at once, however many sign in, and others wait so long for their turn.
static AT_ONCE: Semaphore = Semaphore::const_new(16);
const TURN_IN: Duration = Duration::from_secs(5);

/// Why a directory does not say who somebody is.
#[derive(Debug)]
pub enum NotAsked {
    /// It is asked about many others.
    Busy,
    /// What is wrong, in a sentence.
    Unreachable(String),
}

async fn turn() -> Result<SemaphorePermit<'static>, NotAsked> {
    let turn = tokio::time::timeout(TURN_IN, AT_ONCE.acquire()).await;
    turn.map_err(|_| NotAsked::Busy)?.map_err(|_| NotAsked::Busy)
}

/// An LDAP directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct Directory {
    pub enabled: bool,
    /// `ldaps://…`, or `ldap://…`.
    pub url: String,
    /// For `ldap://`: encrypt before anything is said.
    pub start_tls: bool,
    /// A certificate authority to trust in place of the system's (PEM).
    pub authority: String,
    /// Who may search; empty to search without a name.
    pub bind_dn: String,
    /// Never told to a page: empty leaves it as it is.
    pub bind_password: String,
    /// Where people are, and what finds one; `{login}` is what they typed.
    pub base: String,
    pub filter: String,
    pub name_attribute: String,
    pub mail_attribute: String,
    /// Where groups are, and what finds somebody's; `{dn}` is who they are, `{login}` what they typed.
    pub group_base: String,
    pub group_filter: String,
    pub group_attribute: String,
    /// Who may sign in as what. Without any rule, everybody who is found is a technician.
    pub groups: Vec<GroupRule>,
}

impl Default for Directory {
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

impl Directory {
    /// Host and port.
    fn place(&self) -> Result<(String, u16), String> {
        let wrong = || "The address begins with ldaps:// or ldap://, and names a server.".to_owned();
        let url = url::Url::parse(&self.url).map_err(|_| wrong())?;
        let usual = match url.scheme() {
            "ldap" => 389,
            "ldaps" => 636,
            _ => return Err(wrong()),
        };
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(wrong)?;
        Ok((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(usual)))
    }

    async fn connect(&self, outbound: &Outbound) -> Result<Ldap, String> {
        let (host, port) = self.place()?;
        let stream = outbound.connect(&host, port, PATIENCE).await?;
        let stream = stream.into_std().map_err(|e| format!("The directory cannot be reached: {e}."))?;
        let mut settings = LdapConnSettings::new().set_conn_timeout(PATIENCE).set_starttls(self.start_tls);
        settings = settings.set_std_stream(StdStream::Tcp(stream));
        if !self.authority.trim().is_empty() {
            settings = settings.set_config(Arc::new(trust::by(&self.authority)?));
        }
        let connected = LdapConnAsync::with_settings(settings, &self.url).await;
        let (connection, ldap) = connected.map_err(|e| format!("The directory cannot be reached: {e}."))?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to the directory ended");
            }
        });
        Ok(ldap)
    }

    /// Connected, and bound as whoever may search.
    async fn open(&self, outbound: &Outbound) -> Result<Ldap, String> {
        let mut ldap = self.connect(outbound).await?;
        if !self.bind_dn.is_empty() {
            let bound = ldap.with_timeout(PATIENCE).simple_bind(&self.bind_dn, &self.bind_password).await;
            bound.and_then(|r| r.success()).map_err(|e| format!("The directory does not let the searcher in: {e}."))?;
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
        let found = ldap.with_timeout(PATIENCE).search(base, Scope::Subtree, filter, wanted).await;
        let (found, _) =
            found.and_then(|r| r.success()).map_err(|e| format!("The directory cannot be searched: {e}."))?;
        Ok(found.into_iter().map(SearchEntry::construct).collect())
    }

    /// Whether it can be searched.
    pub async fn test(&self, outbound: &Outbound) -> Result<(), String> {
        let mut ldap = self.open(outbound).await?;
        let filter = self.filter.replace("{login}", "nobody-of-this-name");
        self.search(&mut ldap, &self.base, &filter, vec!["1.1"]).await?;
        let _ = ldap.unbind().await;
        Ok(())
    }

    /// Whether this is the password of whoever has this name in the directory.
    pub async fn is_password_of(&self, outbound: &Outbound, dn: &str, password: &str) -> Result<bool, NotAsked> {
        if dn.is_empty() || password.is_empty() {
            return Ok(false);
        }
        let _turn = turn().await?;
        self.binds(outbound, dn, password).await.map_err(NotAsked::Unreachable)
    }

    async fn binds(&self, outbound: &Outbound, dn: &str, password: &str) -> Result<bool, String> {
        let mut theirs = self.connect(outbound).await?;
        let bound = theirs.with_timeout(PATIENCE).simple_bind(dn, password).await;
        let right = bound.map_err(|e| format!("The directory cannot be asked: {e}."))?.rc == 0;
        let _ = theirs.unbind().await;
        Ok(right)
    }

    /// Who this is, if the directory knows the name and the password; `None` when it does not.
    pub async fn check(
        &self,
        outbound: &Outbound,
        login: &str,
        password: &str,
    ) -> Result<Option<ExternalIdentity>, NotAsked> {
        let _turn = turn().await?;
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
        // Two people by one name are nobody.
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
