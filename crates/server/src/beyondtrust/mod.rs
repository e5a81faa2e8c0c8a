//! BeyondTrust Remote Support's public API, so that integrations written for it work with Deskside.
//!
//! This module only translates and has no rules of its own. Its responses follow recordings, the documentation and the
//! expectations of the original's clients, element by element; `docs/beyondtrust.md` lists what is supported and what
//! differs.
//!

mod call;
mod command;
mod command_v2;
mod config;
mod downloads;
mod gate;
mod oauth;
pub mod outbound;
mod people;
mod presence;
mod report;
mod reporting;
mod request_params;
mod start;
mod xml;

use axum::{
    Json, Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use platform::{identity::Identity, secret};
use serde_json::json;

pub use outbound::OutboundEvents;
pub use start::{by_address, is_for_other_pages};

use crate::state::AppState;

/// The supported version of the API.
const API_VERSION: &str = "1.24.1";
/// The product version that has this API.
const PRODUCT_VERSION: &str = "24.1.1";

/// The routes of the original that are supported.
pub fn router(app: &AppState) -> Router<AppState> {
    Router::new()
        .route("/oauth2/token", post(oauth::token))
        .route("/api/command", any(command::command))
        .route("/api/command.ns", any(command::command))
        .nest("/api/command/v2", command_api())
        .route("/api/reporting", any(reporting::reporting))
        .route("/api/reporting.ns", any(reporting::reporting))
        .route(start::PATHS[0], any(start::start))
        .route(start::PATHS[1], any(start::start))
        .route(start::PATHS[2], any(start::start))
        .route("/api/start_session.js", get(start::embedded))
        .route("/api/content/core.js", get(start::embedded))
        .route("/api/client_script", any(start::script))
        .route("/api/client_script.ns", any(start::script))
        .route("/session_download", get(downloads::download))
        .route("/check_health", get(|| async { "OK" }))
        .route("/get_mech_list", get(config::mechanisms))
        .nest("/api/config/v1", configuration())
        .layer(middleware::from_fn_with_state(app.clone(), gate::gate))
        .layer(middleware::from_fn(headers))
}

fn configuration() -> Router<AppState> {
    Router::new()
        .route("/user", any(config::users))
        .route("/user/provision", any(config::provision))
        .route("/user/{id}", any(config::user))
        .route("/user/{id}/group-policies", any(config::policies_of))
        .route("/team", any(config::teams))
        .route("/team/{id}", any(config::team))
        .route("/team/{id}/user", any(config::members))
        .route("/team/{id}/user/{user}", any(config::member))
        .route("/security-provider", any(config::providers))
        .route("/security-provider/{id}", any(config::provider))
        .route("/group-policy", any(config::group_policies))
        .route("/group-policy/{id}", any(config::policy))
        .route("/group-policy/{id}/member", any(config::policy_members))
        .route("/group-policy/{id}/member/{member}", any(config::policy_member))
        .route("/group-policy/{id}/provision", any(config::provision_policy))
        .route("/public-portal", any(config::portals))
        .route("/session-policy", any(config::session_policies))
        .route("/rep-status", any(config::statuses))
        .route("/rep-status/{id}", any(config::status))
        .route("/api-account", any(config::accounts))
        .route("/api-account/{id}", any(config::account))
        .route("/openapi.yaml", any(config::document))
        .fallback(config::others)
}

fn command_api() -> Router<AppState> {
    Router::new()
        .route("/openapi.yaml", any(command_v2::document))
        .route("/info", any(command_v2::info))
        .route("/health", any(command_v2::health))
        .route("/appliance", any(command_v2::appliances))
        .route("/appliance/client-count", any(command_v2::counts))
        .route("/client", any(command_v2::clients))
        .route("/client/{id}", any(command_v2::client))
        .route("/client/{id}/connections", any(command_v2::connections))
        .route("/session/{lsid}", any(command_v2::session))
        .route("/session-key", any(command_v2::create_key))
        .route("/team", any(command_v2::teams))
        .route("/team/{id}/issue", any(command_v2::issues))
        .route("/user", any(command_v2::users))
        .route("/user/{id}/logout", any(command_v2::logout))
        .route("/failover-role", any(command_v2::failover))
        .fallback(command_v2::nothing)
}

/// Adds the headers of the original's responses.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed = [
        (header::CACHE_CONTROL, "must-revalidate, no-cache, no-store, post-check=0, pre-check=0, private"),
        (header::VARY, "X-Requested-With,Authorization"),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The id of this installation, as 32 hexadecimal digits.
pub fn appliance(identity: &Identity) -> String {
    secret::hash(&identity.public())[..32].to_owned()
}

/// The response to a request without a valid token.
fn denied() -> Response {
    let body = json!({
        "error": "access_denied",
        "message": "The resource owner or authorization server denied the request.",
    });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// An XML response. Errors have the status 200 as well.
fn answer(document: String) -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=UTF-8")], document).into_response()
}

/// An XML error.
fn error(namespace: &str, message: &str) -> Response {
    answer(xml::text("error", message).document(namespace))
}
