//! Authentication by bearer token, and the rate limit of the account.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sea_orm::DatabaseConnection;

use super::request_params::bearer;

use crate::{
    accounts,
    api::{self, ApiError},
    api_limits::ApiLimits,
    connections::Clients,
};

/// Resolves the bearer token of a request, and applies the account's rate limit.
pub async fn gate(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(api_limits): State<Arc<ApiLimits>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = bearer(request.headers()) else { return next.run(request).await };
    let caller = match accounts::by_token(&db, &token).await {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            let from = api::address(&clients, request.extensions(), request.headers());
            return match clients.record_failure(from) {
                Ok(()) => next.run(request).await,
                Err(too_many) => ApiError::from(too_many).into_response(),
            };
        }
        Err(error) => return ApiError::from(error).into_response(),
    };
    let rate = match api_limits.turn(&caller.key).await {
        Ok(rate) => rate,
        Err(exhausted) => return exhausted.into_response(),
    };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    rate.tell(response.headers_mut());
    response
}
