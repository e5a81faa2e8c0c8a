//! Builds the services once, each with what it needs.

use std::sync::{Arc, Mutex};

use archive::{Archive, RecordingStore, Sealing, Unfinished};
use live_sessions::{
    Services, SessionRegistry,
    logins::Logins,
    recorder::RecordingPlace,
    rules::{DefaultPolicy, Rules},
};
use platform::{clock, disk::Disk, identity::Identity, passwords::Passwords, paths, secret, vault::Vault};
use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait};
use store::{secrets::Secrets, setting::Current, settings::Settings, tables::user};

use crate::{
    api,
    api_limits::ApiLimits,
    beyondtrust::OutboundEvents,
    config::Config,
    connections::{self, Admissions, Clients, Limits, Timeouts},
    deliveries::{Deliveries, Kinds, Receiver, ReceiverKind},
    desk::{RequestTrackers, ServiceDesk},
    mail::Mailer,
    mailbox::{self, Inbox},
    organisation::Organisation,
    playback::Playback,
    programs::Programs,
    sign_in::{Auth, oidc::PendingLogins, passkeys::Passkeys, totp},
    state::AppState,
    unsent_mail::UnsentMail,
    webhook::Webhooks,
    wire::Wire,
};

/// What several services share.
struct Foundation {
    db: DatabaseConnection,
    secrets: Arc<Secrets>,
    identity: Arc<Identity>,
    disk: Arc<Disk>,
    vault: Arc<Vault>,
    teams: Arc<tokio::sync::RwLock<()>>,
    settings: Arc<Current<Settings>>,
    policy: Arc<DefaultPolicy>,
}

impl Foundation {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        paths::tighten(&config.data);
        let db = store::open(&paths::database(&config.data)).await?;
        let secrets = Arc::new(Secrets::open(&paths::vault(&config.data))?);
        store::secrets::seal_old(&db, &secrets).await?;
        let settings = Current::load(&db, &secrets).await?;
        let (grace_ms, hold_ms) = (config.grace_ms, config.hold_ms);
        Ok(Self {
            identity: Arc::new(Identity::open(&paths::identity(&config.data))?),
            disk: Disk::new(config.data.clone(), config.disk_floor_bytes),
            vault: Arc::new(Vault::open(&paths::vault(&config.data))?),
            teams: Arc::default(),
            policy: Arc::new(DefaultPolicy { settings: settings.clone(), grace_ms, hold_ms }),
            settings,
            db,
            secrets,
        })
    }

    /// The running sessions; none was read yet.
    fn sessions(&self, config: &Config, listener: Arc<Deliveries>, rules: Arc<Current<Rules>>) -> Arc<SessionRegistry> {
        let (disk, vault) = (self.disk.clone(), self.vault.clone());
        SessionRegistry::new(Services {
            db: self.db.clone(),
            recordings: RecordingPlace { data: config.data.clone(), disk, vault },
            identity: self.identity.clone(),
            policy: self.policy.clone(),
            rules,
            listener,
            behind_proxy: !config.trusted_proxies.is_empty(),
        })
    }

    fn archive(&self, config: &Config, sessions: Arc<SessionRegistry>) -> anyhow::Result<Arc<Archive>> {
        Ok(Arc::new(Archive {
            db: self.db.clone(),
            data: config.data.clone(),
            disk: self.disk.clone(),
            vault: self.vault.clone(),
            sealing: Sealing::open(&paths::sealing_keys(&config.data), clock::now())?,
            recording_store: RecordingStore::open(config.store.as_ref())?,
            sessions,
            settings: self.settings.clone(),
            storing: Mutex::default(),
            unfinished: Unfinished::default(),
        }))
    }

    /// Every kind of receiver.
    fn receivers(&self, config: &Config) -> Kinds {
        let (db, policy) = (self.db.clone(), self.policy.clone());
        let (public_url, outbound) = (config.public_url.clone(), config.outbound.clone());
        let webhooks =
            Webhooks { policy: policy.clone(), public_url: public_url.to_string(), outbound: outbound.clone() };
        let trackers = RequestTrackers { db: db.clone(), public_url, outbound: outbound.clone() };
        let events = OutboundEvents { db, policy, identity: self.identity.clone(), outbound };
        Kinds::from([
            (ReceiverKind::Webhook, Box::new(webhooks) as Box<dyn Receiver>),
            (ReceiverKind::RequestTracker, Box::new(trackers)),
            (ReceiverKind::Beyondtrust, Box::new(events)),
        ])
    }

    async fn auth(
        &self,
        config: &Config,
        sessions: Arc<SessionRegistry>,
        rules: Arc<Current<Rules>>,
    ) -> anyhow::Result<Arc<Auth>> {
        let Self { db, secrets, .. } = self;
        let users = user::Entity::find().count(db).await?;
        Ok(Arc::new(Auth {
            db: db.clone(),
            secrets: secrets.clone(),
            identity: self.identity.clone(),
            public_url: config.public_url.clone(),
            outbound: config.outbound.clone(),
            sessions,
            teams: self.teams.clone(),
            rules,
            logins: Logins::default(),
            openid: Current::load(db, secrets).await?,
            pending_logins: PendingLogins::default(),
            passkeys: Passkeys::new(&config.public_url),
            directory: Current::load(db, secrets).await?,
            pending_totp: totp::offers(),
            passwords: Passwords::new()?,
            setup: Mutex::new((users == 0).then(secret::token)),
        }))
    }
}

/// Opens the data folder and builds the services. It changes no session.
pub async fn open(config: &Config) -> anyhow::Result<AppState> {
    let foundation = Foundation::open(config).await?;
    let Foundation { db, secrets, identity, vault, teams, settings, .. } = &foundation;
    let (public_url, outbound) = (&config.public_url, &config.outbound);
    let deliveries = Deliveries::open(db.clone(), secrets.clone(), foundation.receivers(config)).await?;
    let rules = Current::load(db, secrets).await?;
    let sessions = foundation.sessions(config, deliveries.clone(), rules.clone());
    let archive = foundation.archive(config, sessions.clone())?;
    let desk = Arc::new(ServiceDesk {
        db: db.clone(),
        sessions: sessions.clone(),
        deliveries: deliveries.clone(),
        identity: identity.clone(),
        public_url: public_url.clone(),
        outbound: outbound.clone(),
    });
    let mailer = Arc::new(Mailer::new(config)?);
    let mailbox = Current::load(db, secrets).await?;
    let inbox = Arc::new(Inbox {
        db: db.clone(),
        data: config.data.clone(),
        disk_floor: config.disk_floor_bytes,
        vault: vault.clone(),
        mailer: mailer.clone(),
        outbound: outbound.clone(),
        desk: desk.clone(),
        mailbox: mailbox.clone(),
        watch: mailbox::Watch::default(),
    });
    let auth = foundation.auth(config, sessions.clone(), rules.clone()).await?;
    let organisation = Arc::new(Organisation {
        db: db.clone(),
        sessions: sessions.clone(),
        teams: teams.clone(),
        settings: settings.clone(),
        rules,
        mailbox,
        openid: auth.openid.clone(),
        directory: auth.directory.clone(),
        seen: Mutex::default(),
    });
    let wire = Arc::new(Wire {
        sessions: sessions.clone(),
        archive: archive.clone(),
        identity: identity.clone(),
        public_url: public_url.clone(),
    });
    Ok(AppState {
        clients: Arc::new(Clients::new(config.trusted_proxies.clone())),
        admissions: Arc::new(admissions(config)),
        api_limits: Arc::new(ApiLimits::default()),
        unsent: Arc::new(UnsentMail { db: db.clone(), vault: vault.clone(), sessions: sessions.clone() }),
        programs: Arc::new(Programs::open(config.support_programs.clone(), public_url, &identity.public())),
        playback: Arc::new(Playback::default()),
        db: foundation.db,
        secrets: foundation.secrets,
        identity: foundation.identity,
        settings: foundation.settings,
        public_url: public_url.clone(),
        sessions,
        archive,
        deliveries,
        desk,
        mailer,
        inbox,
        auth,
        organisation,
        wire,
    })
}

fn admissions(config: &Config) -> Admissions {
    let limits = Limits::new(connections::raise_open_files(), config.max_connections);
    Admissions::new(limits, Timeouts::of(config.request_time), api::bounds::LONG_BODIES_AT_ONCE)
}
