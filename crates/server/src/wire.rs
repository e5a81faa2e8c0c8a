//! The wire: WebTransport over QUIC, or its streams over a WebSocket by QMux.
//!
//! A connection opens with one bidirectional control stream whose first message is a [`Hello`]. Other streams are one-way
//! and start with one byte that says what they carry: `S` the screen, `I` input.

mod control;
mod flow;
mod job;
mod socket;

use std::{sync::Arc, time::Duration};

use archive::Archive;
use axum::{
    extract::{State, WebSocketUpgrade},
    http::{Extensions, HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use live_sessions::{ActError, Attachment, Detached, LiveSession, SessionRegistry, logins::Login};
use platform::{clock, identity::Identity};
use protocol::{ByeReason, Client, Entry, Framed, Hello, MAX_CONTROL_BYTES, Role, ServerMessage};
use tokio::{sync::mpsc, task::JoinSet};
use web_transport_trait::{RecvStream, SendStream, Session, Stats};

use crate::{access_scope, config::PublicUrl, connections::Exchange};

/// How long a connection may take to send its hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server waits for a released connection to receive the reason.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long writing one message may take before the peer counts as not reading.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the round trip to the customer is measured.
const PATH_INTERVAL: Duration = Duration::from_secs(2);

/// The services that a connection needs.
pub struct Wire {
    pub sessions: Arc<SessionRegistry>,
    pub archive: Arc<Archive>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
}

/// Accepts a WebSocket. A request from a page must come from one of this server's own pages.
pub async fn upgrade(
    State(wire): State<Arc<Wire>>,
    extensions: Extensions,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let origin = headers.get(header::ORIGIN).map(|o| o.to_str().unwrap_or("unreadable"));
    // Programs send no Origin, and pages cannot omit it. Either needs a ticket as well.
    if origin.is_some_and(|origin| origin != wire.public_url.origin()) {
        tracing::warn!("connection from a page of another origin refused");
        return (StatusCode::FORBIDDEN, "this page does not belong to this server").into_response();
    }
    let offered = upgrade.requested_protocols().filter_map(|p| p.to_str().ok());
    let Some(protocol) = offered.into_iter().find(|p| p.ends_with(".deskside")).map(str::to_owned) else {
        return (StatusCode::BAD_REQUEST, "this address speaks the deskside protocol").into_response();
    };
    let exchange = extensions.get::<Arc<Exchange>>().cloned();
    let upgrade = upgrade.protocols([protocol.clone()]);
    let upgrade = upgrade.max_message_size(socket::MAX_MESSAGE).max_frame_size(socket::MAX_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let mut config = qmux::Config::default();
        config.max_streams_bidi = 16;
        config.max_streams_uni = 64;
        let keep_alive = qmux::ws::KeepAlive::new(Duration::from_secs(5), Duration::from_secs(15));
        let accepted = Arc::new(socket::Accepted::default());
        let connection = qmux::ws::Upgraded::new(socket::Socket::new(socket, accepted.clone()))
            .with_alpn(&protocol)
            .with_keep_alive(keep_alive)
            .with_session_config(config)
            .accept();
        let incoming = Incoming { quic: false, exchange, accept: Box::new(move || accepted.set()) };
        serve(&wire, connection, incoming).await;
    })
}

/// Why a connection ended. It is logged once, where it is handled.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("no hello in time")]
    NoHello,
    #[error("evicted for another connection before the hello")]
    Evicted,
    #[error("unsupported protocol version {0}")]
    Version(u16),
    #[error("the ticket is unknown, used or expired")]
    Ticket,
    #[error(transparent)]
    Frame(#[from] protocol::FrameError),
    #[error(transparent)]
    Header(#[from] protocol::HeaderError),
    #[error("an unexpected stream")]
    Stream,
    #[error("too many messages")]
    Flood,
    #[error("its sign-in has ended")]
    SignedOut,
    #[error("the peer does not read its messages")]
    SlowReader,
    #[error(transparent)]
    Act(#[from] ActError),
    #[error("the connection broke: {0}")]
    Broken(String),
}

fn broken(error: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::Broken(error.to_string())
}

/// A connection that has not said hello yet.
pub struct Incoming {
    pub quic: bool,
    /// The exchange that counts it while it is open.
    pub exchange: Option<Arc<Exchange>>,
    /// Lifts the receive limit once the hello is accepted.
    pub accept: Box<dyn FnOnce() + Send>,
}

/// Serves one connection until it ends.
pub async fn serve<S: Session>(wire: &Wire, connection: S, Incoming { quic, exchange, accept }: Incoming) {
    let admitted = tokio::select! {
        admitted = tokio::time::timeout(HELLO_TIMEOUT, admit(wire, &connection)) => admitted.unwrap_or(Err(ConnectionError::NoHello)),
        () = evicted(exchange.as_deref()) => Err(ConnectionError::Evicted),
    };
    let (live, attachment, login, proof, control) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            tracing::info!(%error, "connection not admitted");
            connection.close(1, "not admitted");
            return;
        }
    };
    accept();
    if let Some(exchange) = &exchange {
        exchange.mark_progress(0);
    }
    let (connection_id, who) = (attachment.connection, attachment.who);
    let mut tasks = JoinSet::new();
    if attachment.role == Role::Customer {
        tasks.spawn(watch_path(live.clone(), connection.clone(), quic));
    }
    let conversation = drive(wire, &live, (&connection, quic), attachment, proof, control, &mut tasks);
    let result = tokio::select! {
        result = conversation => result,
        () = signed_out(login.as_ref()) => Err(ConnectionError::SignedOut),
    };
    match &result {
        Err(ConnectionError::Broken(_)) | Ok(()) => tracing::debug!(session = %live.id, "connection ended"),
        Err(error) => tracing::warn!(session = %live.id, who = who.0, %error, "connection closed by the server"),
    }
    tasks.shutdown().await;
    connection.close(0, "done");
    live.disconnect(connection_id, who).await;
}

type Control<S> = (<S as Session>::SendStream, <S as Session>::RecvStream, Framed);

/// A participant's attachment, the sign-in that the ticket was issued for, and the proof of identity that the hello
/// asked for.
type Admitted<S> = (Arc<LiveSession>, Attachment, Option<Login>, String, Control<S>);

/// Until the hello the server waits for the peer. Returns when the connection is evicted meanwhile.
async fn evicted(exchange: Option<&Exchange>) {
    match exchange {
        Some(exchange) => {
            exchange.mark_waiting();
            exchange.evicted().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits until the session releases the connection.
async fn released(detached: Option<Detached>) {
    match detached {
        Some(detached) => drop(detached.await),
        None => std::future::pending().await,
    }
}

/// Waits for the end of the sign-in that the ticket was issued for. Customers and experts have none.
async fn signed_out(login: Option<&Login>) {
    match login {
        Some(login) => login.ended().await,
        None => std::future::pending().await,
    }
}

async fn admit<S: Session>(wire: &Wire, connection: &S) -> Result<Admitted<S>, ConnectionError> {
    let (sender, mut receiver) = connection.accept_bi().await.map_err(broken)?;
    let mut framed = Framed::new(MAX_CONTROL_BYTES);
    let hello: Hello = next(&mut receiver, &mut framed).await?.ok_or(ConnectionError::NoHello)?;
    if hello.version != protocol::VERSION {
        return Err(ConnectionError::Version(hello.version));
    }
    let ticket = wire.sessions.redeem(&hello.ticket).ok_or(ConnectionError::Ticket)?;
    let live = wire.sessions.get(&ticket.session).ok_or(ConnectionError::Ticket)?;
    let role = live.read(|s| s.participant(ticket.who).map(|p| p.role)).await.ok_or(ConnectionError::Ticket)?;
    if !access_scope::may_enter(&wire.sessions.services.db, &live, ticket.who).await.map_err(ActError::from)? {
        return Err(ConnectionError::Ticket);
    }
    let fits = (role != Role::Customer) == (hello.client == Client::Console);
    if !fits || hello.challenge.len() > 128 {
        return Err(ConnectionError::Ticket);
    }
    let proof = if hello.challenge.is_empty() { String::new() } else { wire.identity.prove(&hello.challenge) };
    let attachment = live.connect(ticket.who, hello.client, hello.have).await?;
    Ok((live, attachment, ticket.login, proof, (sender, receiver, framed)))
}

/// The next whole message of a stream; `None` when the stream ended between two messages.
async fn next<R: RecvStream, T: serde::de::DeserializeOwned>(
    stream: &mut R,
    framed: &mut Framed,
) -> Result<Option<T>, ConnectionError> {
    loop {
        if let Some(message) = framed.next_message()? {
            return Ok(Some(message));
        }
        match stream.read_chunk(16 * 1024).await.map_err(broken)? {
            Some(bytes) => framed.push(&bytes),
            None => return Ok(None),
        }
    }
}

async fn drive<S: Session>(
    wire: &Wire,
    live: &Arc<LiveSession>,
    (connection, quic): (&S, bool),
    mut attachment: Attachment,
    proof: String,
    (sender, receiver, framed): Control<S>,
    tasks: &mut JoinSet<Result<(), ConnectionError>>,
) -> Result<(), ConnectionError> {
    let (connection_id, who, role, client) =
        (attachment.connection, attachment.who, attachment.role, attachment.client);
    if let Some(input) = attachment.input.take() {
        tasks.spawn(flow::write_input(connection.clone(), input, quic));
    }
    if let Some(jobs) = attachment.jobs.take() {
        tasks.spawn(job::serve(connection.clone(), live.clone(), jobs));
    }
    if role != Role::Customer && live.read(|s| s.may_watch(who)).await {
        tasks.spawn(flow::write_screen(connection.clone(), live.clone(), (connection_id, who)));
    }
    let (replies, reply_queue) = mpsc::channel(16);
    let detached = attachment.detached.take();
    let mut writer = JoinSet::new();
    writer.spawn(write_control(sender, live.clone(), attachment, proof, reply_queue));
    let reader = control::ControlReader {
        archive: wire.archive.clone(),
        live: live.clone(),
        connection_id,
        who,
        client,
        replies,
    };
    tasks.spawn(reader.read(receiver, framed));
    let ingress = flow::FrameIngress { live: live.clone(), who, relayed: Arc::default() };
    if quic && client.is_program() {
        tasks.spawn(flow::read_redundant_datagrams(ingress.clone(), connection.clone()));
    }
    tokio::select! {
        ended = accept_streams(ingress, connection, role, tasks) => return ended,
        Some(ended) = writer.join_next() => return ended.unwrap_or(Ok(())),
        () = released(detached) => {}
    }
    // From here on nothing is read from or relayed to this connection. It has a moment to receive what was sent.
    tasks.shutdown().await;
    let _ = tokio::time::timeout(BYE_TIMEOUT, writer.join_next()).await;
    Ok(())
}

/// Measures the path to the customer, which technicians see.
async fn watch_path<S: Session>(live: Arc<LiveSession>, connection: S, quic: bool) -> Result<(), ConnectionError> {
    live.path_stats.begins();
    loop {
        if let Some(rtt) = connection.stats().rtt() {
            let round_trip = u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
            live.path_stats.seen(protocol::Path { quic, round_trip });
        }
        tokio::time::sleep(PATH_INTERVAL).await;
    }
}

/// Accepts streams, and returns when any task of the connection ends.
async fn accept_streams<S: Session>(
    ingress: flow::FrameIngress,
    connection: &S,
    role: Role,
    tasks: &mut JoinSet<Result<(), ConnectionError>>,
) -> Result<(), ConnectionError> {
    // The control tasks and the writers live as long as the connection; streams come and go.
    let mut streams: JoinSet<Result<(), ConnectionError>> = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => {
                let mut stream = stream.map_err(broken)?;
                let mut kind = [0];
                match (stream.read(&mut kind).await.map_err(broken)?, kind[0], role) {
                    (Some(1), b'S', Role::Customer) => {
                        streams.spawn(flow::read_screen(ingress.clone(), stream));
                    }
                    (Some(1), b'I', Role::Technician | Role::Expert) => {
                        streams.spawn(flow::read_input(ingress.live.clone(), ingress.who, stream));
                    }
                    _ => return Err(ConnectionError::Stream),
                }
            }
            shell = connection.accept_bi(), if role == Role::Technician => {
                let (sender, receiver) = shell.map_err(broken)?;
                streams.spawn(job::shell(ingress.clone(), sender, receiver));
            }
            Some(ended) = tasks.join_next() => return ended.unwrap_or(Ok(())),
            Some(ended) = streams.join_next(), if !streams.is_empty() => {
                if let Ok(Err(error)) = ended && !matches!(error, ConnectionError::Broken(_)) {
                    return Err(error);
                }
            }
        }
    }
}

/// Encodes a message. The texts of an event that was stored before events had a size limit are shortened.
fn encoded(message: ServerMessage) -> Vec<u8> {
    match message {
        ServerMessage::Happened { entry: Entry { seq, at, event } } => {
            let entry = Entry { seq, at, event: session::fitting(event) };
            protocol::encode(&ServerMessage::Happened { entry })
        }
        message => protocol::encode(&message),
    }
}

/// Writes a message; fails when the peer does not read it in time.
async fn send<W: SendStream>(stream: &mut W, message: ServerMessage) -> Result<(), ConnectionError> {
    let message = encoded(message);
    match tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(&message)).await {
        Ok(written) => written.map_err(broken),
        Err(_) => Err(ConnectionError::SlowReader),
    }
}

async fn write_control<W: SendStream>(
    mut stream: W,
    live: Arc<LiveSession>,
    mut attachment: Attachment,
    proof: String,
    mut replies: mpsc::Receiver<ServerMessage>,
) -> Result<(), ConnectionError> {
    let welcome = ServerMessage::Welcome {
        you: attachment.who,
        now: clock::now(),
        proof,
        state: attachment.state,
        permits: attachment.permits,
    };
    let history = attachment.history.filter_map(|seq| live.entry_for(attachment.role, seq));
    let history = history.map(|entry| ServerMessage::Happened { entry });
    for message in [welcome].into_iter().chain(history).chain([ServerMessage::CaughtUp {}]) {
        send(&mut stream, message).await?;
    }
    loop {
        let message = tokio::select! {
            message = attachment.messages.recv() => message,
            Some(reply) = replies.recv() => Some(reply),
        };
        let Some(message) = message else { break };
        send(&mut stream, message).await?;
    }
    send(&mut stream, ServerMessage::Bye { reason: ByeReason::Done }).await?;
    stream.finish().map_err(broken)?;
    // A peer closes the stream when it has read everything; one that does not is cut off.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.closed()).await;
    Ok(())
}
