//! Connecting to the server: QUIC and a WebSocket are tried in parallel, and QUIC is used if it gets through.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use web_transport_quinn::quinn;

/// A transport that does not connect in this time is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much longer than the WebSocket the QUIC handshake may take. On a lossy path, where QUIC is worth most, one lost
/// handshake packet costs a third of a second.
const HEAD_START: Duration = Duration::from_millis(1_000);
/// The assumed round trip before it is measured: a lost first packet is sent again after three times as long.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
/// The most addresses of a host that are tried.
const MOST_ADDRESSES: usize = 4;
/// How often a silent connection is checked, and when it counts as lost.
const ALIVE: Duration = Duration::from_secs(5);
const DEAD: Duration = Duration::from_secs(15);

/// A connection over either transport, with the same streams.
pub enum Reached {
    /// WebTransport over QUIC: a lost packet delays only its own stream.
    Quic(Box<web_transport_quinn::Session>),
    /// The same streams over a WebSocket with QMux, which passes every proxy.
    Socket(Box<qmux::Session>),
}

/// Connects. Without HTTPS there is no QUIC.
pub async fn reach(server: &str) -> anyhow::Result<Reached> {
    let both = async {
        let socket = socket(server);
        tokio::pin!(socket);
        if !server.starts_with("https://") {
            return socket.await.map(|session| Reached::Socket(Box::new(session)));
        }
        let quic = quic(server);
        tokio::pin!(quic);
        tokio::select! {
            biased;
            reached = &mut quic => match reached {
                Ok(session) => {
                    tracing::info!("connected over QUIC");
                    Ok(Reached::Quic(Box::new(session)))
                }
                Err(error) => {
                    tracing::info!(%error, "QUIC is blocked");
                    socket.await.map(|session| Reached::Socket(Box::new(session)))
                }
            },
            reached = &mut socket => match tokio::time::timeout(HEAD_START, quic).await {
                Ok(Ok(session)) => {
                    tracing::info!("connected over QUIC");
                    Ok(Reached::Quic(Box::new(session)))
                }
                _ => {
                    tracing::info!("connected over WebSocket");
                    reached.map(|session| Reached::Socket(Box::new(session)))
                }
            },
        }
    };
    tokio::time::timeout(PATIENCE, both).await.context("the server does not answer")?
}

async fn socket(server: &str) -> anyhow::Result<qmux::Session> {
    let url = url::Url::parse(server)?.join("/wire")?;
    let (host, port) = place(&url)?;
    let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port)).await?.take(MOST_ADDRESSES).collect();
    let plain = TcpStream::connect(addresses.as_slice()).await?;
    // Nagle's algorithm would delay a key release until its press is acknowledged.
    plain.set_nodelay(true)?;
    if url.scheme() == "https" {
        let tls = rustls::ClientConfig::builder().with_platform_verifier()?.with_no_client_auth();
        let secured = TlsConnector::from(Arc::new(tls)).connect(host.try_into()?, plain).await?;
        upgrade(server, secured).await
    } else {
        upgrade(server, plain).await
    }
}

async fn upgrade<S>(server: &str, stream: S) -> anyhow::Result<qmux::Session>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = (server.replacen("http", "ws", 1) + "/wire").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "qmux-02.deskside".parse()?);
    let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
    let protocol = answer.headers().get("sec-websocket-protocol").and_then(|p| p.to_str().ok());
    let protocol = protocol.context("the server does not speak the deskside protocol")?.to_owned();
    let keep_alive = qmux::ws::KeepAlive::new(ALIVE, DEAD);
    Ok(qmux::ws::Upgraded::new(socket).with_alpn(&protocol).with_keep_alive(keep_alive).connect())
}

/// The host without the brackets of an IPv6 address, and the port.
fn place(url: &url::Url) -> anyhow::Result<(String, u16)> {
    let host = url.host_str().context("no host")?.trim_matches(['[', ']']).to_owned();
    Ok((host, url.port_or_known_default().unwrap_or(443)))
}

async fn quic(server: &str) -> anyhow::Result<web_transport_quinn::Session> {
    let url = url::Url::parse(server)?.join("/wire")?;
    let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_platform_verifier()?
        .with_no_client_auth();
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()?));
    let endpoint =
        quinn::Endpoint::client(([0u16; 8], 0).into()).or_else(|_| quinn::Endpoint::client(([0u8; 4], 0).into()))?;
    let (host, port) = place(&url)?;
    // All addresses are tried at once: one of them may be unreachable.
    let connect = |address| {
        let (endpoint, config, host) = (endpoint.clone(), config.clone(), host.clone());
        Box::pin(async move {
            let connection = endpoint.connect_with(config, address, &host)?.await?;
            anyhow::Ok(connection)
        })
    };
    let addresses = tokio::net::lookup_host((host.as_str(), port)).await?;
    let (connection, _) = futures::future::select_ok(addresses.take(MOST_ADDRESSES).map(connect)).await?;
    Ok(web_transport_quinn::Session::connect(connection, url).await?)
}

/// BBR, unlike Cubic, does not take every lost packet for a full queue: on a path that loses 2 % it keeps its rate.
/// Frequent acknowledgements reveal a lost last packet early.
fn transport() -> anyhow::Result<quinn::TransportConfig> {
    let mut transport = quinn::TransportConfig::default();
    transport.congestion_controller_factory(Arc::new(quinn::congestion::BbrConfig::default()));
    let mut acknowledgements = quinn::AckFrequencyConfig::default();
    acknowledgements.max_ack_delay(Some(Duration::from_millis(2)));
    transport.ack_frequency_config(Some(acknowledgements));
    transport.initial_rtt(FIRST_ROUND_TRIP);
    transport.keep_alive_interval(Some(ALIVE));
    transport.max_idle_timeout(Some(DEAD.try_into()?));
    Ok(transport)
}
