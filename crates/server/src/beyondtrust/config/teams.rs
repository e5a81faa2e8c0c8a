//! Teams and their members.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
};
use serde_json::{Value, json};
use store::tables::{team, user};

use crate::{
    account_changes::{self, AccountChange, ChangedBy},
    beyondtrust::call::{Answer, Call, CallError, Need, Verb, created, id, one},
    config::PublicUrl,
    organisation::Organisation,
    sign_in::Auth,
};

fn shown_team(t: &team::Model) -> Value {
    json!({
        "id": t.id,
        "name": t.name,
        "code_name": t.code_name,
        "comments": t.comments,
        "persistent_queue": true,
        "public_portal_ids": [1],
    })
}

const TEAM_FIELDS: [&str; 5] = ["name", "code_name", "comments", "persistent_queue", "public_portal_ids"];

/// Checks the fields of a team.
async fn team_row(
    db: &DatabaseConnection,
    call: &Call,
    before: Option<&team::Model>,
) -> Result<team::ActiveModel, CallError> {
    call.allow_fields(&TEAM_FIELDS)?;
    let need = if before.is_none() { Need::Required } else { Need::if_given(&call.body, "name") };
    let name = call.line("name", 120, need)?;
    let code = call.text("code_name", 64, Need::Optional)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if code.as_ref().is_some_and(|c| !c.chars().all(plain)) {
        return Err(CallError::invalid("code_name", "The code_name format is invalid."));
    }
    let own = before.map_or(0, |t| t.id);
    for (field, column, value) in [("name", team::Column::Name, &name), ("code_name", team::Column::CodeName, &code)] {
        let Some(value) = value.as_deref().filter(|v| !v.is_empty()) else { continue };
        let same = team::Entity::find().filter(column.eq(value)).filter(team::Column::Id.ne(own));
        if same.one(db).await?.is_some() {
            return Err(CallError::invalid(field, format!("The {field} has already been taken.")));
        }
    }
    let mut row: team::ActiveModel = before.cloned().map(Into::into).unwrap_or_default();
    if let Some(name) = name {
        if before.is_none() && code.is_none() {
            row.code_name = Set(store::teams::code_name(&name));
        }
        row.name = Set(name);
    }
    if let Some(code) = code {
        row.code_name = Set(code);
    }
    let comments = call.text("comments", 4_096, Need::Optional)?;
    if comments.is_some() || before.is_none() {
        row.comments = Set(comments.unwrap_or_default());
    }
    Ok(row)
}

/// `/team`
pub async fn teams(State(db): State<DatabaseConnection>, State(public_url): State<PublicUrl>, call: Call) -> Answer {
    if let Verb::Create = call.verb("GET,HEAD,POST")? {
        let team = team_row(&db, &call, None).await?.insert(&db).await?;
        return Ok(created(&public_url, "/team", shown_team(&team)));
    }
    let teams = team::Entity::find().order_by_asc(team::Column::Id).all(&db).await?;
    call.list(&public_url, teams.iter().map(shown_team).collect())
}

async fn found_team(db: &DatabaseConnection, wanted: &str) -> Result<team::Model, CallError> {
    team::Entity::find_by_id(id(wanted)?).one(db).await?.ok_or(CallError::Missing)
}

/// `/team/{id}`
pub async fn team(
    State(db): State<DatabaseConnection>,
    State(organisation): State<Arc<Organisation>>,
    Path(wanted): Path<String>,
    call: Call,
) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = found_team(&db, &wanted).await?;
    match verb {
        Verb::Read | Verb::Create => one(Some(shown_team(&found))),
        Verb::Change => {
            let row = team_row(&db, &call, Some(&found)).await?;
            let changed = organisation.change_team(found.id, row).await?;
            one(Some(shown_team(&changed)))
        }
        Verb::Delete => {
            organisation.remove_team(found.id).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

fn shown_member(team: &team::Model, user: &user::Model) -> Value {
    json!({ "team_id": team.id, "user_id": user.id, "role": "member" })
}

/// `/team/{id}/user`: a technician is in one team only, so adding one moves them.
pub async fn members(
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(auth): State<Arc<Auth>>,
    Path(wanted): Path<String>,
    call: Call,
) -> Answer {
    let verb = call.verb("GET,HEAD,POST")?;
    let team = found_team(&db, &wanted).await?;
    if let Verb::Create = verb {
        call.allow_fields(&["team_id", "user_id", "role"])?;
        match call.text("role", 20, Need::Optional)?.as_deref() {
            None | Some("member") => {}
            Some(_) => return Err(CallError::invalid("role", "Deskside only has the role member.")),
        }
        let Some(user) = call.body.get("user_id").and_then(Value::as_i64) else {
            return Err(CallError::invalid("user_id", "The user_id field is required, as a number."));
        };
        let found = user::Entity::find_by_id(i32::try_from(user).unwrap_or_default()).one(&db).await?;
        let found = found.ok_or(CallError::invalid("user_id", "The selected user_id is invalid."))?;
        let wanted = AccountChange { team: Some(team.name.clone()), ..AccountChange::default() };
        let user = account_changes::change(&auth, ChangedBy::System, found.id, wanted).await?;
        let place = format!("{}/api/config/v1/team/{}/user/{}", public_url, team.id, user.id);
        let shown = Json(shown_member(&team, &user));
        return Ok((StatusCode::CREATED, [(header::LOCATION, place)], shown).into_response());
    }
    let users = user::Entity::find().filter(user::Column::Team.eq(team.id));
    let users = users.order_by_asc(user::Column::Id).all(&db).await?;
    call.list(&public_url, users.iter().map(|u| shown_member(&team, u)).collect())
}

/// `/team/{id}/user/{user}`
pub async fn member(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Path((wanted, who)): Path<(String, String)>,
    call: Call,
) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let team = found_team(&db, &wanted).await?;
    let user = user::Entity::find_by_id(id(&who)?).one(&db).await?;
    let user = user.filter(|u| u.team == Some(team.id)).ok_or(CallError::Missing)?;
    match verb {
        Verb::Delete => {
            let wanted = AccountChange { team: Some(String::new()), ..AccountChange::default() };
            account_changes::change(&auth, ChangedBy::System, user.id, wanted).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Verb::Change => {
            call.allow_fields(&["role"])?;
            match call.text("role", 20, Need::Required)?.as_deref() {
                Some("member") => one(Some(shown_member(&team, &user))),
                _ => Err(CallError::invalid("role", "Deskside only has the role member.")),
            }
        }
        Verb::Read | Verb::Create => one(Some(shown_member(&team, &user))),
    }
}
