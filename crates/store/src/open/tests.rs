//! Upgrades with migrations made for these tests, and databases that cannot be opened.

use std::{fs, path::PathBuf};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};
use tempfile::TempDir;

use super::*;
use crate::migrations::{Applied, begin};

const FIRST: Migration =
    Migration { number: 1, name: "first", apply: |db| sql(db, "CREATE TABLE note (text varchar NOT NULL)") };
const SECOND: Migration =
    Migration { number: 2, name: "second", apply: |db| sql(db, "ALTER TABLE note ADD COLUMN at integer") };
const THIRD: Migration =
    Migration { number: 3, name: "third", apply: |db| sql(db, "ALTER TABLE note ADD COLUMN by integer") };
/// Changes the database before it fails.
const FAILING: Migration =
    Migration { number: 4, name: "fourth", apply: |db| sql(db, "DELETE FROM note; INSERT INTO nowhere VALUES (1)") };

const ONE: &[Migration] = &[FIRST];
const TWO: &[Migration] = &[FIRST, SECOND];

fn sql<'a>(db: &'a sea_orm::DatabaseTransaction, sql: &'static str) -> Applied<'a> {
    Box::pin(async move { db.execute_unprepared(sql).await.map(drop) })
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deskside.sqlite");
    (folder, path)
}

async fn open_by(path: &Path, migrations: &[Migration]) -> Result<DatabaseConnection, OpenError> {
    open_with(path, migrations, Duration::ZERO).await
}

/// A database of version 1 with a row.
async fn version_one(path: &Path) {
    let db = open_by(path, ONE).await.unwrap();
    db.execute_unprepared("INSERT INTO note VALUES ('hello')").await.unwrap();
    db.close().await.unwrap();
}

async fn count(db: &DatabaseConnection, rows: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {rows}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

fn failure(result: Result<DatabaseConnection, OpenError>) -> String {
    let mut error: &dyn std::error::Error = &result.unwrap_err();
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}

#[test]
fn migrations_are_numbered_from_1_without_gaps_and_have_names_of_their_own() {
    let numbers: Vec<_> = migrations::ALL.iter().map(|m| m.number).collect();
    assert_eq!(numbers, (1..=migrations::SCHEMA_VERSION).collect::<Vec<_>>());
    let names: std::collections::BTreeSet<_> = migrations::ALL.iter().map(|m| m.name).collect();
    assert_eq!(names.len(), numbers.len());
}

/// Tables, columns and indexes as text.
async fn schema(db: &DatabaseConnection) -> Vec<String> {
    let sql = "SELECT t.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk \
               FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name <> 'schema_version' \
               UNION ALL SELECT name || ' ' || coalesce(sql, 'of its table') FROM sqlite_master WHERE type = 'index' \
               ORDER BY 1";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn the_first_migration_creates_the_schema_of_the_version_before() {
    let (_folder, path) = folder();
    let before = connect(&path, Duration::ZERO).await.unwrap();
    before.execute_unprepared(include_str!("../../tests/data/before.sql")).await.unwrap();
    let (_folder, path) = self::folder();
    let made = open_by(&path, &migrations::ALL[..1]).await.unwrap();
    assert_eq!(schema(&made).await, schema(&before).await);
}

#[tokio::test]
async fn a_database_gets_the_migrations_that_it_lacks_once_and_keeps_its_rows() {
    let (_folder, path) = folder();
    version_one(&path).await;
    for _ in 0..2 {
        let db = open_by(&path, TWO).await.unwrap();
        assert_eq!(count(&db, "note WHERE text = 'hello' AND at IS NULL").await, 1);
        let applied = "schema_version WHERE number IN (1, 2) AND name IN ('first', 'second') AND applied > 0";
        assert_eq!(count(&db, applied).await, 2);
        assert_eq!(count(&db, "schema_version").await, 2);
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_upgrade_names_its_migration_and_undoes_those_before_it() {
    let (_folder, path) = folder();
    version_one(&path).await;
    let said = failure(open_by(&path, &[FIRST, SECOND, THIRD, FAILING]).await);
    assert!(said.contains("migration 4 (fourth)") && said.contains("as it was"), "{said}");
    assert!(said.contains("no such table: nowhere"), "{said}");
    // The older program opens it, and nothing is missing.
    let db = open_by(&path, ONE).await.unwrap();
    assert_eq!(count(&db, "note WHERE text = 'hello'").await, 1);
    assert_eq!(count(&db, "pragma_table_info('note')").await, 1);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_untouched() {
    let (folder, path) = folder();
    open_by(&path, TWO).await.unwrap().close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let said = failure(open_by(&path, ONE).await);
    for words in ["has version 2", "knows versions up to 1", "start the newer program", "restore the backup"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_database_of_another_branch_is_refused() {
    let (_folder, path) = folder();
    open_by(&path, TWO).await.unwrap().close().await.unwrap();
    let other = [FIRST, Migration { name: "other", ..SECOND }];
    let said = failure(open_by(&path, &other).await);
    assert!(said.contains("migration 2") && said.contains("is called second") && said.contains("other"), "{said}");
}

#[tokio::test]
async fn programs_that_start_at_the_same_moment_upgrade_once() {
    let (_folder, path) = folder();
    version_one(&path).await;
    let busy_timeout = Duration::from_secs(60);
    let (one, other) = tokio::join!(open_with(&path, TWO, busy_timeout), open_with(&path, TWO, busy_timeout));
    assert_eq!(count(&one.unwrap(), "schema_version").await, 2);
    assert_eq!(count(&other.unwrap(), "note").await, 1);
}

#[tokio::test]
async fn an_upgrade_leaves_a_copy_that_the_older_program_opens() {
    let (_folder, path) = folder();
    version_one(&path).await;
    let copy = upgrade_copy::path(&path);
    open_by(&path, ONE).await.unwrap().close().await.unwrap();
    assert!(!copy.exists(), "nothing was pending");
    fs::write(&copy, "an earlier copy").unwrap();
    open_by(&path, TWO).await.unwrap().close().await.unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions()) & 0o777, 0o600);
    let db = open_by(&copy, ONE).await.unwrap();
    assert_eq!(count(&db, "note WHERE text = 'hello'").await, 1);
}

#[tokio::test]
async fn a_new_database_and_one_without_numbers_leave_no_copy() {
    let (_folder, path) = folder();
    open_by(&path, TWO).await.unwrap().close().await.unwrap();
    assert!(!upgrade_copy::path(&path).exists());
    let (_folder, path) = self::folder();
    let db = connect(&path, Duration::ZERO).await.unwrap();
    db.execute_unprepared("CREATE TABLE other (id integer)").await.unwrap();
    db.close().await.unwrap();
    open_by(&path, ONE).await.unwrap().close().await.unwrap();
    assert!(!upgrade_copy::path(&path).exists());
}

#[tokio::test]
async fn a_database_that_another_process_writes_is_reported_as_locked() {
    let (_folder, path) = folder();
    version_one(&path).await;
    let db = open_by(&path, ONE).await.unwrap();
    let writing = begin(&db).await.unwrap();
    let said = failure(open_by(&path, TWO).await);
    assert!(said.contains("locked by another process"), "{said}");
    writing.rollback().await.unwrap();
    assert!(open_by(&path, TWO).await.is_ok());
}

#[tokio::test]
async fn a_database_that_another_process_has_locked_is_reported_as_locked() {
    let (_folder, path) = folder();
    version_one(&path).await;
    let db = connect(&path, Duration::ZERO).await.unwrap();
    let transaction = db.begin().await.unwrap();
    transaction.execute_unprepared("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO note VALUES ('mine')").await.unwrap();
    let said = failure(open_by(&path, ONE).await);
    assert!(said.contains("locked by another process"), "{said}");
}
