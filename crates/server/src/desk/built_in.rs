//! The built-in service desk. Its incidents and journals are tables in the database.

use futures::{FutureExt, future::BoxFuture};
use platform::clock;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use store::{
    stored_time,
    tables::{customer, incident, journal},
};

use super::{Desk, Entry, Ticket};

/// The built-in desk. A ticket is an incident's id in the database.
pub struct BuiltIn(pub DatabaseConnection);

impl BuiltIn {
    async fn found(&self, ticket: &str) -> Result<incident::Model, String> {
        let id: i32 = ticket.parse().map_err(|_| "There is no such incident.".to_owned())?;
        let found = incident::Entity::find_by_id(id).one(&self.0).await.map_err(|e| e.to_string())?;
        found.ok_or_else(|| "There is no such incident.".into())
    }

    async fn put(&self, ticket: &str, entry: &Entry) -> Result<String, String> {
        let incident = self.found(ticket).await?.id;
        let now = stored_time(clock::now());
        let row = |kind: &str, by: &str, text: String| journal::entry(incident, now, kind, by, text);
        let row = match entry {
            Entry::Started { session, by } => {
                let row = row("remote_support", by, "started a support session".into());
                journal::ActiveModel { session: Set(Some(session.to_string())), ..row }
            }
            Entry::Screenshot { session, number, by } => {
                let row = row("screenshot", by, number.to_string());
                journal::ActiveModel { session: Set(Some(session.to_string())), ..row }
            }
            Entry::Mail { to, subject, by, mail, sent, .. } => {
                let what = if *sent { "sent" } else { "left in the outbox" };
                let row = row("mail", by, format!("Mail {what}: “{subject}” to {to}"));
                journal::ActiveModel { mail: Set(Some(*mail)), ..row }
            }
            // The journal shows sessions from their timelines, so there is nothing to store.
            Entry::Happened { .. } | Entry::History { .. } => return Ok("read from the timeline".into()),
        };
        row.insert(&self.0).await.map_err(|e| e.to_string())?;
        let touched =
            incident::ActiveModel { id: Set(incident), updated: Set(stored_time(clock::now())), ..Default::default() };
        touched.update(&self.0).await.map_err(|e| e.to_string())?;
        Ok("written".into())
    }
}

impl Desk for BuiltIn {
    fn find<'a>(&'a self, ticket: &'a str) -> BoxFuture<'a, Result<Ticket, String>> {
        async move {
            let found = self.found(ticket).await?;
            let who = customer::Entity::find_by_id(found.customer).one(&self.0).await.map_err(|e| e.to_string())?;
            let (customer, email) = who.map(|c| (c.name, c.email)).unwrap_or_default();
            let status = super::from_word(&found.status).ok();
            Ok(Ticket { subject: found.subject, description: found.description, customer, email, status })
        }
        .boxed()
    }

    fn changed<'a>(&'a self, tickets: &'a [String]) -> BoxFuture<'a, Result<Vec<(String, String)>, String>> {
        async move {
            let ids = tickets.iter().filter_map(|t| t.parse::<i32>().ok());
            let found = incident::Entity::find().filter(incident::Column::Id.is_in(ids)).all(&self.0).await;
            let found = found.map_err(|e| e.to_string())?;
            Ok(found.into_iter().map(|i| (i.id.to_string(), i.updated.to_string())).collect())
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        ticket: &'a str,
        entry: &'a Entry,
        _mark: &'a str,
        _again: bool,
    ) -> BoxFuture<'a, Result<String, String>> {
        self.put(ticket, entry).boxed()
    }

    fn mail<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> Option<BoxFuture<'a, Result<String, String>>> {
        None
    }

    fn test(&self) -> BoxFuture<'_, Result<String, String>> {
        async { Ok("It is built in.".into()) }.boxed()
    }
}
