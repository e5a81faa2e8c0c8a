//! The same address by QUIC: UDP on the port of HTTPS. An upgrade, never a condition: without it everybody takes the
//! WebSocket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use web_transport_quinn::{Request, http::StatusCode, quinn};

use crate::{
    connections::{Admissions, Clients, Exchange, Gate, Place},
    wire::{self, Wire},
};

/// A connection that says nothing for so long is dead.
const DEAD: Duration = Duration::from_secs(15);

/// So much of a connection is held until its hello is accepted. Then each stream has its own bound.
const BEFORE_HELLO: u32 = 64 * 1024;
/// Copies of small frames are read as they come.
const DATAGRAMS: usize = 256 * 1024;

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
    // As in the program: BBR does not take every lost packet for a full queue.
    transport.congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default()));
    let mut acknowledgements = quinn::AckFrequencyConfig::default();
    acknowledgements.max_ack_delay(Some(Duration::from_millis(2)));
    transport.ack_frequency_config(Some(acknowledgements));
    transport.initial_rtt(Duration::from_millis(100));
    transport.max_idle_timeout(Some(DEAD.try_into()?));
    transport.receive_window(BEFORE_HELLO.into());
    transport.datagram_receive_buffer_size(Some(DATAGRAMS));
    transport.max_concurrent_bidi_streams(16u8.into());
    transport.max_concurrent_uni_streams(64u8.into());
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// With so many on their way in, newcomers show first that their address is theirs.
const ENTERING: usize = 32;

/// What connections by QUIC are given.
#[derive(Clone)]
pub struct Door {
    pub wire: Arc<Wire>,
    pub clients: Arc<Clients>,
    pub admissions: Arc<Admissions>,
}

/// Serves connections until the endpoint closes.
pub async fn serve(door: Door, endpoint: quinn::Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        if !incoming.remote_address_validated() && door.admissions.quic.entering() >= ENTERING {
            let _ = incoming.retry();
            continue;
        }
        let peer = incoming.remote_address().ip();
        let Some((gate, place)) = door.admissions.quic.admit(door.clients.visitor(peer)) else {
            incoming.refuse();
            continue;
        };
        tokio::spawn(come_in(door.wire.clone(), incoming, gate, place));
    }
}

/// Serves one connection, if it comes in before its time is over or others need its place.
async fn come_in(wire: Arc<Wire>, incoming: quinn::Incoming, gate: Arc<Gate>, place: Place) {
    let entered = async {
        let connection = incoming.await?;
        enter(&wire, Request::accept(connection).await?).await
    };
    let entered = tokio::select! {
        entered = entered => entered,
        () = gate.ended() => Ok(None),
    };
    match entered {
        Ok(Some(session)) => {
            let connection = (*session).clone();
            let accept = Box::new(move || connection.set_receive_window(quinn::VarInt::MAX));
            let door = wire::Door { quic: true, exchange: Some(Exchange::on(&gate)), accept };
            wire::serve(&wire, session, door).await;
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a QUIC connection did not come in"),
    }
    drop(place);
}

/// Lets a connection in: a page only when it is one of ours.
async fn enter(wire: &Wire, request: Request) -> anyhow::Result<Option<web_transport_quinn::Session>> {
    let asked = request.connect();
    let origin = asked.headers.get("origin").map(|o| o.to_str().unwrap_or("unreadable"));
    if origin.is_some_and(|origin| origin != wire.public_url.origin()) {
        tracing::warn!("a page of another origin tried to connect");
        request.reject(StatusCode::FORBIDDEN).await?;
        return Ok(None);
    }
    if asked.url.path() != "/wire" {
        request.reject(StatusCode::NOT_FOUND).await?;
        return Ok(None);
    }
    Ok(Some(request.ok().await?))
}
