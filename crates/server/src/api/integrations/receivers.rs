//! Receivers and their deliveries.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use live_sessions::Listener;
use platform::clock;
use protocol::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use store::{
    secrets::{Place, Secrets},
    stored_time,
    tables::{delivery, receiver},
};
use ts_rs::TS;

use crate::{
    api::{Admin, ApiError, ConfirmedAdmin, Result, identity_providers, people},
    deliveries::{Deliveries, ReceiverKind, state},
    webhook,
};

/// How many deliveries the log shows.
const LOG_LENGTH: u64 = 200;

const MAX_AUTHORITY: usize = 64 * 1024;

/// A receiver.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Receiver {
    pub id: i32,
    pub kind: ReceiverKind,
    pub name: String,
    pub url: String,
    /// The events that it receives; empty for all.
    pub events: Vec<String>,
    pub authority: String,
    pub enabled: bool,
    pub retry_seconds: i32,
    pub retry_hours: i32,
    /// How many deliveries wait, how many were given up, and the last error of the one that is next.
    #[ts(type = "number")]
    pub waiting: u64,
    #[ts(type = "number")]
    pub given_up: u64,
    pub trouble: String,
}

/// The fields of a receiver that can be set.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ReceiverInput {
    pub kind: ReceiverKind,
    pub name: String,
    pub url: String,
    /// For a service desk: the token for its API. Empty keeps the current one.
    pub token: String,
    pub events: Vec<String>,
    pub authority: String,
    pub enabled: bool,
    pub retry_seconds: i32,
    pub retry_hours: i32,
}

/// A receiver with the secret that signs its deliveries, shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct NewReceiver {
    pub receiver: Receiver,
    pub secret: Option<String>,
}

/// An entry of the delivery log.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Delivery {
    #[ts(type = "number")]
    pub id: i64,
    pub session: String,
    pub event: String,
    pub created: Timestamp,
    pub attempts: i32,
    pub due: Timestamp,
    pub state: String,
    pub answer: String,
    pub delivered: Option<Timestamp>,
}

impl From<delivery::Model> for Delivery {
    fn from(d: delivery::Model) -> Self {
        let time = |at: i64| Timestamp(at.cast_unsigned());
        let event = d.event.split('#').next().unwrap_or_default().to_owned();
        let delivery::Model { id, session, attempts, state, answer, .. } = d;
        let (created, due, delivered) = (time(d.created), time(d.due), d.delivered.map(time));
        Self { id, session, event, created, attempts, due, state, answer, delivered }
    }
}

/// The result of a test.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Tested {
    pub good: bool,
    pub answer: String,
}

pub async fn shown(db: &DatabaseConnection, r: &receiver::Model) -> Result<Receiver> {
    let of = |word: &str| {
        delivery::Entity::find().filter(delivery::Column::Receiver.eq(r.id)).filter(delivery::Column::State.eq(word))
    };
    let head = of(state::WAITING).order_by_asc(delivery::Column::Id).limit(1).one(db).await?;
    Ok(Receiver {
        id: r.id,
        kind: ReceiverKind::of(r),
        name: r.name.clone(),
        url: r.url.clone(),
        events: r.events.split(',').filter(|e| !e.is_empty()).map(str::to_owned).collect(),
        authority: r.authority.clone(),
        enabled: r.enabled,
        retry_seconds: r.retry_seconds,
        retry_hours: r.retry_hours,
        waiting: of(state::WAITING).count(db).await?,
        given_up: of(state::GIVEN_UP).count(db).await?,
        trouble: head.map(|d| d.answer).unwrap_or_default(),
    })
}

fn receiver_row(new: &ReceiverInput, catalogue: &[(&str, &str)]) -> Result<receiver::ActiveModel> {
    let url = url::Url::parse(new.url.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let url = url.ok_or_else(|| ApiError::bad("The address must begin with https:// or http://."))?;
    if url.as_str().len() > 2_000 {
        return Err(ApiError::bad("An address has at most 2,000 bytes."));
    }
    let known: Vec<&str> = catalogue.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = new.events.iter().find(|e| !known.contains(&e.as_str())) {
        return Err(ApiError::bad(format!("There is no event {unknown}.")));
    }
    if !(1..=3_600).contains(&new.retry_seconds) || !(0..=8_760).contains(&new.retry_hours) {
        return Err(ApiError::bad(
            "The retry interval must be 1 to 3,600 seconds, and retries last at most 8,760 hours.",
        ));
    }
    if new.authority.len() > MAX_AUTHORITY {
        return Err(ApiError::bad("A certificate has at most 64 kB."));
    }
    Ok(receiver::ActiveModel {
        kind: Set(new.kind.word().into()),
        name: Set(people::name(&new.name)?),
        url: Set(new.url.trim().to_owned()),
        events: Set(new.events.join(",")),
        authority: Set(new.authority.trim().to_owned()),
        enabled: Set(new.enabled),
        retry_seconds: Set(new.retry_seconds),
        retry_hours: Set(new.retry_hours),
        ..Default::default()
    })
}

/// Adds a receiver.
pub async fn add_receiver(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Json(new): Json<ReceiverInput>,
) -> Result<(StatusCode, Json<NewReceiver>)> {
    let (secret, given) = match new.kind {
        ReceiverKind::Webhook => (webhook::new_secret(), true),
        ReceiverKind::Beyondtrust => (String::new(), false),
        ReceiverKind::RequestTracker => (new.token.trim().to_owned(), false),
    };
    if new.kind == ReceiverKind::RequestTracker && (secret.is_empty() || secret.len() > 500) {
        return Err(ApiError::bad("Request Tracker needs a token of up to 500 bytes."));
    }
    let row = receiver::ActiveModel {
        secret: Set(String::new()),
        created: Set(stored_time(clock::now())),
        ..receiver_row(&new, deliveries.kind(new.kind).catalogue())?
    };
    // The secret is sealed for its row, whose id is known after the insertion.
    let transaction = db.begin().await?;
    let row = row.insert(&transaction).await?;
    let sealed = secrets.seal(Place::Receiver(row.id), &secret);
    let row = receiver::ActiveModel { secret: Set(sealed), ..row.into() }.update(&transaction).await?;
    transaction.commit().await?;
    deliveries.load().await?;
    let receiver = shown(&db, &row).await?;
    Ok((StatusCode::CREATED, Json(NewReceiver { receiver, secret: given.then_some(secret) })))
}

pub async fn receiver(db: &DatabaseConnection, deliveries: &Deliveries, id: i32) -> Result<receiver::Model> {
    let row = receiver::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("receiver"))?;
    Ok(deliveries.opened(row))
}

/// Changes a receiver; its kind cannot change.
pub async fn change_receiver(
    State(db): State<DatabaseConnection>,
    State(secrets): State<Arc<Secrets>>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
    Json(new): Json<ReceiverInput>,
) -> Result<Json<Receiver>> {
    let before = receiver(&db, &deliveries, id).await?;
    if ReceiverKind::of(&before) != new.kind {
        return Err(ApiError::conflict("The kind of a receiver cannot change. Please add another receiver."));
    }
    let mut row = receiver::ActiveModel { id: Set(id), ..receiver_row(&new, deliveries.kind(new.kind).catalogue())? };
    if new.kind == ReceiverKind::RequestTracker {
        let token = new.token.trim().to_owned();
        let token = identity_providers::typed_or_known(token, before.secret, before.url == new.url.trim())?;
        row.secret = Set(secrets.seal(Place::Receiver(id), &token));
    }
    let row = row.update(&db).await?;
    deliveries.load().await?;
    Ok(Json(shown(&db, &row).await?))
}

/// Removes a receiver with its deliveries.
pub async fn remove_receiver(
    State(db): State<DatabaseConnection>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<StatusCode> {
    receiver(&db, &deliveries, id).await?;
    receiver::Entity::delete_by_id(id).exec(&db).await?;
    delivery::Entity::delete_many().filter(delivery::Column::Receiver.eq(id)).exec(&db).await?;
    deliveries.load().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a receiver a test message; returns what it answered.
pub async fn test_receiver(
    State(db): State<DatabaseConnection>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Path(id): Path<i32>,
) -> Result<Json<Tested>> {
    let receiver = receiver(&db, &deliveries, id).await?;
    let answer = deliveries.test(&receiver).await;
    let good = answer.is_ok();
    Ok(Json(Tested { good, answer: answer.unwrap_or_else(|why| why) }))
}

/// Selects deliveries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryFilter {
    #[serde(default)]
    state: String,
}

/// A receiver's deliveries, the newest first.
pub async fn deliveries(
    State(db): State<DatabaseConnection>,
    _: Admin,
    Path(id): Path<i32>,
    Query(filter): Query<DeliveryFilter>,
) -> Result<Json<Vec<Delivery>>> {
    let mut rows = delivery::Entity::find()
        .filter(delivery::Column::Receiver.eq(id))
        .order_by_desc(delivery::Column::Id)
        .limit(LOG_LENGTH);
    if !filter.state.is_empty() {
        rows = rows.filter(delivery::Column::State.eq(filter.state));
    }
    Ok(Json(rows.all(&db).await?.into_iter().map(Into::into).collect()))
}

async fn found(db: &DatabaseConnection, id: i64) -> Result<delivery::Model> {
    delivery::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("delivery"))
}

/// Retries a delivery now; one that has arrived is sent again.
pub async fn send_again(
    State(db): State<DatabaseConnection>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Path(id): Path<i64>,
) -> Result<Json<Delivery>> {
    let found = found(&db, id).await?;
    Ok(Json(deliveries.again(found).await?.into()))
}

/// Drops a waiting delivery, so that the next one in the queue is sent.
pub async fn drop_delivery(
    State(db): State<DatabaseConnection>,
    State(deliveries): State<Arc<Deliveries>>,
    _: ConfirmedAdmin,
    Path(id): Path<i64>,
) -> Result<Json<Delivery>> {
    let found = found(&db, id).await?;
    if found.state != state::WAITING {
        return Err(ApiError::conflict("This delivery is no longer waiting."));
    }
    let mut row: delivery::ActiveModel = found.into();
    row.state = Set(state::DROPPED.into());
    let row = row.update(&db).await?;
    deliveries.wake();
    Ok(Json(row.into()))
}
