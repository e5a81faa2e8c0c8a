//! Starting and stopping.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use anyhow::Context;
use platform::{
    clock, disk::Disk, identity::Identity, passwords::Passwords, paths, secret, throttle::Throttle, vault::Vault,
};
use sea_orm::{EntityTrait, PaginatorTrait};
use store::{secrets::Secrets, setting, tables::user};

use crate::{
    api,
    app::{App, Shared},
    archive,
    archive::{RecordingStore, Sealing},
    beyondtrust,
    config::Config,
    connections::{self, Connections, Entrance, Limits, Times},
    deliveries::{self, Deliveries},
    desk,
    live::{SessionRegistry, SideChannels},
    mail::Mailer,
    mailbox, organisation,
    playback::Playback,
    programs::Programs,
    quic, redaction,
    sign_in::{self, Logins, oidc::PendingLogins, passkeys::Passkeys},
};

/// Runs the server until it is told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data).with_context(|| format!("cannot create {}", config.data.display()))?;
    let app = open(config).await?;
    app.deliveries.load(&app).await?;
    app.sessions.load(&app).await?;
    sign_in::catch_up(&app).await?;
    organisation::catch_up(&app).await?;
    redaction::scrub(&app).await.context("cannot take links and keys out of what was stored")?;
    tokio::spawn(deliveries::run(app.clone()));
    tokio::spawn(archive::run_retention(app.clone()));
    tokio::spawn(mailbox::run(app.clone()));
    tokio::spawn(desk::sync::run(app.clone()));
    let router = api::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let handle = axum_server::Handle::new();
    tokio::spawn(stop_when_told(handle.clone(), Duration::from_secs(app.config.stop_seconds)));
    tokio::spawn(announce(app.clone(), handle.clone()));
    let listen = app.config.listen;
    let entrance = Entrance::new(app.clone());
    if let Some(endpoint) = quic::listen(&app)? {
        tokio::spawn(quic::serve(app.clone(), endpoint));
    }
    let served = match app.config.tls.clone() {
        Some((certificate, key)) => {
            let tls = axum_server::tls_rustls::RustlsConfig::from_pem_file(&certificate, &key).await;
            let tls = tls.with_context(|| format!("cannot use {} and {}", certificate.display(), key.display()))?;
            let tls = axum_server::tls_rustls::RustlsAcceptor::new(tls);
            let tls = tls.handshake_timeout(app.config.request_time).acceptor(entrance);
            careful(axum_server::bind(listen)).acceptor(tls).handle(handle).serve(router).await
        }
        None => careful(axum_server::bind(listen)).acceptor(entrance).handle(handle).serve(router).await,
    };
    served.with_context(|| format!("cannot listen on {listen}"))
}

/// How much a connection may say before it is known what it asks for.
fn careful(mut server: axum_server::Server<SocketAddr>) -> axum_server::Server<SocketAddr> {
    let http = server.http_builder();
    http.http1().max_buf_size(64 * 1024).max_headers(100);
    http.http2().max_header_list_size(32 * 1024).max_concurrent_streams(100);
    server
}

/// Opens the data folder, without touching any session.
pub async fn open(config: Config) -> anyhow::Result<Shared> {
    paths::tighten(&config.data);
    let db = store::open(&paths::database(&config.data)).await?;
    organisation::fill(&db).await?;
    let secrets = Secrets::open(&paths::vault(&config.data))?;
    store::secrets::seal_old(&db, &secrets).await?;
    let settings = setting::load(&db, &secrets).await?;
    let users = user::Entity::find().count(&db).await?;
    let limits = Limits::new(connections::raise_open_files(), config.max_connections);
    let times = Times::of(config.request_time);
    let identity = Identity::open(&paths::identity(&config.data))?;
    let app = Arc::new(App {
        programs: Programs::open(config.support_programs.clone(), &config.public_url, &identity.public()),
        identity,
        disk: Disk::new(config.data.clone(), config.disk_floor_bytes),
        vault: Vault::open(&paths::vault(&config.data))?,
        recording_store: RecordingStore::open(config.store.as_ref())?,
        sealing: Sealing::open(&paths::sealing_keys(&config.data), clock::now())?,
        unfinished: archive::Unfinished::default(),
        playback: Playback::default(),
        side_channels: SideChannels::default(),
        mailer: Mailer::new(&config)?,
        sessions: SessionRegistry::default(),
        deliveries: Deliveries::default(),
        mailbox: RwLock::new(setting::load(&db, &secrets).await?),
        watch: mailbox::Watch::default(),
        openid: RwLock::new(setting::load(&db, &secrets).await?),
        rules: RwLock::new(setting::load(&db, &secrets).await?),
        logins: Logins::default(),
        teams: tokio::sync::RwLock::default(),
        journeys: PendingLogins::default(),
        passkeys: Passkeys::new(&config.public_url),
        directory: RwLock::new(setting::load(&db, &secrets).await?),
        pending_totp: sign_in::totp::offers(),
        settings: RwLock::new(settings),
        throttle: Throttle::default(),
        passwords: Passwords::new()?,
        connections: Connections::new(limits, times),
        requests: Connections::new(limits.for_requests(), times),
        long_bodies: Connections::new(Limits::of(api::bounds::LONG_AT_ONCE), times),
        quic: Connections::new(limits, times),
        seen: std::sync::Mutex::default(),
        api_limits: beyondtrust::Limits::default(),
        setup: Mutex::new((users == 0).then(secret::token)),
        config,
        db,
        secrets,
    });
    Ok(app)
}

/// Tells the person at the terminal where to go, once the port is open.
async fn announce(app: Shared, handle: axum_server::Handle<SocketAddr>) {
    if handle.listening().await.is_none() {
        return;
    }
    println!("Deskside is at {}", app.config.public_url);
    let setup = app.setup.lock().expect("nobody panics while holding the set-up token").clone();
    if let Some(token) = setup {
        println!("Set up the first administrator (this link works once):\n  {}/setup#{token}", app.config.public_url);
    }
    if app.programs.systems().is_empty() {
        println!("There is no support program to download: see --support-program");
    }
}

async fn stop_when_told(handle: axum_server::Handle<SocketAddr>, patience: Duration) {
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signals can be heard");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(patience));
}
