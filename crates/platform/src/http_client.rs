//! Requests to other systems.

use std::time::Duration;

use ureq::{
    tls::{Certificate, PemItem, RootCerts, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use crate::outbound::{CheckedResolver, Outbound};

/// How long another system may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The most bytes that are read of an answer.
const MOST: u64 = 4 * 1024 * 1024;

/// A request to another system.
pub struct Request {
    /// The HTTP method.
    pub method: ureq::http::Method,
    /// An absolute URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; may be empty.
    pub body: Vec<u8>,
    /// A certificate authority to trust (PEM) instead of the system's; empty for the system's.
    pub authority: String,
    /// Where it may connect to.
    pub outbound: Outbound,
}

/// The answer.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, up to the limit.
    pub text: String,
}

/// Sends a request. An answer with any status is an answer; an error says why there is none.
pub async fn ask(request: Request) -> Result<Answer, String> {
    let Request { method, url, headers, body, authority, outbound } = request;
    let mut built = ureq::http::Request::builder().method(method).uri(&url);
    for (name, value) in headers {
        built = built.header(name, value);
    }
    let built = built.body(body).map_err(|e| format!("{url} is not a valid request: {e}."))?;
    let answer = carry(built, authority, outbound).await?;
    Ok(Answer { status: answer.status().as_u16(), text: String::from_utf8_lossy(answer.body()).into_owned() })
}

/// The same with the request and response types of the `http` crate.
pub async fn carry(
    request: ureq::http::Request<Vec<u8>>,
    authority: String,
    outbound: Outbound,
) -> Result<ureq::http::Response<Vec<u8>>, String> {
    let answer = tokio::task::spawn_blocking(move || send_blocking(request, &authority, outbound)).await;
    answer.map_err(|_| "The request failed.".to_owned())?
}

fn send_blocking(
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
        // Redirects are not followed: data that is meant for one host is not sent to another.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // No proxy: its connections would escape the check of addresses.
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .user_agent(concat!("Deskside/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    let agent = ureq::Agent::with_parts(config, DefaultConnector::new(), CheckedResolver(outbound));
    let answer = agent.run(request).map_err(|e| match e {
        ureq::Error::Other(e) => format!("{} cannot be reached: {e}.", host(&url)),
        e => format!("{} cannot be reached: {e}.", host(&url)),
    })?;
    let (parts, mut body) = answer.into_parts();
    let bytes = body.with_config().limit(MOST).read_to_vec();
    let bytes = bytes.map_err(|e| format!("{} ended the connection early: {e}.", host(&url)))?;
    Ok(ureq::http::Response::from_parts(parts, bytes))
}

/// The host of a URL, for people: the rest of a URL may be secret.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_else(|| "It".into())
}

impl Answer {
    /// The status as text. The body may come from a page that the person behind the request may not read.
    pub fn words(&self) -> String {
        let reason = ureq::http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        format!("{} {}", self.status, reason.unwrap_or_default()).trim().to_owned()
    }
}
