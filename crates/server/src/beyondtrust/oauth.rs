//! Tokens by client credentials (RFC 6749, 4.4).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sea_orm::DatabaseConnection;
use serde::Serialize;

use super::request_params::{RequestParams, basic};
use crate::{
    accounts::{self, TOKEN_SECONDS},
    api::{ApiError, ClientAddress},
    api_limits::ApiLimits,
    connections::Clients,
};

/// A token. The order of the fields is the original's.
#[derive(Serialize)]
struct Token {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
    message: &'static str,
}

fn refuse(status: StatusCode, error: &'static str, message: &'static str) -> Response {
    (status, Json(Refusal { error, message })).into_response()
}

/// Issues a token for a client's id and secret, by basic authentication or as parameters.
pub async fn token(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(api_limits): State<Arc<ApiLimits>>,
    ClientAddress(from): ClientAddress,
    params: RequestParams,
) -> Result<Response, ApiError> {
    match params.get("grant_type") {
        Some("client_credentials") => {}
        None => return Ok(refuse(StatusCode::BAD_REQUEST, "invalid_request", "The parameter grant_type is missing.")),
        Some(_) => {
            let message = "Only the grant type client_credentials is supported.";
            return Ok(refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", message));
        }
    }
    let given = match (params.get("client_id"), params.get("client_secret")) {
        (Some(id), Some(secret)) => Some((id.to_owned(), secret.to_owned())),
        _ => None,
    };
    let invalid = || refuse(StatusCode::UNAUTHORIZED, "invalid_client", "Client authentication failed.");
    let Some((id, secret)) = basic(&params.headers).or(given) else { return Ok(invalid()) };
    // Secrets are long and random, so clients that request a token for each call are not throttled; wrong ones are
    // counted.
    let Some(caller) = accounts::by_secret(&db, &id, &secret).await? else {
        clients.record_failure(from)?;
        return Ok(invalid());
    };
    let rate = match api_limits.turn(&caller.key).await {
        Ok(rate) => rate,
        Err(exhausted) => return Ok(exhausted.into_response()),
    };
    let Some(account) = caller.account else { return Ok(invalid()) };
    let Some(access_token) = accounts::give_token(&db, &account).await? else { return Ok(invalid()) };
    let token = Token { access_token, token_type: "Bearer", expires_in: TOKEN_SECONDS };
    let mut response = Json(token).into_response();
    rate.tell(response.headers_mut());
    Ok(response)
}
