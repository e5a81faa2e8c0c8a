//! Sessions: made, read, moved, marked and ended by other systems.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State as Extract},
    http::StatusCode,
};
use protocol::{Entry, Event, Phase, Presence, Queue, Role, SessionId, Timestamp};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use session::{Actor, Command, Session};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Problem, Query, ReadSessions, Refused, Result, WriteSessions, refused};
use crate::{
    app::{self, Shared},
    desk::{
        Ticket,
        intake::{self, Form, Keys},
    },
    live::Live,
    store::tables::{incident, session_row, team, user},
};

/// How many sessions a page holds when nobody says, and at most.
const PAGE: u64 = 50;
const LARGEST_PAGE: u64 = 200;
/// The longest life of a link: thirty days.
const LONGEST_LIFE: u32 = 30 * 86_400;
/// The attribute that names the incident of another system.
const EXTERNAL_KEY: &str = "external_key";

/// Where a session waits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueName {
    /// With everybody.
    General {},
    /// With a team.
    Team {
        /// Its name.
        team: String,
    },
    /// With one technician.
    Technician {
        /// The account's number.
        technician: i32,
    },
}

/// Who is to be helped.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerInput {
    #[schema(max_length = 120)]
    #[serde(default)]
    name: String,
    /// A mail address, or nothing.
    #[schema(max_length = 200)]
    #[serde(default)]
    email: String,
}

/// A session to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    queue: QueueName,
    /// What your system calls the incident. Sessions with the same one belong together; one of Deskside's own numbers,
    /// like `INC-1001`, means that incident.
    #[schema(max_length = 1024)]
    #[serde(default)]
    external_key: String,
    #[schema(max_length = 200)]
    #[serde(default)]
    subject: String,
    #[serde(default)]
    customer: CustomerInput,
    /// How long the link lives, in seconds; what the settings say when it is left out.
    #[schema(minimum = 60, maximum = 2592000)]
    #[serde(default)]
    link_seconds: Option<u32>,
    /// What your system knows of the session.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// A new key and link, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Issued {
    session: String,
    /// Nine digits to say on the phone.
    key: String,
    #[schema(format = DateTime)]
    key_until: String,
    link: String,
    #[schema(format = DateTime)]
    link_until: String,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has come yet.
    Waiting,
    Active,
    Held,
    Ended,
}

/// Somebody who takes part or took part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Person {
    /// Within the session.
    number: u16,
    #[schema(value_type = String, example = "technician")]
    role: Role,
    name: String,
    /// The technician's account.
    technician: Option<i32>,
    here: bool,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    id: String,
    state: State,
    /// How it ended.
    ending: Option<String>,
    /// The incident as its desk calls it.
    incident: String,
    subject: String,
    customer: String,
    queue: Option<QueueName>,
    owner: Option<i32>,
    participants: Vec<Person>,
    attributes: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// Transcript and recording are complete and stored.
    stored: bool,
    /// There is a video.
    recorded: bool,
    rating: Option<u8>,
    /// The page for people.
    page: String,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    items: Vec<Shown>,
    /// Give it as `after` for the next page; nothing after the last.
    next: Option<String>,
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Those of this incident, as your system calls it.
    #[serde(default)]
    external_key: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200)]
    #[serde(default)]
    limit: Option<u64>,
    /// The page after the one that said so.
    #[serde(default)]
    after: Option<String>,
}

/// How one session is shown.
pub fn shown(app: &Shared, id: &SessionId, entries: &[Entry]) -> Option<Shown> {
    let mut session = Session::new(id.clone(), app.policy());
    entries.iter().for_each(|e| session.apply(e.at, &e.event));
    let history = session::history(entries)?;
    let incident = session.incident()?.clone();
    let (state, ending) = match session.phase() {
        Phase::Waiting => (State::Waiting, None),
        Phase::Active => (State::Active, None),
        Phase::Held => (State::Held, None),
        Phase::Ended { .. } => (State::Ended, Some(history.ending.clone())),
    };
    let owner = Some(session.owner().id).filter(|id| *id != 0);
    let queue = match session.queue() {
        Queue::General => Some(QueueName::General {}),
        Queue::Team { team } => Some(QueueName::Team { team: team.clone() }),
        Queue::Own => owner.map(|technician| QueueName::Technician { technician }),
    };
    let person = |p: &protocol::Participant| Person {
        number: p.id.0,
        role: p.role,
        name: p.name.clone(),
        technician: p.user,
        here: p.presence == Presence::Here,
    };
    Some(Shown {
        id: id.to_string(),
        state,
        ending,
        incident: incident.number,
        subject: incident.subject,
        customer: history.customer,
        queue,
        owner,
        participants: session.participants().iter().map(person).collect(),
        attributes: session.attributes().iter().cloned().collect(),
        created: app::rfc3339(history.started),
        ended: history.ended.map(app::rfc3339),
        stored: history.stored,
        recorded: history.recording_bytes.is_some(),
        rating: history.rating,
        page: format!("{}/console/history/{id}", app.config.public_url),
    })
}

fn id(text: &str) -> Result<SessionId> {
    SessionId::try_from(text.to_owned()).map_err(|_| Refused::missing("session"))
}

fn running(app: &Shared, text: &str) -> Result<Arc<Live>> {
    app.hub.get(&id(text)?).ok_or_else(|| Refused::missing("running session"))
}

/// Lists sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(Wanted), responses(
    (status = 200, body = Sessions),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    Extract(app): Extract<Shared>,
    _: ReadSessions,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Sessions>> {
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Refused::bad("A page holds between 1 and 200 sessions."));
    }
    use session_row::Column;
    let mut rows =
        session_row::Entity::find().order_by_desc(Column::Created).order_by_desc(Column::Id).limit(limit + 1);
    if let Some(key) = &wanted.external_key {
        let about = incident::Entity::find().filter(incident::Column::Desk.eq(intake::BY_API));
        let about = about.filter(incident::Column::Ticket.eq(key.as_str())).all(&app.db).await?;
        let ours = intake::id_of(key).filter(|_| key.to_ascii_uppercase().starts_with("INC-"));
        rows = rows.filter(Column::Incident.is_in(about.iter().map(|i| i.id).chain(ours)));
    }
    if let Some(after) = &wanted.after {
        let bad = || Refused::bad("There is no such page.");
        let (at, last) = after.split_once('-').ok_or_else(bad)?;
        let at: i64 = at.parse().map_err(|_| bad())?;
        let later = Condition::all().add(Column::Created.eq(at)).add(Column::Id.lt(last));
        rows = rows.filter(Condition::any().add(Column::Created.lt(at)).add(later));
    }
    let mut rows = rows.all(&app.db).await?;
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| format!("{}-{}", row.created, row.id));
    let mut items = Vec::new();
    for row in rows {
        let id = id(&row.id)?;
        if let Some(entries) = app.hub.read(&app, &id).await? {
            items.extend(shown(&app, &id, &entries));
        }
    }
    Ok(Json(Sessions { items, next }))
}

/// Makes a session with a key and a link. Send an `Idempotency-Key` to be safe against doing it twice.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = NewSession,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 201, body = Issued),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    Extract(app): Extract<Shared>,
    WriteSessions(caller): WriteSessions,
    Body(new): Body<NewSession>,
) -> Result<(StatusCode, Json<Issued>)> {
    let by = Actor::System(caller.as_ref());
    let life = match new.link_seconds {
        None => None,
        Some(seconds) if (60..=LONGEST_LIFE).contains(&seconds) => Some(u64::from(seconds) * 1_000),
        Some(_) => return Err(Refused::bad("A link lives between 60 and 2,592,000 seconds.")),
    };
    let attributes = checked(new.attributes)?;
    let (owner, queue) = match &new.queue {
        QueueName::Technician { technician } => (technician_ref(&app, *technician).await?, None),
        QueueName::General {} => (caller.as_ref(), Some(Queue::General)),
        QueueName::Team { team } => {
            known_team(&app, team).await?;
            (caller.as_ref(), Some(Queue::Team { team: team.clone() }))
        }
    };
    let email = match new.customer.email.trim() {
        "" => String::new(),
        email => super::super::people::email(email)?,
    };
    if new.external_key.chars().count() > 1_024 || new.subject.chars().count() > 200 {
        return Err(Refused::bad("An external key has at most 1,024 characters, a subject 200."));
    }
    let ticket = Ticket {
        subject: new.subject,
        description: String::new(),
        customer: new.customer.name.trim().to_owned(),
        email,
    };
    let ours = intake::id_of(&new.external_key).filter(|_| new.external_key.to_ascii_uppercase().starts_with("INC-"));
    let ours = match ours {
        Some(id) => incident::Entity::find_by_id(id).one(&app.db).await?,
        None => None,
    };
    let incident = match ours {
        Some(ours) => ours,
        None => intake::mirror(&app, intake::BY_API, &new.external_key, &ticket).await?,
    };
    let live = intake::session(&app, &incident, owner, queue.map(|queue| (queue, &by))).await.map_err(refused)?;
    let external = (!new.external_key.is_empty()).then(|| (EXTERNAL_KEY.to_owned(), new.external_key));
    for (name, value) in attributes.into_iter().chain(external) {
        live.act(&app, &by, Command::Attribute { name, value }).await.map_err(refused)?;
    }
    Ok((StatusCode::CREATED, Json(issue(&app, &live, &by, life).await?)))
}

fn checked(attributes: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let plain = |name: &str| {
        (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    let good =
        attributes.len() <= 30 && attributes.iter().all(|(name, value)| plain(name) && value.chars().count() <= 1_024);
    if good {
        Ok(attributes)
    } else {
        Err(Refused::bad(
            "There are at most 30 attributes; a name has up to 64 letters, digits, dashes and underscores, a value up to 1,024 characters.",
        ))
    }
}

async fn technician_ref(app: &Shared, id: i32) -> Result<protocol::UserRef> {
    let found = user::Entity::find_by_id(id).one(&app.db).await?.filter(|u| !u.disabled);
    let found = found.ok_or_else(|| Refused::bad("There is no such technician."))?;
    Ok(protocol::UserRef { id, name: found.name })
}

async fn known_team(app: &Shared, name: &str) -> Result<()> {
    let found = team::Entity::find().filter(team::Column::Name.eq(name)).one(&app.db).await?;
    found.map(|_| ()).ok_or_else(|| Refused::bad("There is no such team."))
}

async fn issue(app: &Shared, live: &Arc<Live>, by: &Actor, life: Option<u64>) -> Result<Issued> {
    let Keys { key, key_until, token, link_until } =
        intake::keys(app, live, by, life, Form::Ours).await.map_err(refused)?;
    let utc = |at: Timestamp| app::rfc3339(at);
    let link = intake::link(app, &token);
    Ok(Issued { session: live.id.to_string(), key, key_until: utc(key_until), link, link_until: utc(link_until) })
}

/// Reads a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 200, body = Shown),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn read(Extract(app): Extract<Shared>, _: ReadSessions, Path(name): Path<String>) -> Result<Json<Shown>> {
    let id = id(&name)?;
    let entries = app.hub.read(&app, &id).await?.ok_or_else(|| Refused::missing("session"))?;
    shown(&app, &id, &entries).map(Json).ok_or_else(|| Refused::missing("session"))
}

/// Makes a new key and link for a session that waits or is held; those before work no more.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/keys", tag = "sessions",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 200, body = Issued),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn keys(
    Extract(app): Extract<Shared>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
) -> Result<Json<Issued>> {
    let live = running(&app, &id)?;
    Ok(Json(issue(&app, &live, &Actor::System(caller.as_ref()), None).await?))
}

/// Where a session goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    queue: QueueName,
    /// For technicians only.
    #[schema(max_length = 4000)]
    #[serde(default)]
    note: String,
}

/// Gives a session to a technician or a queue. A customer who is there is put on hold.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/transfer", tag = "sessions", params(("id" = String, Path)),
    request_body = Transfer, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn transfer(
    Extract(app): Extract<Shared>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
    Body(Transfer { queue, note }): Body<Transfer>,
) -> Result<StatusCode> {
    let live = running(&app, &id)?;
    let command = match queue {
        QueueName::General {} => Command::Enqueue { queue: Queue::General, note },
        QueueName::Team { team } => {
            known_team(&app, &team).await?;
            Command::Enqueue { queue: Queue::Team { team }, note }
        }
        QueueName::Technician { technician } => Command::Transfer { to: technician_ref(&app, technician).await?, note },
    };
    live.act(&app, &Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps what your system knows of a running session. What is not named stays; an empty value takes it away.
#[utoipa::path(patch, path = "/api/v1/sessions/{id}/attributes", tag = "sessions", params(("id" = String, Path)),
    request_body = BTreeMap<String, String>, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn attributes(
    Extract(app): Extract<Shared>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
    Body(attributes): Body<BTreeMap<String, String>>,
) -> Result<StatusCode> {
    let live = running(&app, &id)?;
    for (name, value) in checked(attributes)? {
        let command = Command::Attribute { name, value };
        live.act(&app, &Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/close", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn close(
    Extract(app): Extract<Shared>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    running(&app, &id)?.act(&app, &Actor::System(caller.as_ref()), Command::Close).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the evidence of a session is stored.
pub fn is_stored(entries: &[Entry]) -> bool {
    entries.iter().any(|e| matches!(e.event, Event::Stored { .. }))
}
