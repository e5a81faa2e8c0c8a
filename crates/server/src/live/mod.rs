//! Running sessions: each is a timeline, the connections of its participants, and the screen that flows between them.

mod brought;
mod card;
mod hands;
mod hub;
mod job;
mod lane;
mod leaving;
mod recorder;
mod screen;
mod tail;
mod way;

use std::{
    sync::{Arc, Mutex, RwLock, atomic::AtomicU32},
    time::Instant,
};

use evidence::Segment;
use protocol::{
    Client, Entry, Event, Input, ParticipantId, Phase, Presence, RefusalReason, Role, ServerMessage, SessionId,
    SessionState, Timestamp,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, TransactionTrait};
use session::{Actor, Command, Link, Session, Stored};
use tokio::sync::{Notify, mpsc};

pub use brought::Brought;
pub use card::Card;
pub use hub::{Hub, read_back, stored};
pub use job::{JobError, Piece, Pipe, Wanted};
pub use lane::{End, Lanes};
pub use leaving::{Course, Leaving, LeavingFile, LeavingProgress, Opened, Wish};
pub use screen::{Frame, Screen};
pub use tail::Tail;
use way::Way;

use crate::{
    app::{self, Shared, stored_time},
    secret,
    store::tables::event_row,
};

/// How many messages may wait for one connection. A peer that lets more pile up is disconnected, and comes back.
const OUTBOX: usize = 1_024;

/// Why nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error(transparent)]
    Refused(#[from] RefusalReason),
    #[error("the database failed: {0}")]
    Store(#[from] DbErr),
}

/// A running session.
pub struct Live {
    pub id: SessionId,
    inner: tokio::sync::Mutex<Inner>,
    rights: RwLock<Rights>,
    /// The shared screen.
    pub screen: Screen,
    recording: Mutex<Recording>,
    /// How the customer's program is reached.
    pub way: Way,
    /// The next number for what is kept beside the timeline: files, shells, pictures.
    next_number: AtomicU32,
    /// What technicians do on the customer's desktop just now.
    pub hands: hands::Hands,
    /// Files on their way to technicians' browsers.
    pub leaving: Leaving,
    /// The checksums of files that came from a browser by one request each.
    pub brought: Brought,
    changed: Notify,
}

/// Segments of the recording on their way into the timeline.
const SEGMENTS: usize = 64;

/// Whether the shared screen is recorded.
#[derive(Default)]
enum Recording {
    /// Nothing was shared yet.
    #[default]
    Not,
    Going {
        recorder: recorder::Recorder,
        /// Brings its segments into the timeline.
        told: tokio::task::JoinHandle<()>,
    },
    /// It cannot be, and the policy lets the session go on without.
    GivenUp,
}

/// What may flow now; read for every frame and every input without waiting for the timeline.
#[derive(Default)]
struct Rights {
    view: bool,
    control: Vec<ParticipantId>,
}

struct Inner {
    session: Session,
    entries: Vec<Entry>,
    hash: Link,
    connections: Vec<Connection>,
    next_connection: u64,
}

struct Connection {
    id: u64,
    who: ParticipantId,
    role: Role,
    outbox: mpsc::Sender<ServerMessage>,
    input: Option<mpsc::Sender<Input>>,
    jobs: Option<mpsc::Sender<Wanted>>,
}

/// A place in a session, as [`Live::connect`] gives it.
pub struct Seat {
    pub connection: u64,
    pub who: ParticipantId,
    pub role: Role,
    pub client: Client,
    /// What happened before.
    pub history: Vec<Entry>,
    pub state: Box<SessionState>,
    pub permits: Vec<protocol::Permit>,
    /// What is to be sent from now on; closed when the connection is to end.
    pub messages: mpsc::Receiver<ServerMessage>,
    /// For the customer's program: the technician's input.
    pub input: Option<mpsc::Receiver<Input>>,
    /// For the customer's program: what it is to do.
    pub jobs: Option<mpsc::Receiver<Wanted>>,
}

impl Live {
    /// A session to which nothing has happened, or one read back from its stored timeline.
    pub fn new(session: Session, entries: Vec<Entry>, hash: Link) -> Arc<Self> {
        let next_number = AtomicU32::new(job::highest_number(&entries) + 1);
        let inner = Inner { session, entries, hash, connections: vec![], next_connection: 1 };
        let live = Self {
            id: inner.session.id().clone(),
            rights: RwLock::new(rights(&inner.session)),
            inner: tokio::sync::Mutex::new(inner),
            screen: Screen::default(),
            recording: Mutex::default(),
            way: Way::default(),
            next_number,
            hands: hands::Hands::default(),
            leaving: Leaving::default(),
            brought: Brought::default(),
            changed: Notify::new(),
        };
        Arc::new(live)
    }

    /// Judges a wish, stores what it brings, and tells everybody.
    pub async fn act(self: &Arc<Self>, app: &Shared, by: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        let mut inner = self.inner.lock().await;
        // The timeline's time never goes back, whatever the system's clock does.
        let now = inner.entries.last().map_or(app::now(), |last| app::now().max(last.at));
        let events = inner.session.decide(now, by, command)?;
        if events.is_empty() {
            return Ok(vec![]);
        }
        let entries = self.store(app, &mut inner, now, events).await?;
        for entry in &entries {
            inner.session.apply(entry.at, &entry.event);
            inner.entries.push(entry.clone());
        }
        *self.rights.write().expect("nobody panics while holding the rights") = rights(&inner.session);
        self.tell(&mut inner, &entries, now);
        let customer = inner.session.customer().map(|p| p.id);
        self.follow_up(app, &entries, customer);
        self.changed.notify_one();
        Ok(entries)
    }

    async fn store(
        &self,
        app: &Shared,
        inner: &mut Inner,
        at: Timestamp,
        events: Vec<Event>,
    ) -> Result<Vec<Entry>, DbErr> {
        let transaction = app.db.begin().await?;
        let mut hash = inner.hash;
        let mut seq = inner.entries.last().map_or(0, |e| e.seq);
        let mut entries = Vec::new();
        for event in events {
            seq += 1;
            let Stored { body, hash: link, .. } = session::link(&self.id, &hash, seq, at, &event);
            hash = link;
            let row = event_row::ActiveModel {
                session: Set(self.id.to_string()),
                seq: Set(seq.cast_signed()),
                at: Set(stored_time(at)),
                body: Set(body),
                hash: Set(secret::hex(&link)),
                ..Default::default()
            };
            row.insert(&transaction).await?;
            entries.push(Entry { seq, at, event });
        }
        let told = app.outbox.enqueue(&transaction, &inner.session, &entries).await?;
        transaction.commit().await?;
        if told {
            app.outbox.wake();
        }
        inner.hash = hash;
        Ok(entries)
    }

    /// Sends what happened and the new state to every connection; ends those whose time is over.
    fn tell(&self, inner: &mut Inner, entries: &[Entry], now: Timestamp) {
        let state = inner.session.state();
        let session = &inner.session;
        let over = |c: &Connection| match state.phase {
            Phase::Ended { .. } => true,
            Phase::Held => c.role != Role::Customer,
            Phase::Waiting | Phase::Active => session.participant(c.who).is_none_or(|p| p.presence == Presence::Gone),
        };
        inner.connections.retain(|c| {
            let permits = session.permits(now, c.who);
            let news = entries.iter().filter(|e| knows_all(c.role) || !e.event.is_private());
            let news = news.map(|entry| ServerMessage::Happened { entry: entry.clone() });
            let state = ServerMessage::State { state: Box::new(state.clone()), permits };
            let told = news.chain([state]).all(|message| c.outbox.try_send(message).is_ok());
            told && !over(c)
        });
    }

    /// What an event sets in motion outside the timeline.
    fn follow_up(self: &Arc<Self>, app: &Shared, entries: &[Entry], customer: Option<ParticipantId>) {
        for entry in entries {
            match &entry.event {
                Event::Paused { why, .. } => {
                    self.screen.stop();
                    self.card(entry.at, Card::Paused(*why));
                }
                Event::SharingStopped {} | Event::SharingFailed { .. } => {
                    self.screen.stop();
                    self.card(entry.at, Card::Stopped);
                }
                Event::Dropped { id } if Some(*id) == customer => self.card(entry.at, Card::Stopped),
                Event::Resumed { .. } => self.want_keyframe(),
                Event::Ended { .. } => {
                    self.screen.stop();
                    crate::archive::finish_soon(app.clone(), self.clone());
                }
                _ => {}
            }
        }
    }

    /// Seats a participant's connection: whoever was away is back, and a customer's older connection ends.
    pub async fn connect(
        self: &Arc<Self>,
        app: &Shared,
        who: ParticipantId,
        client: Client,
        have: u32,
    ) -> Result<Seat, ActError> {
        self.act(app, &Actor::Server, Command::Return { id: who, client }).await?;
        let mut inner = self.inner.lock().await;
        let role = inner.session.participant(who).ok_or(RefusalReason::Stranger)?.role;
        if role == Role::Customer {
            for old in inner.connections.extract_if(.., |c| c.who == who) {
                let _ = old.outbox.try_send(ServerMessage::Bye { reason: "elsewhere".into() });
            }
        }
        let connection = inner.next_connection;
        inner.next_connection += 1;
        let (outbox, messages) = mpsc::channel(OUTBOX);
        let (input_sender, input) = mpsc::channel(OUTBOX);
        let is_program = client.is_program();
        let (jobs_sender, jobs) = mpsc::channel(job::WAITING);
        inner.connections.push(Connection {
            id: connection,
            who,
            role,
            outbox,
            input: is_program.then_some(input_sender),
            jobs: is_program.then_some(jobs_sender),
        });
        Ok(Seat {
            connection,
            who,
            role,
            client,
            history: inner
                .entries
                .iter()
                .filter(|e| e.seq > have && (knows_all(role) || !e.event.is_private()))
                .cloned()
                .collect(),
            state: Box::new(inner.session.state()),
            permits: inner.session.permits(app::now(), who),
            messages,
            input: is_program.then_some(input),
            jobs: is_program.then_some(jobs),
        })
    }

    /// A connection ended. Whoever has no other is said to be reconnecting.
    pub async fn disconnect(self: &Arc<Self>, app: &Shared, connection: u64, who: ParticipantId) {
        let alone = {
            let mut inner = self.inner.lock().await;
            inner.connections.retain(|c| c.id != connection);
            !inner.connections.iter().any(|c| c.who == who)
        };
        if let Some(format) = self.screen.leave(connection) {
            self.to_program(ServerMessage::UseFormat { format }).await;
        }
        if alone && let Err(error) = self.act(app, &Actor::Server, Command::Drop { id: who }).await {
            tracing::debug!(session = %self.id, %error, "a connection ended after its session");
        }
    }

    /// Sends a passing message to everybody but the sender.
    pub async fn whisper(&self, from: ParticipantId, message: &ServerMessage) {
        let inner = self.inner.lock().await;
        for c in inner.connections.iter().filter(|c| c.who != from) {
            let _ = c.outbox.try_send(message.clone());
        }
    }

    /// Sends a message to the customer's program, or to the page that shows the screen in its place.
    pub async fn to_program(&self, message: ServerMessage) {
        let inner = self.inner.lock().await;
        for c in inner.connections.iter().filter(|c| c.role == Role::Customer) {
            let _ = c.outbox.try_send(message.clone());
        }
    }

    /// Passes input on to the customer's program, if this participant may control now.
    pub async fn input(&self, from: ParticipantId, input: Input) -> Result<(), RefusalReason> {
        if !self.rights.read().expect("nobody panics while holding the rights").control.contains(&from) {
            return Err(RefusalReason::NotGranted);
        }
        self.hands.moved(Instant::now());
        let program = {
            let inner = self.inner.lock().await;
            inner.connections.iter().find_map(|c| c.input.clone()).ok_or(RefusalReason::NoCustomer)?
        };
        // A full queue holds up this technician's stream, and nothing else.
        program.send(input).await.map_err(|_| RefusalReason::NoCustomer)
    }

    /// A frame of the customer's screen: passed on and recorded, if the customer allows it.
    pub async fn frame(self: &Arc<Self>, app: &Shared, from: ParticipantId, frame: Frame) -> Result<(), ActError> {
        if !self.rights.read().expect("nobody panics while holding the rights").view {
            return Err(RefusalReason::NotGranted.into());
        }
        if self.screen.is_news(&frame) {
            let command = Command::Picture { width: frame.header.width, height: frame.header.height };
            self.act(app, &Actor::Participant(from), command).await?;
        }
        if let Err(reason) = self.record(app, &frame) {
            tracing::error!(session = %self.id, reason, "a recording cannot go on");
            *self.recording() = Recording::GivenUp;
            self.act(app, &Actor::Server, Command::RecordingFailed { reason }).await?;
            if app.settings().unrecorded != session::Unrecorded::GoOn {
                // When there is room again, what is shared then is recorded.
                *self.recording() = Recording::Not;
                return Err(RefusalReason::NotGranted.into());
            }
        }
        self.screen.pass(frame);
        Ok(())
    }

    fn record(self: &Arc<Self>, app: &Shared, frame: &Frame) -> Result<(), String> {
        if !app.settings().record {
            return Ok(());
        }
        let mut recording = self.recording();
        if matches!(*recording, Recording::Not) {
            let (segments, finished) = mpsc::channel(SEGMENTS);
            let recorder = recorder::Recorder::start(app, &self.id, segments)?;
            let told = tokio::spawn(self.clone().tell_segments(app.clone(), finished));
            *recording = Recording::Going { recorder, told };
        }
        match &*recording {
            Recording::Going { recorder, .. } => recorder.record(app::now(), frame),
            Recording::Not | Recording::GivenUp => Ok(()),
        }
    }

    fn recording(&self) -> std::sync::MutexGuard<'_, Recording> {
        self.recording.lock().expect("nobody panics while holding the recording")
    }

    /// The recording needs a picture that does not build on the ones before.
    fn want_keyframe(self: &Arc<Self>) {
        let live = self.clone();
        tokio::spawn(async move { live.to_program(ServerMessage::NeedKeyframe {}).await });
    }

    /// From `at` on nothing is shown, and the recording says so.
    fn card(&self, at: Timestamp, card: Card) {
        if let Recording::Going { recorder, .. } = &*self.recording() {
            recorder.card(at, card);
        }
    }

    async fn tell_segments(self: Arc<Self>, app: Shared, mut finished: mpsc::Receiver<Segment>) {
        while let Some(segment) = finished.recv().await {
            if let Err(error) = self.segment(&app, segment).await {
                // It is found in the reel when the evidence is completed.
                tracing::error!(session = %self.id, %error, "a segment is not in the timeline yet");
                return;
            }
        }
    }

    /// A piece of the recording is on the disk.
    pub async fn segment(self: &Arc<Self>, app: &Shared, segment: Segment) -> Result<(), ActError> {
        let Segment { pictures, bytes, sha256 } = segment;
        let event = Event::Recorded { pictures, bytes, sha256 };
        self.act(app, &Actor::Server, Command::Evidence { event }).await.map(drop)
    }

    /// Ends the recording, if there is one, and waits until it is on the disk and in the timeline.
    pub async fn stop_recorder(&self) {
        let recording = std::mem::take(&mut *self.recording());
        if let Recording::Going { recorder, told } = recording {
            recorder.stop().await;
            let _ = told.await;
        }
    }

    /// The state, as everybody sees it.
    pub async fn state(&self) -> SessionState {
        self.inner.lock().await.session.state()
    }

    /// The timeline.
    pub async fn entries(&self) -> Vec<Entry> {
        self.inner.lock().await.entries.clone()
    }

    /// Asks the timeline a question.
    pub async fn ask<T>(&self, question: impl FnOnce(&Session) -> T) -> T {
        question(&self.inner.lock().await.session)
    }

    /// Lets happen what is due, until the session has ended.
    pub async fn keep_time(self: Arc<Self>, app: Shared) {
        loop {
            let (due, ended) =
                self.ask(|session| (session.due(), matches!(session.phase(), Phase::Ended { .. }))).await;
            if ended {
                return;
            }
            let wait = due.map_or(u64::from(u32::MAX), |due| due.since(app::now()));
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {
                    if let Err(error) = self.act(&app, &Actor::Server, Command::Tick).await {
                        tracing::error!(session = %self.id, %error, "what is due cannot happen");
                        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }
}

fn rights(session: &Session) -> Rights {
    let controllers = session.participants().iter().filter(|p| session.may_control(p.id)).map(|p| p.id);
    Rights { view: session.may_view(), control: controllers.collect() }
}

/// Whether notes and the like are told to whoever has this role: to the organisation's own people.
fn knows_all(role: Role) -> bool {
    matches!(role, Role::Technician | Role::Supervisor)
}

/// Who has come by these events.
pub fn came(entries: &[Entry]) -> anyhow::Result<ParticipantId> {
    let who = entries.iter().find_map(|e| match e.event {
        Event::Joined { id, .. } | Event::Returned { id, .. } => Some(id),
        _ => None,
    });
    who.ok_or_else(|| anyhow::anyhow!("somebody came without an event"))
}
