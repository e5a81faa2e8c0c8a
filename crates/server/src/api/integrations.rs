//! Other systems, as an administrator sets them up: accounts and tokens to ask by, and who is told what happens.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use protocol::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{Admin, ApiError, Result, SignedIn, people, sessions};
use crate::{
    accounts::{self, Scope},
    app::{self, Shared, stored_time},
    beyondtrust,
    desk::{Desk, RequestTracker, intake},
    outbox::{self, ReceiverKind, state, webhook},
    secret,
    store::tables::{api_account, api_token, delivery, incident, receiver},
};

/// How many deliveries a log shows.
const LOG: u64 = 200;
/// The longest comment, list of events and certificate.
const MAX_COMMENT: usize = 4_000;
const MAX_AUTHORITY: usize = 64 * 1024;

/// An account by which another system asks.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiAccount {
    pub id: i32,
    pub name: String,
    pub comments: String,
    pub client_id: String,
    pub scopes: Vec<Scope>,
    pub enabled: bool,
    pub created: Timestamp,
}

impl From<api_account::Model> for ApiAccount {
    fn from(a: api_account::Model) -> Self {
        let scopes = Scope::split(&a.scopes);
        let created = Timestamp(a.created.cast_unsigned());
        let api_account::Model { id, name, comments, client_id, enabled, .. } = a;
        Self { id, name, comments, client_id, scopes, enabled, created }
    }
}

/// What is said of an account.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ApiAccountInput {
    pub name: String,
    pub comments: String,
    pub scopes: Vec<Scope>,
    pub enabled: bool,
}

/// An account with its secret, which is shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiSecret {
    pub account: ApiAccount,
    pub client_secret: String,
}

/// A token for the REST API.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct ApiToken {
    pub id: i32,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub created: Timestamp,
    pub until: Timestamp,
}

/// A token to be made.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ApiTokenInput {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub days: u32,
}

/// A token as it is given, once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct NewToken {
    pub token: String,
    pub about: ApiToken,
}

/// Who is told what happens.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Receiver {
    pub id: i32,
    pub kind: ReceiverKind,
    pub name: String,
    pub url: String,
    /// The events it wants; none for all.
    pub events: Vec<String>,
    pub authority: String,
    pub enabled: bool,
    pub retry_seconds: i32,
    pub retry_hours: i32,
    /// How much waits for it, how much was given up, and what it said last to what waits.
    #[ts(type = "number")]
    pub waiting: u64,
    #[ts(type = "number")]
    pub given_up: u64,
    pub trouble: String,
}

/// What is said of a receiver.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct ReceiverInput {
    pub kind: ReceiverKind,
    pub name: String,
    pub url: String,
    /// For a service desk: the token by which it lets us in. Empty leaves it as it is.
    pub token: String,
    pub events: Vec<String>,
    pub authority: String,
    pub enabled: bool,
    pub retry_seconds: i32,
    pub retry_hours: i32,
}

/// A receiver, and what signs what it is told: shown once.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct NewReceiver {
    pub receiver: Receiver,
    pub secret: Option<String>,
}

/// An event that a receiver can ask for.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct KnownEvent {
    pub kind: ReceiverKind,
    pub name: String,
    pub says: String,
}

/// Everything about other systems.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Integrations {
    pub accounts: Vec<ApiAccount>,
    pub tokens: Vec<ApiToken>,
    pub receivers: Vec<Receiver>,
    pub events: Vec<KnownEvent>,
}

/// One line of the delivery log.
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

/// What came of a test.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Tested {
    pub good: bool,
    pub answer: String,
}

async fn shown(app: &Shared, r: &receiver::Model) -> Result<Receiver> {
    let of = |word: &str| {
        delivery::Entity::find().filter(delivery::Column::Receiver.eq(r.id)).filter(delivery::Column::State.eq(word))
    };
    let head = of(state::WAITING).order_by_asc(delivery::Column::Id).limit(1).one(&app.db).await?;
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
        waiting: of(state::WAITING).count(&app.db).await?,
        given_up: of(state::GIVEN_UP).count(&app.db).await?,
        trouble: head.map(|d| d.answer).unwrap_or_default(),
    })
}

fn shown_token(t: &api_token::Model) -> ApiToken {
    let time = |at: i64| Timestamp(at.cast_unsigned());
    let (created, until) = (time(t.created), time(t.until));
    ApiToken { id: t.id, name: t.name.clone(), scopes: Scope::split(&t.scopes), created, until }
}

/// Accounts, tokens and receivers.
pub async fn all(State(app): State<Shared>, _: Admin) -> Result<Json<Integrations>> {
    let accounts = api_account::Entity::find().order_by_asc(api_account::Column::Id).all(&app.db).await?;
    let tokens = api_token::Entity::find()
        .filter(api_token::Column::Account.is_null())
        .filter(api_token::Column::Until.gt(stored_time(app::now())))
        .order_by_asc(api_token::Column::Id);
    let mut receivers = Vec::new();
    for receiver in app.outbox.receivers().iter() {
        receivers.push(shown(&app, receiver).await?);
    }
    let known = |kind: ReceiverKind, list: &[(&str, &str)]| -> Vec<KnownEvent> {
        list.iter().map(|(name, says)| KnownEvent { kind, name: (*name).into(), says: (*says).into() }).collect()
    };
    let mut events = known(ReceiverKind::Webhook, &webhook::CATALOGUE);
    events.extend(known(ReceiverKind::Beyondtrust, &beyondtrust::outbound::CATALOGUE));
    Ok(Json(Integrations {
        accounts: accounts.into_iter().map(Into::into).collect(),
        tokens: tokens.all(&app.db).await?.iter().map(shown_token).collect(),
        receivers,
        events,
    }))
}

fn comment(text: &str) -> Result<String> {
    match text.len() {
        0..=MAX_COMMENT => Ok(text.trim().to_owned()),
        _ => Err(ApiError::bad("A comment has at most 4,000 bytes.")),
    }
}

fn new_secret() -> String {
    // 44 characters that need no escaping anywhere.
    URL_SAFE_NO_PAD.encode(secret::random::<33>())
}

/// Adds an account.
pub async fn add_account(
    State(app): State<Shared>,
    _: Admin,
    Json(new): Json<ApiAccountInput>,
) -> Result<(StatusCode, Json<ApiSecret>)> {
    let client_secret = new_secret();
    let row = api_account::ActiveModel {
        name: Set(people::name(&new.name)?),
        comments: Set(comment(&new.comments)?),
        client_id: Set(secret::hex(&secret::random::<20>())),
        secret: Set(secret::hash(&client_secret)),
        scopes: Set(Scope::join(&new.scopes)),
        enabled: Set(new.enabled),
        created: Set(stored_time(app::now())),
        ..Default::default()
    };
    let account = row.insert(&app.db).await?.into();
    Ok((StatusCode::CREATED, Json(ApiSecret { account, client_secret })))
}

async fn account(app: &Shared, id: i32) -> Result<api_account::Model> {
    api_account::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| ApiError::missing("account"))
}

/// Changes an account. What it may do counts at once, for its tokens too.
pub async fn change_account(
    State(app): State<Shared>,
    _: Admin,
    Path(id): Path<i32>,
    Json(new): Json<ApiAccountInput>,
) -> Result<Json<ApiAccount>> {
    let mut row: api_account::ActiveModel = account(&app, id).await?.into();
    row.name = Set(people::name(&new.name)?);
    row.comments = Set(comment(&new.comments)?);
    row.scopes = Set(Scope::join(&new.scopes));
    row.enabled = Set(new.enabled);
    Ok(Json(row.update(&app.db).await?.into()))
}

/// Gives an account a new secret; all of its tokens end.
pub async fn new_account_secret(State(app): State<Shared>, _: Admin, Path(id): Path<i32>) -> Result<Json<ApiSecret>> {
    let client_secret = new_secret();
    let mut row: api_account::ActiveModel = account(&app, id).await?.into();
    row.secret = Set(secret::hash(&client_secret));
    let account = row.update(&app.db).await?.into();
    accounts::end_tokens(&app.db, id).await?;
    Ok(Json(ApiSecret { account, client_secret }))
}

/// Removes an account with its tokens.
pub async fn remove_account(State(app): State<Shared>, _: Admin, Path(id): Path<i32>) -> Result<StatusCode> {
    account(&app, id).await?;
    accounts::end_tokens(&app.db, id).await?;
    api_account::Entity::delete_by_id(id).exec(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token.
pub async fn add_token(
    State(app): State<Shared>,
    _: Admin,
    Json(new): Json<ApiTokenInput>,
) -> Result<(StatusCode, Json<NewToken>)> {
    if !(1..=3_650).contains(&new.days) || new.scopes.is_empty() {
        return Err(ApiError::bad("A token lives between 1 and 3,650 days, and may do something."));
    }
    let (now, token) = (app::now(), format!("deskside_{}", secret::token()));
    let row = api_token::ActiveModel {
        hash: Set(secret::hash(&token)),
        account: Set(None),
        name: Set(people::name(&new.name)?),
        scopes: Set(Scope::join(&new.scopes)),
        created: Set(stored_time(now)),
        until: Set(stored_time(now.plus(u64::from(new.days) * 86_400_000))),
        ..Default::default()
    };
    let about = shown_token(&row.insert(&app.db).await?);
    Ok((StatusCode::CREATED, Json(NewToken { token, about })))
}

/// Ends a token.
pub async fn remove_token(State(app): State<Shared>, _: Admin, Path(id): Path<i32>) -> Result<StatusCode> {
    let gone = api_token::Entity::delete_by_id(id).exec(&app.db).await?;
    if gone.rows_affected == 0 { Err(ApiError::missing("token")) } else { Ok(StatusCode::NO_CONTENT) }
}

fn receiver_row(new: &ReceiverInput) -> Result<receiver::ActiveModel> {
    let url = url::Url::parse(new.url.trim()).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let url = url.ok_or_else(|| ApiError::bad("The address must begin with https:// or http://."))?;
    if url.as_str().len() > 2_000 {
        return Err(ApiError::bad("An address has at most 2,000 bytes."));
    }
    let known: Vec<&str> = match new.kind {
        ReceiverKind::Webhook => webhook::CATALOGUE.iter().map(|(name, _)| *name).collect(),
        ReceiverKind::Beyondtrust => beyondtrust::outbound::CATALOGUE.iter().map(|(name, _)| *name).collect(),
        ReceiverKind::RequestTracker => vec![],
    };
    if let Some(unknown) = new.events.iter().find(|e| !known.contains(&e.as_str())) {
        return Err(ApiError::bad(format!("There is no event {unknown}.")));
    }
    if !(1..=3_600).contains(&new.retry_seconds) || !(0..=8_760).contains(&new.retry_hours) {
        return Err(ApiError::bad("It is tried again after 1 to 3,600 seconds, and for at most 8,760 hours."));
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

/// Adds a receiver: from now on it is told what happens.
pub async fn add_receiver(
    State(app): State<Shared>,
    _: Admin,
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
        secret: Set(secret.clone()),
        created: Set(stored_time(app::now())),
        ..receiver_row(&new)?
    };
    let row = row.insert(&app.db).await?;
    app.outbox.load(&app.db).await?;
    let receiver = shown(&app, &row).await?;
    Ok((StatusCode::CREATED, Json(NewReceiver { receiver, secret: given.then_some(secret) })))
}

async fn receiver(app: &Shared, id: i32) -> Result<receiver::Model> {
    receiver::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| ApiError::missing("receiver"))
}

/// Changes a receiver; its kind stays.
pub async fn change_receiver(
    State(app): State<Shared>,
    _: Admin,
    Path(id): Path<i32>,
    Json(new): Json<ReceiverInput>,
) -> Result<Json<Receiver>> {
    let before = receiver(&app, id).await?;
    if ReceiverKind::of(&before) != new.kind {
        return Err(ApiError::conflict("A receiver stays of its kind. Please add another one."));
    }
    let mut row = receiver::ActiveModel { id: Set(id), ..receiver_row(&new)? };
    if new.kind == ReceiverKind::RequestTracker && !new.token.trim().is_empty() {
        row.secret = Set(new.token.trim().to_owned());
    }
    let row = row.update(&app.db).await?;
    app.outbox.load(&app.db).await?;
    Ok(Json(shown(&app, &row).await?))
}

/// Removes a receiver with what waits for it.
pub async fn remove_receiver(State(app): State<Shared>, _: Admin, Path(id): Path<i32>) -> Result<StatusCode> {
    receiver(&app, id).await?;
    receiver::Entity::delete_by_id(id).exec(&app.db).await?;
    delivery::Entity::delete_many().filter(delivery::Column::Receiver.eq(id)).exec(&app.db).await?;
    app.outbox.load(&app.db).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells a receiver something that means nothing, and says what it answered.
pub async fn test_receiver(State(app): State<Shared>, _: Admin, Path(id): Path<i32>) -> Result<Json<Tested>> {
    let receiver = receiver(&app, id).await?;
    let answer = match ReceiverKind::of(&receiver) {
        ReceiverKind::Webhook => webhook::test(&receiver).await,
        ReceiverKind::Beyondtrust => beyondtrust::outbound::test(&app, &receiver).await,
        ReceiverKind::RequestTracker => RequestTracker::of(&receiver).test().await,
    };
    let good = answer.is_ok();
    Ok(Json(Tested { good, answer: answer.unwrap_or_else(|why| why) }))
}

/// Which deliveries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    #[serde(default)]
    state: String,
}

/// What was told to a receiver, and what waits: the newest first.
pub async fn deliveries(
    State(app): State<Shared>,
    _: Admin,
    Path(id): Path<i32>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Delivery>>> {
    let mut rows = delivery::Entity::find()
        .filter(delivery::Column::Receiver.eq(id))
        .order_by_desc(delivery::Column::Id)
        .limit(LOG);
    if !wanted.state.is_empty() {
        rows = rows.filter(delivery::Column::State.eq(wanted.state));
    }
    Ok(Json(rows.all(&app.db).await?.into_iter().map(Into::into).collect()))
}

async fn found(app: &Shared, id: i64) -> Result<delivery::Model> {
    delivery::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(|| ApiError::missing("delivery"))
}

/// Tries a delivery again now; one that has arrived is sent once more.
pub async fn send_again(State(app): State<Shared>, _: Admin, Path(id): Path<i64>) -> Result<Json<Delivery>> {
    let found = found(&app, id).await?;
    Ok(Json(outbox::again(&app, found).await?.into()))
}

/// Drops what waits: the next in the queue has its turn.
pub async fn drop_delivery(State(app): State<Shared>, _: Admin, Path(id): Path<i64>) -> Result<Json<Delivery>> {
    let found = found(&app, id).await?;
    if found.state != state::WAITING {
        return Err(ApiError::conflict("It does not wait any more."));
    }
    let mut row: delivery::ActiveModel = found.into();
    row.state = Set(state::DROPPED.into());
    let row = row.update(&app.db).await?;
    app.outbox.wake();
    Ok(Json(row.into()))
}

/// A ticket of another desk, here.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Brought {
    /// The page of the incident.
    pub incident: i32,
    pub issued: sessions::Issued,
}

/// Makes a session for a ticket of another desk: what the link on its page leads to.
pub async fn start_from_ticket(
    State(app): State<Shared>,
    me: SignedIn,
    Path((desk, ticket)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Brought>)> {
    // By its number, or `rt` for the first Request Tracker there is.
    let receivers = app.outbox.receivers();
    let mut desks = receivers.iter().filter(|r| ReceiverKind::of(r) == ReceiverKind::RequestTracker);
    let found = desks.find(|r| desk == "rt" || desk == r.id.to_string());
    let found = found.ok_or_else(|| ApiError::missing("service desk"))?;
    let known = RequestTracker::of(found).find(&ticket).await.map_err(ApiError::upstream)?;
    let incident: incident::Model = intake::mirror(&app, &found.id.to_string(), &ticket, &known).await?;
    let live = intake::session(&app, &incident, me.as_ref(), None).await?;
    let issued = sessions::issue(&app, &live, &me).await?;
    Ok((StatusCode::CREATED, Json(Brought { incident: incident.id, issued })))
}
