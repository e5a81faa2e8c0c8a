//! Running sessions: each is a timeline, the connections of its participants, and the screen that flows between them.
#![expect(missing_docs, reason = "fields and variants whose names say it all have none")]

mod answers;
mod attachments;
mod control;
mod downloads;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
mod job;
mod kept;
pub mod logins;
mod named;
mod path_stats;
pub mod recorder;
mod recording;
pub mod redaction;
mod registry;
pub mod rules;
mod screen;
mod side_channel;
mod sizes;
pub mod standing;
pub mod timeline;
mod trailer_buffer;
mod transfer_throttle;
mod uploads;

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, RwLock, RwLockReadGuard, atomic::AtomicU32},
};

use platform::{clock, secret};
use protocol::{
    Client, Entry, Event, Input, ParticipantId, Phase, Presence, RefusalReason, Role, ServerMessage, SessionId,
    SessionState, Timestamp,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, TransactionTrait};
use session::{Actor, Command, Link, Session, Stored};
use store::{stored_time, tables::event_row};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
};

pub use attachments::LetGo;
pub use downloads::{Download, DownloadAction, DownloadState, Downloads, LeavingProgress, Opened};
pub use job::{Chunk, JobError, JobRequest, JobStream};
pub use kept::{Keeping, NoRoom};
use path_stats::PathStats;
pub use registry::{Listener, Services, SessionRegistry};
pub use screen::Screen;
pub use side_channel::{Endpoint, SideChannels};
pub use trailer_buffer::TrailerBuffer;
pub use uploads::Uploads;

use attachments::{Attachments, knows_all};
use kept::Kept;

use crate::recorder::PlaceholderFrame;

/// Why nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error(transparent)]
    Refused(#[from] RefusalReason),
    /// Somebody would come in, or own it, whose account may not be used any more.
    #[error("this account may not be used any more")]
    Disabled,
    /// It would wait for a team that is not there any more.
    #[error("there is no such team")]
    NoTeam,
    #[error("the database failed: {0}")]
    Store(#[from] DbErr),
}

/// A running session.
pub struct LiveSession {
    pub id: SessionId,
    registry: Arc<SessionRegistry>,
    /// The newest link of the chain. Whoever holds it judges a wish and waits until what it brings is on the disk; nobody
    /// else waits for that, except for another wish.
    newest: tokio::sync::Mutex<Link>,
    known: RwLock<Known>,
    attachments: Attachments,
    input_owner: control::InputOwner,
    /// The shared screen.
    pub screen: Screen,
    recording: Mutex<recording::State>,
    /// How the customer's program is reached.
    pub path_stats: PathStats,
    /// The next number for what is kept beside the timeline: files, shells, pictures.
    next_number: AtomicU32,
    /// What technicians do on the customer's desktop just now.
    pub transfer_throttle: transfer_throttle::TransferThrottle,
    /// Files on their way to technicians' browsers.
    pub downloads: Downloads,
    /// The checksums of files that came from a browser by one request each.
    pub uploads: Uploads,
    /// What is kept beside the timeline.
    kept: Kept,
    /// The newest size of the picture, while it is on its way into the timeline.
    size: Mutex<Option<(u16, u16)>>,
    changed: Notify,
}

/// What is stored, and what it adds up to.
struct Known {
    session: Arc<Session>,
    entries: Vec<Entry>,
}

/// A place in a session, as [`LiveSession::connect`] gives it.
pub struct Attachment {
    pub connection: u64,
    pub who: ParticipantId,
    pub role: Role,
    pub client: Client,
    /// What happened before, and is read with [`LiveSession::told`] as far as its connection takes it.
    pub history: RangeInclusive<u32>,
    pub state: Box<SessionState>,
    pub permits: Vec<protocol::Permit>,
    /// What is to be sent from now on; closed when the connection is to end.
    pub messages: mpsc::Receiver<ServerMessage>,
    /// For the customer's program: the technician's input.
    pub input: Option<mpsc::Receiver<Input>>,
    /// For the customer's program: what it is to do.
    pub jobs: Option<mpsc::Receiver<JobRequest>>,
    /// Resolves when the connection is to end, whatever it reads.
    pub let_go: Option<LetGo>,
}

impl LiveSession {
    /// A session to which nothing has happened, or one read back from its stored timeline.
    fn new(
        registry: &Arc<SessionRegistry>,
        session: Session,
        entries: Vec<Entry>,
        hash: Link,
        kept: Kept,
    ) -> Arc<Self> {
        let next_number = AtomicU32::new(job::highest_number(&entries) + 1);
        let recording = Mutex::new(recording::State::after(&entries, &registry.services.recordings.disk));
        let live = Self {
            id: session.id().clone(),
            registry: registry.clone(),
            newest: tokio::sync::Mutex::new(hash),
            known: RwLock::new(Known { session: Arc::new(session), entries }),
            attachments: Attachments::default(),
            input_owner: control::InputOwner::default(),
            screen: Screen::default(),
            recording,
            path_stats: PathStats::default(),
            next_number,
            transfer_throttle: transfer_throttle::TransferThrottle::default(),
            downloads: Downloads::default(),
            uploads: Uploads::default(),
            kept,
            size: Mutex::default(),
            changed: Notify::new(),
        };
        Arc::new(live)
    }

    fn services(&self) -> &Services {
        &self.registry.services
    }

    /// The data folder, where files are kept beside the timeline.
    pub fn folder(&self) -> &Path {
        &self.services().recordings.data
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().expect("nobody panics while holding what is known")
    }

    /// Judges a wish, stores what it brings, and tells everybody.
    pub async fn act(self: &Arc<Self>, by: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        // In a task of its own: whoever wished may be gone before the disk has answered, and what is stored is to be known.
        let (live, by) = (self.clone(), by.clone());
        let done = tokio::spawn(async move {
            let mut command = command;
            if let Some(text) = command.written() {
                *text = live.registry.redactor().await?.clean(text);
            }
            live.judge_and_store(&by, command).await
        });
        done.await.unwrap_or_else(|failed| Err(DbErr::Custom(failed.to_string()).into()))
    }

    async fn judge_and_store(self: &Arc<Self>, by: &Actor, command: Command) -> Result<Vec<Entry>, ActError> {
        let mut newest = self.newest.lock().await;
        // Nobody is away who has a connection: it came while this waited for its turn.
        if matches!(command, Command::Drop { id } if self.attachments.has(id)) {
            return Ok(vec![]);
        }
        let (session, last) = {
            let known = self.known();
            (known.session.clone(), known.entries.last().map(|last| (last.seq, last.at)))
        };
        // The timeline's time never goes back, whatever the system's clock does.
        let now = last.map_or(clock::now(), |(_, at)| clock::now().max(at));
        let events = session.decide(now, by, command)?;
        if events.is_empty() {
            return Ok(vec![]);
        }
        let entries = self.store(&session, &mut newest, (last.map_or(0, |(seq, _)| seq), now), events).await?;
        drop(session);
        let session = self.take_in(&entries);
        self.let_go_unless(|who| session.may_control(who));
        self.attachments.broadcast(&session, &entries, now);
        self.follow_up(&entries, session.customer().map(|p| p.id));
        self.changed.notify_one();
        Ok(entries)
    }

    /// What is stored is known from here on.
    fn take_in(&self, entries: &[Entry]) -> Arc<Session> {
        let mut known = self.known.write().expect("nobody panics while holding what is known");
        let session = Arc::make_mut(&mut known.session);
        entries.iter().for_each(|entry| session.apply(entry.at, &entry.event));
        known.entries.extend_from_slice(entries);
        known.session.clone()
    }

    /// Stores what happened at `at`, after the entry by that number, and the link of its last one.
    async fn store(
        &self,
        session: &Session,
        newest: &mut Link,
        (after, at): (u32, Timestamp),
        events: Vec<Event>,
    ) -> Result<Vec<Entry>, ActError> {
        let transaction = self.services().db.begin().await?;
        let mut hash = *newest;
        let mut entries = Vec::new();
        for (seq, event) in (after + 1..).zip(events) {
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
        named::are_there(&transaction, session, &entries).await?;
        let told = self.services().listener.enqueue(&transaction, session, &entries).await?;
        transaction.commit().await?;
        if told {
            self.services().listener.wake();
        }
        *newest = hash;
        Ok(entries)
    }

    /// What an event sets in motion outside the timeline.
    fn follow_up(self: &Arc<Self>, entries: &[Entry], customer: Option<ParticipantId>) {
        for entry in entries {
            match &entry.event {
                Event::Paused { why, .. } => {
                    self.screen.stop();
                    self.card(entry.at, PlaceholderFrame::Paused(*why));
                }
                Event::SharingStopped {} | Event::SharingFailed { .. } => {
                    self.screen.stop();
                    self.card(entry.at, PlaceholderFrame::Stopped);
                }
                Event::Left { id } => self.downloads.give_up(*id),
                Event::Dropped { id } if Some(*id) == customer => self.card(entry.at, PlaceholderFrame::Stopped),
                // Who may watch again has missed what the newest pictures build on.
                Event::Resumed { .. } | Event::RoleChanged { .. } => self.want_keyframe(),
                Event::Ended { .. } => {
                    self.screen.stop();
                    self.registry.announce_end();
                }
                _ => {}
            }
        }
    }

    /// Seats a participant's connection: whoever was away is back, and a customer's older connection ends.
    pub async fn connect(
        self: &Arc<Self>,
        who: ParticipantId,
        client: Client,
        have: u32,
    ) -> Result<Attachment, ActError> {
        let mut arrival = Arrival { live: self, who, returning: None, attached: false };
        // Nothing happens between the history and the first that is told.
        let _newest = loop {
            arrival.returns(client).await?;
            let newest = self.newest.lock().await;
            // Their last connection may have ended in between: then they return once more.
            let presence = self.known().session.participant(who).map(|p| p.presence);
            if !matches!(presence, Some(Presence::Reconnecting { .. })) {
                break newest;
            }
        };
        let known = self.known();
        // Who was let go in between is not there any more.
        let them = known.session.participant(who).filter(|_| known.session.is_in(who));
        let role = them.ok_or(RefusalReason::Stranger)?.role;
        if role == Role::Customer {
            self.attachments.replace(who);
        }
        let queues = self.attachments.add(who, role, client.is_program());
        arrival.done();
        let last = known.entries.last().map_or(0, |last| last.seq);
        Ok(Attachment {
            connection: queues.id,
            who,
            role,
            client,
            history: have.saturating_add(1)..=last,
            state: Box::new(known.session.state()),
            permits: known.session.permits(clock::now(), who),
            messages: queues.messages,
            input: queues.input,
            jobs: queues.jobs,
            let_go: Some(queues.let_go),
        })
    }

    /// The entry by that number, if it is told to whoever has this role.
    pub fn told(&self, role: Role, seq: u32) -> Option<Entry> {
        let known = self.known();
        let at = known.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        known.entries.get(at).filter(|entry| knows_all(role) || !entry.event.is_private()).cloned()
    }

    /// A connection ended. Whoever has no other is said to be reconnecting.
    pub async fn disconnect(self: &Arc<Self>, connection: u64, who: ParticipantId) {
        let alone = self.attachments.remove(connection, who);
        if let Some(format) = self.screen.leave(connection) {
            self.to_program(ServerMessage::UseFormat { format });
        }
        if alone && let Err(error) = self.act(&Actor::Server, Command::Drop { id: who }).await {
            tracing::debug!(session = %self.id, %error, "a connection ended after its session");
        }
    }

    /// Sends a passing message to everybody but the sender.
    pub fn broadcast_transient(&self, from: ParticipantId, message: &ServerMessage) {
        self.attachments.to_others(from, message);
    }

    /// Sends a message to the customer's program, or to the page that shows the screen in its place.
    pub fn to_program(&self, message: ServerMessage) {
        self.attachments.to_customer(&message);
    }

    /// The state, as everybody sees it.
    pub async fn state(&self) -> SessionState {
        self.known().session.state()
    }

    /// The timeline.
    pub async fn entries(&self) -> Vec<Entry> {
        self.known().entries.clone()
    }

    /// The session as it stands.
    pub fn now(&self) -> Arc<Session> {
        self.known().session.clone()
    }

    /// Asks the timeline a question.
    pub async fn read<T>(&self, question: impl FnOnce(&Session) -> T) -> T {
        question(&self.known().session)
    }

    /// Lets happen what is due, until the session has ended.
    pub async fn keep_time(self: Arc<Self>) {
        loop {
            let (due, ended) =
                self.read(|session| (session.due(), matches!(session.phase(), Phase::Ended { .. }))).await;
            if ended {
                return;
            }
            let wait = due.map_or(u64::from(u32::MAX), |due| due.since(clock::now()));
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {
                    if let Err(error) = self.act(&Actor::Server, Command::Tick).await {
                        tracing::error!(session = %self.id, %error, "what is due cannot happen");
                        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                    }
                }
                () = self.changed.notified() => {}
            }
        }
    }
}

/// Somebody who is said to be here, and gets a connection in a moment. Where that does not come about, because their peer went
/// away meanwhile, they are away again.
struct Arrival<'a> {
    live: &'a Arc<LiveSession>,
    who: ParticipantId,
    /// Under way: it goes on although whoever waits for it goes away.
    returning: Option<JoinHandle<Result<Vec<Entry>, ActError>>>,
    attached: bool,
}

impl Arrival<'_> {
    /// Says that they are here.
    async fn returns(&mut self, client: Client) -> Result<Vec<Entry>, ActError> {
        let (live, id) = (self.live.clone(), self.who);
        let act = async move { live.act(&Actor::Server, Command::Return { id, client }).await };
        let done = self.returning.insert(tokio::spawn(act)).await;
        self.returning = None;
        done.unwrap_or_else(|failed| Err(DbErr::Custom(failed.to_string()).into()))
    }

    fn done(mut self) {
        self.attached = true;
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if self.attached {
            return;
        }
        let (live, id, returning) = (self.live.clone(), self.who, self.returning.take());
        tokio::spawn(async move {
            if let Some(returning) = returning {
                let _ = returning.await;
            }
            if let Err(error) = live.act(&Actor::Server, Command::Drop { id }).await {
                tracing::debug!(session = %live.id, %error, "who did not arrive cannot be away");
            }
        });
    }
}

/// Who has come by these events.
pub fn came(entries: &[Entry]) -> anyhow::Result<ParticipantId> {
    let who = entries.iter().find_map(|e| match e.event {
        Event::Joined { id, .. } | Event::Returned { id, .. } => Some(id),
        _ => None,
    });
    who.ok_or_else(|| anyhow::anyhow!("somebody came without an event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_has_a_connection_is_here_however_slow_the_disk_is() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = fixture::registry(folder.path()).await;
        let live = fixture::joined(&sessions).await;
        let who = live.now().customer().unwrap().clone();
        let mut seat = live.connect(who.id, who.client, 0).await.unwrap();
        let presence = || live.now().participant(who.id).map(|p| p.presence);
        for round in 0..20 {
            // Both wait for the disk, in either order.
            let disk = live.newest.lock().await;
            let (old, free) = (seat.connection, async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                drop(disk);
            });
            let (come, go) = (live.connect(who.id, who.client, 0), live.disconnect(old, who.id));
            seat = if round % 2 == 0 {
                tokio::join!(come, go, free).0.unwrap()
            } else {
                tokio::join!(go, come, free).1.unwrap()
            };
            assert_eq!(presence(), Some(Presence::Here), "round {round}");
        }
        live.disconnect(seat.connection, who.id).await;
        assert!(matches!(presence(), Some(Presence::Reconnecting { .. })));
        // A peer that goes away while its return is being stored.
        let disk = live.newest.lock().await;
        {
            let arriving = std::pin::pin!(live.connect(who.id, who.client, 0));
            assert!(futures::poll!(arriving).is_pending());
            drop(disk);
        }
        let last = async || live.entries().await.pop().map(|e| e.event);
        let gone = live.entries().await.len() + 2;
        while live.entries().await.len() < gone {
            tokio::task::yield_now().await;
        }
        assert!(matches!(last().await, Some(Event::Dropped { id }) if id == who.id));
        assert!(matches!(presence(), Some(Presence::Reconnecting { .. })));
    }
}
