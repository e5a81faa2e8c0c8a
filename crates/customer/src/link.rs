//! The conversation with the server: coming in, staying in touch, coming back.

mod coming;
mod errands;
mod flow;
mod http;
mod reach;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

pub use http::Http;

use anyhow::Context;
use ed25519_dalek::{Signature, VerifyingKey};
use protocol::{
    Binding, Client, ClientMessage, Entry, Framed, Hello, MAX_SERVER_MESSAGE_BYTES, Monitor, ParticipantId, Pause,
    Phase, ServerMessage, SessionState,
};
use session::Consent;
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    comeback::Comeback,
    elevation::{Behind, Elevation},
    jobs::Work,
    link::reach::Reached,
    share::{Sharer, Word},
};

/// What the server signs before the challenge.
const PURPOSE: &[u8] = b"deskside server identity 1\n";
/// How long the server's answer to the last words is awaited.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// What the windows wish.
#[derive(Debug)]
pub enum Say {
    /// Tell the server.
    Message(ClientMessage),
    /// Try this session key.
    EnterKey(String),
    /// The customer changed what is allowed: follow at once.
    ConsentChanged,
    /// Save this file of the chat.
    Save { number: u32, name: String },
    /// Let the customer choose a file in a window of this title, and put it into the chat.
    Attach { title: String },
    /// Send the customer's rating.
    Rate { stars: u8, comment: String },
    /// Go back into the session from before the restart.
    GoOn,
}

/// The way into a session that this program was in before.
#[derive(Clone, Debug)]
pub enum Before {
    /// Before the computer restarted: the customer is asked whether it goes on.
    Restart(String),
    /// Before this program ran as administrator: it goes on.
    Elevation(String),
}

/// What the windows are told.
#[derive(Debug)]
pub enum Notice {
    /// A key is needed.
    EnterKey,
    /// The computer was restarted during the session: may it go on?
    Returned,
    /// Coming in.
    Connecting,
    /// In.
    Connected { you: ParticipantId },
    /// An entry of the timeline.
    Happened(Entry),
    /// The state after it.
    State(Box<SessionState>),
    /// The technician is typing.
    Typing,
    /// A sentence for the customer.
    Problem(String),
    /// May this be done with a file? Saying nothing is a no.
    Approve(crate::jobs::FileQuestion, tokio::sync::oneshot::Sender<bool>),
    /// A file of the chat was saved here.
    Saved(String),
    /// A file is on its way into the chat; without a name it is there, or there is none.
    Attaching(Option<String>),
    /// The rating arrived.
    Rated,
    /// Draw this on the screen for a while.
    Draw(protocol::Mark),
    /// The connection broke; it is tried again.
    Reconnecting,
    /// It is over, or it cannot be.
    Failed(String),
    /// The program that runs as administrator goes on; this one waits behind it.
    HandedOver,
    /// That program is gone with the session.
    Finished,
    /// This is that program, and the customer wants it no more.
    GiveBack,
}

/// How the windows are told. Called on the network's thread.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// Runs until the session is over.
pub async fn run(
    binding: Binding,
    before: Option<Before>,
    consent: Arc<Mutex<Consent>>,
    mut say: mpsc::Receiver<Say>,
    notify: Notify,
) {
    let http = http::Http::new(&binding.server);
    let mut resume = String::new();
    if let Err(error) = attend(&binding, &http, &consent, &mut say, &notify, before, &mut resume).await {
        lock(&consent).end();
        notify(Notice::Failed(format!("{error:#}")));
    }
    // The session is over; the customer may still say how it was, and save what was sent.
    while let Some(wish) = say.recv().await {
        errands::run(&http, &resume, &notify, wish).await;
    }
}

async fn attend(
    binding: &Binding,
    http: &http::Http,
    consent: &Arc<Mutex<Consent>>,
    say: &mut mpsc::Receiver<Say>,
    notify: &Notify,
    before: Option<Before>,
    resume: &mut String,
) -> anyhow::Result<()> {
    let came = match before {
        None => coming::come_in(binding, http, say, notify).await,
        Some(Before::Restart(token)) => {
            resume.clone_from(&token);
            coming::return_to(http, &token, say, notify).await?
        }
        Some(Before::Elevation(token)) => coming::go_on(http, &token, notify).await?,
    };
    let Some((mut ticket, token)) = came else { return Ok(()) };
    resume.clone_from(&token);
    let elevation = Elevation::new(binding, &token);
    let work =
        Work::new(consent.clone(), notify.clone(), Comeback::new(binding, &token), elevation.clone(), http.clone());
    let (mut have, mut said) = (0, Vec::new());
    loop {
        let (frames, frame_queue) = mpsc::channel(4);
        let sharer = Sharer::new(consent.clone(), frames);
        let mut connection = Connected {
            binding,
            http,
            resume: &token,
            work: &work,
            consent,
            notify,
            sharer,
            measured: None,
            have: &mut have,
            said: &mut said,
        };
        let ended = connection.run(&ticket, say, frame_queue).await;
        drop(connection);
        match ended {
            Ok(End::Over) => return Ok(()),
            Ok(End::Cut) => {}
            Ok(End::GivenBack) => {
                notify(Notice::GiveBack);
                return Ok(());
            }
            Ok(End::Elsewhere) => match elevation.wait_behind(consent, notify).await {
                Behind::Nobody => {
                    notify(Notice::Failed("This session goes on in another window.".into()));
                    return Ok(());
                }
                Behind::Finished => {
                    notify(Notice::Finished);
                    return Ok(());
                }
                Behind::GivenBack => have = 0,
            },
            Err(error) => tracing::info!(%error, "the connection broke"),
        }
        lock(consent).connected(false);
        notify(Notice::Reconnecting);
        let Some(next) = coming::come_back(http, &token).await? else {
            lock(consent).end();
            notify(Notice::Failed(String::new()));
            return Ok(());
        };
        ticket = next;
    }
}

/// Why a connection ended.
enum End {
    /// The session is over, or this program is no longer wanted in it.
    Over,
    /// It broke.
    Cut,
    /// The session goes on in another window.
    Elsewhere,
    /// This program runs as administrator, and shall not any more.
    GivenBack,
}

/// One connection.
struct Connected<'a> {
    binding: &'a Binding,
    http: &'a http::Http,
    resume: &'a str,
    work: &'a Work,
    consent: &'a Arc<Mutex<Consent>>,
    notify: &'a Notify,
    sharer: Sharer,
    /// The size of the screen when its monitors were read.
    measured: Option<(u16, u16)>,
    have: &'a mut u32,
    /// Messages that the server has not confirmed yet, newest last.
    said: &'a mut Vec<(u32, String)>,
}

impl Connected<'_> {
    async fn run(
        &mut self,
        ticket: &str,
        say: &mut mpsc::Receiver<Say>,
        frames: mpsc::Receiver<crate::share::OutFrame>,
    ) -> anyhow::Result<End> {
        match reach::reach(&self.binding.server).await? {
            Reached::Quic(session) => self.converse((*session, true), ticket, say, frames).await,
            Reached::Socket(session) => self.converse((*session, false), ticket, say, frames).await,
        }
    }

    async fn converse<S: Session>(
        &mut self,
        (session, quic): (S, bool),
        ticket: &str,
        say: &mut mpsc::Receiver<Say>,
        frames: mpsc::Receiver<crate::share::OutFrame>,
    ) -> anyhow::Result<End> {
        let (mut sender, mut receiver) = session.open_bi().await?;
        // What people say goes before every picture and file.
        sender.set_priority(20);
        let challenge = random_hex();
        // Windows said yes to the program that goes on as administrator.
        let elevated = lock(self.consent).is_elevated();
        let client = if elevated { Client::WindowsAdministrator } else { crate::machine::client() };
        let hello = Hello {
            version: protocol::VERSION,
            ticket: ticket.to_owned(),
            client,
            have: *self.have,
            challenge: challenge.clone(),
        };
        sender.write_all(&protocol::encode(&hello)).await?;
        let mut framed = Framed::new(MAX_SERVER_MESSAGE_BYTES);
        let Some(ServerMessage::Welcome { you, proof, state, .. }) = next(&mut receiver, &mut framed).await? else {
            anyhow::bail!("the server did not let this program in");
        };
        verify(&self.binding.identity, &challenge, &proof)?;
        {
            let mut consent = lock(self.consent);
            consent.connected(true);
            consent.follow(&state);
            if consent.elevation_is_over() {
                return Ok(End::GivenBack);
            }
        }
        let mut over = End::Cut;
        (self.notify)(Notice::Connected { you });
        (self.notify)(Notice::State(state));
        let screen = tokio::spawn(flow::write_screen(session.clone(), frames, quic));
        let jobs = tokio::spawn(crate::jobs::serve(session.clone(), self.work.clone()));
        let (tell, mut told) = mpsc::channel(4);
        let input = tokio::spawn(flow::read_input(session.clone(), self.consent.clone(), tell, quic));
        self.sharer.follow();
        loop {
            tokio::select! {
                message = next::<_, ServerMessage>(&mut receiver, &mut framed) => match message {
                    Ok(Some(ServerMessage::CaughtUp {})) => {
                        // What was said while the connection broke, and did not arrive, is said again.
                        for (nonce, text) in self.said.clone() {
                            sender.write_all(&protocol::encode(&ClientMessage::Chat { text, nonce })).await?;
                        }
                    }
                    Ok(Some(message)) => {
                        let screen = match &message {
                            ServerMessage::State { state, .. } => state.screen.map(|size| (size, state.monitors.clone())),
                            _ => None,
                        };
                        if let Some(end) = self.heard(message) { over = end; break }
                        if let Some(monitors) = screen.and_then(|(size, known)| self.monitors(size, &known)) {
                            sender.write_all(&protocol::encode(&ClientMessage::Monitors { monitors })).await?;
                        }
                    }
                    Ok(None) | Err(_) => break,
                },
                wish = say.recv() => match wish {
                    Some(Say::Message(message)) => {
                        if let ClientMessage::Chat { text, nonce } = &message {
                            self.said.push((*nonce, text.clone()));
                        }
                        self.sharer.follow();
                        sender.write_all(&protocol::encode(&message)).await?;
                    }
                    Some(Say::ConsentChanged) => self.sharer.follow(),
                    Some(Say::EnterKey(_) | Say::GoOn) => {}
                    Some(wish @ (Say::Save { .. } | Say::Attach { .. } | Say::Rate { .. })) => {
                        let (http, resume, notify) = (self.http.clone(), self.resume.to_owned(), self.notify.clone());
                        tokio::spawn(async move { errands::run(&http, &resume, &notify, wish).await });
                    }
                    None => {
                        // The window is closed. What was said last may still be on its way: the server's end is awaited.
                        let last_words = async { while let Ok(Some(_)) = next::<_, ServerMessage>(&mut receiver, &mut framed).await {} };
                        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
                        over = End::Over;
                        break;
                    }
                },
                Some(blocked) = told.recv() => {
                    sender.write_all(&protocol::encode(&ClientMessage::InputBlocked { blocked })).await?;
                }
                Some(word) = self.sharer.word() => {
                    if let Some(message) = self.said_of(word) {
                        sender.write_all(&protocol::encode(&message)).await?;
                    }
                }
            }
        }
        self.sharer.stop();
        screen.abort();
        jobs.abort();
        input.abort();
        session.close(0, "done");
        Ok(over)
    }

    /// How the server is told.
    fn said_of(&self, word: Word) -> Option<ClientMessage> {
        match word {
            Word::Failed(trouble) => Some(ClientMessage::ShareFailed { trouble }),
            Word::Hidden => Some(ClientMessage::Pause { why: Pause::System }),
            // A customer who paused meanwhile wishes to stay so.
            Word::Seen => lock(self.consent).may_view().then_some(ClientMessage::Resume {}),
        }
    }

    /// The monitors, when the screen has another size than when they were read, and others than the server knows.
    fn monitors(&mut self, size: (u16, u16), known: &[Monitor]) -> Option<Vec<Monitor>> {
        if self.measured.replace(size) == Some(size) {
            return None;
        }
        let monitors = crate::window::monitors().inspect_err(|e| tracing::info!(%e, "no monitors")).ok()?;
        (monitors != known).then_some(monitors)
    }

    fn heard(&mut self, message: ServerMessage) -> Option<End> {
        match message {
            ServerMessage::Happened { entry } => {
                *self.have = (*self.have).max(entry.seq);
                if let protocol::Event::Chat { nonce, .. } = &entry.event {
                    self.said.retain(|(n, _)| n != nonce);
                }
                (self.notify)(Notice::Happened(entry));
            }
            ServerMessage::State { state, .. } => {
                lock(self.consent).follow(&state);
                self.sharer.follow();
                let ended = matches!(state.phase, Phase::Ended { .. });
                (self.notify)(Notice::State(state));
                if ended {
                    lock(self.consent).end();
                    return Some(End::Over);
                }
                if lock(self.consent).elevation_is_over() {
                    return Some(End::GivenBack);
                }
            }
            ServerMessage::Typing { .. } => (self.notify)(Notice::Typing),
            ServerMessage::Refused { what, text, .. } => {
                if what == "chat" {
                    self.said.clear();
                }
                (self.notify)(Notice::Problem(text));
            }
            ServerMessage::Annotate { mark, .. } => {
                if lock(self.consent).may_view() && mark.fits() {
                    (self.notify)(Notice::Draw(mark));
                }
            }
            ServerMessage::Prefer { smooth } => self.sharer.prefer(smooth),
            ServerMessage::Drawn { seq } => self.sharer.drawn(seq),
            ServerMessage::NeedKeyframe {} => self.sharer.need_keyframe(),
            ServerMessage::UseFormat { format } => self.sharer.use_format(format),
            ServerMessage::Bye { reason } if reason == "elsewhere" => {
                return Some(End::Elsewhere);
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::CaughtUp {}
            | ServerMessage::Pong { .. }
            | ServerMessage::Bye { .. } => {}
        }
        None
    }
}

pub async fn next<R: RecvStream, T: serde::de::DeserializeOwned>(
    stream: &mut R,
    framed: &mut Framed,
) -> anyhow::Result<Option<T>> {
    loop {
        if let Some(message) = framed.next_message()? {
            return Ok(Some(message));
        }
        match stream.read_chunk(64 * 1024).await.map_err(broken)? {
            Some(bytes) => framed.push(&bytes),
            None => return Ok(None),
        }
    }
}

/// The transports have error types of their own, and some of these cannot be kept.
pub fn broken(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// Checks that the server is the one this program is bound to.
fn verify(identity: &str, challenge: &str, proof: &str) -> anyhow::Result<()> {
    if identity.is_empty() {
        return Ok(());
    }
    let key: [u8; 32] = from_hex(identity).context("the server's key in this program is damaged")?;
    let signature: [u8; 64] = from_hex(proof).context("the server did not prove who it is")?;
    let message = [PURPOSE, challenge.as_bytes()].concat();
    VerifyingKey::from_bytes(&key)?
        .verify_strict(&message, &Signature::from_bytes(&signature))
        .context("this is not the server that this program belongs to")
}

/// A number for a message that no other message of the session has.
pub fn random_nonce() -> u32 {
    let mut bytes = [0u8; 4];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    u32::from_be_bytes(bytes)
}

fn random_hex() -> String {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (text.len() == 2 * N && text.is_ascii()).then_some(())?;
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// What several threads share, for a moment.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().expect("nobody panics while holding what is shared")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn only_the_server_that_this_program_belongs_to_is_believed() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let key = SigningKey::from_bytes(&[7; 32]);
        let identity = hex(key.verifying_key().as_bytes());
        let proof = |key: &SigningKey, text: &str| hex(&key.sign(&[PURPOSE, text.as_bytes()].concat()).to_bytes());
        assert!(verify(&identity, "abc", &proof(&key, "abc")).is_ok());
        assert!(verify(&identity, "abc", &proof(&key, "abd")).is_err(), "another challenge");
        assert!(verify(&identity, "abc", &proof(&SigningKey::from_bytes(&[8; 32]), "abc")).is_err(), "another key");
        assert!(verify(&identity, "abc", "").is_err(), "no proof");
    }
}
