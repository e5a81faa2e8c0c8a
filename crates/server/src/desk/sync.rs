//! Synchronises incidents with other desks, when their tickets change there.

use std::{sync::Arc, time::Duration};

use platform::clock;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use store::{
    stored_time,
    tables::{IncidentSource, customer, incident, journal, receiver},
};

use super::{Desk, ServiceDesk, Status, Ticket, session_start, word};

/// How often other desks are polled.
const INTERVAL: Duration = Duration::from_secs(30);
/// Incidents that did not change for this long are not polled, but updated when a session is created for them.
const INACTIVE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How many of a desk's incidents are polled, the newest first.
const MOST: u64 = 200;

/// Polls other desks for as long as the server runs.
pub async fn run(service: Arc<ServiceDesk>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        for receiver in service.deliveries.receivers().iter().filter(|r| r.enabled) {
            let Some(desk) = service.of(receiver) else { continue };
            if let Err(error) = poll(&service, receiver, &*desk).await {
                // The console shows unreachable desks where their deliveries wait.
                tracing::debug!(desk = receiver.id, %error, "ticket sync failed");
            }
        }
    }
}

async fn poll(service: &ServiceDesk, receiver: &receiver::Model, desk: &dyn Desk) -> Result<(), String> {
    let since = stored_time(clock::now()) - INACTIVE_MS;
    let known = incident::Entity::find()
        .filter(incident::Column::Desk.eq(IncidentSource::Desk(receiver.id)))
        .filter(incident::Column::Updated.gt(since))
        .order_by_desc(incident::Column::Updated)
        .limit(MOST)
        .all(&service.db)
        .await
        .map_err(|e| e.to_string())?;
    if known.is_empty() {
        return Ok(());
    }
    let tickets: Vec<String> = known.iter().map(|i| i.ticket.clone()).collect();
    let stamps = desk.changed(&tickets).await?;
    for before in known {
        let Some((_, stamp)) = stamps.iter().find(|(ticket, _)| *ticket == before.ticket) else { continue };
        if *stamp != before.stamp {
            let ticket = desk.find(&before.ticket).await?;
            apply_remote(service, receiver, before, &ticket, stamp).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// Updates an incident from its ticket, and records the changes in its journal.
async fn apply_remote(
    service: &ServiceDesk,
    receiver: &receiver::Model,
    before: incident::Model,
    ticket: &Ticket,
    stamp: &str,
) -> Result<(), sea_orm::DbErr> {
    let mut row = session_start::upsert_incident(service, before.desk, &before.ticket, ticket).await?;
    let status = ticket.status.map_or_else(|| before.status.clone(), word);
    let mut change: incident::ActiveModel = row.clone().into();
    change.stamp = Set(stamp.to_owned());
    change.status = Set(status);
    if same(&before, &row, ticket) {
        // Entries that Deskside writes change the ticket too, but do not update the incident.
        change.updated = Set(before.updated);
    }
    row = change.update(&service.db).await?;
    let who = async |id: i32| customer::Entity::find_by_id(id).one(&service.db).await.map(|c| c.map(|c| c.name));
    let customers = match before.customer == row.customer {
        true => (String::new(), String::new()),
        false => (who(before.customer).await?.unwrap_or_default(), who(row.customer).await?.unwrap_or_default()),
    };
    let readable = |status: &str| status.replace('_', " ");
    let table = [
        ("subject", before.subject, row.subject),
        ("status", readable(&before.status), readable(&row.status)),
        ("customer", customers.0, customers.1),
    ];
    let changes: Vec<String> =
        table.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a} → {b}")).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let now = stored_time(clock::now());
    let entry = journal::entry(row.id, now, "change", &receiver.name, changes.join("; "));
    entry.insert(&service.db).await.map(|_| ())
}

fn same(before: &incident::Model, now: &incident::Model, ticket: &Ticket) -> bool {
    let status = ticket.status.is_none_or(|s: Status| word(s) == before.status);
    status && before.subject == now.subject && before.customer == now.customer
}
