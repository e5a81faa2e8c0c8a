//! Signing in by the organisation's OpenID provider.

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

/// The cookie that ties a pending login to the browser.
const COOKIE: &str = "deskside-journey";

fn cookie(public_url: &PublicUrl, value: &str, seconds: u64) -> Result<HeaderValue> {
    let flag = if public_url.secure() { "; Secure" } else { "" };
    // Lax, because the redirect back comes from the provider's page.
    let text = format!("{COOKIE}={value}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={seconds}{flag}");
    Ok(text.parse().map_err(anyhow::Error::from)?)
}

/// Redirects to the sign-in page, which shows the problem.
fn redirect_with_problem(public_url: &PublicUrl, problem: SignInProblem, why: &str) -> Response {
    tracing::warn!(problem = problem.word(), why = line(why, 500), "sign-in by OpenID failed");
    Redirect::to(&format!("{}/sign-in?problem={}", public_url, problem.word())).into_response()
}

/// Redirects to the provider, to sign in.
pub async fn authorize(
    State(public_url): State<PublicUrl>,
    State(clients): State<Arc<Clients>>,
    State(auth): State<Arc<Auth>>,
    ClientAddress(address): ClientAddress,
) -> Result<Response> {
    drop(clients.guess(Attempt::Begin { from: address })?);
    redirect_to_provider(&public_url, &auth, Errand::SignIn, address).await
}

/// Redirects to the provider, to confirm one's identity again.
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

/// The parameters of the provider's redirect.
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

/// Completes a login after the provider's redirect.
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
        let mut response = Redirect::to(&format!("{public_url}/confirmed#{outcome}")).into_response();
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
    let home = format!("{public_url}/console/incidents").parse().map_err(anyhow::Error::from)?;
    response.headers_mut().insert(header::LOCATION, home);
    response.headers_mut().append(header::SET_COOKIE, cookie(&public_url, "", 0)?);
    Ok(response)
}
