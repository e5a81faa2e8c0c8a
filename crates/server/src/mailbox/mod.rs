//! Incoming mail: reads a mailbox, and creates or updates incidents from its mails.

mod encoded_words;
mod folder;
mod html_text;
mod imap;
pub mod message;
mod routing;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use platform::{clock, outbound::Outbound, vault::Vault};
use protocol::Timestamp;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use store::{
    setting::{ByTeam, Current, Kind, Setting},
    teams::TeamId,
};
use tokio::sync::Notify;
use ts_rs::TS;

#[cfg(test)]
pub use routing::file;
pub use routing::{AttachmentInfo, original};

use crate::{desk::ServiceDesk, mail::Mailer};
use routing::Filed;

/// How long to wait for new mail at a time: routers drop connections that are idle for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 60);
/// The wait before a retry after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The settings of the desk's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export, concrete(Team = String))]
pub struct Mailbox<Team = Option<TeamId>> {
    pub enabled: bool,
    /// The server's host name, with the port if it is not the default one.
    pub host: String,
    /// Encrypt with STARTTLS (port 143) instead of from the start (port 993).
    pub start_tls: bool,
    /// A certificate authority to trust instead of the system's (PEM).
    pub authority: String,
    pub user: String,
    /// Never sent to a page. An empty one leaves the stored one unchanged.
    pub password: String,
    pub folder: String,
    /// The type of new incidents.
    pub kind: String,
    /// The team of new incidents.
    pub team: Team,
}

impl<Team: Default> Default for Mailbox<Team> {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            enabled: false,
            host: String::new(),
            start_tls: false,
            authority: String::new(),
            user: String::new(),
            password: String::new(),
            folder: text("INBOX"),
            kind: String::new(),
            team: Team::default(),
        }
    }
}

impl Setting for Mailbox {
    const KIND: Kind = Kind::Mailbox;

    fn secret(&mut self) -> Option<&mut String> {
        Some(&mut self.password)
    }
}

impl<Team> ByTeam<Team> for Mailbox<Team> {
    type With<Other> = Mailbox<Other>;

    fn map_teams<Other>(self, mut map: impl FnMut(Team) -> Other) -> Mailbox<Other> {
        let Self { enabled, host, start_tls, authority, user, password, folder, kind, team } = self;
        Mailbox { enabled, host, start_tls, authority, user, password, folder, kind, team: map(team) }
    }
}

impl Mailbox {
    /// Host and port.
    fn place(&self) -> Result<(String, u16), String> {
        let default_port = if self.start_tls { 143 } else { 993 };
        let host = self.host.trim();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("“{host}” is not a valid host name."))?),
            None => (host, default_port),
        };
        let name = platform::text::address::ascii_domain(name).unwrap_or_default();
        let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
        if fits { Ok((name, port)) } else { Err(format!("“{host}” is not a valid host name.")) }
    }

    /// Checks that the mailbox can be read, and counts the unread mails.
    pub async fn test(&self, outbound: &Outbound) -> Result<String, String> {
        let mut open = imap::Open::new(self, outbound).await?;
        let count = open.unseen().await?.len();
        open.close().await;
        Ok(match count {
            0 => "The mailbox answers; there is no unread mail.".into(),
            1 => "The mailbox answers; there is one unread mail.".into(),
            n => format!("The mailbox answers; there are {n} unread mails."),
        })
    }
}

/// The state of reading the mailbox.
#[derive(Default)]
pub struct Watch {
    /// Notified when the settings have changed.
    changed: Notify,
    result: Mutex<PollResult>,
}

/// When the mailbox was last read, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, TS)]
#[ts(export)]
pub struct PollResult {
    pub at: Option<Timestamp>,
    pub problem: Option<String>,
}

impl Watch {
    /// Reads the mailbox at once with new settings.
    pub fn set_anew(&self) {
        *self.result() = PollResult::default();
        self.changed.notify_one();
    }

    /// The last result.
    pub fn looked(&self) -> PollResult {
        self.result().clone()
    }

    fn result(&self) -> std::sync::MutexGuard<'_, PollResult> {
        self.result.lock().expect("lock is not poisoned")
    }
}

/// What receiving mails needs.
pub struct Inbox {
    pub db: DatabaseConnection,
    pub data: PathBuf,
    /// How many bytes of disk space must stay free.
    pub disk_floor: u64,
    pub vault: Arc<Vault>,
    pub mailer: Arc<Mailer>,
    /// The addresses that the mailbox may have.
    pub outbound: Outbound,
    pub desk: Arc<ServiceDesk>,
    pub mailbox: Arc<Current<Mailbox>>,
    pub watch: Watch,
}

impl Inbox {
    /// Reads the mailbox for as long as the server runs.
    pub async fn run(self: Arc<Self>) {
        loop {
            let rules = self.mailbox.get();
            if !rules.enabled {
                self.watch.changed.notified().await;
                continue;
            }
            tokio::select! {
                Err(problem) = self.receive(&rules) => {
                    tracing::warn!(%problem, "mailbox not read");
                    self.watch.result().problem = Some(problem);
                    tokio::select! {
                        () = tokio::time::sleep(RETRY_AFTER) => {}
                        () = self.watch.changed.notified() => {}
                    }
                }
                () = self.watch.changed.notified() => {}
            }
        }
    }

    /// Receives mails until something fails.
    async fn receive(self: &Arc<Self>, rules: &Mailbox) -> Result<std::convert::Infallible, String> {
        let mut open = imap::Open::new(rules, &self.outbound).await?;
        loop {
            for uid in open.unseen().await? {
                let Some(mail) = open.fetch(uid).await? else { continue };
                let filed = routing::file(self, rules, &mail.raw, mail.too_large, clock::now()).await;
                match filed.map_err(|e| format!("A mail could not be stored: {e}."))? {
                    Filed::Known => {}
                    Filed::In { incident } => tracing::info!(incident, "mail received"),
                    Filed::Rejected(why) => tracing::info!(?why, "mail rejected"),
                }
                open.mark_read(mail.uid).await?;
            }
            *self.watch.result() = PollResult { at: Some(clock::now()), problem: None };
            open = open.wait(LONGEST_WAIT).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_a_port() {
        let place = |host: &str, start_tls| Mailbox { host: host.into(), start_tls, ..Mailbox::default() }.place();
        assert_eq!(place("mail.example.org", false), Ok(("mail.example.org".into(), 993)));
        assert_eq!(place("mail.example.org", true), Ok(("mail.example.org".into(), 143)));
        assert_eq!(place(" localhost:1143 ", false), Ok(("localhost".into(), 1143)));
        assert_eq!(place("mail.bücher.example", false), Ok(("mail.xn--bcher-kva.example".into(), 993)));
        for bad in ["", "imaps://x", "a b", "host:port", ":993", "host:99999"] {
            assert!(place(bad, false).is_err(), "{bad}");
        }
    }
}
