//! Request parameters, however they were sent, and the caller.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sea_orm::DatabaseConnection;
use store::{setting::Current, settings::Settings};

use crate::{
    accounts::{self, Caller},
    api::{self, ApiError, bounds},
    api_limits::ApiLimits,
    connections::Clients,
    state::{AppState, service_group},
};

/// The most parameters in a request.
const MAX_PARAMETERS: usize = 200;

service_group! {
    /// What authenticating a caller needs.
    pub struct Authentication {
        db: DatabaseConnection,
        settings: Arc<Current<Settings>>,
        clients: Arc<Clients>,
        api_limits: Arc<ApiLimits>,
    }
}

/// The parameters of a request, from its query and its body in any form.
pub struct RequestParams {
    pub method: Method,
    pub headers: HeaderMap,
    from: IpAddr,
    parameters: Parameters,
    /// The caller, if there was a bearer token.
    caller: Option<Caller>,
}

/// The request has too many parameters.
#[derive(Debug)]
struct TooMany;

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("There are more than {MAX_PARAMETERS} parameters.")).into_response()
    }
}

/// Parameters by name. The last of several counts, and the body takes precedence over the query.
#[derive(Debug, Default)]
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn add(&mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Result<(), TooMany> {
        for (name, value) in pairs {
            self.0.insert(name, value);
            if self.0.len() > MAX_PARAMETERS {
                return Err(TooMany);
            }
        }
        Ok(())
    }

    fn form(&mut self, text: &[u8]) -> Result<(), TooMany> {
        self.add(url::form_urlencoded::parse(text).map(|(n, v)| (n.into_owned(), v.into_owned())))
    }

    /// Anything but a JSON object adds no parameters.
    fn json(&mut self, text: &[u8]) -> Result<(), TooMany> {
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text);
        let plain = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.add(object.unwrap_or_default().into_iter().map(|(name, value)| (name, plain(value))))
    }

    async fn multipart(&mut self, request: Request, app: &AppState) -> Result<(), Response> {
        let mut form = Multipart::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        let mut parts = 0;
        while let Some(field) = form.next_field().await.map_err(IntoResponse::into_response)? {
            parts += 1;
            if parts > MAX_PARAMETERS {
                return Err(TooMany.into_response());
            }
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.text().await.map_err(IntoResponse::into_response)?;
            bounds::field(&name, &value).map_err(IntoResponse::into_response)?;
            self.add([(name, value)]).map_err(IntoResponse::into_response)?;
        }
        Ok(())
    }
}

/// Whether a flag with this value is set. A flag without a value is.
fn is_set(value: &str) -> bool {
    !matches!(value.trim().to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off")
}

impl RequestParams {
    /// A parameter; an empty one counts as missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of these parameters that was given.
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether a parameter was given, even if it is empty.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.0.contains_key(name)
    }

    /// Whether a flag was given, without a value or with one that means yes.
    pub fn flag(&self, name: &str) -> bool {
        self.parameters.0.get(name).is_some_and(|value| is_set(value))
    }

    /// All parameters with this prefix, which is removed from their names.
    pub fn all<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.parameters.0.iter().filter_map(move |(n, v)| Some((n.strip_prefix(prefix)?, v.as_str())))
    }

    /// The caller, by bearer token, or by name and password where the settings allow that; `None` without valid
    /// credentials.
    pub async fn caller(
        &self,
        Authentication { db, settings, clients, api_limits }: &Authentication,
    ) -> Result<Option<Caller>, ApiError> {
        if bearer(&self.headers).is_some() {
            return Ok(self.caller.clone());
        }
        let (Some(name), Some(password)) = (self.get("username"), self.get("password")) else { return Ok(None) };
        if !settings.get().beyondtrust.password_form {
            return Ok(None);
        }
        let caller = accounts::by_secret(db, name, password).await?;
        match &caller {
            Some(caller) => drop(api_limits.turn(&caller.key).await.map_err(|_| ApiError::too_many())?),
            None => clients.record_failure(self.from)?,
        }
        Ok(caller)
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Name and password of basic authentication (RFC 7617).
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(coded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (name.to_owned(), password.to_owned()))
}

impl FromRequest<AppState> for RequestParams {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let caller = request.extensions().get::<Caller>().cloned();
        let from = api::address(&app.clients, request.extensions(), &headers);
        let mut parameters = Parameters::default();
        let too_many = IntoResponse::into_response;
        parameters.form(request.uri().query().unwrap_or_default().as_bytes()).map_err(too_many)?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_lowercase();
        if kind.starts_with("multipart/form-data") {
            parameters.multipart(request, app).await?;
        } else if method != Method::GET && method != Method::HEAD || kind.starts_with("application/json") {
            let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
            match kind.starts_with("application/json") {
                true => parameters.json(&body),
                false => parameters.form(&body),
            }
            .map_err(too_many)?;
        }
        Ok(Self { method, headers, from, parameters, caller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_without_a_value_is_set() {
        let table =
            [("", true), ("1", true), ("true", true), ("yes", true), ("0", false), ("false", false), ("No", false)];
        for (value, set) in table {
            assert_eq!(is_set(value), set, "{value:?}");
        }
    }

    #[test]
    fn parameters_are_bounded_and_the_last_of_a_name_counts() {
        let mut parameters = Parameters::default();
        assert!(parameters.form(b"a=1&a=2&flag&b=%0d%0a").is_ok());
        let found: Vec<_> = parameters.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, [("a", "2"), ("b", "\r\n"), ("flag", "")]);
        assert!(parameters.json(br#"{"a":3,"c":[1]}"#).is_ok());
        assert_eq!((parameters.0["a"].as_str(), parameters.0["c"].as_str()), ("3", "[1]"));
        let many: String = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=x&")).collect();
        assert!(parameters.form(many.as_bytes()).is_err());
    }
}
