//! Actions on sessions.

use std::sync::Arc;

use live_sessions::{ActError, LiveSession, SessionRegistry};
use protocol::{Event, Phase, RefusalReason, SessionId};
use sea_orm::DatabaseConnection;
use session::{Actor, Command};

use super::{CommandServices, Failed, failed};
use crate::{
    accounts::Caller,
    beyondtrust::{
        people::{Place, QueueId},
        request_params::RequestParams,
        xml::{Element, element, text},
    },
    desk::{
        Ticket,
        session_start::{self, EXTERNAL_KEY, Form, ImportRequest},
    },
};

/// The default lifetime of a key in seconds: a day.
const TTL: u64 = 86_400;
/// The longest lifetime: thirty days.
const LONGEST_TTL: u64 = 30 * 86_400;
/// The attribute with a session's priority, 1 (high) to 3.
pub const PRIORITY: &str = "session_priority";
/// The attributes with what customers stated about themselves.
pub const COMPANY: &str = "customer_company";
pub const COMPANY_CODE: &str = "customer_company_code";
pub const DETAILS: &str = "customer_details";

/// Whether an attribute is a standard one of the original's sessions, which cannot be set or read as a custom
/// attribute.
fn is_standard(name: &str) -> bool {
    [PRIORITY, COMPANY, COMPANY_CODE, DETAILS].contains(&name)
}
/// The limit for all attributes together, in bytes.
const MAX_ATTRIBUTES: usize = 10 * 1_024;
/// How many characters of a name are repeated in an error.
const MAX_ATTRIBUTE_NAME: usize = 64;

/// The attributes that a request sets: `session.custom.NAME`, and the older form of the external key.
pub fn custom(params: &RequestParams) -> Result<Vec<(String, String)>, Failed> {
    let mut given: Vec<(String, String)> =
        params.all("session.custom.").map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    if params.has(EXTERNAL_KEY) && !given.iter().any(|(n, _)| n == EXTERNAL_KEY) {
        given.push((EXTERNAL_KEY.into(), params.get(EXTERNAL_KEY).unwrap_or_default().to_owned()));
    }
    fitting(&given)?;
    Ok(given)
}

/// Checks that attributes may be set.
pub fn fitting(given: &[(String, String)]) -> Result<(), Failed> {
    for (name, value) in given {
        let short: String = name.chars().take(MAX_ATTRIBUTE_NAME).collect();
        match session::attribute_fits(name, value) {
            Ok(()) if !is_standard(name) => {}
            Err(RefusalReason::TooLong) => {
                return failed(format!("The value of session.custom.{short} is longer than 1024 characters."));
            }
            Ok(()) | Err(_) => return failed(format!("Invalid custom attribute: session.custom.{short}")),
        }
    }
    if given.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() > MAX_ATTRIBUTES {
        return failed("The custom attributes are larger than 10 KB in all.");
    }
    Ok(())
}

/// Converts a request to Deskside's terms. `given` includes the external key; a priority is 1 (high) to 3.
pub fn import_request(
    place: &Place,
    mut given: Vec<(String, String)>,
    about: Ticket,
    priority: Option<u64>,
) -> ImportRequest {
    let external = given.iter().position(|(name, _)| name == EXTERNAL_KEY).map(|n| given.remove(n).1);
    given.extend(priority.map(|n| (PRIORITY.to_owned(), n.to_string())));
    ImportRequest {
        place: place.import_place(),
        external_key: external.unwrap_or_default(),
        about,
        attributes: given,
        priority: match priority {
            Some(1) => Some("high"),
            Some(3) => Some("low"),
            _ => None,
        },
    }
}

fn number(params: &RequestParams, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Failed> {
    match params.get(name).map(|text| text.parse::<u64>().ok().filter(|n| range.contains(n))) {
        None => Ok(None),
        Some(Some(n)) => Ok(Some(n)),
        Some(None) => failed(format!("Invalid value for {name}")),
    }
}

/// A request for a session key.
pub struct KeyRequest {
    pub queue: QueueId,
    /// The lifetime of its link in seconds.
    pub ttl: Option<u64>,
    pub priority: Option<u64>,
    /// The session's attributes, including the external key.
    pub attributes: Vec<(String, String)>,
}

/// A new session key.
pub struct IssuedKey {
    /// Unix seconds.
    pub expires: u64,
    pub queue: &'static str,
    pub queue_id: Option<i32>,
    /// Whether a technician of the queue is available.
    pub available: bool,
    pub external_key: Option<String>,
    pub short_key: String,
    pub key_url: String,
    pub mail_body: String,
}

/// The subject of an invitation's mail.
pub const MAIL_SUBJECT: &str = "Remote Support Invitation";

/// Creates a session with a key and a link.
pub async fn make(services: &CommandServices, caller: &Caller, request: KeyRequest) -> Result<IssuedKey, Failed> {
    let CommandServices { db, public_url, settings, desk, organisation, .. } = services;
    let KeyRequest { queue, ttl, priority, attributes } = request;
    let Some(place) = queue.find(db).await? else { return failed(format!("No such queue: {queue}")) };
    let external_key = attributes.iter().find(|(name, _)| name == EXTERNAL_KEY).map(|(_, key)| key.clone());
    let subject = external_key.as_ref().filter(|k| !k.is_empty()).map(|k| format!("Remote support for {k}"));
    let about = Ticket { subject: subject.unwrap_or_default(), ..Ticket::default() };
    let by = Actor::System(caller.as_ref());
    let available = place.available(db, organisation).await?;
    let (name, queue_id) = match &place {
        Place::General => ("general", None),
        Place::Rep(rep) => ("rep", Some(rep.id)),
        Place::Team(team) if matches!(queue, QueueId::Issue(_)) => ("issue", Some(team.id)),
        Place::Team(team) => ("team", Some(team.id)),
    };
    let import_request = import_request(&place, attributes, about, priority);
    let live = session_start::for_system(desk, caller.as_ref(), import_request).await.map_err(refused)?;
    let life = Some(ttl.unwrap_or(TTL) * 1_000);
    let keys = session_start::keys(desk, &live, &by, life, Form::Beyondtrust).await?;
    let key_url = format!("{}/?ak={}", public_url, keys.token);
    let organisation = settings.get().organisation;
    let mail_body = format!(
        "\nYou have been invited to a remote support session with {organisation}.\n\nTo begin, please visit the following address:\n\n{key_url}\n\nYou decide what is shared, and you can end the session at any time.\n"
    );
    Ok(IssuedKey {
        expires: keys.link_until.0 / 1_000,
        queue: name,
        queue_id,
        available,
        external_key,
        short_key: keys.key,
        key_url,
        mail_body,
    })
}

/// The allowed lifetime of a key in seconds.
pub const TTL_RANGE: std::ops::RangeInclusive<u64> = 60..=LONGEST_TTL;
/// High, medium, low.
pub const PRIORITY_RANGE: std::ops::RangeInclusive<u64> = 1..=3;

/// `generate_session_key`
pub async fn generate(services: &CommandServices, caller: &Caller, params: &RequestParams) -> Result<Element, Failed> {
    match params.get("type") {
        Some("support") => {}
        None => return failed("The parameter type is missing."),
        Some(_) => return failed("Invalid value for type"),
    }
    let Some(queue_id) = params.get("queue_id") else { return failed("The parameter queue_id is missing.") };
    let Some(queue) = QueueId::parse(queue_id) else { return failed("Invalid value for queue_id") };
    let ttl = number(params, "ttl", TTL_RANGE)?;
    let priority = number(params, "session.priority", PRIORITY_RANGE)?;
    let issued = make(services, caller, KeyRequest { queue, ttl, priority, attributes: custom(params)? }).await?;
    Ok(element("session_key")
        .child(text("type", "support"))
        .children(ttl.map(|ttl| text("ttl", ttl)))
        .child(text("expires", issued.expires))
        .child(text("queue", issued.queue).with("available", u8::from(issued.available)))
        .children(issued.queue_id.map(|id| text("queue_id", id)))
        .children(issued.external_key.map(|key| text(EXTERNAL_KEY, key)))
        .child(text("short_key", issued.short_key))
        .child(text("key_url", issued.key_url))
        .child(text("mail_subject", MAIL_SUBJECT))
        .child(text("mail_body", issued.mail_body)))
}

fn lsid(params: &RequestParams) -> Result<SessionId, Failed> {
    let Some(lsid) = params.get("lsid") else { return failed("The parameter lsid is missing.") };
    SessionId::try_from(lsid.to_ascii_lowercase()).or_else(|_| failed("Invalid value for lsid"))
}

/// The session with this lsid, while it is running.
pub async fn active(sessions: &Arc<SessionRegistry>, id: &SessionId) -> Option<Arc<LiveSession>> {
    let live = sessions.get(id)?;
    let over = matches!(live.read(session::Session::phase).await, Phase::Ended { .. });
    (!over).then_some(live)
}

async fn running(sessions: &Arc<SessionRegistry>, params: &RequestParams) -> Result<Arc<LiveSession>, Failed> {
    match active(sessions, &lsid(params)?).await {
        Some(live) => Ok(live),
        None => failed("No active session was found for this lsid."),
    }
}

/// Converts a refusal to an error for the client.
pub fn refused(error: ActError) -> Failed {
    match error {
        ActError::Refused(RefusalReason::Already) => Failed::Message("There is nothing to change.".into()),
        ActError::Refused(why) => Failed::Message(why.to_string()),
        ActError::Disabled | ActError::NoTeam => Failed::Message(error.to_string()),
        ActError::Store(error) => Failed::Server(error.into()),
    }
}

/// `get_session_attributes`
pub async fn attributes(sessions: &Arc<SessionRegistry>, params: &RequestParams) -> Result<Element, Failed> {
    let id = lsid(params)?;
    let Some(entries) = sessions.read(&id).await? else { return failed("No session was found for this lsid.") };
    Ok(element("custom_attributes").children(known(&entries).into_iter().map(attribute)))
}

/// The custom attributes of a timeline without the external key, which reports show separately.
pub fn custom_of(entries: &[protocol::Entry]) -> Vec<Element> {
    let known = known(entries).into_iter().filter(|(name, _)| *name != EXTERNAL_KEY);
    known.map(attribute).collect()
}

/// The custom attributes of a timeline with their values, in the order in which they were set.
pub fn known(entries: &[protocol::Entry]) -> Vec<(&str, &str)> {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for entry in entries {
        if let Event::Attributed { name, value, .. } = &entry.event {
            known.retain(|(n, _)| n != name);
            if !value.is_empty() && !is_standard(name) {
                known.push((name, value));
            }
        }
    }
    known
}

/// The display name of an attribute.
pub fn display_name(name: &str) -> &str {
    if name == EXTERNAL_KEY { "External Key" } else { name }
}

fn attribute((name, value): (&str, &str)) -> Element {
    text("custom_attribute", value).with("display_name", display_name(name)).with("code_name", name)
}

/// `set_session_attributes`
pub async fn set_attributes(
    sessions: &Arc<SessionRegistry>,
    caller: &Caller,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let live = running(sessions, params).await?;
    set_all(caller, &live, custom(params)?).await?;
    Ok(text("success", "Session attributes were set"))
}

/// Sets attributes of a session; an empty value clears one.
pub async fn set_all(caller: &Caller, live: &Arc<LiveSession>, given: Vec<(String, String)>) -> Result<(), Failed> {
    for (name, value) in given {
        let command = Command::Attribute { name, value };
        live.act(&Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    }
    Ok(())
}

/// The technician that `rep_id` or `rep_username` names.
async fn rep(db: &DatabaseConnection, params: &RequestParams) -> Result<store::tables::user::Model, Failed> {
    let named = match (params.get("rep_id"), params.get("rep_username")) {
        (Some(id), _) => id.parse().ok().map(QueueId::Rep),
        (None, Some(name)) => Some(QueueId::RepName(name.to_lowercase())),
        (None, None) => return failed("The parameter rep_id or rep_username is missing."),
    };
    let found = match named {
        Some(named) => named.find(db).await?,
        None => None,
    };
    match found {
        Some(Place::Rep(rep)) => Ok(rep),
        Some(Place::General | Place::Team(_)) | None => failed("No such representative was found."),
    }
}

/// `join_session`: invites a technician, who then joins from the console.
pub async fn join(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    caller: &Caller,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let live = running(sessions, params).await?;
    let rep = rep(db, params).await?;
    let (owner, queue) = live.read(|s| (s.owner().id, s.queue().clone())).await;
    let by = Actor::System(caller.as_ref());
    let command = match queue {
        protocol::Queue::Own if owner == rep.id => return failed("The representative is in this session already."),
        protocol::Queue::Own => Command::ShareWith { with: store::people::as_ref(&rep) },
        // It has no owner yet: the technician becomes the owner.
        protocol::Queue::Team { .. } | protocol::Queue::General => {
            Command::Transfer { to: store::people::as_ref(&rep), note: String::new() }
        }
    };
    live.act(&by, command).await.map_err(refused)?;
    Ok(text("success", "Representative successfully added"))
}

/// `leave_session`: removes a technician who is not the owner.
pub async fn leave(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    caller: &Caller,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let live = running(sessions, params).await?;
    let rep = rep(db, params).await?;
    let participant = live.read(|s| s.participants().iter().find(|p| p.user == Some(rep.id)).map(|p| p.id)).await;
    let Some(who) = participant else { return failed("The representative is not in this session.") };
    live.act(&Actor::System(caller.as_ref()), Command::Dismiss { who }).await.map_err(refused)?;
    Ok(text("success", "Representative successfully removed"))
}

/// `transfer_session`
pub async fn transfer(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    caller: &Caller,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let live = running(sessions, params).await?;
    let Some(queue_id) = params.get("queue_id") else { return failed("The parameter queue_id is missing.") };
    let Some(queue) = QueueId::parse(queue_id) else { return failed("Invalid value for queue_id") };
    let Some(place) = queue.find(db).await? else { return failed(format!("No such queue: {queue_id}")) };
    let note = String::new();
    let command = match (&place, place.queue()) {
        (_, Some(queue)) => Command::Enqueue { queue, note },
        (Place::Rep(rep), None) => Command::Transfer { to: store::people::as_ref(rep), note },
        (Place::General | Place::Team(_), None) => return failed("Invalid value for queue_id"),
    };
    live.act(&Actor::System(caller.as_ref()), command).await.map_err(refused)?;
    Ok(text("success", "Successfully transferred"))
}

/// `terminate_session`
pub async fn terminate(
    sessions: &Arc<SessionRegistry>,
    caller: &Caller,
    params: &RequestParams,
) -> Result<Element, Failed> {
    let live = running(sessions, params).await?;
    live.act(&Actor::System(caller.as_ref()), Command::Close).await.map_err(refused)?;
    Ok(text("success", "Successfully terminated"))
}
