//! Sessions and their keys, in JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use live_sessions::SessionRegistry;
use protocol::SessionId;
use serde_json::{Map, Value, json};
use session::{Actor, Command};

use crate::{
    beyondtrust::{
        call::{Answer, Call, CallError, CommandCall, Need, Verb, one},
        command::{
            CommandServices,
            sessions::{self, KeyRequest, MAIL_SUBJECT, PRIORITY_RANGE, TTL_RANGE},
        },
        people::QueueId,
    },
    desk::session_start::EXTERNAL_KEY,
};

/// How many attributes a request may set.
const MAX_ATTRIBUTES: usize = 30;

/// The attributes in a JSON object: texts by code name.
fn attributes(object: &Map<String, Value>) -> Result<Vec<(String, String)>, CallError> {
    if object.len() > MAX_ATTRIBUTES {
        let message = format!("At most {MAX_ATTRIBUTES} attributes may be set at once.");
        return Err(CallError::Refused(StatusCode::BAD_REQUEST, message));
    }
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        _ => Err(CallError::invalid(name, "The value must be a string.")),
    };
    let given = object.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    sessions::fitting(&given)?;
    Ok(given)
}

/// `/session/{lsid}`
pub async fn session(
    State(sessions): State<Arc<SessionRegistry>>,
    Path(lsid): Path<String>,
    CommandCall(call): CommandCall,
) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    call.allow_parameters(&[])?;
    let id = SessionId::try_from(lsid.to_ascii_lowercase()).map_err(|_| CallError::Missing)?;
    let live = sessions::active(&sessions, &id).await.ok_or(CallError::Missing)?;
    match verb {
        Verb::Read | Verb::Create => {
            let entries = live.entries().await;
            let attribute = |(name, value): (&str, &str)| json!({ "code_name": name, "display_name": sessions::display_name(name), "value": value });
            one(Some(sessions::known(&entries).into_iter().map(attribute).collect()))
        }
        Verb::Change => {
            sessions::set_all(&call.caller, &live, attributes(&call.body)?).await?;
            one(Some(json!({ "message": "Session attributes were set" })))
        }
        Verb::Delete => {
            let by = Actor::System(call.caller.as_ref());
            live.act(&by, Command::Close).await.map_err(sessions::refused)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

fn number(call: &Call, field: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, CallError> {
    match call.body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|n| range.contains(n)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = range.into_inner();
                Err(CallError::invalid(field, format!("The {field} must be a number between {low} and {high}.")))
            }
        },
    }
}

/// The queue that a body names in one of three ways.
fn queue(call: &Call) -> Result<QueueId, CallError> {
    let text = |field| call.text(field, 256, Need::Optional);
    let id = || {
        let id = number(call, "queue_id", 1..=i32::MAX as u64)?.and_then(|id| i32::try_from(id).ok());
        id.ok_or_else(|| CallError::invalid("queue_id", "The queue_id field is required."))
    };
    match (text("queue_type")?.as_deref(), text("issue_code_name")?, text("rep_username")?) {
        (Some("general"), None, None) => Ok(QueueId::General),
        (Some("rep"), None, None) => Ok(QueueId::Rep(id()?)),
        (Some("team"), None, None) => Ok(QueueId::Team(id()?)),
        (None, Some(code), None) => Ok(QueueId::Issue(code)),
        (None, None, Some(name)) => Ok(QueueId::RepName(name.to_lowercase())),
        (Some(_), None, None) => Err(CallError::invalid("queue_type", "The selected queue_type is invalid.")),
        (None, None, None) => Err(CallError::invalid("queue_type", "The queue_type field is required.")),
        _ => Err(CallError::invalid("queue_type", "One of queue_type, issue_code_name and rep_username may be given.")),
    }
}

/// `/session-key`
pub async fn create_key(State(services): State<CommandServices>, CommandCall(call): CommandCall) -> Answer {
    call.verb("POST")?;
    call.allow_fields(&[
        "queue_type",
        "queue_id",
        "issue_code_name",
        "rep_username",
        "url_hostname",
        "ttl",
        "priority",
        "skills",
        EXTERNAL_KEY,
        "custom_attributes",
    ])?;
    let mut given = match call.body.get("custom_attributes") {
        None | Some(Value::Null) => vec![],
        Some(Value::Object(object)) => attributes(object)?,
        Some(_) => return Err(CallError::invalid("custom_attributes", "The custom_attributes must be an object.")),
    };
    if let Some(key) = call.text(EXTERNAL_KEY, 1_024, Need::Optional)? {
        given.retain(|(name, _)| name != EXTERNAL_KEY);
        given.push((EXTERNAL_KEY.into(), key));
    }
    sessions::fitting(&given)?;
    let ttl = number(&call, "ttl", TTL_RANGE)?;
    let priority = number(&call, "priority", PRIORITY_RANGE)?;
    let request = KeyRequest { queue: queue(&call)?, ttl, priority, attributes: given };
    let issued = sessions::make(&services, &call.caller, request).await?;
    let body = json!({
        "type": "support",
        "ttl": ttl,
        "expires": issued.expires,
        "queue": issued.queue,
        "queue_id": issued.queue_id,
        "queue_available": issued.available,
        "external_key": issued.external_key,
        "short_key": issued.short_key,
        "key_url": issued.key_url,
        "mail_subject": MAIL_SUBJECT,
        "mail_body": issued.mail_body,
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
