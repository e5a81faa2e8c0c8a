//! Connections: WebTransport's streams over a WebSocket by QMux.
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
use live_sessions::{ActError, Attachment, LetGo, LiveSession, SessionRegistry, logins::Login};
use platform::{clock, identity::Identity};
use protocol::{ByeReason, Client, Entry, Framed, Hello, MAX_CONTROL_BYTES, Role, ServerMessage};
use tokio::{sync::mpsc, task::JoinSet};
use web_transport_trait::{RecvStream, SendStream, Session, Stats};

use crate::{access_scope, config::PublicUrl, connections::Exchange};

/// Who does not say hello in this time is not let in.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that was let go may still read why.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);
/// Who has no room for one message in this time does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the round trip to the customer is read.
const PATH_INTERVAL: Duration = Duration::from_secs(2);

/// What a connection is given.
pub struct Wire {
    pub sessions: Arc<SessionRegistry>,
    pub archive: Arc<Archive>,
    pub identity: Arc<Identity>,
    pub public_url: PublicUrl,
}

/// Lets a WebSocket in: a page only when it is one of ours.
pub async fn upgrade(
    State(wire): State<Arc<Wire>>,
    extensions: Extensions,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let origin = headers.get(header::ORIGIN).map(|o| o.to_str().unwrap_or("unreadable"));
    // Programs send no Origin, pages cannot leave it out. Everybody needs a ticket besides.
    if origin.is_some_and(|origin| origin != wire.public_url.origin()) {
        tracing::warn!("a page of another origin tried to connect");
        return (StatusCode::FORBIDDEN, "this page does not belong to this server").into_response();
    }
    let offered = upgrade.requested_protocols().filter_map(|p| p.to_str().ok());
    let Some(protocol) = offered.into_iter().find(|p| p.ends_with(".deskside")).map(str::to_owned) else {
        return (StatusCode::BAD_REQUEST, "the deskside protocol is spoken here").into_response();
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

/// Why a connection ended; said once, where it is handled.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("no hello in time")]
    NoHello,
    #[error("others needed its place before it said hello")]
    Evicted,
    #[error("the hello is of version {0}")]
    Version(u16),
    #[error("the ticket is unknown, used or too old")]
    Ticket,
    #[error(transparent)]
    Frame(#[from] protocol::FrameError),
    #[error(transparent)]
    Header(#[from] protocol::HeaderError),
    #[error("an unexpected stream")]
    Stream,
    #[error("too many messages")]
    Flood,
    #[error("the sign-in that it came by has ended")]
    SignedOut,
    #[error("it does not read what it is told")]
    SlowReader,
    #[error(transparent)]
    Act(#[from] ActError),
    #[error("the connection broke: {0}")]
    Broken(String),
}

fn broken(error: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::Broken(error.to_string())
}

/// How a connection came in.
pub struct Incoming {
    pub quic: bool,
    /// What it is counted as, for as long as it is there.
    pub exchange: Option<Arc<Exchange>>,
    /// Reads more of it than a hello: done once that is accepted.
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
            tracing::info!(%error, "a connection was not admitted");
            connection.close(1, "not admitted");
            return;
        }
    };
    accept();
    if let Some(exchange) = &exchange {
        exchange.progress(0);
    }
    let (connection_id, who) = (attachment.connection, attachment.who);
    let mut tasks = JoinSet::new();
    if attachment.role == Role::Customer {
        live.to_program(ServerMessage::UseFormat { format: live.screen.format() });
        tasks.spawn(watch_path(live.clone(), connection.clone(), quic));
    }
    let conversation = drive(wire, &live, (&connection, quic), attachment, proof, control, &mut tasks);
    let result = tokio::select! {
        result = conversation => result,
        () = signed_out(login.as_ref()) => Err(ConnectionError::SignedOut),
    };
    match &result {
        Err(ConnectionError::Broken(_)) | Ok(()) => tracing::debug!(session = %live.id, "a connection ended"),
        Err(error) => tracing::warn!(session = %live.id, who = who.0, %error, "a connection was ended"),
    }
    tasks.shutdown().await;
    connection.close(0, "done");
    live.disconnect(connection_id, who).await;
}

type Control<S> = (<S as Session>::SendStream, <S as Session>::RecvStream, Framed);

/// A participant's place, and the sign-in that they came by.
type Admitted<S> = (Arc<LiveSession>, Attachment, Option<Login>, String, Control<S>);

/// Until its hello it is the peer's turn: returns when others need the place meanwhile.
async fn evicted(exchange: Option<&Exchange>) {
    match exchange {
        Some(exchange) => {
            exchange.wait_for_peer();
            exchange.evicted().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits until the session lets a connection go.
async fn released(let_go: Option<LetGo>) {
    match let_go {
        Some(let_go) => drop(let_go.await),
        None => std::future::pending().await,
    }
}

/// Waits for the end of the sign-in that a connection came by; those of customers and experts came by none.
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
    let (pongs, pong_queue) = mpsc::channel(16);
    let let_go = attachment.let_go.take();
    let mut writer = JoinSet::new();
    writer.spawn(write_control(sender, live.clone(), attachment, proof, pong_queue));
    let reader = control::ControlReader {
        archive: wire.archive.clone(),
        live: live.clone(),
        connection_id,
        who,
        client,
        replies: pongs,
    };
    tasks.spawn(reader.read(receiver, framed));
    let ingress = flow::FrameIngress { live: live.clone(), who, relayed: Arc::default() };
    if quic && client.is_program() {
        tasks.spawn(flow::read_redundant_datagrams(ingress.clone(), connection.clone()));
    }
    tokio::select! {
        ended = accept_streams(ingress, connection, role, tasks) => return ended,
        Some(ended) = writer.join_next() => return ended.unwrap_or(Ok(())),
        () = released(let_go) => {}
    }
    // From here on nothing of it is heard, shown or passed on. What it is still to read has a moment.
    tasks.shutdown().await;
    let _ = tokio::time::timeout(BYE_TIMEOUT, writer.join_next()).await;
    Ok(())
}

/// Keeps what the technician is told about the customer's connection fresh.
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

/// Takes streams in, and ends when any task of the connection does.
async fn accept_streams<S: Session>(
    ingress: flow::FrameIngress,
    connection: &S,
    role: Role,
    tasks: &mut JoinSet<Result<(), ConnectionError>>,
) -> Result<(), ConnectionError> {
    // The two control tasks and the writers live as long as the connection; streams come and go.
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

/// A message as its readers take it: an event that was stored before events had a bound is told with shorter texts.
fn encoded(message: ServerMessage) -> Vec<u8> {
    match message {
        ServerMessage::Happened { entry: Entry { seq, at, event } } => {
            let entry = Entry { seq, at, event: session::fitting(event) };
            protocol::encode(&ServerMessage::Happened { entry })
        }
        message => protocol::encode(&message),
    }
}

/// Writes a message, for which a peer that reads has room in time.
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
    mut pongs: mpsc::Receiver<ServerMessage>,
) -> Result<(), ConnectionError> {
    let welcome = ServerMessage::Welcome {
        you: attachment.who,
        now: clock::now(),
        proof,
        state: attachment.state,
        permits: attachment.permits,
    };
    let history = attachment.history.filter_map(|seq| live.told(attachment.role, seq));
    let history = history.map(|entry| ServerMessage::Happened { entry });
    for message in [welcome].into_iter().chain(history).chain([ServerMessage::CaughtUp {}]) {
        send(&mut stream, message).await?;
    }
    loop {
        let message = tokio::select! {
            message = attachment.messages.recv() => message,
            Some(pong) = pongs.recv() => Some(pong),
        };
        let Some(message) = message else { break };
        send(&mut stream, message).await?;
    }
    send(&mut stream, ServerMessage::Bye { reason: ByeReason::Done }).await?;
    stream.finish().map_err(broken)?;
    // The peer closes when it has read everything; a peer that does not is cut off.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.closed()).await;
    Ok(())
}
