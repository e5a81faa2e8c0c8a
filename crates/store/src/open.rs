//! Opens the database.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use platform::clock;
use rustix::fs::Access;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, RuntimeErr, Statement,
    sqlx::{self, sqlite::SqliteSynchronous},
};

use crate::{
    migrations::{self, Migration, NotMigrated},
    upgrade_copy::{self, NotCopied},
};

/// How long to wait while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a database cannot be opened. It was not changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("{} is not a database: restore it from a backup", .path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} is damaged: restore it from a backup", .path.display())]
    Damaged { path: PathBuf, source: DbErr },
    #[error("{} is locked by another process: end the program that uses it, such as a second server", .path.display())]
    Locked { path: PathBuf },
    #[error("cannot write {}: check who owns the file and its folder, and whether the disk is read-only", .path.display())]
    ReadOnly { path: PathBuf },
    #[error("cannot open or create {}: check that its folder exists and that the server's user may write to it", .path.display())]
    Inaccessible { path: PathBuf },
    #[error("cannot open {}: the disk is full", .path.display())]
    DiskFull { path: PathBuf },
    #[error(
        "{} has version {found}, and this program knows versions up to {known}: start the newer program again, or restore the backup from before its upgrade",
        .path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "migration {number} of {} is called {applied}, and this program's is called {known}: the database belongs to another program",
        .path.display()
    )]
    Diverged { path: PathBuf, number: u32, applied: String, known: &'static str },
    #[error("migration {number} ({name}) of {} failed; the database is as it was", .path.display())]
    Migration { path: PathBuf, number: u32, name: &'static str, source: DbErr },
    #[error("cannot copy {} before its upgrade; the database is as it was", .path.display())]
    Copy { path: PathBuf, source: std::io::Error },
    #[error("cannot open {}", .path.display())]
    Other { path: PathBuf, source: DbErr },
}

/// Opens the database, creates it if it is missing, and upgrades it to the version that this program knows.
pub async fn open(path: &Path) -> Result<DatabaseConnection, OpenError> {
    open_with(path, migrations::ALL, BUSY_TIMEOUT).await
}

/// A database in memory, for tests.
pub async fn open_in_memory() -> Result<DatabaseConnection, OpenError> {
    let path = Path::new(":memory:");
    let mut options = ConnectOptions::new("sqlite::memory:");
    // Each connection would have a database of its own.
    options.max_connections(1).sqlx_logging(false);
    let database = |error| database_error(path, error);
    let db = Database::connect(options).await.map_err(database)?;
    let transaction = migrations::begin(&db).await.map_err(database)?;
    let applied = migrations::apply(&transaction, migrations::ALL).await;
    applied.map_err(|error| migration_error(path, migrations::ALL, error))?;
    transaction.commit().await.map_err(database)?;
    Ok(db)
}

pub(crate) async fn open_with(
    path: &Path,
    migrations: &[Migration],
    busy_timeout: Duration,
) -> Result<DatabaseConnection, OpenError> {
    // SQLite would open a read-only file, and leave read-only files beside it.
    if path.exists() && rustix::fs::access(path, Access::WRITE_OK).is_err() {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    let db = connect(path, busy_timeout).await.map_err(|error| database_error(path, error))?;
    match prepare(&db, path, migrations).await {
        Ok(()) => Ok(db),
        Err(error) => {
            // The first error matters more than one from closing.
            let _ = db.close().await;
            Err(error)
        }
    }
}

async fn connect(path: &Path, busy_timeout: Duration) -> Result<DatabaseConnection, DbErr> {
    // Passed as a path, because some characters have a meaning in a URL.
    let mut options = ConnectOptions::new("sqlite://");
    options.max_connections(4).sqlx_logging(false);
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |options| {
        let options = options.filename(&path).create_if_missing(true).busy_timeout(busy_timeout);
        // FULL: what a participant was told survives a power cut. Deleted and overwritten data is not left in the file.
        options.synchronous(SqliteSynchronous::Full).pragma("secure_delete", "ON")
    });
    Database::connect(options).await
}

async fn prepare(db: &DatabaseConnection, path: &Path, migrations: &[Migration]) -> Result<(), OpenError> {
    let database = |error| database_error(path, error);
    let migration = |error| migration_error(path, migrations, error);
    // Refused before anything is written.
    migrations::pending(db, migrations).await.map_err(migration)?;
    // The mode persists. As a connection option it would also change a database that is refused.
    db.execute_unprepared("PRAGMA journal_mode = WAL").await.map_err(database)?;
    if let Err(error) = upgrade_copy::remove_expired(path, clock::now()) {
        tracing::warn!(%error, "copy from before an upgrade not removed");
    }
    let transaction = migrations::begin(db).await.map_err(database)?;
    let pending = migrations::pending(&transaction, migrations).await.map_err(migration)?;
    // The first migration only adds: the program before it still reads the database.
    let changes = pending.iter().any(|migration| migration.number > 1);
    if changes && !is_new(&transaction).await.map_err(database)? {
        // On another connection, while this transaction keeps everybody else from writing.
        upgrade_copy::make(db, path).await.map_err(|error| copy_error(path, error))?;
    }
    migrations::apply(&transaction, pending).await.map_err(migration)?;
    transaction.commit().await.map_err(database)?;
    for Migration { number, name, .. } in pending {
        tracing::info!(number, name, "database migrated");
    }
    Ok(())
}

/// Whether the database is empty.
async fn is_new(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM sqlite_master LIMIT 1";
    Ok(db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.is_none())
}

fn migration_error(database: &Path, migrations: &[Migration], error: NotMigrated) -> OpenError {
    let path = database.to_owned();
    match error {
        NotMigrated::Newer(found) => OpenError::Newer { path, found, known: migrations::newest(migrations) },
        NotMigrated::Diverged { number, applied, known } => OpenError::Diverged { path, number, applied, known },
        NotMigrated::Failed { number, name, source } => OpenError::Migration { path, number, name, source },
        NotMigrated::Database(error) => database_error(database, error),
    }
}

fn copy_error(database: &Path, error: NotCopied) -> OpenError {
    match error {
        NotCopied::Database(error) => database_error(database, error),
        NotCopied::File(source) => OpenError::Copy { path: database.to_owned(), source },
    }
}

fn database_error(path: &Path, source: DbErr) -> OpenError {
    let path = path.to_owned();
    // The low byte is SQLite's primary result code.
    match sqlite_code(&source).map(|code| code & 0xff) {
        Some(5 | 6) => OpenError::Locked { path },
        Some(8) => OpenError::ReadOnly { path },
        Some(11) => OpenError::Damaged { path, source },
        Some(13) => OpenError::DiskFull { path },
        Some(14) => OpenError::Inaccessible { path },
        Some(26) => OpenError::NotADatabase { path },
        _ => OpenError::Other { path, source },
    }
}

fn sqlite_code(error: &DbErr) -> Option<u32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    match &**error {
        sqlx::Error::Database(error) => error.code()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
