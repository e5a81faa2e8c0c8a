//! The built-in service desk: incidents and their journals.

pub mod journal;

use std::{collections::HashMap, sync::Arc};

use archive::Archive;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use live_sessions::SessionRegistry;
use platform::{
    clock,
    text::{fold, line},
};
use protocol::{Timestamp, UserRef};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, TransactionTrait, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use store::{
    holds, stored_time,
    tables::{IncidentSource, customer, incident, user},
    teams::{self, TeamNames},
};
use ts_rs::TS;

use super::{
    ApiError, Result, SignedIn,
    customers::{self, Customer},
    people, team_names,
};

use crate::{
    access_scope::{self, IncidentPlace},
    desk::{Priority, Status, from_word, session_start, word},
};

/// How many incidents or customers a list shows.
pub const LIST: u64 = 200;

/// An incident.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Incident {
    pub id: i32,
    pub number: String,
    pub customer: Customer,
    pub subject: String,
    pub description: String,
    pub status: Status,
    pub priority: Priority,
    /// The type of request, in the organisation's own words.
    pub kind: String,
    pub owner: Option<UserRef>,
    pub team: String,
    /// The service desk that it comes from: empty for the built-in one, `api` for another system, otherwise the id of a
    /// receiver.
    pub desk: String,
    /// Its number at that desk.
    pub ticket: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// The fields of an incident that can be set.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct IncidentInput {
    pub customer: i32,
    pub subject: String,
    pub description: String,
    pub status: Status,
    pub priority: Priority,
    #[serde(default)]
    pub kind: String,
    pub owner: Option<i32>,
    pub team: String,
}

/// An incident with its journal, newest first.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct IncidentPage {
    pub incident: Incident,
    pub journal: Vec<journal::JournalEntry>,
}

/// Selects incidents.
#[derive(Deserialize)]
pub struct Filter {
    #[serde(default)]
    whose: Whose,
    #[serde(default)]
    pub q: String,
    #[serde(default)]
    resolved: bool,
}

/// Whose incidents.
#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whose {
    Mine,
    Team,
    #[default]
    All,
}

/// A list of incidents, newest change first.
pub async fn incidents(
    State(db): State<DatabaseConnection>,
    SignedIn(me): SignedIn,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Incident>>> {
    let mut query = incident::Entity::find().order_by_desc(incident::Column::Updated).limit(LIST);
    match filter.whose {
        Whose::Mine => query = query.filter(incident::Column::Owner.eq(me.id)),
        Whose::Team => query = query.filter(teams::is(incident::Column::Team, me.team)),
        Whose::All => {}
    }
    if !filter.resolved {
        query = query.filter(incident::Column::Status.ne(word(Status::Resolved)));
    }
    for word in fold::words(&filter.q) {
        let named = customer::Entity::find().select_only().column(customer::Column::Id);
        let named = named.filter(holds(customer::Column::Search, &word)).into_query();
        let any = Condition::any()
            .add(holds(incident::Column::Search, &word))
            .add(incident::Column::Customer.in_subquery(named))
            .add_option(session_start::id_of(&word).map(|id| incident::Column::Id.eq(id)));
        query = query.filter(any);
    }
    let rows = query.all(&db).await?;
    Ok(Json(shown(&db, rows).await?))
}

/// Incidents with the names of their customers and owners.
async fn shown(db: &DatabaseConnection, rows: Vec<incident::Model>) -> Result<Vec<Incident>> {
    let customers = customer::Entity::find().filter(customer::Column::Id.is_in(rows.iter().map(|r| r.customer)));
    let mut customers: HashMap<i32, customer::Model> =
        customers.all(db).await?.into_iter().map(|c| (c.id, c)).collect();
    let owners = user::Entity::find().filter(user::Column::Id.is_in(rows.iter().filter_map(|r| r.owner)));
    let owners: HashMap<i32, String> = owners.all(db).await?.into_iter().map(|u| (u.id, u.name)).collect();
    let teams = TeamNames::load(db).await?;
    let mut list = Vec::with_capacity(rows.len());
    for r in rows {
        let nobody = || customer::Model {
            id: r.customer,
            name: "?".into(),
            email: String::new(),
            company: String::new(),
            address: None,
            search: None,
        };
        let customer = customers.get(&r.customer).cloned().unwrap_or_else(nobody);
        customers.entry(r.customer).or_insert_with(|| customer.clone());
        list.push(Incident {
            id: r.id,
            number: session_start::number(&r),
            desk: r.desk.to_string(),
            ticket: r.ticket,
            customer: customers::shown(customer),
            subject: r.subject,
            description: r.description,
            status: from_word(&r.status)?,
            priority: from_word(&r.priority)?,
            kind: r.kind,
            owner: r.owner.and_then(|id| Some(UserRef { id, name: owners.get(&id)?.clone() })),
            team: teams.of(r.team).to_owned(),
            created: Timestamp(r.created.cast_unsigned()),
            updated: Timestamp(r.updated.cast_unsigned()),
        });
    }
    Ok(list)
}

/// The incident with this id.
pub async fn find(db: &DatabaseConnection, id: i32) -> Result<Incident> {
    let row = incident::Entity::find_by_id(id).one(db).await?.ok_or_else(|| ApiError::missing("incident"))?;
    shown(db, vec![row]).await?.pop().ok_or_else(|| ApiError::missing("incident"))
}

/// One incident with its journal.
pub async fn incident(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    State(archive): State<Arc<Archive>>,
    me: SignedIn,
    Path(id): Path<i32>,
) -> Result<Json<IncidentPage>> {
    let incident = find(&db, id).await?;
    let rows = store::tables::journal::Entity::find()
        .filter(store::tables::journal::Column::Incident.eq(id))
        .order_by_desc(store::tables::journal::Column::At)
        .order_by_desc(store::tables::journal::Column::Id)
        .all(&db)
        .await?;
    let mut journal = Vec::with_capacity(rows.len());
    for row in rows {
        journal.push(journal::shown(&db, &sessions, &archive, &me.0, row).await?);
    }
    Ok(Json(IncidentPage { incident, journal }))
}

/// Adds an incident.
pub async fn add_incident(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    SignedIn(me): SignedIn,
    Json(new): Json<IncidentInput>,
) -> Result<(StatusCode, Json<Incident>)> {
    let now = stored_time(clock::now());
    let empty = || Set(String::new());
    let row = incident::ActiveModel {
        created: Set(now),
        desk: Set(IncidentSource::BuiltIn),
        ticket: empty(),
        stamp: empty(),
        ..incident_row(&db, &sessions, &me, &new).await?
    };
    let row = row.insert(&db).await?;
    journal::write(&db, row.id, "change", &me.name, "created the incident".into()).await?.insert(&db).await?;
    Ok((StatusCode::CREATED, Json(find(&db, row.id).await?)))
}

/// Changes an incident, and notes the changes in the journal.
pub async fn change_incident(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
    Json(new): Json<IncidentInput>,
) -> Result<Json<Incident>> {
    let stored = incident::Entity::find_by_id(id).one(&db).await?.ok_or_else(|| ApiError::missing("incident"))?;
    let before = find(&db, id).await?;
    let row = incident_row(&db, &sessions, &me, &new).await?;
    let (team, kind) = (*row.team.as_ref(), row.kind.as_ref());
    access_scope::may_move(&sessions, &me, &stored, IncidentPlace { team, kind, owner: new.owner }).await?;
    if new.customer != stored.customer {
        access_scope::may_redirect(&sessions, &me, &[id]).await?;
    }
    // The checks were for this team and type: the incident may have been moved since.
    let transaction = db.begin().await?;
    let same = incident::Entity::update_many()
        .col_expr(incident::Column::Updated, Expr::value(stored_time(clock::now())))
        .filter(incident::Column::Id.eq(id))
        .filter(teams::is(incident::Column::Team, stored.team))
        .filter(incident::Column::Kind.eq(stored.kind));
    if same.exec(&transaction).await?.rows_affected == 0 {
        return Err(ApiError::conflict("Somebody else has changed this incident. Please reload it and try again."));
    }
    incident::ActiveModel { id: Set(id), ..row }.update(&transaction).await?;
    transaction.commit().await?;
    let after = find(&db, id).await?;
    let changes = changes(&before, &after);
    if !changes.is_empty() {
        journal::write(&db, id, "change", &me.name, changes.join("; ")).await?.insert(&db).await?;
    }
    Ok(Json(after))
}

async fn incident_row(
    db: &DatabaseConnection,
    sessions: &Arc<SessionRegistry>,
    me: &user::Model,
    new: &IncidentInput,
) -> Result<incident::ActiveModel> {
    if customer::Entity::find_by_id(new.customer).one(db).await?.is_none() {
        return Err(ApiError::bad("Please choose a customer."));
    }
    if let Some(owner) = new.owner
        && user::Entity::find_by_id(owner).one(db).await?.is_none()
    {
        return Err(ApiError::bad("Please choose an owner who exists."));
    }
    let subject = line(&new.subject, 201);
    if subject.is_empty() || subject.chars().count() > 200 {
        return Err(ApiError::bad("A subject has between 1 and 200 characters."));
    }
    if new.description.len() > 20_000 {
        return Err(ApiError::bad("A description has at most 20,000 bytes."));
    }
    let redactor = sessions.redactor().await?;
    Ok(incident::ActiveModel {
        customer: Set(new.customer),
        subject: Set(redactor.clean(&subject)),
        description: Set(redactor.clean(&new.description)),
        status: Set(word(new.status)),
        priority: Set(word(new.priority)),
        kind: Set(redactor.clean(&people::label(&new.kind, "A type")?)),
        owner: Set(new.owner),
        team: Set(team_names::chosen(db, me, &new.team).await?),
        updated: Set(stored_time(clock::now())),
        ..Default::default()
    })
}

fn changes(before: &Incident, after: &Incident) -> Vec<String> {
    let owner = |i: &Incident| i.owner.as_ref().map_or("nobody".to_owned(), |o| o.name.clone());
    let readable = |word: String| word.replace('_', " ");
    let table = [
        ("subject", before.subject.clone(), after.subject.clone()),
        ("customer", before.customer.name.clone(), after.customer.name.clone()),
        ("status", readable(word(before.status)), readable(word(after.status))),
        ("priority", word(before.priority), word(after.priority)),
        ("type", before.kind.clone(), after.kind.clone()),
        ("owner", owner(before), owner(after)),
        ("team", before.team.clone(), after.team.clone()),
    ];
    let mut changed: Vec<String> =
        table.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a} → {b}")).collect();
    if before.description != after.description {
        changed.push("description changed".into());
    }
    changed
}
