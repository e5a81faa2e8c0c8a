//! Options, read from the command line, else the environment, else a TOML file, else the default.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    ops::Deref,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use archive::StoreConfig;
use clap::Parser;
use platform::{network::Network, outbound::Outbound};
use serde::Deserialize;

use crate::programs::System;

/// Deskside's server: remote support in one program, on one port.
///
/// Without any option it listens on http://localhost:8470, keeps everything in ./deskside-data and prints a one-time
/// link for setting up the first administrator.
#[derive(Debug, Parser)]
#[command(name = "deskside-server", version)]
struct Options {
    /// A TOML file with any of the options below (with underscores for dashes); the command line and the environment
    /// take precedence.
    #[arg(long, env = "DESKSIDE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    task: Option<Task>,
}

/// A command that runs instead of the server, with the same options and on the same data folder.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Task {
    /// Write all evidence of a session into one signed file. The server may be running.
    Export {
        /// The session's number, as in the address of its page.
        session: String,
        /// The file to write. [default: session-SESSION.deskside.zip]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Add a second video with the pointer drawn into it, for any player. This encodes the video again.
        #[arg(long)]
        pointer: bool,
    },
    /// Create a new key for seals and bundles, endorsed by the previous one. A running server uses it after a restart.
    RotateKey,
    /// Show the public keys for seals, the newest last.
    Keys,
}

#[derive(Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// The address and port to listen on. [default: 127.0.0.1:8470]
    #[arg(long, env = "DESKSIDE_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The address that people use; links and the support program contain it. [default: http://localhost:PORT]
    #[arg(long, env = "DESKSIDE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The folder for the database, recordings and keys. It is created if missing. [default: ./deskside-data]
    #[arg(long, env = "DESKSIDE_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The TLS certificate chain (PEM). Without it the server speaks plain HTTP, for localhost or behind a proxy.
    #[arg(long, env = "DESKSIDE_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the TLS certificate (PEM).
    #[arg(long, env = "DESKSIDE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The mail server, like smtp://user:password@mail.example.org:587?tls=required, or smtps://… for TLS from the
    /// start. Without it, mails stay in the console's outbox.
    #[arg(long, env = "DESKSIDE_SMTP_URL", value_name = "URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// A PEM file with a certificate authority to trust for the mail server, in addition to the system's.
    #[arg(long, env = "DESKSIDE_SMTP_CA", value_name = "FILE")]
    smtp_ca: Option<PathBuf>,
    /// The sender of mails. [default: Deskside <support@localhost>]
    #[arg(long, env = "DESKSIDE_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// Addresses or networks (10.0.0.0/8) of reverse proxies whose X-Forwarded-For is trusted, separated by commas.
    /// [default: none]
    #[arg(long, env = "DESKSIDE_TRUSTED_PROXIES", value_delimiter = ',', value_name = "ADDRESSES")]
    trusted_proxies: Option<Vec<Network>>,
    /// How many connections may be open at once; a quarter of them from one network. [default: 4096, or fewer where the
    /// system limits open files]
    #[arg(long, env = "DESKSIDE_MAX_CONNECTIONS", value_name = "NUMBER")]
    max_connections: Option<usize>,
    /// How many seconds a connection may take to send its first request. It may be idle, or stall within a request or
    /// response, four times as long. [default: 15]
    #[arg(long, env = "DESKSIDE_REQUEST_SECONDS", value_name = "SECONDS")]
    request_seconds: Option<u64>,
    /// The support program for Linux x86-64 that customers download. [default: deskside-support next to this program]
    #[arg(long, env = "DESKSIDE_SUPPORT_PROGRAM", value_name = "FILE")]
    support_program: Option<PathBuf>,
    /// The support program for Windows x86-64 that customers download. [default: deskside-support.exe next to this
    /// program]
    #[arg(long, env = "DESKSIDE_SUPPORT_PROGRAM_WINDOWS", value_name = "FILE")]
    support_program_windows: Option<PathBuf>,
    /// How many seconds a participant whose connection broke has to come back. [default: 120]
    #[arg(long, env = "DESKSIDE_GRACE_SECONDS", value_name = "SECONDS")]
    grace_seconds: Option<u64>,
    /// How many days a session may stay on hold. [default: 7]
    #[arg(long, env = "DESKSIDE_HOLD_DAYS", value_name = "DAYS")]
    hold_days: Option<u64>,
    /// How many MiB of disk must stay free; below that, nothing that must be recorded is shared. [default: 512]
    #[arg(long, env = "DESKSIDE_DISK_FLOOR_MIB", value_name = "MIB")]
    disk_floor_mib: Option<u64>,
    /// An object store that speaks S3, for finished recordings: s3://bucket/folder. [default: in the data folder]
    #[arg(long, env = "DESKSIDE_STORE_URL", value_name = "URL")]
    store_url: Option<String>,
    /// The store's address if it is not Amazon's, like https://objects.example.org
    #[arg(long, env = "DESKSIDE_STORE_ENDPOINT", value_name = "URL")]
    store_endpoint: Option<String>,
    /// The store's region. [default: us-east-1]
    #[arg(long, env = "DESKSIDE_STORE_REGION", value_name = "REGION")]
    store_region: Option<String>,
    /// The store's access key.
    #[arg(long, env = "DESKSIDE_STORE_KEY_ID", value_name = "ID")]
    store_key_id: Option<String>,
    /// The store's secret key.
    #[arg(long, env = "DESKSIDE_STORE_SECRET", value_name = "SECRET", hide_env_values = true)]
    store_secret: Option<String>,
    /// A PEM file with a certificate authority to trust for the store, in addition to the system's.
    #[arg(long, env = "DESKSIDE_STORE_CA", value_name = "FILE")]
    store_ca: Option<PathBuf>,
    /// Private networks that webhooks, service desks, sign-in providers, directories and mailboxes may be in, separated
    /// by commas; public addresses are always allowed. Add 127.0.0.1 for services on this machine. [default:
    /// 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7]
    #[arg(long, env = "DESKSIDE_OUTBOUND_NETWORKS", value_delimiter = ',', value_name = "NETWORKS")]
    outbound_networks: Option<Vec<Network>>,
    /// How many seconds connections have to finish when the server stops. [default: 3]
    #[arg(long, env = "DESKSIDE_STOP_SECONDS", value_name = "SECONDS")]
    stop_seconds: Option<u64>,
}

/// Every option with its value.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: PublicUrl,
    pub data: PathBuf,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub smtp_url: Option<String>,
    pub smtp_ca: Option<PathBuf>,
    pub mail_from: String,
    pub trusted_proxies: Vec<Network>,
    pub max_connections: Option<usize>,
    pub request_time: Duration,
    pub support_programs: [(System, PathBuf); 2],
    pub grace_ms: u64,
    pub hold_ms: u64,
    pub disk_floor_bytes: u64,
    pub stop_seconds: u64,
    pub outbound: Outbound,
    pub store: Option<StoreConfig>,
}

impl Config {
    /// Reads the command line, the environment and the TOML file.
    pub fn load() -> anyhow::Result<(Self, Option<Task>)> {
        let Options { config, given, task } = Options::parse();
        let file = match config {
            Some(path) => {
                let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text).with_context(|| format!("{} is not a valid configuration", path.display()))?
            }
            None => Given::default(),
        };
        Ok((Self::resolve(given, file)?, task))
    }

    fn resolve(given: Given, file: Given) -> anyhow::Result<Self> {
        let listen = given.listen.or(file.listen).unwrap_or(([127, 0, 0, 1], 8470).into());
        let tls = match (given.tls_certificate.or(file.tls_certificate), given.tls_key.or(file.tls_key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => anyhow::bail!("tls_certificate and tls_key must be set together"),
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let public_url = given.public_url.or(file.public_url);
        let public_url = public_url.unwrap_or_else(|| format!("{scheme}://localhost:{}", listen.port()));
        let public_url = public_url.trim_end_matches('/').to_owned();
        anyhow::ensure!(
            public_url
                .split_once("://")
                .is_some_and(|(s, host)| (s == "http" || s == "https") && !host.is_empty() && !host.contains('/')),
            "public_url must look like https://support.example.org, with no path: {public_url}"
        );
        let beside = |name| std::env::current_exe().unwrap_or_default().with_file_name(name);
        let linux = given.support_program.or(file.support_program);
        let windows = given.support_program_windows.or(file.support_program_windows);
        let store = given.store_url.or(file.store_url).filter(|url| !url.is_empty()).map(|url| StoreConfig {
            url,
            endpoint: given.store_endpoint.or(file.store_endpoint),
            region: given.store_region.or(file.store_region).unwrap_or("us-east-1".into()),
            key_id: given.store_key_id.or(file.store_key_id).unwrap_or_default(),
            secret: given.store_secret.or(file.store_secret).unwrap_or_default(),
            ca: given.store_ca.or(file.store_ca),
        });
        const DAY: u64 = 24 * 60 * 60 * 1_000;
        Ok(Self {
            listen,
            public_url: PublicUrl(public_url),
            data: given.data.or(file.data).unwrap_or_else(|| "deskside-data".into()),
            tls,
            smtp_url: given.smtp_url.or(file.smtp_url).filter(|url| !url.is_empty()),
            smtp_ca: given.smtp_ca.or(file.smtp_ca),
            mail_from: given.mail_from.or(file.mail_from).unwrap_or("Deskside <support@localhost>".into()),
            trusted_proxies: given.trusted_proxies.or(file.trusted_proxies).unwrap_or_default(),
            max_connections: given.max_connections.or(file.max_connections),
            request_time: Duration::from_secs(given.request_seconds.or(file.request_seconds).unwrap_or(15).max(1)),
            support_programs: [
                (System::Linux, linux.unwrap_or_else(|| beside("deskside-support"))),
                (System::Windows, windows.unwrap_or_else(|| beside("deskside-support.exe"))),
            ],
            grace_ms: given.grace_seconds.or(file.grace_seconds).unwrap_or(120) * 1_000,
            hold_ms: given.hold_days.or(file.hold_days).unwrap_or(7) * DAY,
            disk_floor_bytes: given.disk_floor_mib.or(file.disk_floor_mib).unwrap_or(512) * 1024 * 1024,
            stop_seconds: given.stop_seconds.or(file.stop_seconds).unwrap_or(3),
            outbound: given.outbound_networks.or(file.outbound_networks).map(Outbound::new).unwrap_or_default(),
            store,
        })
    }
}

/// The server's public address: scheme, host and port, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The Origin that requests from the server's own pages carry.
    pub fn origin(&self) -> &str {
        &self.0
    }

    /// The host that customers see, without scheme and port.
    pub fn domain(&self) -> &str {
        let host = self.0.split_once("://").map_or("", |(_, host)| host);
        host.rsplit_once(':').map_or(host, |(name, _)| name)
    }

    /// Whether people reach the server by HTTPS.
    pub fn secure(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl Deref for PublicUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for PublicUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let file: Given = toml::from_str("listen = '127.0.0.1:1'\ngrace_seconds = 5\nmail_from = 'a@b'").unwrap();
        let given = Given { listen: Some(([127, 0, 0, 1], 2).into()), ..Given::default() };
        let config = Config::resolve(given, file).unwrap();
        assert_eq!((config.listen.port(), config.grace_ms, config.mail_from.as_str()), (2, 5_000, "a@b"));
        assert_eq!((&*config.public_url, config.public_url.domain()), ("http://localhost:2", "localhost"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(toml::from_str::<Given>("listne = '127.0.0.1:1'").unwrap_err().to_string().contains("listne"));
        let half = Given { tls_key: Some("k".into()), ..Given::default() };
        assert!(Config::resolve(half, Given::default()).unwrap_err().to_string().contains("together"));
        let path = Given { public_url: Some("https://a.example/b".into()), ..Given::default() };
        assert!(Config::resolve(path, Given::default()).unwrap_err().to_string().contains("no path"));
    }
}
