//! The REST API for other systems: bearer tokens with scopes, problem+json, paging, idempotency keys.
//!
//! The OpenAPI document is generated from the handlers and served beside them.
//!

mod evidence;
mod idempotency;
mod people;
mod sessions;

use axum::{
    Json, Router,
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use live_sessions::ActError;
use sea_orm::DatabaseConnection;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{ApiError, address};
use crate::{
    accounts::{self, Caller, Scope},
    connections::Clients,
    state::AppState,
};

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status is the type of the problem.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// One sentence for a person.
    detail: String,
}

/// A refusal or a failure, as problem+json.
pub struct Refused(StatusCode, String);

/// What every handler here returns.
pub type Result<T> = std::result::Result<T, Refused>;

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        let error: ApiError = error.into();
        Self(error.status(), error.message().to_owned())
    }
}

impl Refused {
    fn bad(detail: impl Into<String>) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, detail.into())
    }

    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status, detail) = self;
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Converts a refusal of a running session.
fn refused(error: ActError) -> Refused {
    ApiError::from(error).into()
}

/// A JSON body; errors are reported as a problem.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &AppState) -> Result<Self> {
        // Parsed as an object first, because serde would accept a list of the values instead.
        match Json::<serde_json::Map<String, serde_json::Value>>::from_request(request, app).await {
            Ok(Json(fields)) => {
                let body = serde_json::from_value(serde_json::Value::Object(fields));
                body.map(Self).map_err(|e| Refused::bad(format!("The body is not valid: {e}.")))
            }
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.".into()))
            }
            Err(JsonRejection::JsonSyntaxError(e)) => {
                Err(Refused(StatusCode::BAD_REQUEST, format!("{}.", e.body_text())))
            }
            Err(JsonRejection::BytesRejection(e)) => Err(Refused(e.status(), format!("{}.", e.body_text()))),
            Err(e) => Err(Refused::bad(format!("{}.", e.body_text()))),
        }
    }
}

/// Query parameters; errors are reported as a problem.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, app).await;
        query
            .map(|axum::extract::Query(q)| Self(q))
            .map_err(|e| Refused(StatusCode::BAD_REQUEST, format!("{}.", e.body_text())))
    }
}

/// An extractor for callers whose token has a scope.
macro_rules! scoped {
    ($($name:ident $scope:ident $what:literal),*) => { $(
        #[doc = concat!("A caller that may ", $what, ".")]
        #[allow(dead_code, reason = "some handlers need the check alone")]
        pub struct $name(pub Caller);

        impl FromRequestParts<AppState> for $name {
            type Rejection = Refused;

            async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
                let caller = caller(&app.db, &app.clients, parts).await?;
                if caller.may(Scope::$scope) {
                    return Ok(Self(caller));
                }
                let detail = concat!("This token may not ", $what, ".");
                Err(Refused(StatusCode::FORBIDDEN, detail.into()))
            }
        }
    )* };
}
scoped!(
    ReadSessions SessionsRead "read sessions",
    WriteSessions SessionsWrite "create and change sessions",
    ReadEvidence EvidenceRead "read transcripts and recordings",
    ReadPeople PeopleRead "read technicians and teams",
    WritePeople PeopleWrite "change technicians and teams"
);

async fn caller(db: &DatabaseConnection, clients: &Clients, parts: &Parts) -> Result<Caller> {
    let none = || Refused(StatusCode::UNAUTHORIZED, "Please send a valid bearer token.".into());
    let given = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let (scheme, token) = given.and_then(|v| v.split_once(' ')).ok_or_else(none)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(none());
    }
    if let Some(caller) = accounts::by_token(db, token.trim()).await? {
        return Ok(caller);
    }
    clients.record_failure(address(clients, &parts.extensions, &parts.headers)).map_err(ApiError::from)?;
    Err(none())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Deskside",
        version = "1",
        description = "Sessions, their evidence, technicians and teams, for other systems. Times are RFC 3339 in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        sessions::list, sessions::create, sessions::read, sessions::keys, sessions::transfer, sessions::attributes,
        sessions::close, evidence::transcript, evidence::recording, people::queues, people::teams, people::add_team,
        people::change_team, people::remove_team, people::technicians, people::add_technician, people::technician,
        people::change_technician,
    ),
    components(schemas(Problem)),
    modifiers(&Bearer)
)]
struct Document;

/// Every operation needs a bearer token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token from Settings → Integrations, or from `/oauth2/token` by an account."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        let needed = utoipa::openapi::security::SecurityRequirement::new("bearer", Vec::<String>::new());
        document.security = Some(vec![needed]);
    }
}

/// Returns the OpenAPI document.
async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

/// The routes of the REST API.
pub fn router(app: &AppState) -> Router<AppState> {
    Router::new()
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route("/sessions/{id}", get(sessions::read))
        .route("/sessions/{id}/keys", post(sessions::keys))
        .route("/sessions/{id}/transfer", post(sessions::transfer))
        .route("/sessions/{id}/attributes", patch(sessions::attributes))
        .route("/sessions/{id}/close", post(sessions::close))
        .route("/sessions/{id}/transcript", get(evidence::transcript))
        .route("/sessions/{id}/recording", get(evidence::recording))
        .route("/queues", get(people::queues))
        .route("/teams", get(people::teams).post(people::add_team))
        .route("/teams/{id}", patch(people::change_team).delete(people::remove_team))
        .route("/technicians", get(people::technicians).post(people::add_technician))
        .route("/technicians/{id}", get(people::technician).patch(people::change_technician))
        .route("/openapi.json", get(document))
        .method_not_allowed_fallback(|| async {
            Refused(StatusCode::METHOD_NOT_ALLOWED, "This address does not support this method.".into())
        })
        .fallback(|| async { Refused::missing("address") })
        .layer(middleware::from_fn_with_state(app.clone(), idempotency::idempotent))
}
