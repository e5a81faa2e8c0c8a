//! Second factors, and the organisation's own sign-in.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Admin, ApiError, Confirmed, ConfirmedAdmin, From, Result, account, confirm, signed_in::Browser};
use crate::{
    app::{self, Shared},
    sign_in::{self, GroupRule, OpenId, directory::Directory, oidc::Errand, passkeys, second},
    store::{setting, tables::user},
};

/// The cookie of a browser that is on its way to the provider.
const COOKIE: &str = "deskside-journey";

/// A second factor to be put into a phone.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct SecondOffered {
    /// To be typed, in base32.
    pub secret: String,
    pub url: String,
    /// A QR code: a PNG in base64.
    pub picture: String,
}

/// A code.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Code {
    pub code: String,
}

/// For a lost phone: each works once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Recovery {
    pub codes: Vec<String>,
}

/// Offers a new second factor; it counts once a code of it was typed.
pub async fn offer(State(app): State<Shared>, Confirmed(Browser { me, .. }): Confirmed) -> Result<Json<SecondOffered>> {
    if !me.external.is_empty() {
        return Err(ApiError::conflict("You sign in elsewhere: set a second factor up there."));
    }
    let second::Offered { secret, url, picture } = second::offer(&app.settings().organisation, &me.login)?;
    app.offered.put(app::now(), me.id, secret.clone());
    Ok(Json(SecondOffered { secret, url, picture }))
}

/// Takes an offered second factor: from now on signing in needs it.
pub async fn confirm(
    State(app): State<Shared>,
    Confirmed(browser): Confirmed,
    Json(Code { code }): Json<Code>,
) -> Result<Json<Recovery>> {
    let me = browser.me.clone();
    app.password_guesses.guess_at(&me.login)?;
    let again = || ApiError::conflict("Please begin again.");
    let secret = app.offered.get(app::now(), &me.id).ok_or_else(again)?;
    let step = second::step(&secret, &code, app::now()).ok_or_else(ApiError::wrong_code)?;
    // Taken once: whoever confirms twice at the same time gets one list of recovery codes, and it is the one that counts.
    app.offered.take_if(app::now(), &me.id, |offered| *offered == secret).ok_or_else(again)?;
    let (codes, kept) = second::recovery();
    let mut row: user::ActiveModel = me.into();
    row.totp = Set(secret);
    row.totp_step = Set(step);
    row.recovery = Set(kept);
    row.update(&app.db).await?;
    sign_in::sign_out_elsewhere(&app, &browser.login).await?;
    Ok(Json(Recovery { codes }))
}

/// Takes the second factor away, for whoever can still show it.
pub async fn remove(
    State(app): State<Shared>,
    Confirmed(browser): Confirmed,
    Json(Code { code }): Json<Code>,
) -> Result<StatusCode> {
    let me = &browser.me;
    app.password_guesses.guess_at(&me.login)?;
    if me.totp.is_empty() || !second::accept(&app.db, me, &code, app::now()).await? {
        return Err(ApiError::wrong_code());
    }
    let done = forget(&app, me.id).await?;
    sign_in::sign_out_elsewhere(&app, &browser.login).await?;
    Ok(done)
}

async fn forget(app: &Shared, id: i32) -> Result<StatusCode> {
    let found = user::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| ApiError::missing("account"))?;
    let mut row: user::ActiveModel = found.into();
    row.totp = Set(String::new());
    row.recovery = Set(String::new());
    row.update(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody's second factor and passkeys away: their phone is lost, and their recovery codes too.
pub async fn reset(State(app): State<Shared>, _: ConfirmedAdmin, Path(id): Path<i32>) -> Result<StatusCode> {
    passkeys::forget(&app.db, id).await?;
    let done = forget(&app, id).await?;
    sign_in::sign_out_everywhere(&app, id).await?;
    Ok(done)
}

/// The organisation's own sign-in, without its secret.
pub async fn openid(State(app): State<Shared>, _: Admin) -> Json<OpenId> {
    Json(OpenId { client_secret: String::new(), ..app.openid() })
}

fn checked(app: &Shared, mut new: OpenId) -> Result<OpenId> {
    let known = app.openid();
    new.client_secret = kept(new.client_secret, known.client_secret, new.issuer == known.issuer)?;
    if new.groups_claim.trim().is_empty() {
        new.groups_claim = "groups".into();
    }
    let texts = [&new.name, &new.issuer, &new.client_id, &new.client_secret, &new.groups_claim];
    if texts.iter().any(|t| t.len() > 1_000) || new.authority.len() > 65_536 || new.groups.len() > 200 {
        return Err(ApiError::bad("A text has at most 1,000 bytes, and there are at most 200 groups."));
    }
    if new.enabled && (new.name.trim().is_empty() || new.issuer.is_empty() || new.client_id.is_empty()) {
        return Err(ApiError::bad("A name, an issuer and a client id are needed."));
    }
    named(&new.groups)?;
    Ok(new)
}

/// A secret that was typed, or the one that is known: it is told to the address that it was typed for, and to no other.
pub fn kept(typed: String, known: String, same_address: bool) -> Result<String> {
    match (typed.is_empty(), known.is_empty() || same_address) {
        (false, _) => Ok(typed),
        (true, true) => Ok(known),
        (true, false) => {
            Err(ApiError::bad("Please type the secret again: the one that is known was given for another address."))
        }
    }
}

fn named(rules: &[GroupRule]) -> Result<()> {
    let bad = |g: &GroupRule| g.group.trim().is_empty() || g.group.len() > 500 || g.team.len() > 200;
    match rules.len() > 200 || rules.iter().any(bad) {
        true => Err(ApiError::bad("Each rule names a group, and there are at most 200.")),
        false => Ok(()),
    }
}

/// The directory, without the searcher's password.
pub async fn directory(State(app): State<Shared>, _: Admin) -> Json<Directory> {
    Json(Directory { bind_password: String::new(), ..app.directory() })
}

fn checked_directory(app: &Shared, mut new: Directory) -> Result<Directory> {
    let known = app.directory();
    new.bind_password = kept(new.bind_password, known.bind_password, new.url == known.url)?;
    named(&new.groups)?;
    let texts =
        [&new.url, &new.bind_dn, &new.bind_password, &new.base, &new.filter, &new.group_base, &new.group_filter];
    if texts.iter().any(|t| t.len() > 1_000) || new.authority.len() > 65_536 {
        return Err(ApiError::bad("A text has at most 1,000 bytes."));
    }
    if new.enabled && !(new.url.starts_with("ldap://") || new.url.starts_with("ldaps://")) {
        return Err(ApiError::bad("The address begins with ldaps:// or ldap://."));
    }
    if new.enabled && !new.filter.contains("{login}") {
        return Err(ApiError::bad("The filter must contain {login}: it finds whoever signs in."));
    }
    Ok(new)
}

/// Sets it.
pub async fn set_directory(
    State(app): State<Shared>,
    _: ConfirmedAdmin,
    Json(new): Json<Directory>,
) -> Result<Json<Directory>> {
    let new = checked_directory(&app, new)?;
    setting::save(&app.db, setting::Kind::Directory, &new).await?;
    *app.directory.write().expect("nobody panics while holding the directory") = new.clone();
    Ok(Json(Directory { bind_password: String::new(), ..new }))
}

/// Asks the directory, and says what is wrong.
pub async fn test_directory(
    State(app): State<Shared>,
    _: ConfirmedAdmin,
    Json(new): Json<Directory>,
) -> Result<StatusCode> {
    let new = checked_directory(&app, new)?;
    new.test().await.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::upstream)
}

/// Sets it.
pub async fn set_openid(State(app): State<Shared>, _: ConfirmedAdmin, Json(new): Json<OpenId>) -> Result<Json<OpenId>> {
    let new = checked(&app, new)?;
    setting::save(&app.db, setting::Kind::OpenId, &new).await?;
    *app.openid.write().expect("nobody panics while holding the sign-in") = new.clone();
    Ok(Json(OpenId { client_secret: String::new(), ..new }))
}

/// Asks the provider, and says what is wrong.
pub async fn test_openid(State(app): State<Shared>, _: ConfirmedAdmin, Json(new): Json<OpenId>) -> Result<StatusCode> {
    let new = checked(&app, new)?;
    sign_in::oidc::test(&app, &new).await.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::upstream)
}

fn cookie(app: &Shared, value: &str, seconds: u64) -> Result<HeaderValue> {
    let flag = if app.config.secure() { "; Secure" } else { "" };
    // Lax: the way back begins on the provider's page.
    let text = format!("{COOKIE}={value}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={seconds}{flag}");
    Ok(text.parse().map_err(anyhow::Error::from)?)
}

/// What went wrong, on the page for signing in.
fn sorry(app: &Shared, words: &str) -> Response {
    let words: String = url::form_urlencoded::byte_serialize(words.as_bytes()).collect();
    Redirect::to(&format!("{}/sign-in?problem={words}", app.config.public_url)).into_response()
}

/// Sends somebody to the provider, to sign in.
pub async fn depart(State(app): State<Shared>, From(address): From) -> Result<Response> {
    app.password_guesses.guess(address)?;
    send_away(&app, Errand::SignIn).await
}

/// Sends somebody to the provider, to show once more who they are.
pub async fn depart_to_confirm(State(app): State<Shared>, From(address): From, browser: Browser) -> Result<Response> {
    app.password_guesses.guess(address)?;
    send_away(&app, Errand::Confirm { login: browser.login.hash }).await
}

async fn send_away(app: &Shared, errand: Errand) -> Result<Response> {
    let rules = app.openid();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    match app.journeys.depart(app, &rules, errand, app::now()).await {
        Ok(departure) => {
            let mut response = Redirect::to(&departure.url).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie(app, &departure.cookie, 600)?);
            Ok(response)
        }
        Err(why) => Ok(sorry(app, &why)),
    }
}

/// What the provider sends back.
#[derive(Deserialize)]
pub struct Arrival {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Lets somebody in for whom the provider vouches.
pub async fn arrive(
    State(app): State<Shared>,
    From(address): From,
    Query(arrival): Query<Arrival>,
    headers: HeaderMap,
) -> Result<Response> {
    app.password_guesses.guess(address)?;
    let rules = app.openid();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    if !arrival.error.is_empty() {
        let said = if arrival.error_description.is_empty() { &arrival.error } else { &arrival.error_description };
        let said: String = said.chars().take(300).collect();
        return Ok(sorry(&app, &format!("{} says: {said}", rules.name)));
    }
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let brought = all.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    let brought = brought.map(|(_, value)| value.to_owned()).unwrap_or_default();
    let vouched = app.journeys.arrive(&app, &rules, &arrival.state, arrival.code, &brought, app::now()).await;
    let (who, errand) = match vouched {
        Ok(vouched) => vouched,
        Err(why) => return Ok(sorry(&app, &why)),
    };
    if let Errand::Confirm { login } = errand {
        let confirmed = confirm::raise_by_hash(&app, &login, &who.external).await?;
        let outcome = if confirmed { "done" } else { "other" };
        let mut response = Redirect::to(&format!("{}/confirmed#{outcome}", app.config.public_url)).into_response();
        response.headers_mut().append(header::SET_COOKIE, cookie(&app, "", 0)?);
        return Ok(response);
    }
    let user = match sign_in::admit(&app, &rules.groups, who).await {
        Ok(user) => user,
        Err(sign_in::NotIn::Store(error)) => return Err(error.into()),
        Err(why) => return Ok(sorry(&app, &why.to_string())),
    };
    let mut response = account::start(&app, &user).await?;
    *response.status_mut() = StatusCode::SEE_OTHER;
    let home = format!("{}/console/incidents", app.config.public_url).parse().map_err(anyhow::Error::from)?;
    response.headers_mut().insert(header::LOCATION, home);
    response.headers_mut().append(header::SET_COOKIE, cookie(&app, "", 0)?);
    Ok(response)
}
