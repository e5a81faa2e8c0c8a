//! How customers join: by link, by key, by the support program, and again after a broken connection.
//!
//! Somebody without a valid key or link learns nothing here, and the number of guesses is limited.
//!

use std::{net::IpAddr, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use live_sessions::{self, ActError, LiveSession, SessionRegistry};
use platform::{clock, identity::Identity, secret, throttle::Attempt};
use protocol::{Client, ParticipantId, Role, SessionId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, Order, QueryFilter,
    sea_query::Query,
};
use serde::{Deserialize, Serialize};
use session::{Actor, Command};
use store::{
    setting::Current,
    settings::Settings,
    stored_time,
    tables::{admission, session_row},
};
use ts_rs::TS;

use super::{ApiError, ClientAddress, Result, sessions::Admission};

use crate::{
    access_scope,
    config::PublicUrl,
    connections::Clients,
    programs::{Programs, System},
    sign_in::Auth,
    state::service_group,
};

/// How long a resume token is valid.
pub const RESUME_MS: u64 = 8 * 24 * 60 * 60 * 1_000;
/// How long a hand-over token is valid.
const HANDOVER_MS: u64 = 15 * 60 * 1_000;
/// How many hand-over tokens a customer may have; another one deletes the oldest.
const MAX_HANDOVERS: u64 = 5;

/// What a customer can join with.
#[derive(Clone, Deserialize, TS)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[ts(export)]
pub enum Pass {
    /// The session key, as spoken on the phone.
    Key { key: String },
    /// The token in the link.
    Link { token: String },
    /// The hand-over token, from the browser to the support program.
    Handover { token: String },
}

/// The organisation that runs this server, for the front page.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Welcome {
    pub organisation: String,
    pub domain: String,
    /// The operating systems that there is a support program for.
    pub programs: Vec<System>,
    /// The label of the button for the organisation's own sign-in, if there is one.
    pub openid: Option<String>,
    /// Whether technicians may sign in with a passkey.
    pub passkeys: bool,
}

/// What a customer sees before joining.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Invitation {
    pub organisation: String,
    pub domain: String,
    pub technician: String,
    pub number: String,
    pub subject: String,
    pub recorded: bool,
    /// The operating systems that there is a support program for.
    pub programs: Vec<System>,
}

/// A request to join.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Enter {
    pub pass: Pass,
    pub client: Client,
}

/// A customer was admitted.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Entered {
    pub admission: Admission,
    /// The resume token, for a new ticket after a restart of the page or the server.
    pub resume: String,
    pub invitation: Invitation,
}

/// A token that this API issued.
#[derive(Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct Token {
    pub token: String,
}

/// Describes the organisation that runs this server.
pub async fn welcome(
    State(public_url): State<PublicUrl>,
    State(settings): State<Arc<Current<Settings>>>,
    State(auth): State<Arc<Auth>>,
    State(programs): State<Arc<Programs>>,
) -> Json<Welcome> {
    Json(Welcome {
        organisation: settings.get().organisation,
        domain: public_url.domain().to_owned(),
        programs: programs.systems(),
        openid: Some(auth.openid.get()).filter(|o| o.enabled).map(|o| o.name),
        passkeys: auth.passkeys.possible(),
    })
}

pub fn invalid_pass() -> ApiError {
    ApiError::missing(
        "session key or link: it may be mistyped, used already, or too old. Ask your technician for a new one",
    )
}

/// Shows which session a pass is for.
pub async fn preview(
    State(passes): State<Passes>,
    State(public_url): State<PublicUrl>,
    State(programs): State<Arc<Programs>>,
    ClientAddress(address): ClientAddress,
    Json(pass): Json<Pass>,
) -> Result<Json<Invitation>> {
    let (live, _) = passes.find(address, &pass).await?;
    Ok(Json(invitation(&public_url, &programs, &live).await))
}

/// Admits a customer.
pub async fn enter(
    State(passes): State<Passes>,
    State(public_url): State<PublicUrl>,
    State(programs): State<Arc<Programs>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<Enter>,
) -> Result<Json<Entered>> {
    if body.client == Client::Console {
        return Err(ApiError::bad("Technicians join from the console."));
    }
    // Holds the lock, so that a key that is being replaced cannot admit anybody by its successor's event.
    let Passes { db, sessions, .. } = &passes;
    let lock = sessions.passes.lock().await;
    let (live, returning) = passes.find(address, &body.pass).await?;
    let who = match (&body.pass, returning) {
        (Pass::Handover { token }, Some(who)) => {
            // Whoever deletes the row may join: the token works once, however many requests bring it at once.
            let taken = admission::Entity::delete_by_id(secret::hash(token)).exec(db).await?;
            if taken.rows_affected == 0 {
                return Err(invalid_pass());
            }
            who
        }
        (pass, _) => {
            let name = live.state().await.incident.customer;
            let by_key = matches!(pass, Pass::Key { .. });
            let join =
                Command::Join { role: Role::Customer, name, client: body.client, user: None, by_role: None, by_key };
            let entries = live.act(&Actor::Server, join).await.map_err(|error| match error {
                ActError::Refused(_) => invalid_pass(),
                error @ (ActError::Disabled | ActError::NoTeam | ActError::Store(_)) => error.into(),
            })?;
            live_sessions::joined_participant(&entries)?
        }
    };
    drop(lock);
    let resume = admit(db, &live.id, who, false, RESUME_MS).await?;
    let admission = Admission { session: live.id.clone(), ticket: sessions.ticket(live.id.clone(), who) };
    Ok(Json(Entered { admission, resume, invitation: invitation(&public_url, &programs, &live).await }))
}

/// Issues a ticket for a customer who comes back.
pub async fn resume(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<Token>,
) -> Result<Json<Admission>> {
    let (live, who) = counting_failures(&clients, address, by_token(&db, &sessions, &body.token, false)).await?;
    mark_known(&clients, address, &live).await;
    Ok(Json(Admission { session: live.id.clone(), ticket: sessions.ticket(live.id.clone(), who) }))
}

/// Issues a hand-over token for the support program.
pub async fn handover(
    State(db): State<DatabaseConnection>,
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(address): ClientAddress,
    Json(body): Json<Token>,
) -> Result<Json<Token>> {
    let (live, who) = counting_failures(&clients, address, by_token(&db, &sessions, &body.token, false)).await?;
    let token = admit(&db, &live.id, who, true, HANDOVER_MS).await?;
    keep_newest(&db, &live.id, who).await?;
    Ok(Json(Token { token }))
}

/// Runs after the insertion, so that of many concurrent ones only the newest remain.
async fn keep_newest(db: &DatabaseConnection, session: &SessionId, who: ParticipantId) -> Result<()> {
    let of_one = Condition::all()
        .add(admission::Column::Session.eq(session.as_str()))
        .add(admission::Column::Participant.eq(i32::from(who.0)))
        .add(admission::Column::Handover.eq(true));
    let newest = Query::select()
        .column(admission::Column::Hash)
        .from(admission::Entity)
        .cond_where(of_one.clone())
        .order_by(admission::Column::Until, Order::Desc)
        .limit(MAX_HANDOVERS)
        .to_owned();
    let older = admission::Entity::delete_many().filter(of_one);
    older.filter(admission::Column::Hash.not_in_subquery(newest)).exec(db).await?;
    Ok(())
}

/// Issues a token by which a participant can come back.
pub async fn admit(
    db: &DatabaseConnection,
    session: &SessionId,
    who: ParticipantId,
    handover: bool,
    life: u64,
) -> Result<String> {
    let now = clock::now();
    admission::Entity::delete_many().filter(admission::Column::Until.lt(stored_time(now))).exec(db).await?;
    let token = secret::token();
    let row = admission::ActiveModel {
        hash: Set(secret::hash(&token)),
        session: Set(session.to_string()),
        participant: Set(who.0.into()),
        handover: Set(handover),
        until: Set(stored_time(now.plus(life))),
    };
    row.insert(db).await?;
    Ok(token)
}

/// The running session and the participant that a token belongs to.
pub async fn by_token(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    token: &str,
    handover: bool,
) -> Result<(Arc<LiveSession>, ParticipantId)> {
    let (id, who) = find_token(db, token, handover).await?;
    let live = sessions.get(&id).ok_or_else(invalid_pass)?;
    if access_scope::may_enter(db, &live, who).await? { Ok((live, who)) } else { Err(invalid_pass()) }
}

async fn find_token(db: &DatabaseConnection, token: &str, handover: bool) -> Result<(SessionId, ParticipantId)> {
    let row = admission::Entity::find_by_id(secret::hash(token)).one(db).await?;
    let row = row.filter(|r| r.handover == handover && r.until > stored_time(clock::now())).ok_or_else(invalid_pass)?;
    let id = SessionId::try_from(row.session).map_err(|_| invalid_pass())?;
    Ok((id, ParticipantId(u16::try_from(row.participant).map_err(|_| invalid_pass())?)))
}

/// The session and the participant that a token belongs to, whether the session runs or has ended.
pub async fn token_owner(db: &DatabaseConnection, token: &str) -> Result<(SessionId, ParticipantId)> {
    find_token(db, token, false).await
}

/// Counts failed look-ups of links and tokens as guesses. Valid ones are never delayed, because nobody can guess them.
pub async fn counting_failures<T>(
    clients: &Clients,
    from: IpAddr,
    found: impl Future<Output = Result<T>>,
) -> Result<T> {
    let found = found.await;
    if found.as_ref().is_err_and(|error| error.status() == StatusCode::NOT_FOUND) {
        clients.record_failure(from)?;
    }
    found
}

/// Marks the address as known, if a technician takes part in the session. Where a session can be started without a key,
/// starting one does not make a stranger known.
pub async fn mark_known(clients: &Clients, from: IpAddr, live: &LiveSession) {
    if live.read(|s| s.participants().iter().any(|p| p.role == Role::Technician)).await {
        clients.record_success(from, None);
    }
}

service_group! {
    /// What finding the session of a pass needs.
    pub struct Passes {
        db: DatabaseConnection,
        identity: Arc<Identity>,
        clients: Arc<Clients>,
        sessions: Arc<SessionRegistry>,
    }
}

impl Passes {
    /// Checks that this key opens a session; the error does not say why it does not.
    pub async fn check_key(&self, from: IpAddr, key: &str) -> Result<()> {
        self.find(from, &Pass::Key { key: key.to_owned() }).await.map(|_| ())
    }

    /// The session that a pass opens. Whatever is wrong, the error is the same. A valid pass costs no guess.
    async fn find(&self, from: IpAddr, pass: &Pass) -> Result<(Arc<LiveSession>, Option<ParticipantId>)> {
        if !matches!(pass, Pass::Key { .. }) {
            let found = counting_failures(&self.clients, from, self.open(pass)).await?;
            mark_known(&self.clients, from, &found.0).await;
            return Ok(found);
        }
        let guess = self.clients.guess(Attempt::Key { from })?;
        let found = self.open(pass).await?;
        self.clients.throttle.right(guess);
        mark_known(&self.clients, from, &found.0).await;
        Ok(found)
    }

    async fn open(&self, pass: &Pass) -> Result<(Arc<LiveSession>, Option<ParticipantId>)> {
        let (column, hash, by_key) = match pass {
            Pass::Key { key } => {
                let digits = secret::digits(key).ok_or_else(invalid_pass)?;
                (session_row::Column::KeyHash, secret::hash_key(&self.identity.pepper(), &digits), true)
            }
            Pass::Link { token } => (session_row::Column::LinkHash, secret::hash(token), false),
            Pass::Handover { token } => {
                let (live, who) = by_token(&self.db, &self.sessions, token, true).await?;
                return Ok((live, Some(who)));
            }
        };
        let row = session_row::Entity::find().filter(column.eq(hash)).one(&self.db).await?.ok_or_else(invalid_pass)?;
        let id = SessionId::try_from(row.id).map_err(|_| invalid_pass())?;
        let live = self.sessions.get(&id).ok_or_else(invalid_pass)?;
        let open = live.read(|s| s.open_for_customer(clock::now(), by_key)).await;
        if open { Ok((live, None)) } else { Err(invalid_pass()) }
    }
}

async fn invitation(public_url: &PublicUrl, programs: &Programs, live: &LiveSession) -> Invitation {
    let state = live.state().await;
    Invitation {
        organisation: state.organisation,
        domain: public_url.domain().to_owned(),
        technician: state.owner.name,
        number: state.incident.number,
        subject: state.incident.subject,
        recorded: state.recorded,
        programs: programs.systems(),
    }
}
