//! The connection to the server: joining, the session, reconnecting.

mod admission;
mod flow;
mod reach;
mod side_requests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use ed25519_dalek::{Signature, VerifyingKey};
use protocol::{
    Binding, ByeReason, Client, ClientMessage, Framed, Hello, MAX_SERVER_MESSAGE_BYTES, Monitor, Pause, Phase,
    ServerMessage,
};
use session::Consent;
use tokio::sync::mpsc;
use web_transport_trait::{SendStream, Session};

use reach::Reached;

use crate::{
    elevation::{ElevatedExit, Elevation},
    http::Http,
    jobs::JobContext,
    messages::{Notify, PriorSession, UiCommand, UiEvent},
    restart_resume::SavedSession,
    share::{ShareController, ShareEvent},
    streams::next,
    util::{from_hex, lock, random_hex},
};

/// The prefix of what the server signs before the challenge.
const PURPOSE: &[u8] = b"deskside server identity 1\n";
/// How long the server's answer to the last messages is awaited.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// Runs until the session has ended.
pub async fn run(
    binding: Binding,
    before: Option<PriorSession>,
    consent: Arc<Mutex<Consent>>,
    mut commands: mpsc::Receiver<UiCommand>,
    notify: Notify,
) {
    let http = Http::new(&binding.server);
    let mut resume = String::new();
    if let Err(error) = run_session(&binding, &http, &consent, &mut commands, &notify, before, &mut resume).await {
        lock(&consent).end();
        notify(UiEvent::Failed(format!("{error:#}")));
    }
    // The session has ended; the customer may still rate it and save files of the chat.
    while let Some(command) = commands.recv().await {
        side_requests::run(&http, &resume, &notify, command).await;
    }
}

async fn run_session(
    binding: &Binding,
    http: &Http,
    consent: &Arc<Mutex<Consent>>,
    commands: &mut mpsc::Receiver<UiCommand>,
    notify: &Notify,
    before: Option<PriorSession>,
    resume: &mut String,
) -> anyhow::Result<()> {
    let admitted = match before {
        None => admission::join(binding, http, commands, notify).await,
        Some(PriorSession::Restart(token)) => {
            resume.clone_from(&token);
            admission::resume_after_restart(http, &token, commands, notify).await?
        }
        Some(PriorSession::Elevation(token)) => admission::resume(http, &token, notify).await?,
    };
    let Some((mut ticket, token)) = admitted else { return Ok(()) };
    resume.clone_from(&token);
    let elevation = Elevation::new(binding, &token);
    let jobs = JobContext::new(
        consent.clone(),
        notify.clone(),
        SavedSession::new(binding, &token),
        elevation.clone(),
        http.clone(),
    );
    let (mut newest, mut unconfirmed) = (0, Vec::new());
    loop {
        let (frames, frame_queue) = mpsc::channel(4);
        let sharing = ShareController::new(consent.clone(), frames);
        let mut connection = Connected {
            binding,
            http,
            resume: &token,
            jobs: &jobs,
            consent,
            notify,
            sharing,
            measured: None,
            newest: &mut newest,
            unconfirmed: &mut unconfirmed,
        };
        let ended = connection.run(&ticket, commands, frame_queue).await;
        drop(connection);
        match ended {
            Ok(ConnectionEnd::Finished) => return Ok(()),
            Ok(ConnectionEnd::Lost) => {}
            Ok(ConnectionEnd::ElevationWithdrawn) => {
                notify(UiEvent::ElevationWithdrawn);
                return Ok(());
            }
            Ok(ConnectionEnd::Elsewhere) => match elevation.wait_behind(consent, notify).await {
                ElevatedExit::Nobody => {
                    notify(UiEvent::Failed("This session continues in another window.".into()));
                    return Ok(());
                }
                ElevatedExit::Finished => {
                    notify(UiEvent::Finished);
                    return Ok(());
                }
                ElevatedExit::Withdrawn => newest = 0,
            },
            Err(error) => tracing::info!(%error, "connection lost"),
        }
        lock(consent).connected(false);
        notify(UiEvent::Reconnecting);
        let Some(next) = admission::reconnect(http, &token).await? else {
            lock(consent).end();
            notify(UiEvent::Failed(String::new()));
            return Ok(());
        };
        ticket = next;
    }
}

/// Why a connection ended.
enum ConnectionEnd {
    /// The session has ended, or this program is no longer in it.
    Finished,
    /// It was lost.
    Lost,
    /// Another window has taken over the session.
    Elsewhere,
    /// This program runs as administrator, and the customer has withdrawn that.
    ElevationWithdrawn,
}

/// One connection.
struct Connected<'a> {
    binding: &'a Binding,
    http: &'a Http,
    resume: &'a str,
    jobs: &'a JobContext,
    consent: &'a Arc<Mutex<Consent>>,
    notify: &'a Notify,
    sharing: ShareController,
    /// The size of the screen when its monitors were last read.
    measured: Option<(u16, u16)>,
    newest: &'a mut u32,
    /// Messages that the server has not confirmed, newest last.
    unconfirmed: &'a mut Vec<(u32, String)>,
}

impl Connected<'_> {
    async fn run(
        &mut self,
        ticket: &str,
        commands: &mut mpsc::Receiver<UiCommand>,
        frames: mpsc::Receiver<crate::share::OutFrame>,
    ) -> anyhow::Result<ConnectionEnd> {
        match reach::reach(&self.binding.server).await? {
            Reached::Quic(session) => self.drive((*session, true), ticket, commands, frames).await,
            Reached::Socket(session) => self.drive((*session, false), ticket, commands, frames).await,
        }
    }

    async fn drive<S: Session>(
        &mut self,
        (session, quic): (S, bool),
        ticket: &str,
        commands: &mut mpsc::Receiver<UiCommand>,
        frames: mpsc::Receiver<crate::share::OutFrame>,
    ) -> anyhow::Result<ConnectionEnd> {
        let (mut sender, mut receiver) = session.open_bi().await?;
        // Chat goes before every picture and file.
        sender.set_priority(20);
        let challenge = random_hex();
        // Windows agreed to the program that continues as administrator.
        let elevated = lock(self.consent).is_elevated();
        let client = if elevated { Client::WindowsAdministrator } else { crate::machine::client() };
        let hello = Hello {
            version: protocol::VERSION,
            ticket: ticket.to_owned(),
            client,
            have: *self.newest,
            challenge: challenge.clone(),
        };
        sender.write_all(&protocol::encode(&hello)).await?;
        let mut framed = Framed::new(MAX_SERVER_MESSAGE_BYTES);
        let Some(ServerMessage::Welcome { you, proof, state, .. }) = next(&mut receiver, &mut framed).await? else {
            anyhow::bail!("the server did not admit this program");
        };
        verify(&self.binding.identity, &challenge, &proof)?;
        {
            let mut consent = lock(self.consent);
            consent.connected(true);
            consent.follow(&state);
            if consent.elevation_is_over() {
                return Ok(ConnectionEnd::ElevationWithdrawn);
            }
        }
        let mut end = ConnectionEnd::Lost;
        (self.notify)(UiEvent::Connected { you });
        (self.notify)(UiEvent::State(state));
        let screen = tokio::spawn(flow::write_screen(session.clone(), frames, quic));
        let jobs = tokio::spawn(crate::jobs::serve(session.clone(), self.jobs.clone()));
        let (report_blocked, mut blocked_changes) = mpsc::channel(4);
        let input = tokio::spawn(flow::read_input(session.clone(), self.consent.clone(), report_blocked, quic));
        self.sharing.follow();
        loop {
            tokio::select! {
                message = next::<_, ServerMessage>(&mut receiver, &mut framed) => match message {
                    Ok(Some(ServerMessage::CaughtUp {})) => {
                        // Messages that did not arrive when the connection broke are sent again.
                        for (nonce, text) in self.unconfirmed.clone() {
                            sender.write_all(&protocol::encode(&ClientMessage::Chat { text, nonce })).await?;
                        }
                    }
                    Ok(Some(message)) => {
                        let mut screen = None;
                        if let ServerMessage::State { state, .. } = &message {
                            screen = state.screen.map(|size| (size, state.monitors.clone()));
                        }
                        if let Some(reason) = self.on_message(message) { end = reason; break }
                        if let Some(monitors) = screen.and_then(|(size, known)| self.monitors(size, &known)) {
                            sender.write_all(&protocol::encode(&ClientMessage::Monitors { monitors })).await?;
                        }
                    }
                    Ok(None) | Err(_) => break,
                },
                command = commands.recv() => match command {
                    Some(UiCommand::Message(message)) => {
                        if let ClientMessage::Chat { text, nonce } = &message {
                            self.unconfirmed.push((*nonce, text.clone()));
                        }
                        self.sharing.follow();
                        sender.write_all(&protocol::encode(&message)).await?;
                    }
                    Some(UiCommand::ConsentChanged) => self.sharing.follow(),
                    Some(UiCommand::EnterKey(_) | UiCommand::Resume) => {}
                    Some(command @ (UiCommand::Save { .. } | UiCommand::Attach { .. } | UiCommand::Rate { .. })) => {
                        let (http, resume, notify) = (self.http.clone(), self.resume.to_owned(), self.notify.clone());
                        tokio::spawn(async move { side_requests::run(&http, &resume, &notify, command).await });
                    }
                    None => {
                        // The window is closed. Messages may be in flight, so wait for the server to end the
                        // connection.
                        let last_words = async { while let Ok(Some(_)) = next::<_, ServerMessage>(&mut receiver, &mut framed).await {} };
                        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
                        end = ConnectionEnd::Finished;
                        break;
                    }
                },
                Some(blocked) = blocked_changes.recv() => {
                    sender.write_all(&protocol::encode(&ClientMessage::InputBlocked { blocked })).await?;
                }
                Some(event) = self.sharing.next_event() => {
                    if let Some(message) = self.message_for(event) {
                        sender.write_all(&protocol::encode(&message)).await?;
                    }
                }
            }
        }
        self.sharing.stop();
        screen.abort();
        jobs.abort();
        input.abort();
        session.close(0, "done");
        Ok(end)
    }

    /// The message by which the server learns of it.
    fn message_for(&self, event: ShareEvent) -> Option<ClientMessage> {
        match event {
            ShareEvent::Failed(trouble) => Some(ClientMessage::ShareFailed { trouble }),
            ShareEvent::Hidden => Some(ClientMessage::Pause { why: Pause::System }),
            // A customer who has paused in the meantime stays paused.
            ShareEvent::Seen => lock(self.consent).may_view().then_some(ClientMessage::Resume {}),
        }
    }

    /// The monitors, when the screen's size has changed since they were read and the server knows others.
    fn monitors(&mut self, size: (u16, u16), known: &[Monitor]) -> Option<Vec<Monitor>> {
        if self.measured.replace(size) == Some(size) {
            return None;
        }
        let monitors = crate::window::monitors().inspect_err(|e| tracing::info!(%e, "monitors cannot be read")).ok()?;
        (monitors != known).then_some(monitors)
    }

    fn on_message(&mut self, message: ServerMessage) -> Option<ConnectionEnd> {
        match message {
            ServerMessage::Happened { entry } => {
                *self.newest = (*self.newest).max(entry.seq);
                if let protocol::Event::Chat { nonce, .. } = &entry.event {
                    self.unconfirmed.retain(|(n, _)| n != nonce);
                }
                (self.notify)(UiEvent::Happened(entry));
            }
            ServerMessage::State { state, .. } => {
                lock(self.consent).follow(&state);
                self.sharing.follow();
                let ended = matches!(state.phase, Phase::Ended { .. });
                (self.notify)(UiEvent::State(state));
                if ended {
                    lock(self.consent).end();
                    return Some(ConnectionEnd::Finished);
                }
                if lock(self.consent).elevation_is_over() {
                    return Some(ConnectionEnd::ElevationWithdrawn);
                }
            }
            ServerMessage::Typing { .. } => (self.notify)(UiEvent::Typing),
            ServerMessage::Refused { what, text, .. } => {
                if what == "chat" {
                    self.unconfirmed.clear();
                }
                (self.notify)(UiEvent::Problem(text));
            }
            ServerMessage::Annotate { mark, .. } => {
                if lock(self.consent).may_view() && mark.fits() {
                    (self.notify)(UiEvent::Draw(mark));
                }
            }
            ServerMessage::Prefer { smooth } => self.sharing.prefer(smooth),
            ServerMessage::Drawn { seq } => self.sharing.drawn(seq),
            ServerMessage::NeedKeyframe {} => self.sharing.need_keyframe(),
            ServerMessage::Bye { reason: ByeReason::Elsewhere } => {
                return Some(ConnectionEnd::Elsewhere);
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::CaughtUp {}
            | ServerMessage::Pong { .. }
            | ServerMessage::Bye { reason: ByeReason::Done } => {}
        }
        None
    }
}

/// Checks that this is the server that the program is bound to.
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

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn only_the_programs_own_server_passes_the_check() {
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
