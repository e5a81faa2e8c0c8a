//! Idempotency keys: a request that is sent again gets the first response again.

use std::sync::Arc;

use archive::Archive;
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use platform::{clock, secret, vault::Vault};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use store::{stored_time, tables::answered};

use super::{Refused, Result, caller};

use crate::connections::Clients;

/// How long a response is kept.
const LIFE_MS: u64 = 24 * 60 * 60_000;
/// The largest request, and the largest response that is kept, in bytes.
const MAX_BYTES: usize = 256 * 1024;
const NAME: &str = "idempotency-key";

/// Executes a request once; a repeated one gets the first response.
pub async fn idempotent(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(archive): State<Arc<Archive>>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let key = match request.headers().get(NAME) {
        Some(key) if *request.method() == Method::POST => key.clone(),
        _ => return Ok(next.run(request).await),
    };
    let plain = |k: &&str| !k.is_empty() && k.len() <= 255;
    let key = key.to_str().ok().filter(plain).map(str::to_owned);
    let key = key.ok_or_else(|| Refused::bad("An idempotency key has between 1 and 255 visible characters."))?;
    let (parts, body) = request.into_parts();
    let by = caller(&db, &clients, &parts).await?.key;
    let body = to_bytes(body, MAX_BYTES).await;
    let body = body.map_err(|_| Refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.".into()))?;
    let hash = secret::hash(&format!("{by}\n{key}"));
    let address = parts.uri.path_and_query().map_or("", |p| p.as_str());
    let fingerprint = secret::hash(&format!("{}\n{address}\n{}", parts.method, STANDARD.encode(&body)));

    let old = stored_time(protocol::Timestamp(clock::now().0.saturating_sub(LIFE_MS)));
    answered::Entity::delete_many().filter(answered::Column::At.lt(old)).exec(&db).await?;
    let first = answered::ActiveModel {
        hash: Set(hash.clone()),
        request: Set(fingerprint.clone()),
        at: Set(stored_time(clock::now())),
        status: Set(0),
        body: Set(String::new()),
    };
    if first.insert(&db).await.is_err() {
        return replay(&db, &archive, &hash, &fingerprint).await;
    }
    // The client may disconnect. The work is finished nevertheless, and its response is there for the retry.
    let work = tokio::spawn({
        let (db, vault, hash) = (db.clone(), archive.vault.clone(), hash.clone());
        async move { store_answer(&db, &vault, hash, next.run(Request::from_parts(parts, Body::from(body))).await).await }
    });
    match work.await {
        Ok(response) => response,
        Err(error) => {
            answered::Entity::delete_by_id(hash).exec(&db).await?;
            Err(anyhow::Error::from(error).into())
        }
    }
}

/// The stored response to the first request.
async fn replay(db: &DatabaseConnection, archive: &Arc<Archive>, hash: &str, fingerprint: &str) -> Result<Response> {
    let stored = answered::Entity::find_by_id(hash).one(db).await?;
    let stored = stored.ok_or_else(|| Refused(StatusCode::CONFLICT, "Please try again.".into()))?;
    if stored.request != fingerprint {
        return Err(Refused::bad("This idempotency key was used for another request."));
    }
    let status = u16::try_from(stored.status).ok().and_then(|s| StatusCode::from_u16(s).ok());
    let Some(status) = status else {
        return Err(Refused(
            StatusCode::CONFLICT,
            "The first request with this idempotency key is still being processed.".into(),
        ));
    };
    let sealed = STANDARD.decode(&stored.body).map_err(anyhow::Error::from)?;
    let mut body = Vec::new();
    let mut reader = archive.vault.read(sealed.as_slice()).map_err(anyhow::Error::from)?;
    std::io::Read::read_to_end(&mut reader, &mut body).map_err(anyhow::Error::from)?;
    let mut response = (status, body).into_response();
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

/// Stores a response, encrypted because it may hold a session key. Server errors are not stored, so that the request
/// can be retried.
async fn store_answer(db: &DatabaseConnection, vault: &Vault, hash: String, response: Response) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BYTES).await.map_err(anyhow::Error::from)?;
    if parts.status.is_server_error() {
        answered::Entity::delete_by_id(hash).exec(db).await?;
    } else {
        let mut sealed = vault.create(Vec::new()).map_err(anyhow::Error::from)?;
        std::io::Write::write_all(&mut sealed, &body).map_err(anyhow::Error::from)?;
        let sealed = sealed.finish().map_err(anyhow::Error::from)?;
        let row = answered::ActiveModel {
            hash: Set(hash),
            status: Set(parts.status.as_u16().into()),
            body: Set(STANDARD.encode(sealed)),
            ..Default::default()
        };
        row.update(db).await?;
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
