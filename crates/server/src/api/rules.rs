//! Roles and policies, for administrators; and what they come to for one person.

use axum::{
    Json,
    extract::{Query, State},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use store::{setting, tables::user};

use super::{Admin, ApiError, ConfirmedAdmin, Result};

use crate::{
    app::Shared,
    rules::{Decision, Rules},
    sign_in,
};

/// The rules as they are.
pub async fn read(State(app): State<Shared>, _: Admin) -> Json<Rules> {
    Json(app.rules())
}

/// Puts others in their place. Sessions that run keep the policy they began with; what roles give counts at once.
pub async fn write(State(app): State<Shared>, _: ConfirmedAdmin, Json(new): Json<Rules>) -> Result<Json<Rules>> {
    let before = app.rules();
    let new = new.checked(&before).map_err(|wrong| ApiError::bad(wrong.to_string()))?;
    for gone in before.roles.iter().filter(|old| !new.roles.iter().any(|r| r.id == old.id)) {
        let people = user::Entity::find().filter(user::Column::Role.eq(gone.id)).all(&app.db).await?;
        if !people.is_empty() {
            let names: Vec<_> = people.iter().take(3).map(|u| u.name.as_str()).collect();
            let more = if people.len() > 3 { " …" } else { "" };
            let names = names.join(", ");
            return Err(ApiError::conflict(format!("{} is still the role of {names}{more}.", gone.name)));
        }
    }
    let _alone = app.teams.write().await;
    setting::save(&app.db, &app.secrets, &new).await?;
    *app.rules.write().expect("nobody panics while holding the rules") = new.clone();
    sign_in::roles_changed(&app).await?;
    Ok(Json(new))
}

/// Whose rights are asked about, and under which policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    technician: i32,
    policy: String,
}

/// What a technician may ask for in a session of a policy, and why not the rest.
pub async fn verdicts(State(app): State<Shared>, _: Admin, Query(asked): Query<Asked>) -> Result<Json<Vec<Decision>>> {
    let person = user::Entity::find_by_id(asked.technician).one(&app.db).await?;
    let person = person.ok_or_else(|| ApiError::missing("technician"))?;
    let rules = app.rules();
    let policy = rules.named(app.policy(), &asked.policy).ok_or_else(|| ApiError::missing("policy"))?;
    Ok(Json(rules.verdicts(person.role, &policy)))
}
