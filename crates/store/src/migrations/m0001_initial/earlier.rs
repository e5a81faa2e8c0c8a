//! Databases of versions without numbers: columns and texts that they lack. Everything here finds by itself whether there
//! is something to do, because such a database does not say how old it is.

use platform::text::{address, fold::fold};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};

use crate::transcript_fts;

/// Columns that tables had got since they were first made, with what they hold for older rows.
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

/// So many rows are read at once.
const BATCH: u32 = 500;

/// Adds what is missing.
pub(super) async fn adopt(db: &DatabaseTransaction) -> Result<(), DbErr> {
    for (table, column, kind) in LATER {
        add_column(db, table, column, kind).await?;
    }
    fold_customers(db).await?;
    fold_incidents(db).await?;
    take_over_words(db).await
}

async fn add_column(db: &DatabaseTransaction, table: &str, column: &str, kind: &str) -> Result<(), DbErr> {
    let found = rows(db, "SELECT 1 FROM pragma_table_info(?) WHERE name = ?", [table.into(), column.into()]).await?;
    if found.is_empty() {
        db.execute_unprepared(&format!("ALTER TABLE \"{table}\" ADD COLUMN {column} {kind}")).await?;
    }
    Ok(())
}

/// Writes the columns in which searches look for customers.
async fn fold_customers(db: &DatabaseTransaction) -> Result<(), DbErr> {
    let missing = "SELECT id, name, email, company FROM customer WHERE search IS NULL OR address IS NULL LIMIT ?";
    loop {
        let rows = rows(db, missing, [BATCH.into()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let [name, email, company] = texts(&row, ["name", "email", "company"])?;
            let search = fold(&format!("{name}\n{email}\n{company}"));
            let values = [address::canonical(&email).into(), search.into(), row.try_get::<i32>("", "id")?.into()];
            execute(db, "UPDATE customer SET address = ?, search = ? WHERE id = ?", values).await?;
        }
    }
}

/// Writes the column in which searches look for incidents.
async fn fold_incidents(db: &DatabaseTransaction) -> Result<(), DbErr> {
    let missing = "SELECT id, subject, description, ticket FROM incident WHERE search IS NULL LIMIT ?";
    loop {
        let rows = rows(db, missing, [BATCH.into()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let search = fold(&texts(&row, ["subject", "description", "ticket"])?.join("\n"));
            let values = [search.into(), row.try_get::<i32>("", "id")?.into()];
            execute(db, "UPDATE incident SET search = ? WHERE id = ?", values).await?;
        }
    }
}

/// Moves the lines of an older full-text table into today's.
async fn take_over_words(db: &DatabaseTransaction) -> Result<(), DbErr> {
    if rows(db, "SELECT 1 FROM sqlite_master WHERE name = 'words'", []).await?.is_empty() {
        return Ok(());
    }
    let lines = "SELECT rowid AS id, session, at, who, text FROM words WHERE rowid > ? ORDER BY rowid LIMIT ?";
    let mut last: i64 = 0;
    loop {
        let rows = rows(db, lines, [last.into(), BATCH.into()]).await?;
        if rows.is_empty() {
            return db.execute_unprepared("DROP TABLE words").await.map(drop);
        }
        for row in rows {
            last = row.try_get("", "id")?;
            let at: i64 = row.try_get("", "at")?;
            let [session, who, shown] = texts(&row, ["session", "who", "text"])?;
            let text = transcript_fts::searchable(&shown);
            let values = [session.into(), at.into(), who.into(), shown.into(), text.into()];
            let insert = "INSERT INTO transcript_fts (session, at, who, shown, text) VALUES (?, ?, ?, ?, ?)";
            execute(db, insert, values).await?;
        }
    }
}

fn texts<const N: usize>(row: &QueryResult, columns: [&str; N]) -> Result<[String; N], DbErr> {
    let mut texts = [const { String::new() }; N];
    for (text, column) in texts.iter_mut().zip(columns) {
        *text = row.try_get("", column)?;
    }
    Ok(texts)
}

async fn rows<const N: usize>(
    db: &DatabaseTransaction,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await
}

async fn execute<const N: usize>(db: &DatabaseTransaction, sql: &str, values: [Value; N]) -> Result<(), DbErr> {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.map(drop)
}
