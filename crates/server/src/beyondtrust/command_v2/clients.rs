//! Connected clients, in JSON.

use std::sync::Arc;

use axum::extract::{Path, State};
use live_sessions::SessionRegistry;
use platform::identity::Identity;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use store::tables::event_row;

use crate::{
    beyondtrust::{
        appliance,
        call::{Answer, Call, CallError, CommandCall, id, one},
        command::{Connected, Who, connected, iso},
    },
    organisation::Organisation,
};

/// The kinds of clients. Deskside has no gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Console,
    Customer,
    Gateway,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Console => "access_console",
            Self::Customer => "asset_client",
            Self::Gateway => "gateway",
        }
    }

    fn of(client: &Connected) -> Self {
        match client.who {
            Who::Rep { .. } => Self::Console,
            Who::Customer(_) => Self::Customer,
        }
    }

    /// The kind that a request selects; `None` for all.
    fn from_query(call: &Call) -> Result<Option<Self>, CallError> {
        call.allow_parameters(&["type"])?;
        let Some(wanted) = call.query.get("type") else { return Ok(None) };
        let found = [Self::Console, Self::Customer, Self::Gateway].into_iter().find(|kind| kind.word() == wanted);
        found.map(Some).ok_or_else(|| CallError::invalid("type", "The selected type is invalid."))
    }
}

/// A client's id while it is connected: even for technicians, odd for sessions.
async fn number(db: &DatabaseConnection, client: &Connected) -> Result<i64, CallError> {
    Ok(match &client.who {
        Who::Rep { id, .. } => i64::from(*id) * 2,
        Who::Customer(session) => {
            let first = event_row::Entity::find().filter(event_row::Column::Session.eq(session.as_str()));
            let first = first.order_by_asc(event_row::Column::Seq).limit(1).one(db).await?;
            first.map_or(0, |row| row.id) * 2 + 1
        }
    })
}

async fn shown(
    db: &DatabaseConnection,
    registry: &Arc<SessionRegistry>,
    organisation: &Organisation,
    client: &Connected,
) -> Result<Value, CallError> {
    let mut shown = json!({
        "id": number(db, client).await?,
        "type": Kind::of(client).word(),
        "hostname": "Unknown",
        "platform": client.platform().1,
        "timezone_offset": "0",
        "connected_since": iso(client.since.0),
    });
    match &client.who {
        Who::Rep { id, login } => {
            let mut sessions = Vec::new();
            for live in registry.all() {
                if live.read(|s| s.technician(*id).is_some()).await {
                    sessions.push(live.id.to_string());
                }
            }
            shown["user_id"] = (*id).into();
            shown["user_type"] = "normal".into();
            shown["username"] = login.as_str().into();
            shown["display_name"] = client.name.as_str().into();
            shown["session_count"] = organisation.busy(None).await?.get(id).copied().unwrap_or(0).into();
            shown["session_lsids"] = sessions.into();
        }
        Who::Customer(session) => {
            shown["display_name"] = client.name.as_str().into();
            shown["lsid"] = session.as_str().into();
        }
    }
    Ok(shown)
}

/// `/client`
pub async fn clients(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(organisation): State<Arc<Organisation>>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    let kind = Kind::from_query(&call)?;
    let mut list = Vec::new();
    for client in connected(&db, &sessions, &organisation)
        .await?
        .iter()
        .filter(|client| kind.is_none_or(|kind| kind == Kind::of(client)))
    {
        list.push(shown(&db, &sessions, &organisation, client).await?);
    }
    one(Some(Value::Array(list)))
}

/// `/appliance/client-count`
pub async fn counts(
    State(db): State<DatabaseConnection>,
    State(identity): State<Arc<Identity>>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(organisation): State<Arc<Organisation>>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    let wanted = Kind::from_query(&call)?;
    let clients = connected(&db, &sessions, &organisation).await?;
    let count = |kind: Kind| match wanted {
        Some(other) if other != kind => 0,
        _ => clients.iter().filter(|client| Kind::of(client) == kind).count(),
    };
    one(Some(json!([{
        "id": appliance(&identity),
        "access_consoles": count(Kind::Console),
        "asset_clients": count(Kind::Customer),
        "gateways": count(Kind::Gateway),
    }])))
}

async fn found(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    organisation: &Organisation,
    wanted: &str,
) -> Result<Connected, CallError> {
    let wanted = i64::from(id(wanted)?);
    for client in connected(db, sessions, organisation).await? {
        if number(db, &client).await? == wanted {
            return Ok(client);
        }
    }
    Err(CallError::Missing)
}

/// `/client/{id}`
pub async fn client(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(organisation): State<Arc<Organisation>>,
    Path(wanted): Path<String>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let client = found(&db, &sessions, &organisation, &wanted).await?;
    one(Some(shown(&db, &sessions, &organisation, &client).await?))
}

/// `/client/{id}/connections`
pub async fn connections(
    State(db): State<DatabaseConnection>,
    State(identity): State<Arc<Identity>>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(organisation): State<Arc<Organisation>>,
    Path(wanted): Path<String>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let client = found(&db, &sessions, &organisation, &wanted).await?;
    let event = |(at, what): &(protocol::Timestamp, &str)| json!({ "time": iso(at.0), "message": what });
    one(Some(json!({
        "id": number(&db, &client).await?,
        "connections": [{
            "appliance_id": appliance(&identity),
            "purpose": "primary",
            "receive_traffic_node": false,
            "connected_since": iso(client.since.0),
            "private_ip": "Unknown",
        }],
        "events": client.log.iter().map(event).collect::<Vec<_>>(),
    })))
}
