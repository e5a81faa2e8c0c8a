//! 1: the tables as they were when migrations got numbers. Brings databases of earlier versions to the same state.

mod earlier;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::Migration;

pub(super) const MIGRATION: Migration = Migration { number: 1, name: "initial", apply: |db| Box::pin(apply(db)) };

async fn apply(db: &DatabaseTransaction) -> Result<(), DbErr> {
    db.execute_unprepared(include_str!("m0001_initial/tables.sql")).await?;
    earlier::adopt(db).await?;
    db.execute_unprepared(include_str!("m0001_initial/indexes.sql")).await?;
    Ok(())
}
