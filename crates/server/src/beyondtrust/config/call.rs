//! A request to the Configuration API: let in, read, and answered in pages.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::beyondtrust::{asked::bearer, denied};
use crate::{
    accounts::{self, Caller, Scope},
    api::ApiError,
    app::Shared,
};

/// A request to the Configuration API, let in.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub body: Map<String, Value>,
}

/// An answer that is not a success, or a failure of the server's.
pub enum No {
    Status(StatusCode),
    /// 404
    Missing,
    /// What `OPTIONS` asks for.
    Allowed(&'static str),
    /// 405, with what is allowed.
    Method(&'static str),
    /// 401: a field that does not exist, as the original answers.
    Unknown(String),
    /// 422
    Invalid(&'static str, String),
    Server(ApiError),
}

impl<E: Into<ApiError>> From<E> for No {
    fn from(error: E) -> Self {
        Self::Server(error.into())
    }
}

fn message(status: StatusCode, words: impl Into<String>) -> Response {
    (status, Json(json!({ "message": words.into() }))).into_response()
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Status(StatusCode::UNAUTHORIZED) => denied(),
            Self::Status(status) => message(status, status.canonical_reason().unwrap_or_default()),
            Self::Missing => message(StatusCode::NOT_FOUND, "The requested resource was not found."),
            Self::Allowed(allow) => (StatusCode::OK, [(header::ALLOW, allow)]).into_response(),
            Self::Method(allow) => {
                let mut response = message(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed here.");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::Unknown(name) => message(StatusCode::UNAUTHORIZED, format!("Unknown field: {name}")),
            Self::Invalid(field, words) => {
                let mut errors = Map::new();
                errors.insert(field.into(), json!([words]));
                let body = json!({ "message": "The given data was invalid.", "errors": errors });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Server(error) => error.into_response(),
        }
    }
}

pub type Answer = Result<Response, No>;

impl FromRequest<Shared> for Call {
    type Rejection = No;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, No> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let caller = caller(app, request.headers()).await?;
        let reads = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
        let may = caller.may(Scope::PeopleWrite) || (reads && caller.may(Scope::PeopleRead));
        if !may {
            return Err(No::Status(StatusCode::FORBIDDEN));
        }
        let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
        let query = url::form_urlencoded::parse(&query).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|_| No::Status(StatusCode::PAYLOAD_TOO_LARGE))?;
        let body = match bytes.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(&bytes)
                .map_err(|_| No::Invalid("body", "The body must be a JSON object.".into()))?,
        };
        Ok(Self { method, path, query, body })
    }
}

async fn caller(app: &Shared, headers: &HeaderMap) -> Result<Caller, No> {
    let token = bearer(headers).ok_or(No::Status(StatusCode::UNAUTHORIZED))?;
    accounts::by_token(app, &token).await?.ok_or(No::Status(StatusCode::UNAUTHORIZED))
}

/// What a request does.
pub enum Verb {
    Read,
    Create,
    Change,
    Delete,
}

impl Call {
    /// What is asked for, where that is allowed; `OPTIONS` is answered at once.
    pub fn verb(&self, allow: &'static str) -> Result<Verb, No> {
        let verb = match self.method {
            Method::GET | Method::HEAD => ("GET", Verb::Read),
            Method::POST => ("POST", Verb::Create),
            Method::PATCH => ("PATCH", Verb::Change),
            Method::DELETE => ("DELETE", Verb::Delete),
            Method::OPTIONS => return Err(No::Allowed(allow)),
            _ => return Err(No::Method(allow)),
        };
        if allow.split(',').any(|allowed| allowed == verb.0) { Ok(verb.1) } else { Err(No::Method(allow)) }
    }

    pub fn known(&self, fields: &[&str]) -> Result<(), No> {
        match self.body.keys().find(|name| !fields.contains(&name.as_str())) {
            Some(name) => Err(No::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// A text of the body; `None` when it is not there.
    pub fn text(&self, field: &'static str, most: usize, required: bool) -> Result<Option<String>, No> {
        match self.body.get(field) {
            None | Some(Value::Null) if required => Err(No::Invalid(field, format!("The {field} field is required."))),
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if required && text.trim().is_empty() => {
                Err(No::Invalid(field, format!("The {field} field is required.")))
            }
            Some(Value::String(text)) if text.chars().count() > most => {
                Err(No::Invalid(field, format!("The {field} may not be greater than {most} characters.")))
            }
            Some(Value::String(text)) if text.chars().any(|c| c.is_control() && c != '\n') => {
                Err(No::Invalid(field, format!("The {field} format is invalid.")))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(No::Invalid(field, format!("The {field} must be a string."))),
        }
    }

    /// A list: filtered by its fields, in pages, with the original's headers.
    pub fn list(&self, app: &Shared, rows: Vec<Value>, filters: &[&str]) -> Answer {
        let number = |name: &'static str, default: usize, low: usize, high: usize| match self.query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (low..=high).contains(n))
                .ok_or_else(|| No::Invalid(name, format!("The {name} must be between {low} and {high}."))),
        };
        let per_page = number("per_page", 100, 5, 100)?;
        let current = number("current_page", 1, 1, usize::MAX)?;
        let mut rows = rows;
        for (name, value) in &self.query {
            match name.as_str() {
                "per_page" | "current_page" => {}
                name if filters.contains(&name) => rows.retain(|row| matches(&row[name], value)),
                name => return Err(No::Unknown(name.to_owned())),
            }
        }
        let total = rows.len();
        let last = total.div_ceil(per_page).max(1);
        let page: Vec<Value> = rows.into_iter().skip((current - 1).saturating_mul(per_page)).take(per_page).collect();
        let link = |page: usize, rel: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(self.query.iter().filter(|(n, _)| *n != "per_page" && *n != "current_page"));
            query.append_pair("per_page", &per_page.to_string()).append_pair("current_page", &page.to_string());
            format!("<{}/api/config/v1{}?{}>; rel=\"{rel}\"", app.config.public_url, self.path, query.finish())
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
        let links = links.join(", ").parse().map_err(|_| No::Status(StatusCode::BAD_REQUEST))?;
        response.headers_mut().insert(header::LINK, links);
        Ok(response)
    }
}

/// Whether a field is what a filter names: texts without regard to their case.
fn matches(field: &Value, wanted: &str) -> bool {
    match field {
        Value::String(text) => text.to_lowercase() == wanted.to_lowercase(),
        Value::Bool(flag) => matches!((flag, wanted), (true, "true" | "1") | (false, "false" | "0")),
        Value::Number(number) => wanted.parse().is_ok_and(|wanted: i64| number.as_i64() == Some(wanted)),
        _ => false,
    }
}

pub fn one(value: Option<Value>) -> Answer {
    value.map(|value| Json(value).into_response()).ok_or(No::Missing)
}

pub fn created(app: &Shared, path: &str, value: Value) -> Response {
    let place = format!("{}/api/config/v1{path}/{}", app.config.public_url, value["id"]);
    (StatusCode::CREATED, [(header::LOCATION, place)], Json(value)).into_response()
}

/// The number in an address; anything else names nothing.
pub fn id(text: &str) -> Result<i32, No> {
    text.parse().map_err(|_| No::Missing)
}
