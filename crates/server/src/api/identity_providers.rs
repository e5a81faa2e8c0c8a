//! The settings of the OpenID provider and the directory.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use sea_orm::DatabaseConnection;
use store::{
    secrets::Secrets,
    setting::{self, ByTeam},
};

use super::{Admin, ApiError, ConfirmedAdmin, Result, team_names};
use crate::sign_in::{self, Auth, Directory, GroupRule, OpenId};

/// The settings of the OpenID provider, without the secret.
pub async fn openid(State(auth): State<Arc<Auth>>, _: Admin) -> Result<Json<OpenId<String>>> {
    openid_shown(&auth, auth.openid.get()).await
}

async fn openid_shown(auth: &Auth, openid: OpenId) -> Result<Json<OpenId<String>>> {
    let shown = OpenId { client_secret: String::new(), ..openid };
    Ok(Json(team_names::by_name(&auth.db, shown).await?))
}

fn checked(auth: &Auth, mut new: OpenId<String>) -> Result<OpenId<String>> {
    let known = auth.openid.get();
    new.client_secret = typed_or_known(new.client_secret, known.client_secret, new.issuer == known.issuer)?;
    if new.groups_claim.trim().is_empty() {
        new.groups_claim = "groups".into();
    }
    let texts = [&new.name, &new.issuer, &new.client_id, &new.client_secret, &new.groups_claim];
    if texts.iter().any(|t| t.len() > 1_000) || new.authority.len() > 65_536 || new.groups.len() > 200 {
        return Err(ApiError::bad("Each text may have up to 1,000 bytes, and there may be up to 200 groups."));
    }
    if new.enabled && (new.name.trim().is_empty() || new.issuer.is_empty() || new.client_id.is_empty()) {
        return Err(ApiError::bad("Please enter a name, an issuer and a client ID."));
    }
    named(&new.groups)?;
    Ok(new)
}

/// The typed secret, or the stored one if none was typed. A stored secret is sent only to the address that it was
/// entered for.
pub fn typed_or_known(typed: String, known: String, same_address: bool) -> Result<String> {
    match (typed.is_empty(), known.is_empty() || same_address) {
        (false, _) => Ok(typed),
        (true, true) => Ok(known),
        (true, false) => {
            Err(ApiError::bad("Please type the secret again: the stored one was entered for another address."))
        }
    }
}

fn named(rules: &[GroupRule<String>]) -> Result<()> {
    let bad = |g: &GroupRule<String>| g.group.trim().is_empty() || g.group.len() > 500;
    match rules.len() > 200 || rules.iter().any(bad) {
        true => Err(ApiError::bad("Each rule needs a group, and there may be up to 200 rules.")),
        false => Ok(()),
    }
}

/// The settings of the directory, without its password.
pub async fn directory(State(auth): State<Arc<Auth>>, _: Admin) -> Result<Json<Directory<String>>> {
    directory_shown(&auth, auth.directory.get()).await
}

async fn directory_shown(auth: &Auth, directory: Directory) -> Result<Json<Directory<String>>> {
    let shown = Directory { bind_password: String::new(), ..directory };
    Ok(Json(team_names::by_name(&auth.db, shown).await?))
}

fn checked_directory(auth: &Auth, mut new: Directory<String>) -> Result<Directory<String>> {
    let known = auth.directory.get();
    new.bind_password = typed_or_known(new.bind_password, known.bind_password, new.url == known.url)?;
    named(&new.groups)?;
    let texts =
        [&new.url, &new.bind_dn, &new.bind_password, &new.base, &new.filter, &new.group_base, &new.group_filter];
    if texts.iter().any(|t| t.len() > 1_000) || new.authority.len() > 65_536 {
        return Err(ApiError::bad("Each text may have up to 1,000 bytes."));
    }
    if new.enabled && !(new.url.starts_with("ldap://") || new.url.starts_with("ldaps://")) {
        return Err(ApiError::bad("The address must begin with ldaps:// or ldap://."));
    }
    if new.enabled && !new.filter.contains("{login}") {
        return Err(ApiError::bad("The filter must contain {login}, which stands for the user name."));
    }
    Ok(new)
}

/// Changes the directory's settings.
pub async fn set_directory(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<Directory<String>>,
) -> Result<Json<Directory<String>>> {
    let new = checked_directory(&auth, new)?;
    let _alone = auth.teams.write().await;
    let new = team_names::by_number(&db, new).await?;
    setting::save(&db, &secrets, &new).await?;
    auth.directory.replace(new.clone());
    directory_shown(&auth, new).await
}

/// Tests the directory's settings.
pub async fn test_directory(
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<Directory<String>>,
) -> Result<StatusCode> {
    let new = checked_directory(&auth, new)?.map_teams(|_| None);
    new.test(&auth.outbound).await.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::upstream)
}

/// Changes the OpenID provider's settings.
pub async fn set_openid(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<OpenId<String>>,
) -> Result<Json<OpenId<String>>> {
    let new = checked(&auth, new)?;
    let _alone = auth.teams.write().await;
    let new = team_names::by_number(&db, new).await?;
    setting::save(&db, &secrets, &new).await?;
    auth.openid.replace(new.clone());
    openid_shown(&auth, new).await
}

/// Tests the OpenID provider's settings.
pub async fn test_openid(
    State(auth): State<Arc<Auth>>,
    _: ConfirmedAdmin,
    Json(new): Json<OpenId<String>>,
) -> Result<StatusCode> {
    let new = checked(&auth, new)?.map_teams(|_| None);
    sign_in::oidc::test(&auth, &new).await.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::upstream)
}
