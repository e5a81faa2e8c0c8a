//! Every route of the server: the routers of the APIs, merged.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{api, beyondtrust, config::PublicUrl, desk::ServiceDesk, state::AppState, web, wire};

/// The server's router with its middleware.
pub fn router(app: AppState) -> Router {
    let limiter = api::bounds::Limiter { clients: app.clients.clone(), admissions: app.admissions.clone() };
    api::router(&app)
        .route("/wire", get(wire::upgrade))
        .merge(beyondtrust::router(&app))
        .route("/", get(front))
        .fallback(web::page)
        .layer(middleware::from_fn_with_state(limiter, api::bounds::bound))
        .layer(middleware::from_fn_with_state(app.clone(), same_origin))
        .layer(middleware::from_fn(api::while_signed_in))
        .layer(middleware::from_fn_with_state(app.clone(), web::security_headers))
        .layer(DefaultBodyLimit::max(api::BODY_LIMIT))
        .with_state(app)
}

/// The front page. With the parameter `ak` of a BeyondTrust link it redirects to that session.
async fn front(State(desk): State<Arc<ServiceDesk>>, request: Request) -> Response {
    match beyondtrust::by_address(&desk, request.uri().query().unwrap_or_default()) {
        Some(response) => response,
        None => web::page(request).await,
    }
}

/// Rejects requests from pages of another origin that would change something, whatever cookies the browser adds.
async fn same_origin(State(public_url): State<PublicUrl>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = request.headers().get(header::ORIGIN);
    // Customers may start sessions from any page: that needs no cookie, and none is sent.
    let changes = changes && !beyondtrust::is_for_other_pages(request.uri().path());
    if changes && origin.is_some_and(|o| o.as_bytes() != public_url.origin().as_bytes()) {
        return (StatusCode::FORBIDDEN, "this page does not belong to this server").into_response();
    }
    next.run(request).await
}
