//! Reads a connection's control messages: transient ones are relayed at once, commands are executed one after the
//! other, because each waits for the disk.

use std::sync::Arc;

use archive::Archive;
use live_sessions::{ActError, LiveSession};
use protocol::{Client, ClientMessage, Framed, ParticipantId, RefusalReason, Role, ServerMessage, ShareTrouble};
use session::{Actor, Command};
use tokio::sync::mpsc;
use web_transport_trait::RecvStream;

use super::{ConnectionError, next};

/// How many control messages a second a connection may send over a longer time, and how many at once.
const MESSAGES_PER_SECOND: f64 = 200.0;
const MESSAGES_AT_ONCE: f64 = 600.0;
/// How many commands of a connection may wait for the disk. Beyond that, reading stops.
const COMMAND_QUEUE: usize = 64;

/// The participant whose messages are read, and where replies go.
pub(super) struct ControlReader {
    pub archive: Arc<Archive>,
    pub live: Arc<LiveSession>,
    /// The connection's number within the session.
    pub connection_id: u64,
    pub who: ParticipantId,
    pub client: Client,
    pub replies: mpsc::Sender<ServerMessage>,
}

impl ControlReader {
    /// Reads until the stream ends; commands read until then are executed.
    pub async fn read<R: RecvStream>(self, stream: R, framed: Framed) -> Result<(), ConnectionError> {
        let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
        let (read, ()) = tokio::join!(self.read_messages(stream, framed, commands), self.execute(queue));
        read
    }

    async fn read_messages<R: RecvStream>(
        &self,
        mut stream: R,
        mut framed: Framed,
        commands: mpsc::Sender<Command>,
    ) -> Result<(), ConnectionError> {
        let mut bucket = TokenBucket::new();
        while let Some(message) = next::<_, ClientMessage>(&mut stream, &mut framed).await? {
            if !bucket.take() {
                return Err(ConnectionError::Flood);
            }
            // Acknowledgements of pictures do not wait behind a message that is being stored.
            if let Some(command) = self.handle(message).await
                && commands.send(command).await.is_err()
            {
                break;
            }
        }
        Ok(())
    }

    /// Relays a message, or returns the command that it stands for.
    async fn handle(&self, message: ClientMessage) -> Option<Command> {
        let (live, who) = (&self.live, self.who);
        let command = match message {
            ClientMessage::Ping { t } => {
                let (customer, relay) = (live.path_stats.path(), live.screen.relay_time());
                let _ = self.replies.try_send(ServerMessage::Pong { t, customer, relay });
                return None;
            }
            ClientMessage::Typing {} => {
                // Supervisors stay invisible.
                if self.role().await.is_some_and(|role| role != Role::Supervisor) {
                    live.broadcast_transient(who, &ServerMessage::Typing { from: who });
                }
                return None;
            }
            ClientMessage::Drawn { .. } | ClientMessage::NeedKeyframe {} if !live.read(|s| s.may_watch(who)).await => {
                return None;
            }
            ClientMessage::Drawn { seq } => {
                let paced = live.screen.drawn(std::time::Instant::now(), self.connection_id, seq);
                if let Some(seq) = paced.drawn {
                    live.to_program(ServerMessage::Drawn { seq });
                }
                if paced.key_needed {
                    live.to_program(ServerMessage::NeedKeyframe {});
                }
                return None;
            }
            ClientMessage::NeedKeyframe {} => {
                live.to_program(ServerMessage::NeedKeyframe {});
                return None;
            }
            ClientMessage::Annotate { mark } => {
                live.annotate(who, mark).await;
                return None;
            }
            ClientMessage::Prefer { smooth } => {
                let steers = |role| matches!(role, Role::Technician | Role::Expert);
                if self.role().await.is_some_and(steers) && live.read(|s| s.may_watch(who)).await {
                    live.to_program(ServerMessage::Prefer { smooth });
                }
                return None;
            }
            ClientMessage::Ask { rights } => match self.archive.has_room_to_show(live, &rights).await {
                Ok(()) => Command::Ask { rights },
                Err(why) => {
                    self.refuse("ask", &why.to_string());
                    return None;
                }
            },
            ClientMessage::Chat { text, nonce } => Command::Chat { text, nonce },
            ClientMessage::WantControl {} => Command::WantControl,
            ClientMessage::PassControl { to } => Command::PassControl { to },
            ClientMessage::Note { text } => Command::Note { text },
            ClientMessage::Dismiss { who } => Command::Dismiss { who },
            ClientMessage::Answer { rights } => Command::Answer { rights },
            ClientMessage::Withdraw { right } => Command::Withdraw { right },
            ClientMessage::Pause { why } => Command::Pause(why),
            ClientMessage::Resume {} => Command::Resume,
            ClientMessage::Leave {} => Command::Leave,
            ClientMessage::Hold {} => Command::Hold,
            ClientMessage::Close {} => Command::Close,
            ClientMessage::Monitors { monitors } => Command::Monitors { monitors },
            ClientMessage::InputBlocked { blocked } => Command::InputBlocked { blocked },
            ClientMessage::ShareFailed { trouble } if self.client.is_program() => Command::ShareFailed { trouble },
            ClientMessage::ShareFailed { trouble: _ } => Command::ShareFailed { trouble: ShareTrouble::NoScreen },
        };
        Some(command)
    }

    /// The participant's role.
    async fn role(&self) -> Option<Role> {
        self.live.read(|s| s.participant(self.who).map(|p| p.role)).await
    }

    async fn execute(&self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            let what = command.name();
            match self.live.act(&Actor::Participant(self.who), command).await {
                Ok(_) => {}
                Err(ActError::Refused(why)) => {
                    let text = why.to_string();
                    let _ = self.replies.try_send(ServerMessage::Refused { what: what.into(), why, text });
                }
                Err(error @ (ActError::Disabled | ActError::NoTeam)) => self.refuse(what, &error.to_string()),
                // Most likely the disk is full. Nothing has happened, and the participant learns that.
                Err(ActError::Store(error)) => {
                    tracing::error!(session = %self.live.id, %error, what, "command not stored");
                    self.refuse(what, "the server cannot store anything at the moment; please tell its administrator");
                }
            }
        }
    }

    fn refuse(&self, what: &str, text: &str) {
        let why = RefusalReason::Policy;
        let _ = self.replies.try_send(ServerMessage::Refused { what: what.into(), why, text: text.into() });
    }
}

/// Limits the rate of control messages.
struct TokenBucket {
    left: f64,
    at: tokio::time::Instant,
}

impl TokenBucket {
    fn new() -> Self {
        Self { left: MESSAGES_AT_ONCE, at: tokio::time::Instant::now() }
    }

    fn take(&mut self) -> bool {
        let now = tokio::time::Instant::now();
        let gained = now.duration_since(self.at).as_secs_f64() * MESSAGES_PER_SECOND;
        self.left = (self.left + gained).min(MESSAGES_AT_ONCE) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}
