//! Requests to the JSON APIs: authorized, parsed, and answered in pages.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use platform::text::is_plain;
use serde_json::{Map, Value, json};

use super::{config::resources, denied};

use crate::{
    accounts::{Caller, Scope},
    api::ApiError,
    config::PublicUrl,
    state::AppState,
};

/// The JSON APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Configuration,
    Command,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Configuration => "/api/config/v1",
            Self::Command => "/api/command/v2",
        }
    }

    /// Whether an account may read or write.
    fn allows(self, caller: &Caller, writes: bool) -> bool {
        let (read, write) = match self {
            Self::Configuration => (Scope::PeopleRead, Scope::PeopleWrite),
            Self::Command => (Scope::SessionsRead, Scope::SessionsWrite),
        };
        caller.may(write) || (!writes && caller.may(read))
    }

    /// The status for a field or parameter that does not exist. Never 401, whatever some documentation says: clients
    /// take that for an expired token, and request new ones without end.
    fn unknown(self) -> StatusCode {
        match self {
            Self::Configuration => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Command => StatusCode::BAD_REQUEST,
        }
    }
}

/// An authorized request.
pub struct Call {
    pub api: Api,
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub body: Map<String, Value>,
    pub caller: Caller,
}

/// A request to the Command API.
pub struct CommandCall(pub Call);

/// How many characters of a client's text are repeated in an error.
const MAX_ECHO: usize = 64;

/// A response without a result: a refusal, `OPTIONS`, or a failure of the server.
pub enum CallError {
    Status(StatusCode),
    /// 404
    Missing,
    /// The response to `OPTIONS`.
    Allowed(&'static str),
    /// 405, with the allowed methods.
    Method(&'static str),
    /// A field or parameter that does not exist.
    Unknown(Api, String),
    /// 422
    Invalid(String, String),
    /// A refusal by the rules for sessions or people, in a sentence.
    Refused(StatusCode, String),
    Server(ApiError),
}

impl CallError {
    /// 422, with what is wrong with a field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(field.to_owned(), message.into())
    }
}

impl<E: Into<ApiError>> From<E> for CallError {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

fn with_status(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(json!({ "message": message.into() }))).into_response()
}

fn errors(status: StatusCode, field: &str, message: String) -> Response {
    let mut errors = Map::new();
    errors.insert(field.into(), json!([message]));
    (status, Json(json!({ "message": "The given data was invalid.", "errors": errors }))).into_response()
}

impl IntoResponse for CallError {
    fn into_response(self) -> Response {
        match self {
            Self::Status(StatusCode::UNAUTHORIZED) => denied(),
            Self::Status(status) => with_status(status, status.canonical_reason().unwrap_or_default()),
            Self::Missing => with_status(StatusCode::NOT_FOUND, "The requested resource was not found."),
            Self::Allowed(allow) => (StatusCode::OK, [(header::ALLOW, allow)]).into_response(),
            Self::Method(allow) => {
                let mut response = with_status(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::Unknown(api, name) => {
                let name: String = name.chars().take(MAX_ECHO).collect();
                let message = format!("There is no field {name}.");
                errors(api.unknown(), &name, message)
            }
            Self::Invalid(field, message) => errors(StatusCode::UNPROCESSABLE_ENTITY, &field, message),
            Self::Refused(status, message) => with_status(status, message),
            Self::Server(error) => error.into_response(),
        }
    }
}

pub type Answer = Result<Response, CallError>;

impl FromRequest<AppState> for Call {
    type Rejection = CallError;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, CallError> {
        read(request, app, Api::Configuration).await
    }
}

impl FromRequest<AppState> for CommandCall {
    type Rejection = CallError;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, CallError> {
        read(request, app, Api::Command).await.map(Self)
    }
}

async fn read(request: Request, app: &AppState, api: Api) -> Result<Call, CallError> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let caller = request.extensions().get::<Caller>().cloned().ok_or(CallError::Status(StatusCode::UNAUTHORIZED))?;
    let reads = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !api.allows(&caller, !reads) {
        return Err(CallError::Status(StatusCode::FORBIDDEN));
    }
    let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
    let query = url::form_urlencoded::parse(&query).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let bytes = Bytes::from_request(request, app).await;
    let bytes = bytes.map_err(|_| CallError::Status(StatusCode::PAYLOAD_TOO_LARGE))?;
    let body = match bytes.is_empty() {
        true => Map::new(),
        false => {
            serde_json::from_slice(&bytes).map_err(|_| CallError::invalid("body", "The body must be a JSON object."))?
        }
    };
    Ok(Call { api, method, path, query, body, caller })
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
}

impl Need {
    /// A field that is given must not be empty.
    pub fn if_given(body: &Map<String, Value>, field: &str) -> Self {
        if body.contains_key(field) { Self::Required } else { Self::Optional }
    }
}

/// The operation of a request.
pub enum Verb {
    Read,
    Create,
    Change,
    Delete,
}

impl Call {
    /// The operation, if it is allowed; `OPTIONS` is answered at once.
    pub fn verb(&self, allow: &'static str) -> Result<Verb, CallError> {
        let verb = match self.method {
            Method::GET | Method::HEAD => ("GET", Verb::Read),
            Method::POST => ("POST", Verb::Create),
            Method::PATCH => ("PATCH", Verb::Change),
            Method::DELETE => ("DELETE", Verb::Delete),
            Method::OPTIONS => return Err(CallError::Allowed(allow)),
            _ => return Err(CallError::Method(allow)),
        };
        if allow.split(',').any(|allowed| allowed == verb.0) { Ok(verb.1) } else { Err(CallError::Method(allow)) }
    }

    /// Rejects a body with fields other than these.
    pub fn allow_fields(&self, fields: &[&str]) -> Result<(), CallError> {
        match self.body.keys().find(|name| !fields.contains(&name.as_str())) {
            Some(name) => Err(CallError::Unknown(self.api, name.clone())),
            None => Ok(()),
        }
    }

    /// Rejects a query with parameters other than these.
    pub fn allow_parameters(&self, parameters: &[&str]) -> Result<(), CallError> {
        match self.query.keys().find(|name| !parameters.contains(&name.as_str())) {
            Some(name) => Err(CallError::Unknown(self.api, name.clone())),
            None => Ok(()),
        }
    }

    /// A text of the body; `None` when it is missing.
    pub fn text(&self, field: &str, most: usize, need: Need) -> Result<Option<String>, CallError> {
        let required = || Err(CallError::invalid(field, format!("The {field} field is required.")));
        match (self.body.get(field), need) {
            (None | Some(Value::Null), Need::Required) => required(),
            (None | Some(Value::Null), Need::Optional) => Ok(None),
            (Some(Value::String(text)), Need::Required) if text.trim().is_empty() => required(),
            (Some(Value::String(text)), _) if text.chars().count() > most => {
                Err(CallError::invalid(field, format!("The {field} may not be greater than {most} characters.")))
            }
            (Some(Value::String(text)), _) if text.chars().any(|c| c.is_control() && c != '\n') => {
                Err(CallError::invalid(field, format!("The {field} format is invalid.")))
            }
            (Some(Value::String(text)), _) => Ok(Some(text.clone())),
            (Some(_), _) => Err(CallError::invalid(field, format!("The {field} must be a string."))),
        }
    }

    /// A name: one line of visible characters, trimmed.
    pub fn line(&self, field: &str, most: usize, need: Need) -> Result<Option<String>, CallError> {
        match self.text(field, most, need)?.map(|text| text.trim().to_owned()) {
            Some(text) if !is_plain(&text) => Err(CallError::invalid(field, format!("The {field} format is invalid."))),
            text => Ok(text),
        }
    }

    /// A list, filtered as its resource allows, in pages, with the original's headers. A filter for a field that these
    /// rows do not have selects all of them, as the original does with an empty filter.
    pub fn list(&self, public_url: &PublicUrl, rows: Vec<Value>) -> Answer {
        let filters = resources::find(&self.path).map_or(&[][..], |resource| resource.filters);
        let number = |name: &'static str, default: usize, low: usize, high: usize| match self.query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (low..=high).contains(n))
                .ok_or_else(|| CallError::invalid(name, format!("The {name} must be between {low} and {high}."))),
        };
        let per_page = number("per_page", 100, 5, 100)?;
        let current = number("current_page", 1, 1, usize::MAX)?;
        let mut rows = rows;
        for (name, value) in &self.query {
            match name.as_str() {
                "per_page" | "current_page" => {}
                name if filters.contains(&name) => {
                    rows.retain(|row| row.get(name).is_none_or(|has| matches(has, value)))
                }
                name => return Err(CallError::Unknown(self.api, name.to_owned())),
            }
        }
        let total = rows.len();
        let last = total.div_ceil(per_page).max(1);
        let page: Vec<Value> = rows.into_iter().skip((current - 1).saturating_mul(per_page)).take(per_page).collect();
        let link = |page: usize, rel: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(self.query.iter().filter(|(n, _)| *n != "per_page" && *n != "current_page"));
            query.append_pair("per_page", &per_page.to_string()).append_pair("current_page", &page.to_string());
            let address = [&*public_url, self.api.path(), &self.path].concat();
            format!("<{address}?{}>; rel=\"{rel}\"", query.finish())
        };
        let mut links = vec![link(1, "first")];
        links.extend((current > 1).then(|| link(current - 1, "previous")));
        links.extend((current < last).then(|| link(current + 1, "next")));
        links.push(link(last, "last"));
        let mut response = Json(page).into_response();
        let counts = [("current-page", current), ("last-page", last), ("per-page", per_page), ("total", total)];
        for (name, count) in counts {
            let name = HeaderName::try_from(format!("x-bt-pagination-{name}")).expect("letters are a header's name");
            response.headers_mut().insert(name, count.into());
        }
        let links = links.join(", ").parse().map_err(|_| CallError::Status(StatusCode::BAD_REQUEST))?;
        response.headers_mut().insert(header::LINK, links);
        Ok(response)
    }
}

/// Whether a field matches a filter; texts are compared without regard to case.
fn matches(field: &Value, wanted: &str) -> bool {
    match field {
        Value::String(text) => text.to_lowercase() == wanted.to_lowercase(),
        Value::Bool(flag) => matches!((flag, wanted), (true, "true" | "1") | (false, "false" | "0")),
        Value::Number(number) => wanted.parse().is_ok_and(|wanted: i64| number.as_i64() == Some(wanted)),
        _ => false,
    }
}

pub fn one(value: Option<Value>) -> Answer {
    value.map(|value| Json(value).into_response()).ok_or(CallError::Missing)
}

pub fn created(public_url: &PublicUrl, path: &str, value: Value) -> Response {
    let place = format!("{}{}{path}/{}", public_url, Api::Configuration.path(), value["id"]);
    (StatusCode::CREATED, [(header::LOCATION, place)], Json(value)).into_response()
}

/// The id in a path; anything else is 404.
pub fn id(text: &str) -> Result<i32, CallError> {
    text.parse().ok().filter(|id| *id > 0 && text.bytes().all(|b| b.is_ascii_digit())).ok_or(CallError::Missing)
}
