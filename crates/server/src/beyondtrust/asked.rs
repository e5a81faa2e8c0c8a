//! What was asked, however it was sent, and by whom.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, Method, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    accounts::{self, Caller},
    api::ApiError,
    app::Shared,
};

/// More parameters than this are nobody's question.
const MOST: usize = 200;

/// The parameters of a question: from its address and its body, whatever form that has.
pub struct Asked {
    pub method: Method,
    pub headers: HeaderMap,
    parameters: BTreeMap<String, String>,
}

impl Asked {
    /// A parameter; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter by the first of its names that was given.
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether a parameter was given, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// All parameters that begin so, with what follows.
    pub fn all<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.parameters.iter().filter_map(move |(n, v)| Some((n.strip_prefix(prefix)?, v.as_str())))
    }

    /// Who asks, by a bearer token, or by name and password where these are let in; or the answer that refuses.
    pub async fn caller(&self, app: &Shared) -> Result<Option<Caller>, ApiError> {
        if let Some(token) = bearer(&self.headers) {
            return Ok(accounts::by_token(app, &token).await?);
        }
        match (self.get("username"), self.get("password")) {
            (Some(name), Some(password)) if app.settings().beyondtrust.password_form => {
                Ok(accounts::by_secret(app, name, password).await?)
            }
            _ => Ok(None),
        }
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

impl FromRequest<Shared> for Asked {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Response> {
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
        let mut parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(&query).take(MOST).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_lowercase();
        if kind.starts_with("multipart/form-data") {
            let mut form = Multipart::from_request(request, app).await.map_err(IntoResponse::into_response)?;
            while let Some(field) = form.next_field().await.map_err(IntoResponse::into_response)? {
                let name = field.name().unwrap_or_default().to_owned();
                let value = field.text().await.map_err(IntoResponse::into_response)?;
                if parameters.len() < MOST {
                    parameters.insert(name, value);
                }
            }
        } else if kind.starts_with("application/json") {
            let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
            // What is not an object of plain values brings no parameter.
            let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body);
            for (name, value) in object.unwrap_or_default().into_iter().take(MOST) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                parameters.insert(name, text);
            }
        } else if method != Method::GET && method != Method::HEAD {
            let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
            let fields = url::form_urlencoded::parse(&body).take(MOST);
            parameters.extend(fields.map(|(n, v)| (n.into_owned(), v.into_owned())));
        }
        Ok(Self { method, headers, parameters })
    }
}
