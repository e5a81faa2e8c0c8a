//! The database. One file of tables; the questions stand beside whoever asks them.

mod folded;
pub mod people;
pub mod secrets;
pub mod setting;
pub mod settings;
pub mod tables;
pub mod transcript_fts;

pub use folded::holds;

use std::path::Path;

use anyhow::Context;
use protocol::Timestamp;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityTrait, Schema, Statement};

use tables::*;

/// A time as the database keeps it: milliseconds since 1970 UTC.
pub fn stored_time(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// Opens the database, and makes the tables that are missing.
pub async fn open(path: &Path) -> anyhow::Result<DatabaseConnection> {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|options| {
        use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        // FULL: what a participant was told is on the disk even after a power cut.
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        // What is deleted or written over is not left in the file.
        options.pragma("secure_delete", "ON")
    });
    let db = Database::connect(options).await.with_context(|| format!("cannot open {}", path.display()))?;
    create(&db, user::Entity).await?;
    create(&db, login::Entity).await?;
    create(&db, passkey::Entity).await?;
    create(&db, customer::Entity).await?;
    create(&db, incident::Entity).await?;
    create(&db, journal::Entity).await?;
    create(&db, session_row::Entity).await?;
    create(&db, event_row::Entity).await?;
    create(&db, seal_row::Entity).await?;
    create(&db, session_history::Entity).await?;
    create(&db, tombstone_row::Entity).await?;
    create(&db, admission::Entity).await?;
    create(&db, mail_row::Entity).await?;
    create(&db, received_mail::Entity).await?;
    create(&db, tables::setting::Entity).await?;
    create(&db, message_template::Entity).await?;
    create(&db, expert::Entity).await?;
    create(&db, team::Entity).await?;
    create(&db, api_account::Entity).await?;
    create(&db, api_token::Entity).await?;
    create(&db, answered::Entity).await?;
    create(&db, receiver::Entity).await?;
    create(&db, delivery::Entity).await?;
    for (table, column, kind) in LATER {
        add_column(&db, table, column, kind).await?;
    }
    transcript_fts::create(&db).await?;
    folded::fill(&db).await?;
    for index in INDEXES {
        db.execute_unprepared(&format!("CREATE {index}")).await?;
    }
    Ok(db)
}

/// What is looked for often.
const INDEXES: [&str; 7] = [
    // Whoever else writes to this database can never double an entry.
    "UNIQUE INDEX IF NOT EXISTS event_once ON event (session, seq)",
    "INDEX IF NOT EXISTS customer_address ON customer (address)",
    "INDEX IF NOT EXISTS delivery_waiting ON delivery (receiver, state)",
    "INDEX IF NOT EXISTS incident_ticket ON incident (desk, ticket)",
    "INDEX IF NOT EXISTS journal_incident ON journal (incident)",
    "INDEX IF NOT EXISTS mail_name ON mail (name)",
    "INDEX IF NOT EXISTS session_incident ON session (incident)",
];

/// Columns that tables have got since they were first made, with what they hold for older rows.
const LATER: [(&str, &str, &str); 23] = [
    ("user", "may_watch", "boolean NOT NULL DEFAULT true"),
    ("user", "may_export", "boolean NOT NULL DEFAULT false"),
    ("user", "may_delete", "boolean NOT NULL DEFAULT false"),
    ("user", "reach", "varchar NOT NULL DEFAULT 'team'"),
    ("user", "external", "varchar NOT NULL DEFAULT ''"),
    ("user", "totp", "varchar NOT NULL DEFAULT ''"),
    ("user", "totp_step", "bigint NOT NULL DEFAULT 0"),
    ("user", "recovery", "varchar NOT NULL DEFAULT ''"),
    ("user", "role", "integer NOT NULL DEFAULT 0"),
    ("login", "confirmed", "bigint NOT NULL DEFAULT 0"),
    ("user", "email_language", "varchar"),
    ("incident", "stamp", "varchar NOT NULL DEFAULT ''"),
    ("mail", "name", "varchar NOT NULL DEFAULT ''"),
    ("mail", "author", "integer NOT NULL DEFAULT 0"),
    ("mail", "sealed", "text NOT NULL DEFAULT ''"),
    ("incident", "kind", "varchar NOT NULL DEFAULT ''"),
    ("incident", "desk", "varchar NOT NULL DEFAULT ''"),
    ("incident", "ticket", "varchar NOT NULL DEFAULT ''"),
    ("incident", "search", "text"),
    ("customer", "address", "varchar"),
    ("customer", "search", "text"),
    ("past", "people_by_role", "boolean NOT NULL DEFAULT false"),
    ("tombstone", "standing", "text NOT NULL DEFAULT ''"),
];

async fn add_column(db: &DatabaseConnection, table: &str, column: &str, kind: &str) -> anyhow::Result<()> {
    let sql = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?";
    let asked = Statement::from_sql_and_values(db.get_database_backend(), sql, [table.into(), column.into()]);
    if db.query_one_raw(asked).await?.is_none() {
        db.execute_unprepared(&format!("ALTER TABLE \"{table}\" ADD COLUMN {column} {kind}")).await?;
    }
    Ok(())
}

async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) -> anyhow::Result<()> {
    let mut table = Schema::new(db.get_database_backend()).create_table_from_entity(entity);
    db.execute(table.if_not_exists()).await?;
    Ok(())
}
