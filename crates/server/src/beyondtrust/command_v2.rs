//! The Command API in JSON: the same actions as in the XML one, with an address for each.

mod clients;
mod sessions;

use std::sync::Arc;

pub use clients::{client, clients, connections, counts};
pub use sessions::{create_key, session};

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use platform::{clock, identity::Identity};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::{Map, Value, json};
use store::tables::{team, user};

use super::{
    API_VERSION, appliance,
    call::{Answer, CallError, CommandCall, Need, id, one},
    command::{Failed, iso, permissions},
    people,
};

use crate::{
    accounts::Scope,
    config::PublicUrl,
    organisation::Organisation,
    sign_in::{self, Auth},
};

/// The version of this API.
const VERSION: &str = "2.0.0";
/// The version of the Configuration API.
const CONFIG_VERSION: &str = "1.10";

/// The supported addresses and methods, for the OpenAPI document.
const OPERATIONS: [(&str, &[&str], &str); 15] = [
    ("/openapi.yaml", &["get"], "This description."),
    ("/info", &["get"], "Versions, and what the account may do."),
    ("/health", &["get"], "Whether this server is healthy."),
    ("/appliance", &["get"], "This server."),
    ("/appliance/client-count", &["get"], "How many clients are connected."),
    ("/client", &["get"], "The clients that are connected."),
    ("/client/{id}", &["get"], "A client."),
    ("/client/{id}/connections", &["get"], "The connections of a client."),
    ("/session/{lsid}", &["get", "patch", "delete"], "The attributes of an active session; its end."),
    ("/session-key", &["post"], "A key for a new session."),
    ("/team", &["get"], "The teams."),
    ("/team/{id}/issue", &["get"], "The issues of a team."),
    ("/user", &["get"], "The technicians who are signed in."),
    ("/user/{id}/logout", &["post"], "Signs a technician out everywhere."),
    ("/failover-role", &["post"], "Refused: there is one server."),
];

impl From<Failed> for CallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Message(message) => Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, message),
            Failed::Server(error) => Self::Server(error),
        }
    }
}

/// `/openapi.yaml`: JSON is YAML.
pub async fn document(State(public_url): State<PublicUrl>, CommandCall(call): CommandCall) -> Answer {
    call.verb("GET,HEAD")?;
    let mut paths = Map::new();
    for (path, methods, summary) in OPERATIONS {
        let operation =
            json!({ "summary": summary, "responses": { "default": { "description": "See the documentation." } } });
        let operations: Map<String, Value> =
            methods.iter().map(|method| ((*method).to_owned(), operation.clone())).collect();
        paths.insert(path.to_owned(), Value::Object(operations));
    }
    let document = json!({
        "openapi": "3.0.0",
        "info": { "title": "Deskside: the Command API", "version": VERSION },
        "servers": [{ "url": format!("{}/api/command/v2", public_url) }],
        "paths": paths,
    });
    Ok(([(header::CONTENT_TYPE, "application/yaml")], document.to_string()).into_response())
}

/// Permissions as JSON, with true and false for flags.
pub fn flags(scopes: &[Scope]) -> Map<String, Value> {
    let value = |value| match value {
        "1" => true.into(),
        "0" => false.into(),
        word => Value::from(word),
    };
    permissions(scopes).into_iter().map(|(name, given)| (name.to_owned(), value(given))).collect()
}

/// `/info`
pub async fn info(CommandCall(call): CommandCall) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let mut permissions = flags(&call.caller.scopes);
    for other in
        ["perm_configuration_vault_account", "perm_reporting_syslog", "perm_reporting_vault", "perm_vault_backup"]
    {
        permissions.insert(other.into(), false.into());
    }
    let sessions = permissions["perm_reporting_support"].clone();
    permissions.insert("perm_reporting_session".into(), sessions);
    one(Some(json!({
        "permissions": permissions,
        "current_time": iso(clock::now().0),
        "command_api_version": VERSION,
        "config_api_version": CONFIG_VERSION,
        "reporting_api_version": API_VERSION,
        "backup_api_version": API_VERSION,
        "product": "rs",
    })))
}

/// `/health`
pub async fn health(
    State(identity): State<Arc<Identity>>,
    State(public_url): State<PublicUrl>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    one(Some(json!({
        "version": super::PRODUCT_VERSION,
        "build": concat!("Deskside ", env!("CARGO_PKG_VERSION")),
        "appliance_hostname": public_url.domain(),
        "appliance_id": appliance(&identity),
        "cluster_role": "single",
        "failover_role": "none",
        "enabled_shared_ips": [],
        "last_data_sync": null,
        "last_data_sync_status": null,
    })))
}

/// `/appliance`
pub async fn appliances(
    State(identity): State<Arc<Identity>>,
    State(public_url): State<PublicUrl>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    one(Some(json!([{
        "id": appliance(&identity),
        "name": public_url.domain(),
        "public_hostname": public_url.domain(),
        "cluster_role": "single",
        "failover_role": "none",
        "accepting_connections": true,
        "timezone_offset": 0,
    }])))
}

/// `/user`
pub async fn users(
    State(db): State<DatabaseConnection>,
    State(organisation): State<Arc<Organisation>>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let busy = organisation.busy(None).await?;
    let mut users = Vec::new();
    for user in people::logged_in(&db, &organisation).await? {
        users.push(json!({
            "id": user.id,
            "type": "normal",
            "username": user.login,
            "display_name": user.name,
            "public_display_name": user.name,
            "private_display_name": user.name,
            "logged_in_since": iso(people::signed_in_since(&db, user.id).await?.0),
            "session_count": busy.get(&user.id).copied().unwrap_or(0),
        }));
    }
    one(Some(Value::Array(users)))
}

/// `/user/{id}/logout`: needs the scope to change people. Administrators cannot be signed out by other systems.
pub async fn logout(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    State(organisation): State<Arc<Organisation>>,
    Path(wanted): Path<String>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("POST")?;
    call.allow_fields(&[])?;
    if !call.caller.may(Scope::PeopleWrite) {
        return Err(CallError::Status(StatusCode::FORBIDDEN));
    }
    let wanted = id(&wanted)?;
    if !people::logged_in(&db, &organisation).await?.iter().any(|user| user.id == wanted) {
        return Err(CallError::Missing);
    }
    let user = user::Entity::find_by_id(wanted).one(&db).await?.ok_or(CallError::Missing)?;
    if user.administrator {
        return Err(CallError::invalid("id", "Administrators are changed in the console, by administrators."));
    }
    sign_in::sign_out_everywhere(&auth, wanted).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/team`
pub async fn teams(State(db): State<DatabaseConnection>, CommandCall(call): CommandCall) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let teams = team::Entity::find().all(&db).await?;
    let shown = teams.iter().map(|team| json!({ "id": team.id, "name": team.name, "code_name": team.code_name }));
    one(Some(shown.collect()))
}

/// `/team/{id}/issue`: each team has one issue, named by the team's id or code name.
pub async fn issues(
    State(db): State<DatabaseConnection>,
    Path(wanted): Path<String>,
    CommandCall(call): CommandCall,
) -> Answer {
    call.verb("GET,HEAD")?;
    call.allow_parameters(&[])?;
    let teams = team::Entity::find().all(&db).await?;
    let team = teams.iter().find(|team| team.id.to_string() == wanted || team.code_name == wanted);
    let issue = |team: &team::Model| json!([{ "id": team.id, "code_name": team.code_name, "title": team.name }]);
    one(team.map(issue))
}

/// `/failover-role`
pub async fn failover(CommandCall(call): CommandCall) -> Answer {
    call.verb("POST")?;
    call.allow_fields(&["role", "data_sync_first", "force"])?;
    call.text("role", 20, Need::Required)?;
    Err(CallError::invalid("role", "There is only one server, so roles cannot be changed."))
}

/// All other addresses.
pub async fn nothing(_: CommandCall) -> Answer {
    Err(CallError::Missing)
}
