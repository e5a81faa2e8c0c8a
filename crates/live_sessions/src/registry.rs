//! All running sessions, and the tickets that admit connections to them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, RwLock, Weak},
};

use futures::future::BoxFuture;
use platform::{clock, expiring::Expiring, identity::Identity, secret};
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

use super::{ActError, LiveSession, SideChannels, kept::Kept};

use crate::{
    logins::Login,
    recorder::RecordingPlace,
    redaction::Redactor,
    rules::{DefaultPolicy, Rules},
    timeline,
};

/// A ticket is used at once; a minute is for slow links.
const TICKET_MS: u64 = 60_000;
/// So many unused tickets there are at most.
const MOST_TICKETS: usize = 10_000;

/// Admission of one connection.
#[derive(Clone)]
pub struct Ticket {
    pub session: SessionId,
    pub who: ParticipantId,
    /// The sign-in that it was got by; customers and experts have none.
    pub login: Option<Login>,
}

/// Whoever tells others what happens in sessions.
pub trait Listener: Send + Sync {
    /// Notes, in the transaction that stores them, what these entries mean to others; whether there was anything. `session`
    /// is as it was before them.
    fn enqueue<'a>(
        &'a self,
        db: &'a DatabaseTransaction,
        session: &'a Session,
        entries: &'a [Entry],
    ) -> BoxFuture<'a, Result<bool, DbErr>>;

    /// What was noted is stored.
    fn wake(&self);
}

/// What running sessions need of the server.
pub struct Services {
    pub db: DatabaseConnection,
    /// Where the screen is recorded, and what is kept beside the timeline.
    pub recordings: RecordingPlace,
    pub identity: Arc<Identity>,
    pub policy: Arc<DefaultPolicy>,
    pub rules: Arc<Current<Rules>>,
    /// Held while a team gets another name or goes, and, to read, while the rules for a team are looked up.
    pub teams: Arc<tokio::sync::RwLock<()>>,
    pub listener: Arc<dyn Listener>,
    /// A proxy stands between the support program and this server, and may gather whole files before passing them on.
    pub behind_proxy: bool,
}

/// The sessions that are not over.
pub struct SessionRegistry {
    pub services: Services,
    /// A session has ended.
    ended: Notify,
    pub side_channels: SideChannels,
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    tickets: Expiring<String, Ticket, SessionId>,
    /// A session that is over is changed by one at a time: a rating comes after its end.
    past: Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>,
    /// Held to read while a session is made: until it is among the others.
    making: tokio::sync::RwLock<()>,
    /// Held while a key or a link is issued or used: the event and the hash that is stored beside it belong together.
    pub passes: tokio::sync::Mutex<()>,
}

impl SessionRegistry {
    /// No session yet.
    pub fn new(services: Services) -> Arc<Self> {
        Arc::new(Self {
            services,
            ended: Notify::new(),
            side_channels: SideChannels::default(),
            sessions: RwLock::default(),
            tickets: Expiring::new(TICKET_MS, MOST_TICKETS),
            past: Mutex::default(),
            making: tokio::sync::RwLock::default(),
            passes: tokio::sync::Mutex::default(),
        })
    }

    /// A session is over: what remains of it is to be stored.
    pub(super) fn announce_end(&self) {
        self.ended.notify_one();
    }

    /// Resolves when sessions may have ended since this was asked last.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The running session by that name.
    pub fn get(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.read().expect("nobody panics while holding the sessions").get(id).cloned()
    }

    /// All running sessions.
    pub fn all(&self) -> Vec<Arc<LiveSession>> {
        self.sessions.read().expect("nobody panics while holding the sessions").values().cloned().collect()
    }

    /// The same, with those that are being made at this moment.
    pub async fn all_made(&self) -> Vec<Arc<LiveSession>> {
        drop(self.making.write().await);
        self.all()
    }

    fn insert(&self, live: Arc<LiveSession>) {
        tokio::spawn(live.clone().keep_time());
        self.sessions.write().expect("nobody panics while holding the sessions").insert(live.id.clone(), live);
    }

    /// Forgets a session that is over and stored.
    pub fn remove(&self, id: &SessionId) {
        self.sessions.write().expect("nobody panics while holding the sessions").remove(id);
    }

    /// Makes a session for an incident.
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
        let policy = self.rules_for(incident.id).await?;
        let live = LiveSession::new(self, Session::new(id.clone(), policy), vec![], GENESIS, Kept::default());
        let organisation = self.services.policy.settings.get().organisation;
        let _making = self.making.read().await;
        let made = live.act(&Actor::Server, Command::Create { incident, owner, organisation }).await;
        if let Err(error) = made {
            session_row::Entity::delete_by_id(id.as_str()).exec(&self.services.db).await?;
            return Err(error);
        }
        self.insert(live.clone());
        Ok(live)
    }

    /// Reads every session back whose evidence is not stored. Whoever was there has the grace time to come back. Those that
    /// are over are announced.
    pub async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        let rows = session_row::Entity::find().filter(session_row::Column::Stored.eq(false));
        for row in rows.all(&self.services.db).await? {
            let id = SessionId::try_from(row.id)?;
            let (entries, hash) = timeline::checked(&self.services.db, &id).await?;
            if entries.is_empty() {
                continue;
            }
            let kept = Kept::of(&self.services.recordings.data, &id, &entries);
            let session = Session::after(id, self.services.policy.policy(), &entries);
            let here: Vec<_> =
                session.participants().iter().filter(|p| p.presence == Presence::Here).map(|p| p.id).collect();
            let ended = matches!(session.phase(), Phase::Ended { .. });
            let live = LiveSession::new(self, session, entries, hash, kept);
            live.keep_room_for_video()?;
            self.insert(live.clone());
            if ended {
                self.announce_end();
                continue;
            }
            for id in here {
                live.act(&Actor::Server, Command::Drop { id }).await?;
            }
        }
        Ok(())
    }

    /// Ends every recorder, so that what was recorded is on the disk: the server stops.
    pub async fn stop(&self) {
        for live in self.all() {
            live.stop_recorder().await;
        }
    }

    /// Finds links of any session, and the keys and links that let somebody in now.
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

    /// The policy of new sessions for an incident.
    async fn rules_for(&self, incident: i32) -> Result<session::Policy, DbErr> {
        let _names = self.services.teams.read().await;
        let row = incident::Entity::find_by_id(incident).one(&self.services.db).await?;
        let (team, kind) = row.map(|i| (i.team, i.kind)).unwrap_or_default();
        Ok(self.services.rules.get().policy(self.services.policy.policy(), &team, &kind))
    }

    /// A session's timeline, running or over; `None` when there is none by that name.
    pub async fn read(&self, id: &SessionId) -> anyhow::Result<Option<Vec<Entry>>> {
        if let Some(live) = self.get(id) {
            return Ok(Some(live.entries().await));
        }
        let (entries, _) = timeline::checked(&self.services.db, id).await?;
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// Gives out a ticket to a customer or an expert.
    pub fn ticket(&self, session: SessionId, who: ParticipantId) -> String {
        self.give(Ticket { session, who, login: None })
    }

    /// Gives out a ticket to whoever is signed in.
    pub fn ticket_by(&self, session: SessionId, who: ParticipantId, login: Login) -> String {
        self.give(Ticket { session, who, login: Some(login) })
    }

    fn give(&self, ticket: Ticket) -> String {
        let token = secret::token();
        self.tickets.put(clock::now(), ticket.session.clone(), secret::hash(&token), ticket);
        token
    }

    /// Takes a ticket back; it works once, and for as long as the sign-in that it was got by.
    pub fn redeem(&self, ticket: &str) -> Option<Ticket> {
        let found = self.tickets.take(clock::now(), &secret::hash(ticket));
        found.filter(|t| t.login.as_ref().is_none_or(|login| !login.has_ended()))
    }
}

impl SessionRegistry {
    /// Whoever holds it may change this session although it is over. Those of other sessions do not wait.
    fn turn(&self, id: &SessionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut past = self.past.lock().expect("nobody panics while holding the turns");
        past.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = past.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        past.insert(id.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Judges a command in a session that runs, or in one that is over.
    pub async fn execute_even_if_ended(
        self: &Arc<Self>,
        id: &SessionId,
        by: &Actor,
        command: Command,
    ) -> Result<(), super::JobError> {
        let turn = self.turn(id);
        let _one = turn.lock().await;
        if let Some(live) = self.get(id) {
            live.act(by, command).await?;
            return Ok(());
        }
        let (entries, hash) = timeline::checked(&self.services.db, id).await.map_err(std::io::Error::other)?;
        let session = Session::after(id.clone(), self.services.policy.policy(), &entries);
        let live = LiveSession::new(self, session, entries, hash, Kept::default());
        live.act(by, command).await?;
        Ok(())
    }
}
