//! Sessions: other systems create, read, transfer, annotate and end them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State as Extract},
    http::StatusCode,
};
use live_sessions::{LiveSession, SessionRegistry};
use platform::clock;
use protocol::{Entry, Event, Queue, SessionId, Timestamp};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use session::{Actor, Command};
use store::tables::{IncidentSource, incident, session_row};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Problem, Query, ReadSessions, Refused, Result, WriteSessions, refused};

use crate::{
    config::PublicUrl,
    desk::{
        ServiceDesk, Ticket,
        session_start::{self, Form, ImportRequest, Keys, Place},
    },
    session_view::{QueueName, SessionView, shown},
};

/// The default and the largest number of sessions on a page.
const PAGE: u64 = 50;
const LARGEST_PAGE: u64 = 200;
/// The longest lifetime of a link in seconds: thirty days.
const LONGEST_LIFE: u32 = 30 * 86_400;

/// The customer to be helped.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerInput {
    #[schema(max_length = 120)]
    #[serde(default)]
    name: String,
    /// A mail address, or empty.
    #[schema(max_length = 200)]
    #[serde(default)]
    email: String,
}

/// A session to be created.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    queue: QueueName,
    /// The incident's identifier in your system. Sessions with the same one belong to one incident; one of Deskside's
    /// own numbers, like `INC-1001`, refers to that incident.
    #[schema(max_length = 1024)]
    #[serde(default)]
    external_key: String,
    #[schema(max_length = 200)]
    #[serde(default)]
    subject: String,
    #[serde(default)]
    customer: CustomerInput,
    /// The lifetime of the link in seconds; by default the one in the settings.
    #[schema(minimum = 60, maximum = 2592000)]
    #[serde(default)]
    link_seconds: Option<u32>,
    /// Attributes that your system attaches to the session.
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

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    items: Vec<SessionView>,
    /// Pass it as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// Selects sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Sessions of the incident with this identifier in your system.
    #[serde(default)]
    external_key: Option<String>,
    /// The size of a page.
    #[param(minimum = 1, maximum = 200)]
    #[serde(default)]
    limit: Option<u64>,
    /// The `next` of the previous page.
    #[serde(default)]
    after: Option<String>,
}

fn id(text: &str) -> Result<SessionId> {
    SessionId::try_from(text.to_owned()).map_err(|_| Refused::missing("session"))
}

fn running(sessions: &Arc<SessionRegistry>, text: &str) -> Result<Arc<LiveSession>> {
    sessions.get(&id(text)?).ok_or_else(|| Refused::missing("running session"))
}

/// Lists sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sessions", params(ListQuery), responses(
    (status = 200, body = Sessions),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    Extract(db): Extract<DatabaseConnection>,
    Extract(public_url): Extract<PublicUrl>,
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    Extract(desk): Extract<Arc<ServiceDesk>>,
    _: ReadSessions,
    Query(query): Query<ListQuery>,
) -> Result<Json<Sessions>> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Refused::bad("A page must have between 1 and 200 sessions."));
    }
    use session_row::Column;
    let mut rows =
        session_row::Entity::find().order_by_desc(Column::Created).order_by_desc(Column::Id).limit(limit + 1);
    if let Some(key) = &query.external_key {
        let about = incident::Entity::find().filter(incident::Column::Desk.eq(IncidentSource::Api));
        let about = about.filter(incident::Column::Ticket.eq(key.as_str())).all(&db).await?;
        let ours = session_start::ours(&desk, key).await?;
        rows = rows.filter(Column::Incident.is_in(about.iter().chain(&ours).map(|i| i.id)));
    }
    if let Some(after) = &query.after {
        let bad = || Refused::bad("There is no such page.");
        let (at, last) = after.split_once('-').ok_or_else(bad)?;
        let at: i64 = at.parse().map_err(|_| bad())?;
        let later = Condition::all().add(Column::Created.eq(at)).add(Column::Id.lt(last));
        rows = rows.filter(Condition::any().add(Column::Created.lt(at)).add(later));
    }
    let mut rows = rows.all(&db).await?;
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| format!("{}-{}", row.created, row.id));
    let mut items = Vec::new();
    for row in rows {
        let id = id(&row.id)?;
        if let Some(entries) = sessions.read(&id).await? {
            items.extend(shown(sessions.services.policy.policy(), &public_url, &id, &entries));
        }
    }
    Ok(Json(Sessions { items, next }))
}

/// Creates a session with a key and a link. Send an `Idempotency-Key` to avoid creating it twice.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = NewSession,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 201, body = Issued),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    Extract(db): Extract<DatabaseConnection>,
    Extract(desk): Extract<Arc<ServiceDesk>>,
    WriteSessions(caller): WriteSessions,
    Body(new): Body<NewSession>,
) -> Result<(StatusCode, Json<Issued>)> {
    let by = Actor::System(caller.as_ref());
    let life = match new.link_seconds {
        None => None,
        Some(seconds) if (60..=LONGEST_LIFE).contains(&seconds) => Some(u64::from(seconds) * 1_000),
        Some(_) => return Err(Refused::bad("The lifetime of a link must be 60 to 2,592,000 seconds.")),
    };
    let email = match new.customer.email.trim() {
        "" => String::new(),
        email => super::super::people::email(email)?,
    };
    if new.external_key.chars().count() > 1_024 || new.subject.chars().count() > 200 {
        return Err(Refused::bad("An external key has at most 1,024 characters, a subject 200."));
    }
    let request = ImportRequest {
        place: place(&db, new.queue).await?,
        external_key: new.external_key,
        about: Ticket { subject: new.subject, customer: new.customer.name, email, ..Ticket::default() },
        attributes: checked(new.attributes)?.into_iter().collect(),
        priority: None,
    };
    let live = session_start::for_system(&desk, caller.as_ref(), request).await.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(issue(&desk, &live, &by, life).await?)))
}

fn checked(attributes: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let fits = |(name, value): (&String, &String)| session::attribute_fits(name, value).is_ok();
    if attributes.len() <= 30 && attributes.iter().all(fits) {
        return Ok(attributes);
    }
    Err(Refused::bad(
        "There are at most 30 attributes; a name has up to 64 letters, digits, dashes and underscores, a value up to 1,024 \
         characters.",
    ))
}

/// The place that a queue's name refers to.
async fn place(db: &DatabaseConnection, queue: QueueName) -> Result<Place> {
    match queue {
        QueueName::General {} => Ok(Place::In(Queue::General)),
        QueueName::Team { team } if store::teams::exists(db, &team).await? => Ok(Place::In(Queue::Team { team })),
        QueueName::Team { .. } => Err(Refused::bad("There is no such team.")),
        QueueName::Technician { technician } => {
            let found = store::people::technician(db, technician).await?;
            found.map(Place::With).ok_or_else(|| Refused::bad("There is no such technician."))
        }
    }
}

async fn issue(desk: &ServiceDesk, live: &Arc<LiveSession>, by: &Actor, life: Option<u64>) -> Result<Issued> {
    let Keys { key, key_until, token, link_until } =
        session_start::keys(desk, live, by, life, Form::Ours).await.map_err(refused)?;
    let utc = |at: Timestamp| clock::rfc3339(at);
    let link = session_start::link(desk, &token);
    Ok(Issued { session: live.id.to_string(), key, key_until: utc(key_until), link, link_until: utc(link_until) })
}

/// Reads a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 200, body = SessionView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn read(
    Extract(public_url): Extract<PublicUrl>,
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    _: ReadSessions,
    Path(name): Path<String>,
) -> Result<Json<SessionView>> {
    let id = id(&name)?;
    let entries = sessions.read(&id).await?.ok_or_else(|| Refused::missing("session"))?;
    shown(sessions.services.policy.policy(), &public_url, &id, &entries)
        .map(Json)
        .ok_or_else(|| Refused::missing("session"))
}

/// Issues a new key and link for a session that waits or is on hold; the previous ones stop working.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/keys", tag = "sessions",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 200, body = Issued),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn keys(
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    Extract(desk): Extract<Arc<ServiceDesk>>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
) -> Result<Json<Issued>> {
    let live = running(&sessions, &id)?;
    Ok(Json(issue(&desk, &live, &Actor::System(caller.as_ref()), None).await?))
}

/// Where a session goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    queue: QueueName,
    /// A note that only technicians see.
    #[schema(max_length = 4000)]
    #[serde(default)]
    note: String,
}

/// Transfers a session to a technician or a queue. A session with a customer is put on hold.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/transfer", tag = "sessions", params(("id" = String, Path)),
    request_body = Transfer, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn transfer(
    Extract(db): Extract<DatabaseConnection>,
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
    Body(Transfer { queue, note }): Body<Transfer>,
) -> Result<StatusCode> {
    let live = running(&sessions, &id)?;
    let command = match place(&db, queue).await? {
        Place::In(queue) => Command::Enqueue { queue, note },
        Place::With(to) => Command::Transfer { to, note },
    };
    live.act(&Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets attributes of a running session. Omitted ones stay; an empty value removes one.
#[utoipa::path(patch, path = "/api/v1/sessions/{id}/attributes", tag = "sessions", params(("id" = String, Path)),
    request_body = BTreeMap<String, String>, responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn attributes(
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
    Body(attributes): Body<BTreeMap<String, String>>,
) -> Result<StatusCode> {
    let live = running(&sessions, &id)?;
    for (name, value) in checked(attributes)? {
        let command = Command::Attribute { name, value };
        live.act(&Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/close", tag = "sessions", params(("id" = String, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn close(
    Extract(sessions): Extract<Arc<SessionRegistry>>,
    WriteSessions(caller): WriteSessions,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    running(&sessions, &id)?.act(&Actor::System(caller.as_ref()), Command::Close).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the evidence of a session is stored.
pub fn is_stored(entries: &[Entry]) -> bool {
    entries.iter().any(|e| matches!(e.event, Event::Stored { .. }))
}
