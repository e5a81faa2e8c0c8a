//! The customers of the service desk.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use live_sessions::SessionRegistry;
use platform::text::fold;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use store::{
    holds,
    tables::{customer, incident},
};
use ts_rs::TS;

use super::{
    ApiError, Result, SignedIn,
    desk::{Filter, LIST, journal},
    people,
};

use crate::{
    access_scope,
    desk::{Status, word},
};

/// A customer.
#[derive(Serialize, TS)]
#[ts(export)]
pub struct Customer {
    pub id: i32,
    pub name: String,
    pub email: String,
    pub company: String,
}

/// The fields of a customer that can be set.
#[derive(Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(export)]
pub struct CustomerInput {
    pub name: String,
    pub email: String,
    pub company: String,
}

/// All customers, or those that match a search.
pub async fn list(
    State(db): State<DatabaseConnection>,
    _: SignedIn,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Customer>>> {
    let mut query = customer::Entity::find().order_by_asc(customer::Column::Name).limit(LIST);
    for word in fold::words(&filter.q) {
        query = query.filter(holds(customer::Column::Search, &word));
    }
    Ok(Json(query.all(&db).await?.into_iter().map(shown).collect()))
}

pub fn shown(c: customer::Model) -> Customer {
    Customer { id: c.id, name: c.name, email: c.email, company: c.company }
}

/// Adds a customer.
pub async fn add(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    _: SignedIn,
    Json(new): Json<CustomerInput>,
) -> Result<(StatusCode, Json<Customer>)> {
    let row = cleaned(&sessions, &new).await?.insert(&db).await?;
    Ok((StatusCode::CREATED, Json(shown(row))))
}

/// Changes a customer. A new mail address, to which invitations go, is noted in the journals of their open incidents.
pub async fn change(
    State(db): State<DatabaseConnection>,
    State(sessions): State<Arc<SessionRegistry>>,
    SignedIn(me): SignedIn,
    Path(id): Path<i32>,
    Json(new): Json<CustomerInput>,
) -> Result<Json<Customer>> {
    let before = customer::Entity::find_by_id(id).one(&db).await?.ok_or_else(|| ApiError::missing("customer"))?;
    let mut row = customer::ActiveModel { id: Set(id), ..cleaned(&sessions, &new).await? };
    if *row.email.as_ref() == before.email {
        // Somebody else may be changing the address at this moment: it is left alone.
        row.email = NotSet;
        return Ok(Json(shown(row.update(&db).await?)));
    }
    let theirs = incident::Entity::find().filter(incident::Column::Customer.eq(id)).all(&db).await?;
    access_scope::may_redirect(&sessions, &me, &theirs.iter().map(|i| i.id).collect::<Vec<_>>()).await?;
    let after = row.update(&db).await?;
    let address = |of: &str| if of.is_empty() { "none".to_owned() } else { of.to_owned() };
    let changed = format!("the customer's mail address: {} → {}", address(&before.email), address(&after.email));
    let resolved = word(Status::Resolved);
    for about in theirs.iter().filter(|i| i.status != resolved) {
        journal::write(&db, about.id, "change", &me.name, changed.clone()).await?.insert(&db).await?;
    }
    Ok(Json(shown(after)))
}

async fn cleaned(sessions: &Arc<SessionRegistry>, new: &CustomerInput) -> Result<customer::ActiveModel> {
    let redactor = sessions.redactor().await?;
    Ok(customer::ActiveModel {
        name: Set(redactor.clean(&people::name(&new.name)?)),
        email: Set(people::email(&new.email)?),
        company: Set(redactor.clean(&people::label(&new.company, "A company's name")?)),
        ..Default::default()
    })
}
