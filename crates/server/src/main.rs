//! Deskside's server: relay, web API, storage, mail, service desk and the embedded console, in one program.
//!
//! `deskside-server --help` explains every option. [`serve`] builds the services and starts them, [`api`] is the web
//! API, [`wire`] carries sessions, [`beyondtrust`] speaks BeyondTrust's API, [`desk`] and [`mailbox`] are the service
//! desk. `ARCHITECTURE.md` explains the other crates.

mod access_scope;
mod account_changes;
mod accounts;
mod api;
mod api_limits;
mod beyondtrust;
mod command_line;
mod compose;
mod config;
mod connections;
mod deliveries;
mod desk;
mod mail;
mod mailbox;
mod organisation;
mod playback;
mod programs;
mod quic;
mod routes;
mod scrub;
mod serve;
mod session_view;
mod sign_in;
mod state;
mod unsent_mail;
mod web;
mod webhook;
mod wire;
#[cfg(test)]
mod world;

use anyhow::Context;
use platform::paths;

fn main() -> anyhow::Result<()> {
    paths::for_us_alone();
    let (config, task) = config::Config::load()?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("DESKSIDE_LOG")
        .unwrap_or_else(|_| "info,sqlx=warn,sea_orm=warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).init();
    rustls::crypto::ring::default_provider().install_default().ok().context("the crypto provider is set twice")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match task {
            None => serve::run(config).await,
            Some(task) => command_line::run(config, task).await,
        }
    })
}
