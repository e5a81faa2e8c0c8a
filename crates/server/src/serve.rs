//! Starts the server, and stops it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::response::IntoResponse;
use platform::tasks::Tasks;

use crate::{
    api::ApiError, compose, config::Config, connections::Acceptor, desk, quic, routes, scrub::scrub, sign_in,
    state::AppState,
};

/// Runs the server until it is stopped.
pub async fn run(config: Config) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data).with_context(|| format!("cannot create {}", config.data.display()))?;
    let app = compose::open(&config).await?;
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
        let (stop, closing) = (tasks.token(), endpoint.clone());
        tasks.supervise("QUIC", move || quic::serve(services.clone(), endpoint.clone()));
        tasks.essential("QUIC shutdown", async move {
            stop.cancelled().await;
            // Peers reconnect at once, in place of waiting until the connection times out.
            quic::close(&closing).await;
        });
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
