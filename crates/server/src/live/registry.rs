//! All running sessions, and the tickets that admit connections to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, RwLock, Weak},
};

use anyhow::Context;
use platform::{clock, expiring::Expiring, secret};
use protocol::{Entry, IncidentRef, ParticipantId, Phase, Presence, SessionId, Timestamp, UserRef};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use session::{Actor, Command, GENESIS, Session, Stored};
use store::{
    stored_time,
    tables::{event_row, incident, session_row},
};

use super::{ActError, LiveSession, kept::Kept};

use crate::{app::Shared, sign_in::Login};

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

/// The sessions that are not over.
pub struct SessionRegistry {
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    tickets: Expiring<String, Ticket, SessionId>,
    /// A session that is over is changed by one at a time: a rating comes after its end.
    past: Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>,
    /// Held to read while a session is made: until it is among the others.
    making: tokio::sync::RwLock<()>,
    /// Held while a key or a link is issued or used: the event and the hash that is stored beside it belong together.
    pub passes: tokio::sync::Mutex<()>,
}

impl Default for SessionRegistry {
    fn default() -> Self {
        let tickets = Expiring::new(TICKET_MS, MOST_TICKETS);
        Self {
            sessions: RwLock::default(),
            tickets,
            past: Mutex::default(),
            making: tokio::sync::RwLock::default(),
            passes: tokio::sync::Mutex::default(),
        }
    }
}

impl SessionRegistry {
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

    fn insert(&self, app: &Shared, live: Arc<LiveSession>) {
        tokio::spawn(live.clone().keep_time(app.clone()));
        self.sessions.write().expect("nobody panics while holding the sessions").insert(live.id.clone(), live);
    }

    /// Forgets a session that is over and stored.
    pub fn remove(&self, id: &SessionId) {
        self.sessions.write().expect("nobody panics while holding the sessions").remove(id);
    }

    /// Makes a session for an incident.
    pub async fn create(
        &self,
        app: &Shared,
        incident: IncidentRef,
        owner: UserRef,
    ) -> Result<Arc<LiveSession>, ActError> {
        let id = SessionId::from_random(secret::random());
        let row = session_row::ActiveModel {
            id: Set(id.to_string()),
            incident: Set(incident.id),
            created: Set(stored_time(clock::now())),
            key_hash: Set(None),
            link_hash: Set(None),
            stored: Set(false),
        };
        row.insert(&app.db).await?;
        let policy = rules_for(app, incident.id).await?;
        let live = LiveSession::new(app, Session::new(id.clone(), policy), vec![], GENESIS, Kept::default());
        let organisation = app.settings().organisation;
        let _making = self.making.read().await;
        let made = live.act(app, &Actor::Server, Command::Create { incident, owner, organisation }).await;
        if let Err(error) = made {
            session_row::Entity::delete_by_id(id.as_str()).exec(&app.db).await?;
            return Err(error);
        }
        self.insert(app, live.clone());
        Ok(live)
    }

    /// Reads every session back that is not over and stored. Whoever was there has the grace time to come back.
    pub async fn load(&self, app: &Shared) -> anyhow::Result<()> {
        let rows = session_row::Entity::find().filter(session_row::Column::Stored.eq(false)).all(&app.db).await?;
        for row in rows {
            let id = SessionId::try_from(row.id)?;
            let (entries, hash) = timeline(app, &id).await?;
            if entries.is_empty() {
                continue;
            }
            let kept = Kept::of(&app.config.data, &id, &entries);
            let session = Session::after(id, app.policy(), &entries);
            let here: Vec<_> =
                session.participants().iter().filter(|p| p.presence == Presence::Here).map(|p| p.id).collect();
            let ended = matches!(session.phase(), Phase::Ended { .. });
            let live = LiveSession::new(app, session, entries, hash, kept);
            crate::archive::keep_room_for_video(app, &live)?;
            self.insert(app, live.clone());
            if ended {
                crate::archive::spawn_finalizer(app.clone(), live);
                continue;
            }
            for id in here {
                live.act(app, &Actor::Server, Command::Drop { id }).await?;
            }
        }
        Ok(())
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

/// The policy of new sessions for an incident.
async fn rules_for(app: &Shared, incident: i32) -> Result<session::Policy, sea_orm::DbErr> {
    let _names = app.teams.read().await;
    let row = incident::Entity::find_by_id(incident).one(&app.db).await?;
    let (team, kind) = row.map(|i| (i.team, i.kind)).unwrap_or_default();
    Ok(app.rules().policy(app.policy(), &team, &kind))
}

/// Reads a session's timeline and checks its chain.
pub async fn timeline(app: &Shared, id: &SessionId) -> anyhow::Result<(Vec<Entry>, session::Link)> {
    let stored = stored(app, id).await?;
    let hash = stored.last().map_or(GENESIS, |s| s.hash);
    Ok((read_back(id, &stored)?, hash))
}

/// The entries of a stored timeline, whose chain must be whole.
pub fn read_back(id: &SessionId, stored: &[Stored]) -> anyhow::Result<Vec<Entry>> {
    let events = session::verify(id, stored)?;
    Ok((1..).zip(events).map(|(seq, (at, event))| Entry { seq, at, event }).collect())
}

/// A session's timeline as it is stored.
pub async fn stored(app: &Shared, id: &SessionId) -> anyhow::Result<Vec<Stored>> {
    let rows = event_row::Entity::find()
        .filter(event_row::Column::Session.eq(id.as_str()))
        .order_by_asc(event_row::Column::Seq)
        .all(&app.db)
        .await?;
    rows.into_iter().map(link).collect()
}

fn link(row: event_row::Model) -> anyhow::Result<Stored> {
    let hash = evidence::unhex(&row.hash).context("a hash in the database is not one")?;
    Ok(Stored { seq: row.seq.cast_unsigned(), at: Timestamp(row.at.cast_unsigned()), body: row.body, hash })
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

    /// Judges a wish in a session that runs, or in one that is over.
    pub async fn execute_even_if_ended(
        &self,
        app: &Shared,
        id: &SessionId,
        by: &Actor,
        command: Command,
    ) -> Result<(), crate::live::JobError> {
        let turn = self.turn(id);
        let _one = turn.lock().await;
        let live = match self.get(id) {
            Some(live) => live,
            None => {
                let (entries, hash) = timeline(app, id).await.map_err(std::io::Error::other)?;
                let session = Session::after(id.clone(), app.policy(), &entries);
                LiveSession::new(app, session, entries, hash, Kept::default())
            }
        };
        live.act(app, by, command).await?;
        if matches!(live.read(|s| s.phase()).await, Phase::Ended { .. }) && self.get(id).is_none() {
            crate::archive::seal(app, id).await.map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    /// A session's timeline, running or over; `None` when there is none by that name.
    pub async fn read(&self, app: &Shared, id: &SessionId) -> anyhow::Result<Option<Vec<Entry>>> {
        if let Some(live) = self.get(id) {
            return Ok(Some(live.entries().await));
        }
        let (entries, _) = timeline(app, id).await?;
        Ok((!entries.is_empty()).then_some(entries))
    }
}
