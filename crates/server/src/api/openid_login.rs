//! The way to the organisation's own sign-in and back.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use platform::{clock, text::line, throttle::Attempt};
use sea_orm::DatabaseConnection;
use serde::Deserialize;

use super::{ApiError, ClientAddress, Result, account, confirm, signed_in::Browser};

use crate::{
    config::PublicUrl,
    connections::Clients,
    sign_in::{
        self, Auth, SignInProblem,
        oidc::{Errand, Failed},
    },
};

/// The cookie of a browser that is on its way to the provider.
const COOKIE: &str = "deskside-journey";

fn cookie(public_url: &PublicUrl, value: &str, seconds: u64) -> Result<HeaderValue> {
    let flag = if public_url.secure() { "; Secure" } else { "" };
    // Lax: the way back begins on the provider's page.
    let text = format!("{COOKIE}={value}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={seconds}{flag}");
    Ok(text.parse().map_err(anyhow::Error::from)?)
}

/// What went wrong, on the page for signing in.
fn redirect_with_problem(public_url: &PublicUrl, problem: SignInProblem, why: &str) -> Response {
    tracing::warn!(problem = problem.word(), why = line(why, 500), "a sign-in elsewhere failed");
    Redirect::to(&format!("{}/sign-in?problem={}", public_url, problem.word())).into_response()
}

/// Sends somebody to the provider, to sign in.
pub async fn authorize(
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
) -> Result<Response> {
    drop(clients.guess(Attempt::Begin { from: address })?);
    redirect_to_provider(&public_url, &auth, Errand::SignIn, address).await
}

/// Sends somebody to the provider, to show once more who they are.
pub async fn authorize_to_confirm(
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
    browser: Browser,
) -> Result<Response> {
    drop(clients.guess(Attempt::Begin { from: address })?);
    redirect_to_provider(&public_url, &auth, Errand::Confirm { login: browser.login.hash }, address).await
}

async fn redirect_to_provider(public_url: &PublicUrl, auth: &Auth, errand: Errand, from: IpAddr) -> Result<Response> {
    let rules = auth.openid.get();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    match auth.pending_logins.authorize(auth, &rules, (errand, from), clock::now()).await {
        Ok(departure) => {
            let mut response = Redirect::to(&departure.url).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie(public_url, &departure.cookie, 600)?);
            Ok(response)
        }
        Err(Failed { problem, why }) => Ok(redirect_with_problem(public_url, problem, &why)),
    }
}

/// What the provider sends back.
#[derive(Deserialize)]
pub struct CallbackParams {
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
    State(db): State<DatabaseConnection>,
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
    Query(params): Query<CallbackParams>,
    headers: HeaderMap,
) -> Result<Response> {
    drop(clients.guess(Attempt::Begin { from: address })?);
    let rules = auth.openid.get();
    if !rules.enabled {
        return Err(ApiError::missing("sign-in"));
    }
    if !params.error.is_empty() {
        return Ok(redirect_with_problem(
            &public_url,
            SignInProblem::Refused,
            &format!("{}: {}", params.error, params.error_description),
        ));
    }
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let returned = all.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    let returned = returned.map(|(_, value)| value.to_owned()).unwrap_or_default();
    let identified =
        auth.pending_logins.callback(&auth, &rules, &params.state, params.code, &returned, clock::now()).await;
    let (who, errand) = match identified {
        Ok(identified) => identified,
        Err(Failed { problem, why }) => return Ok(redirect_with_problem(&public_url, problem, &why)),
    };
    if let Errand::Confirm { login } = errand {
        let confirmed = confirm::raise_by_hash(&db, &login, &who.external).await?;
        let outcome = if confirmed { "done" } else { SignInProblem::Other.word() };
        let mut response = Redirect::to(&format!("{}/confirmed#{outcome}", public_url)).into_response();
        response.headers_mut().append(header::SET_COOKIE, cookie(&public_url, "", 0)?);
        return Ok(response);
    }
    let user = match sign_in::admit(&auth, &rules.groups, who).await {
        Ok(user) => user,
        Err(sign_in::SignInError::Store(error)) => return Err(error.into()),
        Err(why) => {
            return Ok(redirect_with_problem(
                &public_url,
                why.problem().unwrap_or(SignInProblem::Refused),
                &why.to_string(),
            ));
        }
    };
    let mut response = account::start(&db, &public_url, &user).await?;
    *response.status_mut() = StatusCode::SEE_OTHER;
    let home = format!("{}/console/incidents", public_url).parse().map_err(anyhow::Error::from)?;
    response.headers_mut().insert(header::LOCATION, home);
    response.headers_mut().append(header::SET_COOKIE, cookie(&public_url, "", 0)?);
    Ok(response)
}
