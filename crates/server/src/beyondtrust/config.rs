//! The Configuration API: people, teams and the rest of an installation, in JSON.

mod groups;
mod providers;
pub mod resources;
mod teams;
mod users;

use std::sync::Arc;

pub use groups::{policies as group_policies, policies_of, policy, policy_member, policy_members, provision_policy};
pub use providers::{provider, providers};
pub use teams::{member, members, team, teams};
pub use users::{provision, user, users};

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use store::{setting::Current, settings::Settings, tables::api_account};

use super::{
    call::{Answer, Call, CallError, id, one},
    command_v2::flags,
};

use crate::{accounts::Scope, config::PublicUrl, sign_in::Auth};

/// `/public-portal`: there is exactly one.
pub async fn portals(State(public_url): State<PublicUrl>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let portal = json!({ "id": 1, "name": "Default", "addresses": [public_url.domain()] });
    call.list(&public_url, vec![portal])
}

/// `/session-policy`: the default policy, then the others in the order in which they are tried.
pub async fn session_policies(
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    call: Call,
) -> Answer {
    call.verb("GET,HEAD")?;
    let description = "Customers are asked for each right, and may take it back at any time.";
    let names = std::iter::once(session::Policy::DEFAULT.to_owned());
    let names = names.chain(auth.rules.get().policies.into_iter().map(|p| p.name)).zip(1..);
    let policy = |(name, id): (String, u32)| json!({ "id": id, "display_name": name, "code_name": store::teams::code_name(&name), "description": description });
    call.list(&public_url, names.map(policy).collect())
}

fn all_statuses() -> Vec<Value> {
    vec![
        json!({ "id": 1, "name": "Away", "code_name": "away", "display_as": "away" }),
        json!({ "id": 2, "name": "Busy", "code_name": "busy", "display_as": "busy" }),
    ]
}

/// `/rep-status`: there are two.
pub async fn statuses(State(public_url): State<PublicUrl>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&public_url, all_statuses())
}

/// `/rep-status/{id}`
pub async fn status(Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let wanted = id(&wanted)?;
    one(all_statuses().into_iter().find(|status| status["id"] == wanted))
}

fn shown_account(a: &api_account::Model) -> Value {
    let mut shown = json!({
        "id": a.id,
        "name": a.name,
        "comments": a.comments,
        "enabled": a.enabled,
        "ip_addresses": "",
        "client_id": a.client_id,
        "failed_login_attempts": 0,
        "failed_login_expiration": null,
    });
    for (name, value) in flags(&Scope::split(&a.scopes)) {
        shown[name] = value;
    }
    shown
}

/// `/api-account`
pub async fn accounts(State(db): State<DatabaseConnection>, State(public_url): State<PublicUrl>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let accounts = api_account::Entity::find().order_by_asc(api_account::Column::Id).all(&db).await?;
    call.list(&public_url, accounts.iter().map(shown_account).collect())
}

/// `/api-account/{id}`
pub async fn account(State(db): State<DatabaseConnection>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let found = api_account::Entity::find_by_id(id(&wanted)?).one(&db).await?;
    one(found.as_ref().map(shown_account))
}

/// All other addresses: empty lists for the resources that Deskside does not have, otherwise 404.
pub async fn others(State(public_url): State<PublicUrl>, call: Call) -> Answer {
    if resources::find(&call.path).is_some() {
        call.verb("GET,HEAD")?;
        return call.list(&public_url, vec![]);
    }
    if resources::is_one(&call.path) {
        call.verb("GET,HEAD,PATCH,DELETE")?;
    }
    Err(CallError::Missing)
}

/// `/openapi.yaml`
pub async fn document(State(public_url): State<PublicUrl>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let document = resources::document(&format!("{}/api/config/v1", public_url));
    Ok(([(header::CONTENT_TYPE, "application/yaml")], document.to_string()).into_response())
}

/// `/get_mech_list`: how users sign in, and which product this is.
pub async fn mechanisms(State(settings): State<Arc<Current<Settings>>>) -> Json<Value> {
    Json(json!({
        "mechs": ["password"],
        "default_mech": "password",
        "cache": false,
        "company": settings.get().organisation,
        "product": "deskside",
    }))
}
