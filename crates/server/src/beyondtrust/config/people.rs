//! Users, teams and who is in them.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use super::call::{Answer, Call, No, Verb, created, id, one};
use crate::{
    app::Shared,
    sign_in, staff,
    store::tables::{team, user},
};

fn shown_user(u: &user::Model) -> Value {
    json!({
        "id": u.id,
        "security_provider_id": 1,
        "display_number": u.id,
        "username": u.login,
        "public_display_name": u.name,
        "private_display_name": u.name,
        "email_address": u.email,
        "preferred_email_language": "en-us",
        "two_factor_required": false,
        "enabled": !u.disabled,
        "failed_logins": 0,
        "two_factor_enabled": false,
        "perm_admin": u.administrator,
        "perm_support_allowed": "full_support",
        "perm_generate_session_key": true,
        "perm_accept_team_sessions": true,
        "perm_transfer_other_team": true,
        "perm_share_other_team": true,
        "perm_invite_external_rep": true,
        "perm_edit_external_key": false,
        "perm_session_idle_timeout": -1,
        "perm_view_support_reports": match u.reach.as_str() {
            _ if u.administrator => "all_sessions",
            "all" => "all_sessions",
            "own" => "user_sessions",
            _ => "team_sessions",
        },
        "perm_view_sd_recordings": u.may_watch || u.administrator,
    })
}

/// `/user`
pub async fn users(State(app): State<Shared>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let users = user::Entity::find().order_by_asc(user::Column::Id).all(&app.db).await?;
    let filters = ["id", "username", "public_display_name", "private_display_name", "email_address", "enabled"];
    call.list(&app, users.iter().map(shown_user).collect(), &filters)
}

/// `/user/{id}`: deleting an account disables it, for what its owner did stays on record.
pub async fn user(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = user::Entity::find_by_id(id(&wanted)?).one(&app.db).await?.ok_or(No::Missing)?;
    let disable = match verb {
        Verb::Read | Verb::Create => return one(Some(shown_user(&found))),
        Verb::Change => {
            call.known(&["public_display_name", "private_display_name", "email_address", "enabled"])?;
            call.body.get("enabled").and_then(Value::as_bool) == Some(false)
        }
        Verb::Delete => true,
    };
    if disable && staff::is_last_administrator(&app.db, &found).await? {
        return Err(No::Invalid("enabled", "This is the last administrator.".into()));
    }
    let mut row: user::ActiveModel = found.clone().into();
    if disable {
        row.disabled = Set(true);
    }
    if matches!(verb, Verb::Delete) {
        let changed = row.update(&app.db).await?;
        sign_in::account_changed(&app, &found, &changed).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    match call.body.get("enabled") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => row.disabled = Set(false),
        Some(_) => return Err(No::Invalid("enabled", "The enabled field must be true or false.".into())),
    }
    let public = call.text("public_display_name", 64, call.body.contains_key("public_display_name"))?;
    let private = call.text("private_display_name", 64, call.body.contains_key("private_display_name"))?;
    if let Some(name) = public.or(private) {
        row.name = Set(name);
    }
    if let Some(email) = call.text("email_address", 200, false)? {
        let good: Result<lettre::Address, _> = email.parse();
        good.map_err(|_| No::Invalid("email_address", "The email_address must be a valid email address.".into()))?;
        row.email = Set(email);
    }
    let user = row.update(&app.db).await?;
    sign_in::account_changed(&app, &found, &user).await?;
    one(Some(shown_user(&user)))
}

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

/// What a body says of a team, checked.
async fn team_row(app: &Shared, call: &Call, before: Option<&team::Model>) -> Result<team::ActiveModel, No> {
    call.known(&TEAM_FIELDS)?;
    let required = before.is_none() || call.body.contains_key("name");
    let name = call.text("name", 120, required)?.map(|n| n.trim().to_owned());
    let code = call.text("code_name", 64, false)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if code.as_ref().is_some_and(|c| !c.chars().all(plain)) {
        return Err(No::Invalid("code_name", "The code_name format is invalid.".into()));
    }
    let own = before.map_or(0, |t| t.id);
    for (field, column, value) in [("name", team::Column::Name, &name), ("code_name", team::Column::CodeName, &code)] {
        let Some(value) = value.as_deref().filter(|v| !v.is_empty()) else { continue };
        let same = team::Entity::find().filter(column.eq(value)).filter(team::Column::Id.ne(own));
        if same.one(&app.db).await?.is_some() {
            return Err(No::Invalid(field, format!("The {field} has already been taken.")));
        }
    }
    let mut row: team::ActiveModel = before.cloned().map(Into::into).unwrap_or_default();
    if let Some(name) = name {
        if before.is_none() && code.is_none() {
            row.code_name = Set(staff::code_name(&name));
        }
        row.name = Set(name);
    }
    if let Some(code) = code {
        row.code_name = Set(code);
    }
    let comments = call.text("comments", 4_096, false)?;
    if comments.is_some() || before.is_none() {
        row.comments = Set(comments.unwrap_or_default());
    }
    Ok(row)
}

/// `/team`
pub async fn teams(State(app): State<Shared>, call: Call) -> Answer {
    if let Verb::Create = call.verb("GET,HEAD,POST")? {
        let team = team_row(&app, &call, None).await?.insert(&app.db).await?;
        return Ok(created(&app, "/team", shown_team(&team)));
    }
    let teams = team::Entity::find().order_by_asc(team::Column::Id).all(&app.db).await?;
    call.list(&app, teams.iter().map(shown_team).collect(), &["id", "name", "code_name"])
}

async fn found_team(app: &Shared, wanted: &str) -> Result<team::Model, No> {
    team::Entity::find_by_id(id(wanted)?).one(&app.db).await?.ok_or(No::Missing)
}

/// `/team/{id}`
pub async fn team(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = found_team(&app, &wanted).await?;
    match verb {
        Verb::Read | Verb::Create => one(Some(shown_team(&found))),
        Verb::Change => {
            let changed = team_row(&app, &call, Some(&found)).await?.update(&app.db).await?;
            staff::rename(&app.db, &found.name, &changed.name).await?;
            one(Some(shown_team(&changed)))
        }
        Verb::Delete => {
            staff::rename(&app.db, &found.name, "").await?;
            team::Entity::delete_by_id(found.id).exec(&app.db).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

fn shown_member(team: &team::Model, user: &user::Model) -> Value {
    json!({ "team_id": team.id, "user_id": user.id, "role": "member" })
}

/// `/team/{id}/user`: a technician is in one team; whoever is added leaves the one before.
pub async fn members(State(app): State<Shared>, Path(wanted): Path<String>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,POST")?;
    let team = found_team(&app, &wanted).await?;
    if let Verb::Create = verb {
        call.known(&["team_id", "user_id", "role"])?;
        match call.text("role", 20, false)?.as_deref() {
            None | Some("member") => {}
            Some(_) => return Err(No::Invalid("role", "Deskside knows the role member alone.".into())),
        }
        let Some(user) = call.body.get("user_id").and_then(Value::as_i64) else {
            return Err(No::Invalid("user_id", "The user_id field is required, as a number.".into()));
        };
        let found = user::Entity::find_by_id(i32::try_from(user).unwrap_or_default()).one(&app.db).await?;
        let found = found.ok_or(No::Invalid("user_id", "The selected user_id is invalid.".into()))?;
        let mut row: user::ActiveModel = found.clone().into();
        row.team = Set(team.name.clone());
        let user = row.update(&app.db).await?;
        sign_in::account_changed(&app, &found, &user).await?;
        let place = format!("{}/api/config/v1/team/{}/user/{}", app.config.public_url, team.id, user.id);
        let shown = Json(shown_member(&team, &user));
        return Ok((StatusCode::CREATED, [(header::LOCATION, place)], shown).into_response());
    }
    let users = user::Entity::find().filter(user::Column::Team.eq(team.name.as_str()));
    let users = users.order_by_asc(user::Column::Id).all(&app.db).await?;
    call.list(&app, users.iter().map(|u| shown_member(&team, u)).collect(), &["user_id", "role"])
}

/// `/team/{id}/user/{user}`
pub async fn member(State(app): State<Shared>, Path((wanted, who)): Path<(String, String)>, call: Call) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let team = found_team(&app, &wanted).await?;
    let user = user::Entity::find_by_id(id(&who)?).one(&app.db).await?;
    let user = user.filter(|u| u.team == team.name).ok_or(No::Missing)?;
    match verb {
        Verb::Delete => {
            let mut row: user::ActiveModel = user.clone().into();
            row.team = Set(String::new());
            let changed = row.update(&app.db).await?;
            sign_in::account_changed(&app, &user, &changed).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Verb::Change => {
            call.known(&["role"])?;
            match call.text("role", 20, true)?.as_deref() {
                Some("member") => one(Some(shown_member(&team, &user))),
                _ => Err(No::Invalid("role", "Deskside knows the role member alone.".into())),
            }
        }
        Verb::Read | Verb::Create => one(Some(shown_member(&team, &user))),
    }
}
