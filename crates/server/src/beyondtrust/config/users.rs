//! Users: technicians, as identity management reads and changes them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use store::tables::user;

use super::providers::Provider;

use crate::{
    account_changes::{self, AccountChange, ChangedBy},
    api,
    beyondtrust::call::{Answer, Call, CallError, Need, Verb, id, one},
    config::PublicUrl,
    sign_in::Auth,
};

/// The default language of mails to technicians.
const LANGUAGE: &str = "en-us";

fn shown(u: &user::Model) -> Value {
    json!({
        "id": u.id,
        "security_provider_id": Provider::of(u).id(),
        "display_number": u.id,
        "username": u.login,
        "public_display_name": u.name,
        "private_display_name": u.name,
        "email_address": u.email,
        "preferred_email_language": u.email_language.as_deref().unwrap_or(LANGUAGE),
        "two_factor_required": false,
        "enabled": !u.disabled,
        "failed_logins": 0,
        "password_reset_next_login": false,
        "password_expiration": null,
        "two_factor_enabled": !u.totp.is_empty(),
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
pub async fn users(State(db): State<DatabaseConnection>, State(public_url): State<PublicUrl>, call: Call) -> Answer {
    call.verb("GET,HEAD")?;
    let users = user::Entity::find().order_by_asc(user::Column::Id).all(&db).await?;
    call.list(&public_url, users.iter().map(shown).collect())
}

/// `/user/{id}`: deleting an account only disables it, because its actions stay on record.
pub async fn user(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    Path(wanted): Path<String>,
    call: Call,
) -> Answer {
    let verb = call.verb("GET,HEAD,PATCH,DELETE")?;
    let found = user::Entity::find_by_id(id(&wanted)?).one(&db).await?.ok_or(CallError::Missing)?;
    match verb {
        Verb::Read | Verb::Create => one(Some(shown(&found))),
        Verb::Change => {
            let change = Change::of(&call, &found)?;
            one(Some(shown(&change.apply(&auth, &found).await?)))
        }
        Verb::Delete => {
            let change = Change { disabled: Some(true), ..Change::default() };
            change.apply(&auth, &found).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

/// Changes of an account.
#[derive(Default)]
struct Change {
    name: Option<String>,
    email: Option<String>,
    disabled: Option<bool>,
    password: Option<String>,
    language: Option<String>,
}

impl Change {
    /// The changes in a body. Fields that are sent back as they were read change nothing.
    fn of(call: &Call, before: &user::Model) -> Result<Self, CallError> {
        let mut change = Self::default();
        let has = shown(before);
        for (field, value) in &call.body {
            match field.as_str() {
                "public_display_name" | "private_display_name" => {
                    let name = call.line(field, 64, Need::Required)?;
                    change.name = name.filter(|name| *name != before.name).or(change.name);
                }
                "email_address" => {
                    let email = call.line(field, 200, Need::Required)?.unwrap_or_default();
                    let good: Result<lettre::Address, _> = email.parse();
                    good.map_err(|_| CallError::invalid(field, "The email_address must be a valid email address."))?;
                    change.email = Some(email);
                }
                "enabled" => {
                    let enabled = value.as_bool();
                    let enabled =
                        enabled.ok_or_else(|| CallError::invalid(field, "The enabled field must be true or false."))?;
                    change.disabled = Some(!enabled);
                }
                "password" => change.password = Some(password(call, before)?),
                "preferred_email_language" => change.language = Some(language(call)?),
                // Accounts are never locked; guesses are throttled instead.
                "failed_logins" if *value == json!(0) => {}
                "failed_logins" => {
                    return Err(CallError::invalid(field, "The failed_logins field can only be set to 0."));
                }
                // Deskside cannot enforce it, so accepting it would be wrong.
                "two_factor_required" if *value == json!(true) => {
                    let message = "Deskside cannot require a second factor of an account; its owner sets it up.";
                    return Err(CallError::invalid(field, message));
                }
                _ if has.get(field) == Some(value) => {}
                _ if has.get(field).is_some() => {
                    return Err(CallError::invalid(field, format!("The {field} field cannot be changed here.")));
                }
                _ => return Err(CallError::Unknown(call.api, field.clone())),
            }
        }
        Ok(change)
    }

    async fn apply(self, auth: &Auth, before: &user::Model) -> Result<user::Model, CallError> {
        let Self { name, email, disabled, password, language } = self;
        let password = match password {
            Some(password) => Some(api::password(auth, password).await?),
            None => None,
        };
        let email_language = language;
        let wanted = AccountChange { name, email, disabled, password, email_language, ..AccountChange::default() };
        Ok(account_changes::change(auth, ChangedBy::System, before.id, wanted).await?)
    }
}

/// A new password, for an account with one here.
fn password(call: &Call, before: &user::Model) -> Result<String, CallError> {
    match Provider::of(before) {
        Provider::Local => {}
        Provider::OpenId | Provider::Directory => {
            return Err(CallError::invalid(
                "password",
                "The password of a user who signs in elsewhere cannot be set here.",
            ));
        }
    }
    let password = call.text("password", 200, Need::Required)?.unwrap_or_default();
    match password.chars().count() {
        0..10 => Err(CallError::invalid("password", "The password must be at least 10 characters.")),
        _ => Ok(password),
    }
}

/// A language by its code.
fn language(call: &Call) -> Result<String, CallError> {
    let field = "preferred_email_language";
    let code = call.line(field, 10, Need::Required)?.unwrap_or_default().to_lowercase();
    let plain = code.len() >= 2 && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain { Ok(code) } else { Err(CallError::invalid(field, "The preferred_email_language is invalid.")) }
}

/// `/user/provision`: changes take effect at once, so nothing is left to do.
pub async fn provision(call: Call) -> Answer {
    call.verb("POST")?;
    call.allow_fields(&["user_ids"])?;
    let numbers = |ids: &Vec<Value>| ids.iter().all(Value::is_i64);
    match call.body.get("user_ids") {
        None => {}
        Some(Value::Array(ids)) if numbers(ids) => {}
        Some(_) => return Err(CallError::invalid("user_ids", "The user_ids field must be an array of numbers.")),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
