//! Starts the server, and stops it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use archive::{Archive, RecordingStore, Sealing, Unfinished};
use axum::response::IntoResponse;
use live_sessions::{Services, SessionRegistry, recorder::RecordingPlace, rules::DefaultPolicy};
use platform::{
    clock, disk::Disk, identity::Identity, passwords::Passwords, paths, secret, tasks::Tasks, vault::Vault,
};
use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait};
use store::{people, secrets::Secrets, setting::Current, settings::Settings, tables::user};

use crate::{
    api::{self, ApiError},
    api_limits::ApiLimits,
    beyondtrust::OutboundEvents,
    config::Config,
    connections::{self, Acceptor, Admissions, Clients, Limits, Timeouts},
    deliveries::{Deliveries, Kinds, Receive, ReceiverKind},
    desk::{self, RequestTrackers, ServiceDesk},
    mail::Mailer,
    mailbox::{self, Inbox},
    organisation::Organisation,
    playback::Playback,
    programs::Programs,
    quic, routes,
    scrub::scrub,
    sign_in::{self, Auth},
    state::AppState,
    unsent_mail::UnsentMail,
    webhook::Webhooks,
    wire::Wire,
};

/// Runs the server until it is stopped.
pub async fn run(config: Config) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data).with_context(|| format!("cannot create {}", config.data.display()))?;
    let app = open(&config).await?;
    let tasks = Tasks::default();
    app.sessions.load().await?;
    sign_in::catch_up(&app.auth).await?;
    app.organisation.catch_up().await?;
    let organisation = app.settings.get().organisation;
    scrub(&app.unsent, &organisation).await.context("cannot remove links and keys from stored texts")?;
    supervise(&tasks, &app);
    let handle = axum_server::Handle::new();
    tasks.essential("signal handler", cancel_on_signal(tasks.clone()));
    tasks.essential("address output", print_address(app.clone(), handle.clone()));
    if let Some(endpoint) = quic::listen(config.listen, config.tls.as_ref())? {
        let (wire, clients, admissions) = (app.wire.clone(), app.clients.clone(), app.admissions.clone());
        let services = quic::Services { wire, clients, admissions };
        tasks.supervise("QUIC", move || quic::serve(services.clone(), endpoint.clone()));
    }
    let stop_timeout = Duration::from_secs(config.stop_seconds);
    tasks.essential("graceful shutdown", {
        let (stop, handle) = (tasks.token(), handle.clone());
        async move {
            stop.cancelled().await;
            handle.graceful_shutdown(Some(stop_timeout));
        }
    });
    let result = serve(&config, &app, handle).await;
    tasks.stop(stop_timeout).await;
    app.sessions.stop().await;
    result.with_context(|| format!("cannot listen on {}", config.listen))
}

/// Starts the background tasks.
fn supervise(tasks: &Tasks, app: &AppState) {
    let (deliveries, sessions) = (app.deliveries.clone(), app.sessions.clone());
    tasks.supervise("deliveries", move || deliveries.clone().run(sessions.clone()));
    let archive = app.archive.clone();
    tasks.supervise("evidence", move || archive.clone().store_ended());
    let archive = app.archive.clone();
    tasks.supervise("retention", move || archive.clone().run_retention());
    let unsent = app.unsent.clone();
    tasks.supervise("unsent mail", move || unsent.clone().run());
    let inbox = app.inbox.clone();
    tasks.supervise("mailbox", move || inbox.clone().run());
    let desk = app.desk.clone();
    tasks.supervise("ticket sync", move || desk::sync::run(desk.clone()));
}

async fn serve(config: &Config, app: &AppState, handle: axum_server::Handle<SocketAddr>) -> anyhow::Result<()> {
    let router = routes::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let refusal = || ApiError::too_many_at_once().into_response();
    let acceptor = Acceptor::new(app.clients.clone(), app.admissions.clone(), refusal);
    match &config.tls {
        Some((certificate, key)) => {
            let tls = axum_server::tls_rustls::RustlsConfig::from_pem_file(certificate, key).await;
            let tls = tls.with_context(|| format!("cannot use {} and {}", certificate.display(), key.display()))?;
            let tls = axum_server::tls_rustls::RustlsAcceptor::new(tls);
            let tls = tls.handshake_timeout(config.request_time).acceptor(acceptor);
            with_http_limits(axum_server::bind(config.listen)).acceptor(tls).handle(handle).serve(router).await?;
        }
        None => {
            with_http_limits(axum_server::bind(config.listen)).acceptor(acceptor).handle(handle).serve(router).await?
        }
    }
    Ok(())
}

/// Limits what a connection may send before its request is known.
fn with_http_limits(mut server: axum_server::Server<SocketAddr>) -> axum_server::Server<SocketAddr> {
    let http = server.http_builder();
    http.http1().max_buf_size(64 * 1024).max_headers(100);
    http.http2().max_header_list_size(32 * 1024).max_concurrent_streams(100);
    server
}

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
        people::fill(&db).await?;
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
}

/// Opens the data folder and builds the services. It changes no session.
pub async fn open(config: &Config) -> anyhow::Result<AppState> {
    let foundation = Foundation::open(config).await?;
    let Foundation { db, secrets, identity, disk, vault, teams, settings, policy } = &foundation;
    let deliveries = Deliveries::open(db.clone(), secrets.clone(), receivers(config, &foundation)).await?;
    let rules = Current::load(db, secrets).await?;
    let services = Services {
        db: db.clone(),
        recordings: RecordingPlace { data: config.data.clone(), disk: disk.clone(), vault: vault.clone() },
        identity: identity.clone(),
        policy: policy.clone(),
        rules: rules.clone(),
        teams: teams.clone(),
        listener: deliveries.clone(),
        behind_proxy: !config.trusted_proxies.is_empty(),
    };
    let sessions = SessionRegistry::new(services);
    let archive = Arc::new(Archive {
        db: db.clone(),
        data: config.data.clone(),
        disk: disk.clone(),
        vault: vault.clone(),
        sealing: Sealing::open(&paths::sealing_keys(&config.data), clock::now())?,
        recording_store: RecordingStore::open(config.store.as_ref())?,
        sessions: sessions.clone(),
        settings: settings.clone(),
        teams: teams.clone(),
        storing: Mutex::default(),
        unfinished: Unfinished::default(),
    });
    let desk = Arc::new(ServiceDesk {
        db: db.clone(),
        sessions: sessions.clone(),
        deliveries: deliveries.clone(),
        identity: identity.clone(),
        public_url: config.public_url.clone(),
        outbound: config.outbound.clone(),
    });
    let mailer = Arc::new(Mailer::new(config)?);
    let mailbox = Current::load(db, secrets).await?;
    let inbox = Arc::new(Inbox {
        db: db.clone(),
        data: config.data.clone(),
        disk_floor: config.disk_floor_bytes,
        vault: vault.clone(),
        mailer: mailer.clone(),
        outbound: config.outbound.clone(),
        desk: desk.clone(),
        mailbox: mailbox.clone(),
        watch: mailbox::Watch::default(),
    });
    let auth = auth(config, &foundation, sessions.clone(), rules.clone()).await?;
    let organisation = Arc::new(Organisation {
        db: db.clone(),
        secrets: secrets.clone(),
        sessions: sessions.clone(),
        teams: teams.clone(),
        settings: settings.clone(),
        rules,
        mailbox,
        openid: auth.openid.clone(),
        directory: auth.directory.clone(),
        seen: Mutex::default(),
    });
    let limits = Limits::new(connections::raise_open_files(), config.max_connections);
    let timeouts = Timeouts::of(config.request_time);
    let state = AppState {
        db: db.clone(),
        secrets: secrets.clone(),
        identity: identity.clone(),
        public_url: config.public_url.clone(),
        settings: settings.clone(),
        clients: Arc::new(Clients::new(config.trusted_proxies.clone())),
        admissions: Arc::new(Admissions::new(limits, timeouts, api::bounds::LONG_BODIES_AT_ONCE)),
        api_limits: Arc::new(ApiLimits::default()),
        wire: Arc::new(Wire {
            sessions: sessions.clone(),
            archive: archive.clone(),
            identity: identity.clone(),
            public_url: config.public_url.clone(),
        }),
        unsent: Arc::new(UnsentMail { db: db.clone(), vault: vault.clone(), sessions: sessions.clone() }),
        programs: Arc::new(Programs::open(config.support_programs.clone(), &config.public_url, &identity.public())),
        playback: Arc::new(Playback::default()),
        sessions,
        archive,
        deliveries,
        desk,
        mailer,
        inbox,
        auth,
        organisation,
    };
    Ok(state)
}

/// Every kind of receiver.
fn receivers(config: &Config, foundation: &Foundation) -> Kinds {
    let (db, policy) = (foundation.db.clone(), foundation.policy.clone());
    let (public_url, outbound) = (config.public_url.clone(), config.outbound.clone());
    let webhooks = Webhooks { policy: policy.clone(), public_url: public_url.to_string(), outbound: outbound.clone() };
    let trackers = RequestTrackers { db: db.clone(), public_url: public_url.clone(), outbound: outbound.clone() };
    let events = OutboundEvents { db, policy, identity: foundation.identity.clone(), outbound };
    Kinds::from([
        (ReceiverKind::Webhook, Box::new(webhooks) as Box<dyn Receive>),
        (ReceiverKind::RequestTracker, Box::new(trackers)),
        (ReceiverKind::Beyondtrust, Box::new(events)),
    ])
}

async fn auth(
    config: &Config,
    foundation: &Foundation,
    sessions: Arc<SessionRegistry>,
    rules: Arc<Current<live_sessions::rules::Rules>>,
) -> anyhow::Result<Arc<Auth>> {
    let Foundation { db, secrets, .. } = foundation;
    let users = user::Entity::find().count(db).await?;
    Ok(Arc::new(Auth {
        db: db.clone(),
        secrets: secrets.clone(),
        identity: foundation.identity.clone(),
        public_url: config.public_url.clone(),
        outbound: config.outbound.clone(),
        sessions,
        teams: foundation.teams.clone(),
        rules,
        logins: live_sessions::logins::Logins::default(),
        openid: Current::load(db, secrets).await?,
        pending_logins: sign_in::oidc::PendingLogins::default(),
        passkeys: sign_in::passkeys::Passkeys::new(&config.public_url),
        directory: Current::load(db, secrets).await?,
        pending_totp: sign_in::totp::offers(),
        passwords: Passwords::new()?,
        setup: Mutex::new((users == 0).then(secret::token)),
    }))
}

/// Prints the server's address, once the port is open, and the set-up link while there is no account.
async fn print_address(app: AppState, handle: axum_server::Handle<SocketAddr>) {
    if handle.listening().await.is_none() {
        return;
    }
    println!("Deskside is at {}", app.public_url);
    let setup = app.auth.setup.lock().expect("the set-up token's lock is not poisoned").clone();
    if let Some(token) = setup {
        println!("Set up the first administrator (this link works once):\n  {}/setup#{token}", app.public_url);
    }
    if app.programs.systems().is_empty() {
        println!("There is no support program to download: see --support-program");
    }
}

/// Cancels all tasks on SIGTERM, on Ctrl+C, or when another part stops the server.
async fn cancel_on_signal(tasks: Tasks) {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a handler for SIGTERM can be installed");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = tasks.token().cancelled_owned() => {}
    }
    tracing::info!("stopping");
    tasks.token().cancel();
}
