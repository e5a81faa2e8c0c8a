//! What is no database, or cannot be used as one, is refused with words that say what to do.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use store::OpenError;

use crate::fixture::{BEFORE, files, folder};

/// A folder in which nobody creates files, whatever their rights.
const NOBODY_WRITES: &str = "/proc/self";

async fn refusal(path: &Path) -> OpenError {
    let error = store::open(path).await.expect_err("it cannot be opened");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deskside.sqlite");
    for bytes in [&b"no database"[..], &[0xff; 8192]] {
        fs::write(&path, bytes).unwrap();
        let error = refusal(&path).await;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_database_with_a_torn_page_is_refused() {
    let (_folder, path) = folder(BEFORE).await;
    let mut bytes = fs::read(&path).unwrap();
    // The list of tables, behind the header of 100 bytes.
    bytes[100..4096].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = refusal(&path).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_missing_or_not_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for path in ["missing/deskside.sqlite", "file/deskside.sqlite", "folder"] {
        let error = refusal(&folder.path().join(path)).await;
        assert!(matches!(error, OpenError::Inaccessible { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let error = refusal(&Path::new(NOBODY_WRITES).join("deskside.sqlite")).await;
    assert!(matches!(error, OpenError::Inaccessible { .. }), "{error}");
    let (folder, path) = folder(BEFORE).await;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path().join("other"), "").is_err() {
        let error = refusal(&path).await;
        assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused() {
    let (folder, path) = folder(BEFORE).await;
    // With a migration pending, and with none.
    for upgraded in [false, true] {
        if upgraded {
            store::open(&path).await.unwrap().close().await.unwrap();
        }
        let before = files(folder.path());
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        // An administrator writes to it nevertheless, and then there is nothing to refuse.
        if fs::File::options().write(true).open(&path).is_ok() {
            return;
        }
        for mode in [0o755, 0o555] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let error = refusal(&path).await;
            assert!(matches!(error, OpenError::ReadOnly { .. }), "{mode:o}: {error}");
        }
        assert!(files(folder.path()) == before);
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }
}

#[tokio::test]
async fn a_name_with_characters_of_urls_is_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of #1? yes.sqlite");
    store::open(&path).await.unwrap().close().await.unwrap();
    assert!(path.exists());
}
