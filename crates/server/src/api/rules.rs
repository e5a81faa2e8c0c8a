//! Roles and policies, and what they mean for one technician.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use live_sessions::{
    SessionRegistry,
    rules::{Decision, Rules},
};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use serde::Deserialize;
use store::{secrets::Secrets, setting, tables::user};

use super::{Admin, ApiError, ConfirmedAdmin, Result, team_names};

use crate::sign_in::{self, Auth};

/// The current rules.
pub async fn read(State(auth): State<Arc<Auth>>, _: Admin) -> Result<Json<Rules<String>>> {
    Ok(Json(team_names::by_name(&auth.db, auth.rules.get()).await?))
}

/// Replaces the rules. Running sessions keep their policy; changes of roles take effect at once.
pub async fn write(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<Rules<String>>,
) -> Result<Json<Rules<String>>> {
    let before = auth.rules.get();
    let new = new.checked(&before).map_err(|wrong| ApiError::bad(wrong.to_string()))?;
    for gone in before.roles.iter().filter(|old| !new.roles.iter().any(|r| r.id == old.id)) {
        let people = user::Entity::find().filter(user::Column::Role.eq(gone.id)).all(&db).await?;
        if !people.is_empty() {
            let names: Vec<_> = people.iter().take(3).map(|u| u.name.as_str()).collect();
            let more = if people.len() > 3 { " …" } else { "" };
            let names = names.join(", ");
            return Err(ApiError::conflict(format!("{} is still the role of {names}{more}.", gone.name)));
        }
    }
    let _alone = auth.teams.write().await;
    let new = team_names::by_number(&db, new).await?;
    setting::save(&db, &secrets, &new).await?;
    auth.rules.replace(new.clone());
    sign_in::roles_changed(&auth).await?;
    Ok(Json(team_names::by_name(&db, new).await?))
}

/// A technician and a policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictQuery {
    technician: i32,
    policy: String,
}

/// What a technician may request in a session under a policy, and why not the rest.
pub async fn verdicts(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(auth): State<Arc<Auth>>,
    _: Admin,
    Query(query): Query<VerdictQuery>,
) -> Result<Json<Vec<Decision>>> {
    let person = user::Entity::find_by_id(query.technician).one(&db).await?;
    let person = person.ok_or_else(|| ApiError::missing("technician"))?;
    let rules = auth.rules.get();
    let policy =
        rules.named(sessions.services.policy.policy(), &query.policy).ok_or_else(|| ApiError::missing("policy"))?;
    Ok(Json(rules.verdicts(person.role, &policy)))
}
