//! The wire over QUIC: admission, and the same protocol.

use protocol::{Client, Framed, Hello, MAX_SERVER_MESSAGE_BYTES, ServerMessage};
use web_transport_quinn::{ClientBuilder, proto::ConnectRequest, quinn};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::fixture::Fixture;

async fn connect(fixture: &Fixture, path: &str, origin: Option<&str>) -> Result<web_transport_quinn::Session, String> {
    let client = ClientBuilder::new().dangerous().with_no_certificate_verification().map_err(|e| e.to_string())?;
    let url = fixture.url.replace("localhost", "127.0.0.1") + path;
    let mut request = ConnectRequest::new(url::Url::parse(&url).unwrap());
    if let Some(origin) = origin {
        request = request.with_header("origin".parse().unwrap(), origin.parse().unwrap());
    }
    client.connect(request).await.map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_rejects_other_origins_and_paths() {
    let fixture = Fixture::open_with_tls("quic-doors");
    assert!(connect(&fixture, "/wire", Some("https://evil.example")).await.is_err());
    assert!(connect(&fixture, "/else", None).await.is_err());
    assert!(connect(&fixture, "/wire", Some(&fixture.url)).await.is_ok());
    assert!(connect(&fixture, "/wire", None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_speaks_the_same_protocol_and_ends_with_the_sign_in() {
    let fixture = Fixture::open_with_tls("quic-hello");
    let (session, ..) = fixture.generate();
    let connection = connect(&fixture, "/wire", None).await.unwrap();
    let (mut sender, mut receiver) = Session::open_bi(&connection).await.unwrap();
    let ticket = fixture.technician_ticket(&session);
    let hello =
        Hello { version: protocol::VERSION, ticket, client: Client::Console, have: 0, challenge: String::new() };
    SendStream::write_all(&mut sender, &protocol::encode(&hello)).await.unwrap();
    let mut framed = Framed::new(MAX_SERVER_MESSAGE_BYTES);
    let welcome = loop {
        if let Some(message) = framed.next_message::<ServerMessage>().unwrap() {
            break message;
        }
        framed.push(&RecvStream::read_chunk(&mut receiver, 65_536).await.unwrap().expect("the server says something"));
    };
    assert!(matches!(welcome, ServerMessage::Welcome { .. }), "{welcome:?}");
    assert_eq!(fixture.post("/api/sign-out", &serde_json::Value::Null).0, 204);
    let ended = async { while let Ok(Some(_)) = RecvStream::read_chunk(&mut receiver, 65_536).await {} };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), ended).await;
    assert!(ended.is_ok(), "long before the idle timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_quic_connections_are_closed() {
    let fixture = Fixture::open_with_tls_and("quic-slow", &["--request-seconds", "1"]);
    let long = std::time::Duration::from_secs(60);
    // Connected, without a hello.
    let silent = connect(&fixture, "/wire", None).await.unwrap();
    tokio::time::timeout(long, silent.closed()).await.expect("the server ends it");
    // Connected, without a request.
    let mut tls = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(crate::fixture::AcceptAnyCertificate))
        .with_no_client_auth();
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(crypto)));
    let port = fixture.url.rsplit(':').next().unwrap().parse().unwrap();
    let idle = endpoint.connect(([127, 0, 0, 1], port).into(), "localhost").unwrap().await.unwrap();
    tokio::time::timeout(long, idle.closed()).await.expect("the server ends it");
}
