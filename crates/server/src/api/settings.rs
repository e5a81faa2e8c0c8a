//! The organisation's settings.

use std::sync::Arc;

use axum::{Json, extract::State};
use sea_orm::DatabaseConnection;
use serde_json::{Map, Value};
use store::{
    secrets::Secrets,
    setting::{self, Current},
    settings::{RetentionRule, Settings},
};

use super::{ApiError, ConfirmedAdmin, Result, SignedIn, people, team_names};

use crate::sign_in::Auth;

/// The current settings.
pub async fn read(
    State(db): State<DatabaseConnection>,
    State(settings): State<Arc<Current<Settings>>>,
    _: SignedIn,
) -> Result<Json<Settings<String>>> {
    Ok(Json(team_names::by_name(&db, settings.get()).await?))
}

/// Changes the given settings. The rest stays as it is, including what somebody else changes at the same time. Running
/// sessions keep the policy they began with.
pub async fn write(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(settings): State<Arc<Current<Settings>>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(changed): Json<Map<String, Value>>,
) -> Result<Json<Settings<String>>> {
    let _alone = auth.teams.write().await;
    let mut all = serde_json::to_value(team_names::by_name(&db, settings.get()).await?).map_err(anyhow::Error::from)?;
    all.as_object_mut().expect("settings have fields").extend(changed);
    let new = serde_json::from_value(all)
        .map_err(|error| ApiError::bad(format!("These settings are not valid: {error}.")))?;
    let new = team_names::by_number(&db, checked(new)?).await?;
    setting::save(&db, &secrets, &new).await?;
    settings.replace(new.clone());
    Ok(Json(team_names::by_name(&db, new).await?))
}

fn checked(mut new: Settings<String>) -> Result<Settings<String>> {
    new.organisation = people::name(&new.organisation)?;
    new.rights = protocol::Right::ALL.into_iter().filter(|r| new.rights.contains(r)).collect();
    if !(1..=60).contains(&new.key_minutes) || !(1..=168).contains(&new.link_hours) {
        return Err(ApiError::bad("The lifetime of a key must be 1 to 60 minutes, that of a link 1 to 168 hours."));
    }
    if new.mail_subject.trim().is_empty() || new.mail_subject.len() > 500 || new.mail_text.len() > 20_000 {
        return Err(ApiError::bad("The invitation needs a subject, and at most 20,000 bytes of text."));
    }
    if !new.mail_text.contains("{{link}}") {
        return Err(ApiError::bad("The invitation must contain {{link}}: without it the customer cannot join."));
    }
    let longest = |r: &RetentionRule<String>| r.days > 36_500 || r.kind.len() > 200;
    if new.retention.len() > 100 || new.retention.iter().any(longest) {
        return Err(ApiError::bad("There may be up to 100 retention rules, each of up to 36,500 days."));
    }
    let compat = &new.beyondtrust;
    let namespaces = [&compat.command_namespace, &compat.reporting_namespace, &compat.access_namespace];
    if namespaces
        .iter()
        .any(|n| n.is_empty() || n.len() > 500 || n.chars().any(|c| c.is_control() || c.is_whitespace()))
    {
        return Err(ApiError::bad("An XML namespace has between 1 and 500 bytes, and no spaces."));
    }
    Ok(new)
}
