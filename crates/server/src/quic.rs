//! WebTransport over QUIC, on the UDP port of the same number as HTTPS. It is optional: a client that cannot use it
//! connects by WebSocket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use platform::tasks;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use web_transport_quinn::{Request, http::StatusCode, quinn};

use crate::{
    connections::{Activity, Admissions, Clients, Exchange, Slot},
    wire::{self, Wire},
};

/// How long a connection may be silent before it counts as dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Receive window of a connection whose hello is not accepted yet. Afterwards each stream has its own limit.
const UNADMITTED_WINDOW: u32 = 64 * 1024;
/// Buffer for datagrams, which carry redundant copies of small frames.
const DATAGRAM_BUFFER: usize = 256 * 1024;

/// Opens the port; `None` without a certificate.
pub fn listen(address: SocketAddr, tls: Option<&(PathBuf, PathBuf)>) -> anyhow::Result<Option<quinn::Endpoint>> {
    let Some((certificate, key)) = tls else { return Ok(None) };
    let config = config(certificate, key)?;
    let endpoint = quinn::Endpoint::server(config, address);
    Ok(Some(endpoint.with_context(|| format!("cannot listen on {address} (UDP)"))?))
}

fn config(certificate: &Path, key: &Path) -> anyhow::Result<quinn::ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut tls = rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    // BBR, as in the support program: it does not take every lost packet for congestion.
    transport.congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default()));
    let mut acknowledgements = quinn::AckFrequencyConfig::default();
    acknowledgements.max_ack_delay(Some(Duration::from_millis(2)));
    transport.ack_frequency_config(Some(acknowledgements));
    transport.initial_rtt(Duration::from_millis(100));
    transport.max_idle_timeout(Some(IDLE_TIMEOUT.try_into()?));
    transport.receive_window(UNADMITTED_WINDOW.into());
    transport.datagram_receive_buffer_size(Some(DATAGRAM_BUFFER));
    transport.max_concurrent_bidi_streams(16u8.into());
    transport.max_concurrent_uni_streams(64u8.into());
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// With more handshakes than this under way, a newcomer first proves its address (RFC 9000, 8.1.2).
const RETRY_ABOVE: usize = 32;

/// The services that a QUIC connection needs.
#[derive(Clone)]
pub struct Services {
    pub wire: Arc<Wire>,
    pub clients: Arc<Clients>,
    pub admissions: Arc<Admissions>,
}

/// Serves connections until the endpoint closes.
pub async fn serve(services: Services, endpoint: quinn::Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let quic = &services.admissions.quic;
        if !incoming.remote_address_validated() && quic.without_request() >= RETRY_ABOVE {
            let _ = incoming.retry();
            continue;
        }
        let peer = incoming.remote_address().ip();
        let Some((activity, slot)) = quic.admit(services.clients.class_of(peer)) else {
            incoming.refuse();
            continue;
        };
        tasks::spawn("QUIC connection", serve_connection(services.wire.clone(), incoming, activity, slot));
    }
}

/// Ends every connection, and waits until the peers know.
pub async fn close(endpoint: &quinn::Endpoint) {
    endpoint.close(quinn::VarInt::from_u32(0), b"the server is stopping");
    endpoint.wait_idle().await;
}

/// Serves one connection, unless it times out or is evicted before its session is open.
async fn serve_connection(wire: Arc<Wire>, incoming: quinn::Incoming, activity: Arc<Activity>, slot: Slot) {
    let opening = async {
        let connection = incoming.await?;
        accept(&wire, Request::accept(connection).await?).await
    };
    let opened = tokio::select! {
        opened = opening => opened,
        () = activity.ended() => Ok(None),
    };
    match opened {
        Ok(Some(session)) => {
            let connection = (*session).clone();
            let accept = Box::new(move || connection.set_receive_window(quinn::VarInt::MAX));
            let incoming = wire::Incoming { quic: true, exchange: Some(Exchange::on(&activity)), accept };
            wire::serve(&wire, session, incoming).await;
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "QUIC connection not established"),
    }
    drop(slot);
}

/// Accepts a request for the wire. A request from a page must come from one of this server's own pages.
async fn accept(wire: &Wire, request: Request) -> anyhow::Result<Option<web_transport_quinn::Session>> {
    let connect = request.connect();
    let origin = connect.headers.get("origin").map(|o| o.to_str().unwrap_or("unreadable"));
    if origin.is_some_and(|origin| origin != wire.public_url.origin()) {
        tracing::warn!("connection from a page of another origin refused");
        request.reject(StatusCode::FORBIDDEN).await?;
        return Ok(None);
    }
    if connect.url.path() != "/wire" {
        request.reject(StatusCode::NOT_FOUND).await?;
        return Ok(None);
    }
    Ok(Some(request.ok().await?))
}
