//! Group policies: the roles of technicians, and one policy for technicians without a role.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use store::tables::user;

use super::providers::Provider;

use crate::{
    beyondtrust::call::{Answer, Call, CallError, id, one},
    config::PublicUrl,
    sign_in::Auth,
};

/// The id of the policy for technicians without a role. A role's policy has the id after the role's.
const WITHOUT_ROLE: i32 = 1;

struct GroupPolicy {
    id: i32,
    /// The role of its members.
    role: i32,
    name: String,
}

fn all(auth: &Auth) -> Vec<GroupPolicy> {
    let without = GroupPolicy { id: WITHOUT_ROLE, role: 0, name: "Technicians without a role".into() };
    let roles = auth.rules.get().roles.into_iter();
    let roles = roles.map(|r| GroupPolicy { id: r.id.saturating_add(WITHOUT_ROLE), role: r.id, name: r.name });
    std::iter::once(without).chain(roles).collect()
}

fn found(auth: &Auth, wanted: &str) -> Result<GroupPolicy, CallError> {
    let wanted = id(wanted)?;
    all(auth).into_iter().find(|policy| policy.id == wanted).ok_or(CallError::Missing)
}

/// A group policy. The rights of a role have no equivalent in the original.
fn shown(policy: &GroupPolicy) -> Value {
    json!({
        "id": policy.id,
        "name": policy.name,
        "perm_support_allowed": "full_support",
        "rep_perm_status": "defined",
        "perm_generate_session_key": true,
        "perm_accept_team_sessions": true,
        "perm_transfer_other_team": true,
        "perm_share_other_team": true,
        "perm_invite_external_rep": true,
        "perm_edit_external_key": false,
        "perm_session_idle_timeout": -1,
    })
}

/// `/group-policy`
pub async fn policies(State(public_url): State<PublicUrl>, State(auth): State<Arc<Auth>>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    call.list(&public_url, all(&auth).iter().map(shown).collect())
}

/// `/group-policy/{id}`: roles are managed in the console, by administrators.
pub async fn policy(State(auth): State<Arc<Auth>>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    one(Some(shown(&found(&auth, &wanted)?)))
}

fn member(user: &user::Model) -> Value {
    json!({ "id": user.id, "security_provider_id": Provider::of(user).id(), "user_id": user.id })
}

/// `/group-policy/{id}/member`
pub async fn policy_members(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    Path(wanted): Path<String>,
    call: Call,
) -> Answer {
    call.verb("GET,HEAD")?;
    let policy = found(&auth, &wanted)?;
    let members = user::Entity::find().filter(user::Column::Role.eq(policy.role)).order_by_asc(user::Column::Id);
    call.list(&public_url, members.all(&db).await?.iter().map(member).collect())
}

/// `/group-policy/{id}/member/{member}`
pub async fn policy_member(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Path((wanted, who)): Path<(String, String)>,
    call: Call,
) -> Answer {
    call.verb("GET,HEAD")?;
    let policy = found(&auth, &wanted)?;
    let user = user::Entity::find_by_id(id(&who)?).one(&db).await?;
    one(user.filter(|user| user.role == policy.role).as_ref().map(member))
}

/// `/group-policy/{id}/provision`: changes of roles take effect at once, so nothing is left to do.
pub async fn provision_policy(State(auth): State<Arc<Auth>>, Path(wanted): Path<String>, call: Call) -> Answer {
    call.verb("POST")?;
    found(&auth, &wanted)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/user/{id}/group-policies`
pub async fn policies_of(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    Path(wanted): Path<String>,
    call: Call,
) -> Answer {
    call.verb("GET,HEAD")?;
    let user = user::Entity::find_by_id(id(&wanted)?).one(&db).await?.ok_or(CallError::Missing)?;
    let held = all(&auth).into_iter().filter(|policy| policy.role == user.role);
    call.list(&public_url, held.map(|policy| json!({ "id": policy.id, "name": policy.name })).collect())
}
