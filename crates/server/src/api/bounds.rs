//! Limits on the size of requests, in one place for every route: the length of the address and its parameters, of the
//! body, and of each text in it. Handlers may be stricter.
//!
//! A body is read only when its handler asks for it, so that a request without permission, or to a missing resource, is
//! rejected before.
//!

use std::{cell::RefCell, fmt, net::IpAddr, sync::Arc};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tokio::sync::oneshot;

use super::{ApiError, BODY_LIMIT, signed_in};
use crate::connections::{self, Admissions, Clients};

/// Routes whose body is a file or clipboard content: their handlers limit it.
const FILE_ROUTES: [&str; 6] = [
    "/api/lanes/{token}",
    "/api/sessions/{id}/files/bring/{transfer}",
    "/api/sessions/{id}/clipboard",
    "/api/sessions/{id}/posts",
    "/api/sessions/{id}/screenshots",
    "/api/join/posts",
];
/// Routes that need no sign-in: their bodies are short.
const PUBLIC_ROUTES: [&str; 7] =
    ["/api/setup", "/api/sign-in", "/api/join/", "/api/expert/", "/api/start_session", "/oauth2/", "/download/"];
const PUBLIC_BODY_LIMIT: usize = 32 * 1024;
/// Bodies up to this size are read at once. Longer ones need a slot, of which each network has a share; see
/// [`crate::connections`].
const SHORT_BODY: usize = 16 * 1024;
pub const LONG_BODIES_AT_ONCE: usize = 512;
const ADDRESS_LIMIT: usize = 8 * 1024;
const HEADERS_LIMIT: usize = 32 * 1024;
/// The longest text of a field that is not in [`LONG_TEXTS`].
const TEXT_LIMIT: usize = 4_096;
/// The longest name of a field.
const NAME_LIMIT: usize = 200;
/// Fields with long texts: what people write at length, certificates, and what authenticators sign.
const LONG_TEXTS: [(&str, usize); 8] = [
    ("text", 20_000),
    ("description", 20_000),
    ("mail_text", 20_000),
    ("comment", 20_000),
    ("comments", 20_000),
    ("authority", 65_536),
    ("attestationObject", 65_536),
    ("clientDataJSON", 16_384),
];

fn longest(field: &str) -> usize {
    LONG_TEXTS.iter().find(|(name, _)| *name == field).map_or(TEXT_LIMIT, |(_, most)| *most)
}

/// A field that is too long, and its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TooLong {
    field: String,
    most: usize,
}

impl TooLong {
    fn judge(field: &str, text: &str) -> Result<(), Self> {
        let name = || field.chars().take(40).collect();
        match (field.len() > NAME_LIMIT, longest(field)) {
            (true, _) => Err(Self { field: name(), most: NAME_LIMIT }),
            (false, most) if text.len() > most => Err(Self { field: name(), most }),
            (false, _) => Ok(()),
        }
    }
}

impl From<TooLong> for ApiError {
    fn from(TooLong { field, most }: TooLong) -> Self {
        match field.is_empty() {
            true => Self::bad(format!("A text here has at most {most} bytes.")),
            false => Self::bad(format!("“{field}” is too long: {most} bytes are the most.")),
        }
    }
}

/// What the middleware needs: the clients, and the limit on long bodies.
#[derive(Clone)]
pub struct Limiter {
    pub clients: Arc<Clients>,
    pub admissions: Arc<Admissions>,
}

/// Rejects a request with a part that is too long.
pub async fn bound(State(limiter): State<Limiter>, request: Request, next: Next) -> Response {
    let (request, mut refused) = match bounded(limiter, request) {
        Ok(bounded) => bounded,
        Err(error) => return error.into_response(),
    };
    let response = next.run(request).await;
    // To the handler the body broke off. The response says why.
    match refused.try_recv() {
        Ok(error) => error.into_response(),
        Err(_) => response,
    }
}

/// The request with a body that is read and checked when the handler asks for it, and a channel for the error.
fn bounded(limiter: Limiter, request: Request) -> Result<(Request, oneshot::Receiver<ApiError>), ApiError> {
    let (refuse, refused) = oneshot::channel();
    let long = |parts: &HeaderMap| parts.iter().map(|(n, v)| n.as_str().len() + v.len()).sum::<usize>();
    let address = request.uri().path_and_query().map_or(0, |all| all.as_str().len());
    if address > ADDRESS_LIMIT || long(request.headers()) > HEADERS_LIMIT {
        return Err(ApiError::too_large("This request's address or its headers are too long."));
    }
    if request.headers().get_all(header::CONTENT_TYPE).iter().nth(1).is_some() {
        return Err(ApiError::bad("A request has one content type."));
    }
    form(request.uri().query().unwrap_or_default().as_bytes())?;
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    if request.body().is_end_stream() || matched.is_some_and(|path| FILE_ROUTES.contains(&path.as_str())) {
        return Ok((request, refused));
    }
    let most = match PUBLIC_ROUTES.iter().any(|start| request.uri().path().starts_with(start)) {
        true => PUBLIC_BODY_LIMIT,
        false => BODY_LIMIT,
    };
    let from = signed_in::address(&limiter.clients, request.extensions(), request.headers());
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let body = futures::stream::once(async move {
        read_checked(&limiter, from, &headers, body, most).await.map_err(|error| {
            let why = std::io::Error::other(error.message().to_owned());
            let _ = refuse.send(error);
            why
        })
    });
    Ok((Request::from_parts(parts, Body::from_stream(body)), refused))
}

async fn read_checked(
    limiter: &Limiter,
    from: IpAddr,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Bytes, ApiError> {
    let body = read_whole(limiter, from, headers, body, most).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Handlers may read a body as JSON or as a form whatever its content type, so its texts are checked as both.
    match kind.as_str() {
        "multipart/form-data" => {}
        kind if kind == "application/json" || kind.ends_with("+json") => json(&body)?,
        "application/x-www-form-urlencoded" => {
            json(&body)?;
            form(&body)?;
        }
        _ => {
            json(&body)?;
            if body.len() > TEXT_LIMIT {
                form(&body)?;
            }
        }
    }
    Ok(body)
}

/// Reads a whole body.
async fn read_whole(
    limiter: &Limiter,
    from: IpAddr,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large("This request is too long, or it did not arrive whole.");
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let body = match announced {
        Some(0..=SHORT_BODY) => body,
        Some(length) if length > most => return Err(too_large()),
        Some(_) | None => {
            let class = connections::PeerClass::from(from, limiter.clients.is_known(from));
            limiter.admissions.long_bodies.admit_body(class, body).ok_or_else(ApiError::busy)?
        }
    };
    to_bytes(body, most).await.map_err(|_| too_large())
}

/// Rejects a field that is too long, wherever it came from.
pub fn field(name: &str, value: &str) -> Result<(), ApiError> {
    Ok(TooLong::judge(name, value)?)
}

fn form(text: &[u8]) -> Result<(), TooLong> {
    url::form_urlencoded::parse(text).try_for_each(|(name, value)| TooLong::judge(&name, &value))
}

/// Invalid JSON is left for the handler to reject.
fn json(text: &[u8]) -> Result<(), TooLong> {
    let found = RefCell::new(None);
    let mut parsed = serde_json::Deserializer::from_slice(text);
    let _ = Texts { field: "", found: &found }.deserialize(&mut parsed);
    found.into_inner().map_or(Ok(()), Err)
}

/// Walks through any JSON. A text belongs to the field that contains it.
struct Texts<'a> {
    field: &'a str,
    found: &'a RefCell<Option<TooLong>>,
}

impl Texts<'_> {
    fn judge<E: Error>(&self, field: &str, text: &str) -> Result<(), E> {
        TooLong::judge(field, text).map_err(|found| {
            self.found.replace(Some(found));
            E::custom("too long")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.judge(self.field, text)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Texts { ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            self.judge(&name, "")?;
            fields.next_value_seed(Texts { field: &name, found: self.found })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_limit_wherever_it_is() {
        let long = "x".repeat(5_000);
        let field = |name: &str, most| Err(TooLong { field: name.into(), most });
        let table = [
            (format!(r#"{{"login":"tom","password":"{long}"}}"#), field("password", 4_096)),
            (format!(r#"{{"user":{{"a":[1,true,null,{{"name":"{long}"}}]}}}}"#), field("name", 4_096)),
            (format!(r#"{{"list":["a","{long}"]}}"#), field("list", 4_096)),
            (format!(r#""{long}""#), field("", 4_096)),
            (format!(r#"{{"{long}":1}}"#), field(&"x".repeat(40), 200)),
            // An escape counts as the character that it stands for.
            (format!(r#"{{"a":"{}"}}"#, "\\u0041".repeat(4_096)), Ok(())),
            (format!(r#"{{"text":"{long}"}}"#), Ok(())),
            (format!(r#"{{"text":"{}"}}"#, long.repeat(5)), field("text", 20_000)),
            ("not json".into(), Ok(())),
            ("[".repeat(100_000), Ok(())),
        ];
        for (body, expected) in table {
            assert_eq!(json(body.as_bytes()), expected, "{}", &body[..body.len().min(60)]);
        }
        assert_eq!(form(format!("a=b&q={long}").as_bytes()), field("q", 4_096));
        assert_eq!(form(format!("q={}", "%41".repeat(4_000)).as_bytes()), Ok(()));
    }
}
