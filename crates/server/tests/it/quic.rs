//! The same wire by QUIC: who may come in, and that what is spoken is the same.

use protocol::{Client, Framed, Hello, MAX_SERVER_MESSAGE_BYTES, ServerMessage};
use web_transport_quinn::{ClientBuilder, proto::ConnectRequest, quinn};
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::stage::Stage;

async fn connect(stage: &Stage, path: &str, origin: Option<&str>) -> Result<web_transport_quinn::Session, String> {
    let client = ClientBuilder::new().dangerous().with_no_certificate_verification().map_err(|e| e.to_string())?;
    let url = stage.url.replace("localhost", "127.0.0.1") + path;
    let mut request = ConnectRequest::new(url::Url::parse(&url).unwrap());
    if let Some(origin) = origin {
        request = request.with_header("origin".parse().unwrap(), origin.parse().unwrap());
    }
    client.connect(request).await.map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_and_other_paths_do_not_come_in_by_quic() {
    let stage = Stage::open_with_tls("quic-doors");
    assert!(connect(&stage, "/wire", Some("https://evil.example")).await.is_err());
    assert!(connect(&stage, "/else", None).await.is_err());
    assert!(connect(&stage, "/wire", Some(&stage.url)).await.is_ok());
    assert!(connect(&stage, "/wire", None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_spoken_by_quic_and_it_ends_with_the_sign_in() {
    let stage = Stage::open_with_tls("quic-hello");
    let (session, ..) = stage.generate();
    let connection = connect(&stage, "/wire", None).await.unwrap();
    let (mut sender, mut receiver) = Session::open_bi(&connection).await.unwrap();
    let ticket = stage.technician_ticket(&session);
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
    assert_eq!(stage.post("/api/sign-out", &serde_json::Value::Null).0, 204);
    let ended = async { while let Ok(Some(_)) = RecvStream::read_chunk(&mut receiver, 65_536).await {} };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), ended).await;
    assert!(ended.is_ok(), "long before a connection that says nothing is taken for dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_go_on_by_quic_is_ended() {
    let stage = Stage::open_with_tls_and("quic-slow", &["--request-seconds", "1"]);
    let long = std::time::Duration::from_secs(60);
    // It came in, and says no hello.
    let silent = connect(&stage, "/wire", None).await.unwrap();
    tokio::time::timeout(long, silent.closed()).await.expect("the server ends it");
    // It is connected, and asks for nothing.
    let mut tls = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(crate::stage::Anybody))
        .with_no_client_auth();
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.as_bytes().to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(crypto)));
    let port = stage.url.rsplit(':').next().unwrap().parse().unwrap();
    let idle = endpoint.connect(([127, 0, 0, 1], port).into(), "localhost").unwrap().await.unwrap();
    tokio::time::timeout(long, idle.closed()).await.expect("the server ends it");
}
