//! A copy of the database from before an upgrade, for those who must go back to the older program.
//!
//! It contains everything the database contained, including what is deleted afterwards. That is why there is at most
//! one, and why it is removed after a week.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use platform::disk::free_bytes;
use protocol::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

/// How long a copy is kept.
pub const LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// How many bytes must stay free after the copy and the migrations.
const RESERVE: u64 = 256 * 1024 * 1024;

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotCopied {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    File(#[from] io::Error),
}

/// The path of this database's copy.
pub fn path(database: &Path) -> PathBuf {
    beside(database, ".before-upgrade")
}

/// Removes the copy if it is older than a week. Called at the start of the program, and regularly while a server runs.
pub fn remove_expired(database: &Path, now: Timestamp) -> io::Result<()> {
    let copy = path(database);
    let Ok(made) = fs::metadata(&copy).and_then(|about| about.modified()) else { return Ok(()) };
    let until = made.duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_millis(LIFE_MS);
    if Duration::from_millis(now.0) < until {
        return Ok(());
    }
    remove(&copy)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies the database, replacing an earlier copy. With too little disk space it makes none, and logs that.
pub(crate) async fn make(db: &DatabaseConnection, database: &Path) -> Result<(), NotCopied> {
    let folder = database.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let size = size(db).await?;
    if !fits(size, free_bytes(folder)) {
        tracing::warn!(size, "database not copied before its upgrade: too little free disk space");
        return Ok(remove(&path(database))?);
    }
    let part = beside(database, ".before-upgrade.part");
    let made = write(db, &part).await.and_then(|()| {
        fs::rename(&part, path(database))?;
        Ok(File::open(folder)?.sync_all()?)
    });
    if made.is_err() {
        let _ = fs::remove_file(&part);
    }
    made
}

/// Whether a database of `size` bytes fits twice: as the copy, and as what migrations write at most.
fn fits(size: u64, free: u64) -> bool {
    free >= size.saturating_mul(2).saturating_add(RESERVE)
}

async fn size(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let sql = "SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let size: i64 = row.map_or(Ok(0), |row| row.try_get("", "size"))?;
    Ok(size.unsigned_abs())
}

async fn write(db: &DatabaseConnection, part: &Path) -> Result<(), NotCopied> {
    // SQLite writes into an existing empty file, whose mode keeps others from reading it from the start.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
    let values = [part.to_string_lossy().into_owned().into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), "VACUUM INTO ?", values)).await?;
    Ok(file.sync_all()?)
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    database.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_removed_after_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("deskside.sqlite");
        let copy = path(&database);
        remove_expired(&database, Timestamp(u64::MAX)).expect("without a copy there is nothing to do");
        fs::write(&copy, "a copy").unwrap();
        let made = UNIX_EPOCH + Duration::from_millis(1_793_001_600_000);
        File::options().write(true).open(&copy).unwrap().set_modified(made).unwrap();
        for (now, stays) in [(0, true), (LIFE_MS - 1, true), (LIFE_MS, false)] {
            remove_expired(&database, Timestamp(1_793_001_600_000 + now)).unwrap();
            assert_eq!(copy.exists(), stays, "{now}");
        }
    }

    #[test]
    fn a_copy_is_made_only_if_copy_and_upgrade_fit() {
        for (size, free, expected) in [
            (0, RESERVE, true),
            (0, RESERVE - 1, false),
            (1_000, RESERVE + 2_000, true),
            (1_000, RESERVE + 1_999, false),
            (u64::MAX, u64::MAX - 1, false),
        ] {
            assert_eq!(fits(size, free), expected, "{size} {free}");
        }
    }
}
