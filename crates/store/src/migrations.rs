//! Numbered migrations: how the database got its tables, step by step. Forward only; a step that was released is never
//! changed. CONTRIBUTING.md says how to add one.

mod m0001_initial;
mod m0002_session_people;
mod m0003_teams_by_number;

use std::pin::Pin;

use platform::clock;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use crate::stored_time;

/// Every migration, in order.
pub(crate) const ALL: &[Migration] =
    &[m0001_initial::MIGRATION, m0002_session_people::MIGRATION, m0003_teams_by_number::MIGRATION];

/// The version of the database that this program makes and reads: the number of the last migration.
pub const SCHEMA_VERSION: u32 = newest(ALL);

/// Which migrations were applied, and when.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    number integer NOT NULL PRIMARY KEY,
    name varchar NOT NULL,
    applied integer NOT NULL
)";

/// A step from one version of the database to the next.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// The version that it leads to: one more than the migration before it.
    pub(crate) number: u32,
    /// What it changes, for people who read logs.
    pub(crate) name: &'static str,
    pub(crate) apply: Apply,
}

/// What a migration does. It runs in a transaction, and must not begin or end one.
pub(crate) type Apply = for<'a> fn(&'a DatabaseTransaction) -> Applied<'a>;

pub(crate) type Applied<'a> = Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;

/// Why a database was not brought to the newest version. It is as it was.
#[derive(Debug)]
pub(crate) enum NotMigrated {
    /// It has this version, which the program does not know.
    Newer(u32),
    /// A migration of that number was applied, by another name.
    Diverged { number: u32, applied: String, known: &'static str },
    /// This migration failed.
    Failed { number: u32, name: &'static str, source: DbErr },
    /// It cannot be read or written at all.
    Database(DbErr),
}

impl From<DbErr> for NotMigrated {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// The version that they lead to.
pub(crate) const fn newest(migrations: &[Migration]) -> u32 {
    match migrations.last() {
        Some(last) => last.number,
        None => 0,
    }
}

/// The migrations that this database lacks. Only reads.
pub(crate) async fn pending<'m>(
    db: &impl ConnectionTrait,
    migrations: &'m [Migration],
) -> Result<&'m [Migration], NotMigrated> {
    let applied = applied(db).await?;
    let version = applied.last().map_or(0, |(number, _)| *number);
    if version > newest(migrations) {
        return Err(NotMigrated::Newer(version));
    }
    for (number, name) in applied {
        if let Some(known) = migrations.iter().find(|m| m.number == number).map(|m| m.name).filter(|n| *n != name) {
            return Err(NotMigrated::Diverged { number, applied: name, known });
        }
    }
    let first = migrations.iter().position(|m| m.number > version).unwrap_or(migrations.len());
    Ok(&migrations[first..])
}

/// Numbers and names of the migrations that were applied. None in a database of a version without numbers.
async fn applied(db: &impl ConnectionTrait) -> Result<Vec<(u32, String)>, DbErr> {
    let backend = db.get_database_backend();
    let table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
    if db.query_one_raw(Statement::from_string(backend, table)).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = "SELECT number, name FROM schema_version ORDER BY number";
    let rows = db.query_all_raw(Statement::from_string(backend, rows)).await?;
    rows.iter().map(|row| Ok((row.try_get("", "number")?, row.try_get("", "name")?))).collect()
}

/// Begins the transaction in which a database is upgraded: all of it, or nothing.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    // Immediate: of two programs that start at the same moment, one waits and then finds nothing pending.
    let immediate = Some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions { sqlite_transaction_mode: immediate, ..Default::default() }).await
}

/// Applies them in their order.
pub(crate) async fn apply(db: &DatabaseTransaction, pending: &[Migration]) -> Result<(), NotMigrated> {
    for migration in pending {
        let Migration { number, name, .. } = *migration;
        apply_one(db, migration).await.map_err(|source| NotMigrated::Failed { number, name, source })?;
    }
    Ok(())
}

async fn apply_one(db: &DatabaseTransaction, migration: &Migration) -> Result<(), DbErr> {
    (migration.apply)(db).await?;
    db.execute_unprepared(TABLE).await?;
    let sql = "INSERT INTO schema_version (number, name, applied) VALUES (?, ?, ?)";
    let values = [migration.number.into(), migration.name.into(), stored_time(clock::now()).into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(drop)
}

/// A database for tests of this crate.
#[cfg(test)]
pub(crate) async fn in_memory() -> DatabaseConnection {
    let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
    let transaction = begin(&db).await.unwrap();
    apply(&transaction, ALL).await.unwrap();
    transaction.commit().await.unwrap();
    db
}
