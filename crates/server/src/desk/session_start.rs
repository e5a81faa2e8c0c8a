//! Creates incidents for other systems' tickets, and sessions for incidents.

use std::sync::Arc;

use live_sessions::{ActError, LiveSession};
use platform::{
    clock, secret,
    text::{address, line, shortened},
};
use protocol::{Event, IncidentRef, Queue, Timestamp, UserRef};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use session::{Actor, Command};
use store::{
    stored_time,
    tables::{IncidentSource, customer, incident, session_row},
};

use super::{BuiltIn, Desk, Entry, ServiceDesk, Ticket};

/// The first incident is INC-1001.
const FIRST_NUMBER: i32 = 1_000;
/// The longest ticket number or key of another system.
const MAX_TICKET_CHARS: usize = 1_024;

/// The incident's number as people write it.
pub fn number(incident: &incident::Model) -> String {
    match incident.ticket.as_str() {
        "" => format!("INC-{}", FIRST_NUMBER.saturating_add(incident.id)),
        ticket if incident.desk == IncidentSource::Api => shortened(ticket, 40),
        ticket => format!("RT #{ticket}"),
    }
}

/// The id of the incident with this number, if it is a number of the built-in desk.
pub fn id_of(number: &str) -> Option<i32> {
    let digits = number.trim().to_ascii_uppercase();
    let n: i32 = digits.strip_prefix("INC-").unwrap_or(&digits).parse().ok()?;
    Some(n.saturating_sub(FIRST_NUMBER))
}

/// Creates the incident for another desk's ticket, or updates it.
pub async fn upsert_incident(
    service: &ServiceDesk,
    desk: IncidentSource,
    ticket: &str,
    found: &Ticket,
) -> Result<incident::Model, DbErr> {
    if ticket.chars().count() > MAX_TICKET_CHARS {
        return Err(DbErr::Custom(format!("a ticket number has at most {MAX_TICKET_CHARS} characters")));
    }
    // Concurrent requests for the same ticket would create two incidents, and two customers.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let now = stored_time(clock::now());
    let known = match ticket {
        "" => None,
        ticket => {
            let here = incident::Entity::find().filter(incident::Column::Desk.eq(desk));
            here.filter(incident::Column::Ticket.eq(ticket)).one(&service.db).await?
        }
    };
    let redactor = service.sessions.redactor().await?;
    let subject = match line(&redactor.clean(&found.subject), 200) {
        subject if subject.is_empty() => "Remote support".into(),
        subject => subject,
    };
    if let Some(known) = known {
        let mut row: incident::ActiveModel = known.clone().into();
        if desk != IncidentSource::Api {
            row.subject = Set(subject);
            row.status = Set(found.status.map_or(known.status, super::word));
        }
        if !found.customer.is_empty() {
            row.customer = Set(known_customer(service, found).await?);
        }
        row.updated = Set(now);
        return row.update(&service.db).await;
    }
    let row = incident::ActiveModel {
        customer: Set(known_customer(service, found).await?),
        subject: Set(subject),
        description: Set(redactor.clean(&found.description).chars().take(5_000).collect()),
        status: Set(super::word(found.status.unwrap_or(super::Status::InProgress))),
        priority: Set("normal".into()),
        kind: Set(String::new()),
        owner: Set(None),
        team: Set(None),
        desk: Set(desk),
        ticket: Set(ticket.to_owned()),
        stamp: Set(String::new()),
        created: Set(now),
        updated: Set(now),
        ..Default::default()
    };
    row.insert(&service.db).await
}

/// The customer with this mail address or, without an address, with this name and no address; created if missing. A
/// name that must be shortened matches nobody.
pub async fn known_customer(service: &ServiceDesk, found: &Ticket) -> Result<i32, DbErr> {
    let full_name = service.sessions.redactor().await?.clean(found.customer.trim());
    let name = match shortened(&full_name, protocol::MAX_NAME_CHARS) {
        name if name.is_empty() => "Customer".to_owned(),
        name => name,
    };
    let email = address::whole(&found.email).unwrap_or_default().to_owned();
    let known = match email.as_str() {
        "" if [name.as_str(), ""].contains(&full_name.as_str()) => {
            let nameless = customer::Entity::find().filter(customer::Column::Email.eq(""));
            Some(nameless.filter(customer::Column::Name.eq(name.as_str())))
        }
        "" => None,
        email => Some(customer::Entity::find().filter(customer::Column::Address.eq(address::canonical(email)))),
    };
    if let Some(known) = known
        && let Some(known) = known.order_by_asc(customer::Column::Id).one(&service.db).await?
    {
        return Ok(known.id);
    }
    let row =
        customer::ActiveModel { name: Set(name), email: Set(email), company: Set(String::new()), ..Default::default() };
    Ok(row.insert(&service.db).await?.id)
}

/// The incident as sessions refer to it.
pub async fn reference(service: &ServiceDesk, incident: &incident::Model) -> Result<IncidentRef, DbErr> {
    let customer = customer::Entity::find_by_id(incident.customer).one(&service.db).await?;
    Ok(IncidentRef {
        id: incident.id,
        number: number(incident),
        subject: incident.subject.clone(),
        customer: customer.map_or_else(|| "Customer".into(), |c| c.name),
    })
}

/// A request of another system for a session.
pub struct ImportRequest {
    pub place: Place,
    /// The incident: a number of the built-in desk, or the other system's own key, for which an incident is created. May
    /// be empty.
    pub external_key: String,
    /// The incident's data, if it must be created.
    pub about: Ticket,
    /// Attributes of the session.
    pub attributes: Vec<(String, String)>,
    /// The incident's priority, if it is given.
    pub priority: Option<&'static str>,
}

/// Where a new session goes.
pub enum Place {
    With(UserRef),
    In(Queue),
}

/// The attribute with the other system's key of the incident.
pub const EXTERNAL_KEY: &str = "external_key";

/// The key of a session's incident for other systems: their own key, otherwise our number.
pub fn external_key(session: &session::Session) -> String {
    let known = session.attributes().iter().find(|(name, _)| name == EXTERNAL_KEY).map(|(_, key)| key.clone());
    known.or_else(|| session.incident().map(|i| i.number.clone())).unwrap_or_default()
}

/// The incident of the built-in desk, if a key is one of our numbers.
pub async fn ours(service: &ServiceDesk, key: &str) -> Result<Option<incident::Model>, DbErr> {
    let named = key.trim().to_ascii_uppercase().starts_with("INC-").then(|| id_of(key)).flatten();
    match named {
        Some(id) => incident::Entity::find_by_id(id).one(&service.db).await,
        None => Ok(None),
    }
}

/// Creates a session for another system, without issuing a key.
pub async fn for_system(
    service: &ServiceDesk,
    system: UserRef,
    request: ImportRequest,
) -> Result<Arc<LiveSession>, ActError> {
    let by = Actor::System(system.clone());
    let known = ours(service, &request.external_key).await?;
    let mut incident = match known {
        Some(ours) => ours,
        None => upsert_incident(service, IncidentSource::Api, &request.external_key, &request.about).await?,
    };
    if let Some(priority) = request.priority {
        let row = incident::ActiveModel { priority: Set(priority.into()), ..incident.into() };
        incident = row.update(&service.db).await?;
    }
    let live = match request.place {
        Place::With(owner) => session(service, &incident, owner, None).await?,
        Place::In(queue) => session(service, &incident, system, Some((queue, &by))).await?,
    };
    let external = (!request.external_key.is_empty()).then(|| (EXTERNAL_KEY.to_owned(), request.external_key));
    for (name, value) in external.into_iter().chain(request.attributes) {
        live.act(&by, Command::Attribute { name, value }).await?;
    }
    Ok(live)
}

/// The form of keys and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Keys of nine digits, and tokens of 24 characters.
    Ours,
    /// Keys of seven digits and tokens of 32 hexadecimal ones, as BeyondTrust's integrations expect them.
    Beyondtrust,
}

/// A new key and link. Only their hashes are stored.
pub struct Keys {
    pub key: String,
    pub key_until: Timestamp,
    /// The link's secret.
    pub token: String,
    pub link_until: Timestamp,
}

/// Creates a session for an incident, in its owner's queue or another one, and adds a journal entry.
pub async fn session(
    service: &ServiceDesk,
    incident: &incident::Model,
    owner: UserRef,
    queue: Option<(Queue, &Actor)>,
) -> Result<Arc<LiveSession>, ActError> {
    let by = owner.name.clone();
    let live = service.sessions.create(reference(service, incident).await?, owner).await?;
    if let Some((queue, actor)) = queue {
        live.act(actor, Command::Enqueue { queue, note: String::new() }).await?;
    }
    let entry = Entry::Started { session: live.id.clone(), by };
    let written = BuiltIn(service.db.clone()).write(&incident.id.to_string(), &entry, "", false).await;
    written.map_err(|e| ActError::Store(DbErr::Custom(e)))?;
    Ok(live)
}

/// Issues a new key and link for a session.
pub async fn keys(
    service: &ServiceDesk,
    live: &Arc<LiveSession>,
    by: &Actor,
    life: Option<u64>,
    form: Form,
) -> Result<Keys, ActError> {
    let _one = service.sessions.passes.lock().await;
    let entries = live.act(by, Command::IssueKey { life }).await?;
    let Some(Event::KeyIssued { key_until, link_until, .. }) = entries.first().map(|e| &e.event) else {
        return Err(ActError::Store(DbErr::Custom("no event for the issued key".into())));
    };
    let (key, token) = match form {
        Form::Ours => (secret::spoken_key(9), secret::token()),
        Form::Beyondtrust => (secret::spoken_key(7), secret::hex(&secret::random::<16>())),
    };
    let row = session_row::ActiveModel {
        id: Set(live.id.to_string()),
        key_hash: Set(Some(secret::hash_key(&service.identity.pepper(), &key))),
        link_hash: Set(Some(secret::hash(&token))),
        ..Default::default()
    };
    row.update(&service.db).await?;
    Ok(Keys { key, key_until: *key_until, token, link_until: *link_until })
}

/// The URL of a link. The token is in the fragment, so that browsers do not send it and no proxy logs it.
pub fn link(service: &ServiceDesk, token: &str) -> String {
    format!("{}/join#{token}", service.public_url)
}
