//! Technicians, teams and queues for other systems.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use live_sessions::SessionRegistry;
use protocol::{Phase, Queue};
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use store::{
    tables::{team, user},
    teams::{self, TeamNames},
};
use utoipa::ToSchema;

use super::{Body, Problem, ReadPeople, ReadSessions, Refused, Result, WritePeople};

use crate::{
    account_changes::{self, AccountChange, ChangedBy},
    api::{people, team_names},
    organisation::Organisation,
    sign_in::Auth,
};

/// A shared queue, and how many sessions wait in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueShown {
    /// The team; null for the general queue.
    team: Option<String>,
    waiting: u32,
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
pub struct Team {
    id: i32,
    name: String,
    code_name: String,
    /// The technicians in it.
    technicians: Vec<i32>,
}

/// The fields of a team that can be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamInput {
    #[schema(min_length = 1, max_length = 120)]
    name: String,
}

/// A technician's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Technician {
    id: i32,
    login: String,
    name: String,
    email: String,
    team: String,
    administrator: bool,
    disabled: bool,
}

/// A technician to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTechnician {
    /// Letters, digits, dots, dashes, underscores and @.
    #[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$")]
    login: String,
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    #[schema(max_length = 200, format = Email)]
    email: String,
    #[schema(max_length = 120)]
    #[serde(default)]
    team: String,
    #[schema(min_length = 10, max_length = 200, format = Password)]
    password: String,
}

/// Changes of a technician; omitted fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TechnicianChange {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
}

impl Technician {
    fn of(u: user::Model, team: String) -> Self {
        let user::Model { id, login, name, email, administrator, disabled, .. } = u;
        Self { id, login, name, email, team, administrator, disabled }
    }
}

/// Lists the shared queues.
#[utoipa::path(get, path = "/api/v1/queues", tag = "people", responses(
    (status = 200, body = Vec<QueueShown>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn queues(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    _: ReadSessions,
) -> Result<Json<Vec<QueueShown>>> {
    let mut queues = vec![QueueShown { team: None, waiting: 0 }];
    for team in team::Entity::find().order_by_asc(team::Column::Name).all(&db).await? {
        queues.push(QueueShown { team: Some(team.name), waiting: 0 });
    }
    for live in sessions.all() {
        let place = live.read(|s| match (s.phase(), s.queue()) {
            (Phase::Ended { .. }, _) | (_, Queue::Own) => None,
            (_, Queue::General) => Some(None),
            (_, Queue::Team { team }) => Some(Some(team.clone())),
        });
        if let Some(team) = place.await {
            queues.iter_mut().filter(|q| q.team == team).for_each(|q| q.waiting += 1);
        }
    }
    Ok(Json(queues))
}

async fn shown(db: &DatabaseConnection, team: team::Model) -> Result<Team> {
    let members = user::Entity::find().filter(user::Column::Team.eq(team.id));
    let members = members.order_by_asc(user::Column::Id).all(db).await?;
    let team::Model { id, name, code_name, .. } = team;
    Ok(Team { id, name, code_name, technicians: members.into_iter().map(|u| u.id).collect() })
}

/// Lists the teams.
#[utoipa::path(get, path = "/api/v1/teams", tag = "people", responses(
    (status = 200, body = Vec<Team>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn teams(State(db): State<DatabaseConnection>, _: ReadPeople) -> Result<Json<Vec<Team>>> {
    let mut list = Vec::new();
    for team in team::Entity::find().order_by_asc(team::Column::Id).all(&db).await? {
        list.push(shown(&db, team).await?);
    }
    Ok(Json(list))
}

/// Checks that no other team has this name.
async fn free(db: &DatabaseConnection, name: &str, own: i32) -> Result<String> {
    let name = people::name(name)?;
    let same = team::Entity::find().filter(team::Column::Name.eq(name.as_str())).filter(team::Column::Id.ne(own));
    match same.one(db).await? {
        Some(_) => Err(Refused(StatusCode::CONFLICT, "There is already a team with this name.".into())),
        None => Ok(name),
    }
}

/// Adds a team.
#[utoipa::path(post, path = "/api/v1/teams", tag = "people", request_body = TeamInput,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 201, body = Team),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn add_team(
    State(db): State<DatabaseConnection>,
    _: WritePeople,
    Body(new): Body<TeamInput>,
) -> Result<(StatusCode, Json<Team>)> {
    let name = free(&db, &new.name, 0).await?;
    teams::named_or_new(&db, &name).await?;
    let made = teams::named(&db, &name).await?;
    let made = made.ok_or_else(|| Refused::missing("team"))?;
    Ok((StatusCode::CREATED, Json(shown(&db, made).await?)))
}

async fn found(db: &DatabaseConnection, id: &str) -> Result<team::Model> {
    let id: i32 = id.parse().map_err(|_| Refused::missing("team"))?;
    team::Entity::find_by_id(id).one(db).await?.ok_or_else(|| Refused::missing("team"))
}

/// Renames a team; its technicians, incidents and sessions stay in it.
#[utoipa::path(patch, path = "/api/v1/teams/{id}", tag = "people", params(("id" = i32, Path)), request_body = TeamInput, responses(
    (status = 200, body = Team),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn change_team(
    State(db): State<DatabaseConnection>,
    State(organisation): State<Arc<Organisation>>,
    _: WritePeople,
    Path(id): Path<String>,
    Body(new): Body<TeamInput>,
) -> Result<Json<Team>> {
    let before = found(&db, &id).await?;
    let name = free(&db, &new.name, before.id).await?;
    let team = before.id;
    let row = team::ActiveModel { name: Set(name), ..before.into() };
    let row = organisation.change_team(team, row).await?;
    Ok(Json(shown(&db, row).await?))
}

/// Removes a team that no policy and no other setting refers to. Its technicians are then in no team, and its sessions
/// wait in the general queue.
#[utoipa::path(delete, path = "/api/v1/teams/{id}", tag = "people", params(("id" = i32, Path)), responses(
    (status = 204),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn remove_team(
    State(db): State<DatabaseConnection>,
    State(organisation): State<Arc<Organisation>>,
    _: WritePeople,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let team = found(&db, &id).await?;
    organisation.remove_team(team.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the technicians.
#[utoipa::path(get, path = "/api/v1/technicians", tag = "people", responses(
    (status = 200, body = Vec<Technician>),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn technicians(State(db): State<DatabaseConnection>, _: ReadPeople) -> Result<Json<Vec<Technician>>> {
    let users = user::Entity::find().order_by_asc(user::Column::Id).all(&db).await?;
    let names = TeamNames::load(&db).await?;
    let technician = |u: user::Model| {
        let team = names.of(u.team).to_owned();
        Technician::of(u, team)
    };
    Ok(Json(users.into_iter().map(technician).collect()))
}

/// Adds a technician.
#[utoipa::path(post, path = "/api/v1/technicians", tag = "people", request_body = NewTechnician,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)), responses(
    (status = 201, body = Technician),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn add_technician(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    _: WritePeople,
    Body(new): Body<NewTechnician>,
) -> Result<(StatusCode, Json<Technician>)> {
    let NewTechnician { login, name, email, team, password } = new;
    let new = people::NewUser { login, name, email, team, password, administrator: false };
    let account = people::insert_user(&db, &auth, new).await?;
    Ok((StatusCode::CREATED, Json(technician_shown(&db, one(&db, &account.id.to_string()).await?).await?)))
}

async fn technician_shown(db: &DatabaseConnection, user: user::Model) -> Result<Technician> {
    let team = teams::name(db, user.team).await?;
    Ok(Technician::of(user, team))
}

async fn one(db: &DatabaseConnection, id: &str) -> Result<user::Model> {
    let id: i32 = id.parse().map_err(|_| Refused::missing("technician"))?;
    user::Entity::find_by_id(id).one(db).await?.ok_or_else(|| Refused::missing("technician"))
}

/// Reads a technician.
#[utoipa::path(get, path = "/api/v1/technicians/{id}", tag = "people", params(("id" = i32, Path)), responses(
    (status = 200, body = Technician),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn technician(
    State(db): State<DatabaseConnection>,
    _: ReadPeople,
    Path(id): Path<String>,
) -> Result<Json<Technician>> {
    Ok(Json(technician_shown(&db, one(&db, &id).await?).await?))
}

/// Changes a technician. Disabling one signs them out everywhere. Administrators can only be changed in the console.
#[utoipa::path(patch, path = "/api/v1/technicians/{id}", tag = "people", params(("id" = i32, Path)),
    request_body = TechnicianChange, responses(
    (status = 200, body = Technician),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn change_technician(
    State(db): State<DatabaseConnection>,
    State(auth): State<Arc<Auth>>,
    _: WritePeople,
    Path(id): Path<String>,
    Body(change): Body<TechnicianChange>,
) -> Result<Json<Technician>> {
    let before = one(&db, &id).await?;
    let wanted = AccountChange {
        name: change.name.as_deref().map(people::name).transpose()?,
        email: change.email.as_deref().map(people::email).transpose()?,
        team: change.team.as_deref().map(team_names::checked).transpose()?,
        disabled: change.disabled,
        ..AccountChange::default()
    };
    let user = account_changes::change(&auth, ChangedBy::System, before.id, wanted).await?;
    Ok(Json(technician_shown(&db, user).await?))
}
