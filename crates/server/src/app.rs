//! What every part of the server shares.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, RwLock},
};

use axum::http::{HeaderMap, HeaderValue};
use platform::{
    disk::Disk,
    expiring::Expiring,
    identity::Identity,
    network,
    passwords::Passwords,
    throttle::{Attempt, Guess, Throttle, TooMany},
    vault::Vault,
};
use protocol::Timestamp;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use store::{
    secrets::Secrets,
    setting::{Kind, Setting},
};
use ts_rs::TS;

use crate::{
    archive::{RecordingStore, Sealing, Unfinished},
    config::Config,
    connections::{Connections, Visitor},
    deliveries::Deliveries,
    live::{SessionRegistry, SideChannels},
    mail::Mailer,
    mailbox::{Mailbox, Watch},
    playback::Playback,
    programs::Programs,
    rules::Rules,
    sign_in::{Logins, OpenId, directory::Directory, oidc::PendingLogins, passkeys::Passkeys},
};

/// The shared parts.
pub struct App {
    pub config: Config,
    pub db: DatabaseConnection,
    pub identity: Identity,
    /// Room for what is written.
    pub disk: Arc<Disk>,
    /// Recordings at rest.
    pub vault: Vault,
    /// Secrets at rest.
    pub secrets: Secrets,
    /// Where finished recordings lie.
    pub recording_store: RecordingStore,
    /// The keys under timelines and bundles.
    pub sealing: Sealing,
    pub sessions: SessionRegistry,
    pub mailer: Mailer,
    /// Where mails come in, and how looking there goes.
    pub mailbox: RwLock<Mailbox>,
    pub watch: Watch,
    /// Sign-ins that are in use.
    pub logins: Logins,
    /// Held while a team gets another name or goes, and, to read, while the rules for a team are looked up.
    pub teams: tokio::sync::RwLock<()>,
    /// The organisation's own sign-in, and who is on the way to it.
    pub openid: RwLock<OpenId>,
    pub rules: RwLock<Rules>,
    pub journeys: PendingLogins,
    pub passkeys: Passkeys,
    /// The organisation's directory.
    pub directory: RwLock<Directory>,
    /// Second factors that were offered and not confirmed yet.
    pub pending_totp: Expiring<i32, String, i32>,
    /// Who else is told what happens.
    pub deliveries: Deliveries,
    pub settings: RwLock<Settings>,
    /// Who is connected, and what is being answered.
    pub connections: Arc<Connections>,
    pub requests: Arc<Connections>,
    /// Bodies that are read as a whole and are not short.
    pub long_bodies: Arc<Connections>,
    /// Connections by QUIC, which are no files.
    pub quic: Arc<Connections>,
    /// Guesses at keys, passwords, codes, links and tokens.
    pub throttle: Throttle,
    /// Hashes and compares passwords, a few at a time.
    pub passwords: Passwords,
    /// How often other systems ask by BeyondTrust's API.
    pub api_limits: crate::beyondtrust::Limits,
    /// The one-time set-up token, while there is no administrator.
    pub setup: Mutex<Option<String>>,
    /// Why the evidence of these sessions is not stored yet.
    pub unfinished: Unfinished,
    /// Links to recordings that somebody watches.
    pub playback: Playback,
    /// Ways for the bytes of files that wait for the program.
    pub side_channels: SideChannels,
    /// When each technician was heard of for the last time.
    pub seen: Mutex<std::collections::HashMap<i32, Timestamp>>,
    pub programs: Programs,
}

/// Shared by reference.
pub type Shared = Arc<App>;

/// What administrators may change while the server runs.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(export)]
pub struct Settings {
    /// The organisation's name, as customers read it.
    pub organisation: String,
    /// How long a spoken key lives.
    pub key_minutes: u32,
    /// How long a link lives.
    pub link_hours: u32,
    /// Whether shared screens are recorded.
    pub record: bool,
    /// What happens when they cannot be.
    pub unrecorded: session::Unrecorded,
    /// When evidence is deleted; the first rule that fits counts.
    pub retention: Vec<crate::archive::RetentionRule>,
    /// What technicians may ask customers for at all.
    pub rights: Vec<protocol::Right>,
    /// What BeyondTrust's integrations find here.
    pub beyondtrust: crate::beyondtrust::CompatSettings,
    /// The invitation's subject: `{{number}}`, `{{subject}}`, `{{customer}}`, `{{technician}}`, `{{organisation}}`.
    pub mail_subject: String,
    /// The invitation's text; also `{{link}}` and `{{key}}`.
    pub mail_text: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            organisation: "Deskside".into(),
            key_minutes: 15,
            link_hours: 24,
            record: true,
            unrecorded: session::Unrecorded::default(),
            retention: Vec::new(),
            rights: protocol::Right::ALL.to_vec(),
            beyondtrust: crate::beyondtrust::CompatSettings::default(),
            mail_subject: "[{{number}}] {{subject}}: your support session".into(),
            mail_text: "Dear {{customer}},\n\n\
                {{technician}} from {{organisation}} is ready to help you with “{{subject}}” ({{number}}).\n\n\
                Please open this link to start:\n{{link}}\n\n\
                You decide what {{technician}} may see, and you can end the session at any time.\n\
                If you did not ask for help, please ignore this mail.\n\n\
                Kind regards\n{{organisation}}\n"
                .into(),
        }
    }
}

impl Setting for Settings {
    const KIND: Kind = Kind::General;
}

impl App {
    /// What administrators have set.
    pub fn settings(&self) -> Settings {
        self.settings.read().expect("nobody panics while holding the settings").clone()
    }

    /// Where mails come in.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.read().expect("nobody panics while holding the mailbox").clone()
    }

    /// Roles and policies.
    pub fn rules(&self) -> Rules {
        self.rules.read().expect("nobody panics while holding the rules").clone()
    }

    /// The organisation's own sign-in.
    pub fn openid(&self) -> OpenId {
        self.openid.read().expect("nobody panics while holding the sign-in").clone()
    }

    /// The organisation's directory.
    pub fn directory(&self) -> Directory {
        self.directory.read().expect("nobody panics while holding the directory").clone()
    }

    /// The rules for sessions that no policy is for.
    pub fn policy(&self) -> session::Policy {
        let settings = self.settings();
        session::Policy {
            key_life: u64::from(settings.key_minutes) * 60_000,
            link_life: u64::from(settings.link_hours) * 60 * 60_000,
            grace: self.config.grace_ms,
            hold_limit: self.config.hold_ms,
            rights: settings.rights,
            record: settings.record,
            unrecorded: settings.unrecorded,
            ..session::Policy::default()
        }
    }

    /// Who really asks: the peer, or whom trusted proxies name.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        network::client(peer, lines, |address| self.is_proxy(address))
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Who connects from an address.
    pub fn visitor(&self, peer: IpAddr) -> Visitor {
        match self.is_proxy(peer) {
            true => Visitor::proxy(peer),
            false => Visitor::from(peer, self.is_known(peer)),
        }
    }

    /// Whether somebody was let in from this address lately.
    pub fn is_known(&self, address: IpAddr) -> bool {
        self.throttle.is_known(self.throttle.now(), address)
    }

    /// Counts a guess before it is judged.
    pub fn guess(&self, attempt: Attempt<'_>) -> Result<Guess, TooMany> {
        self.throttle.guess(self.throttle.now(), attempt)
    }

    /// Counts a link or a token that is none.
    pub fn wrong(&self, from: IpAddr) -> Result<(), TooMany> {
        self.guess(Attempt::Long { from }).map(drop)
    }

    /// Somebody was let in, by a guess that was right; by signing in under a name, where it is given.
    pub fn came_in(&self, from: IpAddr, name: Option<&str>) {
        self.throttle.came_in(self.throttle.now(), from, name);
    }
}
