//! Sessions: how technicians create, find and end them.

use archive::{Archive, Unstored};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::{self, LiveSession, SessionRegistry};
use platform::clock;
use protocol::{Client, Entry, Event, Participant, Phase, Presence, Queue, Role, SessionId, SessionState, Timestamp};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde::Serialize;
use session::{Actor, Command, History, TranscriptLine};
use std::sync::Arc;
use store::{setting::Current, settings::Settings, tables::incident, teams};
use ts_rs::TS;

use super::{ApiError, CurrentLogin, Result, SignedIn, desk, mails};

use crate::{
    access_scope::{self, SessionAction},
    desk::{
        ServiceDesk,
        session_start::{self, Form, Keys},
    },
    sign_in::Auth,
};

/// A new session key with its link, shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Issued {
    pub session: SessionId,
    /// Nine digits.
    pub key: String,
    pub key_until: Timestamp,
    pub link: String,
    pub link_until: Timestamp,
    /// A draft of the invitation.
    pub draft: mails::Draft,
}

/// A session in the queue.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Queued {
    pub state: SessionState,
    /// When it was created.
    pub since: Timestamp,
    /// Whether it is the technician's own.
    pub mine: bool,
    /// Whether it waits in a queue that the technician may take it from.
    pub open: bool,
    /// Whether the technician was asked to join.
    pub shared: bool,
    /// Whether the technician may supervise it.
    pub watchable: bool,
    /// Since when it has been in its present state: waiting, queued or on hold.
    pub waits_since: Timestamp,
}

/// A session, running or ended.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct SessionPage {
    pub state: SessionState,
    pub entries: Vec<Entry>,
    pub transcript: Vec<TranscriptLine>,
    pub history: History,
    /// The playback timeline: where moments of the session are in the video.
    #[serde(rename = "film")]
    pub playback: Vec<session::Span>,
    /// Why the evidence is not stored yet, if storing has failed.
    pub unstored: Option<Unstored>,
    /// What the technician may do with the evidence.
    pub may: May,
}

/// What a technician may do with evidence.
#[derive(Clone, Copy, Serialize, TS)]
#[ts(export)]
pub struct May {
    pub watch: bool,
    pub export: bool,
    pub delete: bool,
    /// Retry to store it.
    pub store: bool,
}

/// A ticket for the wire.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Admission {
    pub session: SessionId,
    pub ticket: String,
}

pub fn parse(id: String) -> Result<SessionId> {
    SessionId::try_from(id).map_err(|_| ApiError::missing("session"))
}

/// The running session with this number.
pub fn running(sessions: &Arc<SessionRegistry>, id: String) -> Result<Arc<LiveSession>> {
    sessions.get(&parse(id)?).ok_or_else(|| ApiError::missing("running session"))
}

/// Creates a session for an incident, with a key and a link.
pub async fn generate(
    State(db): State<DatabaseConnection>,
    State(settings): State<Arc<Current<Settings>>>,
    State(desk): State<Arc<ServiceDesk>>,
    me: SignedIn,
    Path(incident): Path<i32>,
) -> Result<(StatusCode, Json<Issued>)> {
    let incident = incident::Entity::find_by_id(incident).one(&db).await?;
    let incident = incident.ok_or_else(|| ApiError::missing("incident"))?;
    let live = session_start::session(&desk, &incident, me.as_ref(), None).await?;
    Ok((StatusCode::CREATED, Json(issue(&db, &settings, &desk, &live, &me).await?)))
}

/// Issues a new key and link for a session that waits or is on hold.
pub async fn issue_key(
    State(db): State<DatabaseConnection>,
    State(settings): State<Arc<Current<Settings>>>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(desk): State<Arc<ServiceDesk>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Issued>> {
    let live = running(&sessions, id)?;
    Ok(Json(issue(&db, &settings, &desk, &live, &me).await?))
}

pub async fn issue(
    db: &DatabaseConnection,
    settings: &Current<Settings>,
    desk: &ServiceDesk,
    live: &Arc<LiveSession>,
    me: &SignedIn,
) -> Result<Issued> {
    let Keys { key, key_until, token, link_until } =
        session_start::keys(desk, live, &Actor::Technician(me.as_ref()), None, Form::Ours).await?;
    let link = session_start::link(desk, &token);
    let incident = desk::find(db, live.state().await.incident.id).await?;
    let draft = mails::draft(settings, &incident, &me.0, &link, &key);
    Ok(Issued { session: live.id.clone(), key, key_until, link, link_until, draft })
}

/// Executes a command of a technician, who need not be connected.
pub async fn act(sessions: &Arc<SessionRegistry>, me: &SignedIn, id: String, command: Command) -> Result<StatusCode> {
    running(sessions, id)?.act(&Actor::Technician(me.as_ref()), command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes the key.
pub async fn revoke_key(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    act(&sessions, &me, id, Command::RevokeKey).await
}

/// Revokes the link.
pub async fn revoke_link(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    act(&sessions, &me, id, Command::RevokeLink).await
}

/// Puts a session on hold.
pub async fn hold(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    act(&sessions, &me, id, Command::Hold).await
}

/// Reopens a session that is on hold.
pub async fn reopen(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    act(&sessions, &me, id, Command::Reopen).await
}

/// Ends a session.
pub async fn close(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    act(&sessions, &me, id, Command::Close).await
}

/// Issues a ticket for a technician's page.
pub async fn ticket(
    State(sessions): State<Arc<SessionRegistry>>,
    State(auth): State<Arc<Auth>>,
    me: SignedIn,
    CurrentLogin(login): CurrentLogin,
    Path(id): Path<String>,
) -> Result<Json<Admission>> {
    let live = running(&sessions, id)?;
    let (name, user) = (me.0.name.clone(), Some(me.0.id));
    let admitted = |s: &session::Session| s.technician(me.0.id).map(|p| p.id).filter(|who| s.admits(*who).is_ok());
    let who = match live.read(admitted).await {
        Some(who) => who,
        None => {
            let (role, client, by_role) = (Role::Technician, Client::Console, auth.rules.get().role(me.0.role));
            let join = Command::Join { role, name, client, user, by_role, by_key: false };
            live_sessions::joined_participant(&live.act(&Actor::Server, join).await?)?
        }
    };
    Ok(Json(Admission { session: live.id.clone(), ticket: sessions.ticket_by(live.id.clone(), who, login) }))
}

/// Issues a ticket for a supervisor's page. Everybody in the session sees that they watch.
pub async fn supervise(
    State(sessions): State<Arc<SessionRegistry>>,
    me: SignedIn,
    CurrentLogin(login): CurrentLogin,
    Path(id): Path<String>,
) -> Result<Json<Admission>> {
    let live = running(&sessions, id)?;
    access_scope::session(&sessions, &me.0, &live.id, SessionAction::Watch).await?;
    let watches = |p: &&Participant| p.user == Some(me.0.id) && p.role == Role::Supervisor;
    let here = |p: &&Participant| watches(p) && p.presence != Presence::Gone;
    let who = match live.read(|s| s.participants().iter().find(here).map(|p| p.id)).await {
        Some(who) => who,
        None => live_sessions::joined_participant(
            &live.act(&Actor::Server, Command::Supervise { user: me.as_ref() }).await?,
        )?,
    };
    Ok(Json(Admission { session: live.id.clone(), ticket: sessions.ticket_by(live.id.clone(), who, login) }))
}

/// Sessions that wait, run or are on hold, as far as the technician may see them: the oldest first.
pub async fn queue(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    asker: SignedIn,
) -> Result<Json<Vec<Queued>>> {
    let me = &asker.0;
    let my_team = teams::name(&db, me.team).await?;
    let mut queue = Vec::new();
    for live in sessions.all() {
        let state = live.state().await;
        if matches!(state.phase, Phase::Ended { .. }) {
            continue;
        }
        let entries = live.entries().await;
        if !access_scope::reaches(&db, me, &entries).await? {
            continue;
        }
        let since = entries.first().map_or(clock::now(), |e| e.at);
        let turned = |e: &&Entry| matches!(e.event, Event::Held { .. } | Event::Queued { .. } | Event::Reopened { .. });
        let waits_since = entries.iter().rev().find(turned).map_or(since, |e| e.at);
        let open = match &state.queue {
            Queue::Own => false,
            Queue::Team { team } => *team == my_team,
            Queue::General => true,
        };
        let shared = state.shared_with.iter().any(|u| u.id == me.id);
        let mine = state.owner.id == me.id && state.queue == Queue::Own;
        let runs = state.phase == Phase::Active && !mine && !shared;
        let watchable = runs && access_scope::has(me, SessionAction::Watch);
        queue.push(Queued { mine, open, shared, watchable, since, waits_since, state });
    }
    queue.sort_by_key(|q| (!(q.mine || q.shared), !q.open, q.waits_since));
    Ok(Json(queue))
}

/// Returns a session with its timeline.
pub async fn read(
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<SessionPage>> {
    page(&sessions, &archive, &me, id).await.map(Json)
}

/// The data of a session's page.
pub async fn page(
    sessions: &Arc<SessionRegistry>,
    archive: &Arc<Archive>,
    me: &SignedIn,
    id: String,
) -> Result<SessionPage> {
    let id = parse(id)?;
    let entries = access_scope::session(sessions, &me.0, &id, SessionAction::Read).await?;
    let has = |action| access_scope::has(&me.0, action);
    let may = May {
        watch: has(SessionAction::Watch),
        export: has(SessionAction::Export),
        delete: has(SessionAction::Delete),
        store: me.0.administrator,
    };
    let unstored = archive.unfinished.get(&id);
    let session = session::Session::after(id, sessions.services.policy.policy(), &entries);
    let history = session::history(&entries).ok_or_else(|| ApiError::missing("session"))?;
    let playback = session::PlaybackTimeline::of(&entries).stretches;
    let transcript = session::transcript(&entries);
    Ok(SessionPage { state: session.state(), entries, transcript, history, playback, unstored, may })
}
