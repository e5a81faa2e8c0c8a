//! Timelines in the database: entries chained by hashes.

use anyhow::Context;
use protocol::{Entry, SessionId, Timestamp};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use session::{GENESIS, Stored};
use store::tables::event_row;

/// Reads a session's timeline and verifies its chain. Returns its entries and the last hash.
pub async fn checked(db: &DatabaseConnection, id: &SessionId) -> anyhow::Result<(Vec<Entry>, session::Link)> {
    let stored = stored(db, id).await?;
    let hash = stored.last().map_or(GENESIS, |s| s.hash);
    Ok((read_back(id, &stored)?, hash))
}

/// Verifies the chain of a stored timeline, and returns its entries.
pub fn read_back(id: &SessionId, stored: &[Stored]) -> anyhow::Result<Vec<Entry>> {
    let events = session::verify(id, stored)?;
    Ok((1..).zip(events).map(|(seq, (at, event))| Entry { seq, at, event }).collect())
}

/// Reads a session's timeline without verifying it.
pub async fn stored(db: &DatabaseConnection, id: &SessionId) -> anyhow::Result<Vec<Stored>> {
    let rows = event_row::Entity::find()
        .filter(event_row::Column::Session.eq(id.as_str()))
        .order_by_asc(event_row::Column::Seq)
        .all(db)
        .await?;
    rows.into_iter().map(link).collect()
}

fn link(row: event_row::Model) -> anyhow::Result<Stored> {
    let hash = evidence::unhex(&row.hash).context("invalid hash in the database")?;
    Ok(Stored { seq: row.seq.cast_unsigned(), at: Timestamp(row.at.cast_unsigned()), body: row.body, hash })
}
