//! Mails that come in: a mailbox is looked into, and what people write there opens incidents and goes on with them.

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
use store::setting::{Current, Kind, Setting};
use tokio::sync::Notify;
use ts_rs::TS;

#[cfg(test)]
pub use routing::file;
pub use routing::{AttachmentInfo, original};

use crate::{desk::ServiceDesk, mail::Mailer};
use routing::Filed;

/// How long one wait for a mail lasts: routers forget a connection that says nothing for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 60);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// The desk's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct Mailbox {
    pub enabled: bool,
    /// The server's name, and a port where it is not the usual one.
    pub host: String,
    /// Encrypt after the greeting (port 143) in place of from the start (port 993).
    pub start_tls: bool,
    /// A certificate authority to trust in place of the system's (PEM).
    pub authority: String,
    pub user: String,
    /// Never told to a page: empty leaves it as it is.
    pub password: String,
    pub folder: String,
    /// What new incidents are, and whose.
    pub kind: String,
    pub team: String,
}

impl Default for Mailbox {
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
            team: String::new(),
        }
    }
}

impl Setting for Mailbox {
    const KIND: Kind = Kind::Mailbox;

    fn secret(&mut self) -> Option<&mut String> {
        Some(&mut self.password)
    }
}

impl Mailbox {
    /// Host and port.
    fn place(&self) -> Result<(String, u16), String> {
        let usual = if self.start_tls { 143 } else { 993 };
        let host = self.host.trim();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("“{host}” is not a server's name."))?),
            None => (host, usual),
        };
        let name = platform::text::address::ascii_domain(name).unwrap_or_default();
        let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
        if fits { Ok((name, port)) } else { Err(format!("“{host}” is not a server's name.")) }
    }

    /// Whether it can be looked into, and how much waits there.
    pub async fn test(&self, outbound: &Outbound) -> Result<String, String> {
        let mut open = imap::Open::new(self, outbound).await?;
        let count = open.unseen().await?.len();
        open.close().await;
        Ok(match count {
            0 => "The mailbox answers; there is no mail that nobody has seen.".into(),
            1 => "The mailbox answers; one mail waits there.".into(),
            n => format!("The mailbox answers; {n} mails wait there."),
        })
    }
}

/// How looking into the mailbox goes.
#[derive(Default)]
pub struct Watch {
    /// It was set anew.
    changed: Notify,
    how: Mutex<PollResult>,
}

/// When it was looked into for the last time, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, TS)]
#[ts(export)]
pub struct PollResult {
    pub at: Option<Timestamp>,
    pub problem: Option<String>,
}

impl Watch {
    /// The mailbox was set anew: it is looked into at once.
    pub fn set_anew(&self) {
        *self.looked_mut() = PollResult::default();
        self.changed.notify_one();
    }

    /// How it goes.
    pub fn looked(&self) -> PollResult {
        self.looked_mut().clone()
    }

    fn looked_mut(&self) -> std::sync::MutexGuard<'_, PollResult> {
        self.how.lock().expect("nobody panics while holding how it goes")
    }
}

/// Everything that is needed to take mails in.
pub struct Inbox {
    pub db: DatabaseConnection,
    pub data: PathBuf,
    /// How many bytes of disk stay free.
    pub disk_floor: u64,
    pub vault: Arc<Vault>,
    pub mailer: Arc<Mailer>,
    /// Where the mailbox may be.
    pub outbound: Outbound,
    pub desk: Arc<ServiceDesk>,
    /// Where mails come in, and how looking there goes.
    pub mailbox: Arc<Current<Mailbox>>,
    pub watch: Watch,
}

impl Inbox {
    /// Looks into the mailbox for as long as the server runs.
    pub async fn run(self: Arc<Self>) {
        loop {
            let rules = self.mailbox.get();
            if !rules.enabled {
                self.watch.changed.notified().await;
                continue;
            }
            tokio::select! {
                Err(problem) = self.look(&rules) => {
                    tracing::warn!(%problem, "the mailbox cannot be read");
                    self.watch.looked_mut().problem = Some(problem);
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = self.watch.changed.notified() => {}
                    }
                }
                () = self.watch.changed.notified() => {}
            }
        }
    }

    /// Takes in what comes, until something fails.
    async fn look(self: &Arc<Self>, rules: &Mailbox) -> Result<std::convert::Infallible, String> {
        let mut open = imap::Open::new(rules, &self.outbound).await?;
        loop {
            for uid in open.unseen().await? {
                let Some(mail) = open.fetch(uid).await? else { continue };
                let filed = routing::file(self, rules, &mail.raw, mail.too_large, clock::now()).await;
                match filed.map_err(|e| format!("A mail could not be taken in: {e}."))? {
                    Filed::Known => {}
                    Filed::In { incident } => tracing::info!(incident, "a mail was taken in"),
                    Filed::Rejected(why) => tracing::info!(?why, "a mail was kept out"),
                }
                open.seen(mail.uid).await?;
            }
            *self.watch.looked_mut() = PollResult { at: Some(clock::now()), problem: None };
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
