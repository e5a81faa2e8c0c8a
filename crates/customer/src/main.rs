//! The support program: what a customer runs to be helped.
//!
//! One file, no installation, no root. It is bound to one server, shows whose it is, and makes the last check of what
//! leaves this machine: see [`session::Consent`]. [`connection`] talks to the server, [`share`] captures and encodes,
//! [`jobs`] executes everything else, [`restart_resume`] continues after a restart of the computer, [`elevation`] as
//! administrator. [`capture`], [`input`], [`window`] and [`machine`] hold the differences between systems, and [`ui`]
//! shows the windows.

#![cfg_attr(windows, windows_subsystem = "windows")]

mod binding;
mod capture;
mod connection;
mod conversation;
mod elevation;
mod http;
mod input;
mod jobs;
mod machine;
mod messages;
mod restart_resume;
mod share;
mod streams;
mod ui;
mod util;
mod window;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use messages::PriorSession;
use session::Consent;

/// Deskside's support program. It is downloaded from the server that it belongs to, and needs no options then.
#[derive(Debug, Parser)]
#[command(name = "deskside-support", version)]
struct Options {
    /// The server's address. Only for a program that is not bound to a server.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The server's identity key in hexadecimal, from its administrator.
    #[arg(long, value_name = "HEX", requires = "server")]
    identity: Option<String>,
    /// The session key, to join at once.
    #[arg(long, value_name = "DIGITS")]
    key: Option<String>,
    /// Resume the session from before a restart of the computer. Passed by the program itself.
    #[arg(long = "return")]
    returned: bool,
    /// Take over the session of the program that asked to run as administrator. Passed by the program itself.
    #[arg(long, value_name = "FILE", requires = "sum")]
    elevated: Option<PathBuf>,
    /// The SHA-256 of that file.
    #[arg(long, value_name = "HEX", requires = "elevated")]
    sum: Option<String>,
    /// Press Ctrl+Alt+Del, as a service that Windows started. Passed by the program itself.
    #[arg(long, hide = true)]
    press_ctrl_alt_del: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if options.press_ctrl_alt_del {
        machine::serve_attention()?;
        return Ok(ExitCode::SUCCESS);
    }
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("DESKSIDE_LOG").unwrap_or_else(|_| "warn,winit=error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();
    let bound = binding::of_this_program()?;
    let removes_itself = bound.is_some();
    if options.returned {
        // The session has ended: a window would only confuse the person who signs in.
        let Some(before) = restart_resume::take(bound.as_ref().map(|b| b.server.as_str())) else {
            return Ok(ExitCode::SUCCESS);
        };
        let by_hand = || binding::by_hand(before.server, before.identity);
        let start = ui::Start {
            before: Some(PriorSession::Restart(before.resume)),
            consent: Consent::default(),
            removes_itself,
        };
        return ui::run(bound.unwrap_or_else(by_hand), start);
    }
    if let (Some(path), Some(sum)) = (options.elevated, options.sum) {
        let hand_over = elevation::HandOver::take(&path, &sum)?;
        let binding = match bound {
            Some(bound) => bound,
            None => binding::by_hand(hand_over.server.clone(), hand_over.identity),
        };
        anyhow::ensure!(binding.server == hand_over.server, "the session belongs to another server");
        // The program's file belongs to the waiting process.
        let before = Some(PriorSession::Elevation(hand_over.resume));
        return ui::run(binding, ui::Start { before, consent: hand_over.consent, removes_itself: false });
    }
    let mut binding = match (bound, options.server) {
        (Some(bound), None) => bound,
        (Some(_), Some(_)) => anyhow::bail!("this program belongs to its server and cannot be pointed at another"),
        (None, Some(server)) => binding::by_hand(server, options.identity.unwrap_or_default()),
        (None, None) => anyhow::bail!("this program is not bound to a server: download it from your support's page"),
    };
    if let Some(key) = options.key {
        binding.pass.key = Some(key);
    }
    ui::run(binding, ui::Start { before: None, consent: Consent::default(), removes_itself })
}
