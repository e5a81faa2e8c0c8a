//! The way to the organisation's own sign-in and back.

use std::net::IpAddr;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use platform::{clock, text::line, throttle::Attempt};
use serde::Deserialize;

use super::{ApiError, From, Result, account, confirm, signed_in::Browser};

use crate::{
    app::Shared,
    sign_in::{
        self, SignInProblem,
        oidc::{Errand, Failed},
    },
};

/// The cookie of a browser that is on its way to the provider.
const COOKIE: &str = "deskside-journey";

fn cookie(app: &Shared, value: &str, seconds: u64) -> Result<HeaderValue> {
    let flag = if app.config.secure() { "; Secure" } else { "" };
    // Lax: the way back begins on the provider's page.
    let text = format!("{COOKIE}={value}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={seconds}{flag}");
    Ok(text.parse().map_err(anyhow::Error::from)?)
}

/// What went wrong, on the page for signing in.
fn sorry(app: &Shared, problem: SignInProblem, why: &str) -> Response {
    tracing::warn!(problem = problem.word(), why = line(why, 500), "a sign-in elsewhere failed");
    Redirect::to(&format!("{}/sign-in?problem={}", app.config.public_url, problem.word())).into_response()
}

/// Sends somebody to the provider, to sign in.
pub async fn authorize(State(app): State<Shared>, From(address): From) -> Result<Response> {
    drop(app.guess(Attempt::Begin { from: address })?);
    send_away(&app, Errand::SignIn, address).await
}

/// Sends somebody to the provider, to show once more who they are.
pub async fn depart_to_confirm(State(app): State<Shared>, From(address): From, browser: Browser) -> Result<Response> {
    drop(app.guess(Attempt::Begin { from: address })?);
    send_away(&app, Errand::Confirm { login: browser.login.hash }, address).await
}

async fn send_away(app: &Shared, errand: Errand, from: IpAddr) -> Result<Response> {
    let rules = app.openid();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    match app.journeys.authorize(app, &rules, (errand, from), clock::now()).await {
        Ok(departure) => {
            let mut response = Redirect::to(&departure.url).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie(app, &departure.cookie, 600)?);
            Ok(response)
        }
        Err(Failed { problem, why }) => Ok(sorry(app, problem, &why)),
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
pub async fn callback(
    State(app): State<Shared>,
    From(address): From,
    Query(arrival): Query<Arrival>,
    headers: HeaderMap,
) -> Result<Response> {
    drop(app.guess(Attempt::Begin { from: address })?);
    let rules = app.openid();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    if !arrival.error.is_empty() {
        return Ok(sorry(&app, SignInProblem::Refused, &format!("{}: {}", arrival.error, arrival.error_description)));
    }
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let brought = all.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    let brought = brought.map(|(_, value)| value.to_owned()).unwrap_or_default();
    let vouched = app.journeys.callback(&app, &rules, &arrival.state, arrival.code, &brought, clock::now()).await;
    let (who, errand) = match vouched {
        Ok(vouched) => vouched,
        Err(Failed { problem, why }) => return Ok(sorry(&app, problem, &why)),
    };
    if let Errand::Confirm { login } = errand {
        let confirmed = confirm::raise_by_hash(&app, &login, &who.external).await?;
        let outcome = if confirmed { "done" } else { SignInProblem::Other.word() };
        let mut response = Redirect::to(&format!("{}/confirmed#{outcome}", app.config.public_url)).into_response();
        response.headers_mut().append(header::SET_COOKIE, cookie(&app, "", 0)?);
        return Ok(response);
    }
    let user = match sign_in::admit(&app, &rules.groups, who).await {
        Ok(user) => user,
        Err(sign_in::SignInError::Store(error)) => return Err(error.into()),
        Err(why) => return Ok(sorry(&app, why.problem().unwrap_or(SignInProblem::Refused), &why.to_string())),
    };
    let mut response = account::start(&app, &user).await?;
    *response.status_mut() = StatusCode::SEE_OTHER;
    let home = format!("{}/console/incidents", app.config.public_url).parse().map_err(anyhow::Error::from)?;
    response.headers_mut().insert(header::LOCATION, home);
    response.headers_mut().append(header::SET_COOKIE, cookie(&app, "", 0)?);
    Ok(response)
}
