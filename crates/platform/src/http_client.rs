//! Asking other systems.

use std::time::Duration;

use ureq::{
    tls::{Certificate, PemItem, RootCerts, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use crate::outbound::{Judge, Outbound};

/// How long another system may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// More than this of an answer is not read.
const MOST: u64 = 4 * 1024 * 1024;

/// A question to another system.
pub struct Request {
    /// How it asks.
    pub method: ureq::http::Method,
    /// Whom it asks: an absolute address.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// As it is sent; empty for none.
    pub body: Vec<u8>,
    /// A certificate authority to trust (PEM) in place of the system's; empty for the system's.
    pub authority: String,
    /// Where it may lead.
    pub outbound: Outbound,
}

/// What it answered.
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Its body, as far as it is read.
    pub text: String,
}

/// Asks. An answer of any status is an answer; an error says in words why there was none.
pub async fn ask(request: Request) -> Result<Answer, String> {
    let Request { method, url, headers, body, authority, outbound } = request;
    let mut built = ureq::http::Request::builder().method(method).uri(&url);
    for (name, value) in headers {
        built = built.header(name, value);
    }
    let built = built.body(body).map_err(|e| format!("{url} cannot be asked: {e}."))?;
    let answer = carry(built, authority, outbound).await?;
    Ok(Answer { status: answer.status().as_u16(), text: String::from_utf8_lossy(answer.body()).into_owned() })
}

/// The same for a request and an answer as the `http` crate has them.
pub async fn carry(
    request: ureq::http::Request<Vec<u8>>,
    authority: String,
    outbound: Outbound,
) -> Result<ureq::http::Response<Vec<u8>>, String> {
    let asked = tokio::task::spawn_blocking(move || carry_now(request, &authority, outbound)).await;
    asked.map_err(|_| "Asking failed.".to_owned())?
}

fn carry_now(
    request: ureq::http::Request<Vec<u8>>,
    authority: &str,
    outbound: Outbound,
) -> Result<ureq::http::Response<Vec<u8>>, String> {
    let url = request.uri().to_string();
    let roots = if authority.trim().is_empty() {
        RootCerts::PlatformVerifier
    } else {
        let items = ureq::tls::parse_pem(authority.as_bytes());
        let certificates: Vec<Certificate<'static>> = items
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err("The certificate authority is not a PEM certificate.".into());
        }
        RootCerts::new_with_certs(&certificates)
    };
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect is an answer like any other: what is meant for one host is not told to another.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // What a proxy connects to, nobody here would judge.
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .user_agent(concat!("Deskside/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    let agent = ureq::Agent::with_parts(config, DefaultConnector::new(), Judge(outbound));
    let answer = agent.run(request).map_err(|e| match e {
        ureq::Error::Other(e) => format!("{} cannot be reached: {e}.", host(&url)),
        e => format!("{} cannot be reached: {e}.", host(&url)),
    })?;
    let (parts, mut body) = answer.into_parts();
    let bytes = body.with_config().limit(MOST).read_to_vec();
    let bytes = bytes.map_err(|e| format!("{} broke off: {e}.", host(&url)))?;
    Ok(ureq::http::Response::from_parts(parts, bytes))
}

/// Who is asked, for people: without what may be secret in an address.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_else(|| "It".into())
}

impl Answer {
    /// The answer in a few words of ours: what stands in it may come from a page that the asker could not open.
    pub fn words(&self) -> String {
        let reason = ureq::http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        format!("{} {}", self.status, reason.unwrap_or_default()).trim().to_owned()
    }
}
