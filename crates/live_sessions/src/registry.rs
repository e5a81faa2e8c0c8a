//! The registry of running sessions, and the tickets that admit connections to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, RwLock, Weak},
};

use futures::future::BoxFuture;
use platform::{clock, expiring::Expiring, identity::Identity, secret, tasks};
use protocol::{Entry, IncidentRef, ParticipantId, Phase, Presence, SessionId, UserRef};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait, QueryFilter,
};
use session::{Actor, Command, GENESIS, Session};
use store::{
    setting::Current,
    stored_time,
    tables::{expert, incident, session_row},
};
use tokio::sync::Notify;

use super::{ActError, LiveSession, SideChannels, storage::StorageUsage};

use crate::{
    logins::Login,
    recorder::RecordingPlace,
    redaction::Redactor,
    rules::{DefaultPolicy, Rules},
    timeline,
};

/// How long a ticket is valid, in milliseconds. It is used at once; a minute allows for slow links.
const TICKET_MS: u64 = 60_000;
/// Most unused tickets.
const MOST_TICKETS: usize = 10_000;

/// Admission of one connection.
#[derive(Clone)]
pub struct Ticket {
    pub session: SessionId,
    pub who: ParticipantId,
    /// The sign-in that requested it; customers and experts have none.
    pub login: Option<Login>,
}

/// Tells other systems what happens in sessions.
pub trait Listener: Send + Sync {
    /// Queues deliveries for these entries in the transaction that stores them. Returns whether there are any.
    /// `session` is the state before the entries.
    fn enqueue<'a>(
        &'a self,
        db: &'a DatabaseTransaction,
        session: &'a Session,
        entries: &'a [Entry],
    ) -> BoxFuture<'a, Result<bool, DbErr>>;

    /// Starts delivering: the transaction is committed.
    fn wake(&self);
}

/// What running sessions need from the server.
pub struct Services {
    pub db: DatabaseConnection,
    /// Where recordings and the files beside the timeline are stored.
    pub recordings: RecordingPlace,
    pub identity: Arc<Identity>,
    pub policy: Arc<DefaultPolicy>,
    pub rules: Arc<Current<Rules>>,
    pub listener: Arc<dyn Listener>,
    /// Whether there is a reverse proxy between support program and server. It may buffer whole files.
    pub behind_proxy: bool,
}

/// The sessions whose evidence is not stored yet.
pub struct SessionRegistry {
    pub services: Services,
    /// Notified when a session has ended.
    ended: Notify,
    pub side_channels: SideChannels,
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    tickets: Expiring<String, Ticket, SessionId>,
    /// Serialises commands in each ended session, such as a rating.
    ended_locks: Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>,
    /// Read-locked while a session is created, until it is in the registry.
    creating: tokio::sync::RwLock<()>,
    /// Locked while a key or a link is issued or used: the event and the hash in the session's row must agree.
    pub passes: tokio::sync::Mutex<()>,
}

impl SessionRegistry {
    /// A registry without sessions.
    pub fn new(services: Services) -> Arc<Self> {
        Arc::new(Self {
            services,
            ended: Notify::new(),
            side_channels: SideChannels::default(),
            sessions: RwLock::default(),
            tickets: Expiring::new(TICKET_MS, MOST_TICKETS),
            ended_locks: Mutex::default(),
            creating: tokio::sync::RwLock::default(),
            passes: tokio::sync::Mutex::default(),
        })
    }

    /// Announces that a session has ended and its evidence can be stored.
    pub(super) fn announce_end(&self) {
        self.ended.notify_one();
    }

    /// Resolves when a session may have ended since the last call.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The running session with this id.
    pub fn get(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.read().expect("lock is not poisoned").get(id).cloned()
    }

    /// All running sessions.
    pub fn all(&self) -> Vec<Arc<LiveSession>> {
        self.sessions.read().expect("lock is not poisoned").values().cloned().collect()
    }

    /// All running sessions, after waiting for those that are being created.
    pub async fn all_with_new(&self) -> Vec<Arc<LiveSession>> {
        drop(self.creating.write().await);
        self.all()
    }

    fn insert(&self, live: Arc<LiveSession>) {
        tasks::spawn("session timer", live.clone().run_timer());
        self.sessions.write().expect("lock is not poisoned").insert(live.id.clone(), live);
    }

    /// Removes a session that has ended and is stored.
    pub fn remove(&self, id: &SessionId) {
        self.sessions.write().expect("lock is not poisoned").remove(id);
    }

    /// Creates a session for an incident.
    pub async fn create(self: &Arc<Self>, incident: IncidentRef, owner: UserRef) -> Result<Arc<LiveSession>, ActError> {
        let id = SessionId::from_random(secret::random());
        let row = session_row::ActiveModel {
            id: Set(id.to_string()),
            incident: Set(incident.id),
            created: Set(stored_time(clock::now())),
            key_hash: Set(None),
            link_hash: Set(None),
            stored: Set(false),
        };
        row.insert(&self.services.db).await?;
        let policy = self.policy_for(incident.id).await?;
        let live = LiveSession::new(self, Session::new(id.clone(), policy), vec![], GENESIS, StorageUsage::default());
        let organisation = self.services.policy.settings.get().organisation;
        let _creating = self.creating.read().await;
        let created = live.act(&Actor::Server, Command::Create { incident, owner, organisation }).await;
        if let Err(error) = created {
            session_row::Entity::delete_by_id(id.as_str()).exec(&self.services.db).await?;
            return Err(error);
        }
        self.insert(live.clone());
        Ok(live)
    }

    /// Loads every session whose evidence is not stored. Participants who were present have the grace period to
    /// reconnect. Ended sessions are announced.
    pub async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        let rows = session_row::Entity::find().filter(session_row::Column::Stored.eq(false));
        for row in rows.all(&self.services.db).await? {
            let id = SessionId::try_from(row.id)?;
            let (entries, hash) = timeline::checked(&self.services.db, &id).await?;
            if entries.is_empty() {
                continue;
            }
            let usage = StorageUsage::of(&self.services.recordings.data, &id, &entries);
            let session = Session::after(id, self.services.policy.policy(), &entries);
            let present: Vec<_> =
                session.participants().iter().filter(|p| p.presence == Presence::Here).map(|p| p.id).collect();
            let ended = matches!(session.phase(), Phase::Ended { .. });
            let live = LiveSession::new(self, session, entries, hash, usage);
            live.reserve_space_for_video()?;
            self.insert(live.clone());
            if ended {
                self.announce_end();
                continue;
            }
            for id in present {
                live.act(&Actor::Server, Command::Drop { id }).await?;
            }
        }
        Ok(())
    }

    /// Stops every recorder when the server stops, so that the recordings are on the disk.
    pub async fn stop(&self) {
        for live in self.all() {
            live.stop_recorder().await;
        }
    }

    /// A redactor that finds links to any session, and the keys and links that are valid now.
    pub async fn redactor(&self) -> Result<Redactor, DbErr> {
        let now = clock::now();
        let open = Condition::any()
            .add(session_row::Column::KeyHash.is_not_null())
            .add(session_row::Column::LinkHash.is_not_null());
        let rows = session_row::Entity::find().filter(session_row::Column::Stored.eq(false)).filter(open);
        let (mut keys, mut links) = (HashSet::new(), HashSet::new());
        for row in rows.all(&self.services.db).await? {
            let Some(live) = SessionId::try_from(row.id).ok().and_then(|id| self.get(&id)) else { continue };
            let session = live.now();
            keys.extend(row.key_hash.filter(|_| session.open_for_customer(now, true)));
            links.extend(row.link_hash.filter(|_| session.open_for_customer(now, false)));
        }
        let invited = expert::Entity::find().filter(expert::Column::Until.gt(stored_time(now)));
        links.extend(invited.all(&self.services.db).await?.into_iter().map(|row| row.hash));
        Ok(Redactor::new(&self.services.identity.pepper(), keys, links))
    }

    /// The policy for new sessions on an incident.
    async fn policy_for(&self, incident: i32) -> Result<session::Policy, DbErr> {
        let row = incident::Entity::find_by_id(incident).one(&self.services.db).await?;
        let (team, kind) = row.map(|i| (i.team, i.kind)).unwrap_or_default();
        Ok(self.services.rules.get().policy(self.services.policy.policy(), team, &kind))
    }

    /// The timeline of a running or ended session; `None` if there is no such session.
    pub async fn read(&self, id: &SessionId) -> anyhow::Result<Option<Vec<Entry>>> {
        if let Some(live) = self.get(id) {
            return Ok(Some(live.entries().await));
        }
        let (entries, _) = timeline::checked(&self.services.db, id).await?;
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Issues a ticket for a customer or an expert.
    pub fn ticket(&self, session: SessionId, who: ParticipantId) -> String {
        self.issue(Ticket { session, who, login: None })
    }

    /// Issues a ticket for somebody who is signed in.
    pub fn ticket_by(&self, session: SessionId, who: ParticipantId, login: Login) -> String {
        self.issue(Ticket { session, who, login: Some(login) })
    }

    fn issue(&self, ticket: Ticket) -> String {
        let token = secret::token();
        self.tickets.put(clock::now(), ticket.session.clone(), secret::hash(&token), ticket);
        token
    }

    /// Redeems a ticket. It works once, and only while the sign-in that requested it lasts.
    pub fn redeem(&self, ticket: &str) -> Option<Ticket> {
        let found = self.tickets.take(clock::now(), &secret::hash(ticket));
        found.filter(|t| t.login.as_ref().is_none_or(|login| !login.has_ended()))
    }
}

impl SessionRegistry {
    /// The lock that serialises commands in this session after its end.
    fn ended_lock(&self, id: &SessionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.ended_locks.lock().expect("lock is not poisoned");
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(id.clone(), Arc::downgrade(&lock));
        lock
    }

    /// Executes a command in a session that is running or has ended.
    pub async fn execute_even_if_ended(
        self: &Arc<Self>,
        id: &SessionId,
        by: &Actor,
        command: Command,
    ) -> Result<(), super::JobError> {
        let lock = self.ended_lock(id);
        let _guard = lock.lock().await;
        if let Some(live) = self.get(id) {
            live.act(by, command).await?;
            return Ok(());
        }
        let (entries, hash) = timeline::checked(&self.services.db, id).await.map_err(std::io::Error::other)?;
        let session = Session::after(id.clone(), self.services.policy.policy(), &entries);
        let live = LiveSession::new(self, session, entries, hash, StorageUsage::default());
        live.act(by, command).await?;
        Ok(())
    }
}
