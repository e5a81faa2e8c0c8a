//! An archive for tests, over sessions on a database in memory.

use std::{path::Path, sync::Arc};

use live_sessions::SessionRegistry;
use protocol::Timestamp;

use crate::{Archive, RecordingStore, Sealing};

/// An archive of these sessions in a folder.
pub fn archive(folder: &Path, sessions: Arc<SessionRegistry>) -> Arc<Archive> {
    let services = &sessions.services;
    Arc::new(Archive {
        db: services.db.clone(),
        data: folder.to_owned(),
        disk: services.recordings.disk.clone(),
        vault: services.recordings.vault.clone(),
        sealing: Sealing::open(&platform::paths::sealing_keys(folder), Timestamp(1))
            .expect("the folder can be written"),
        recording_store: RecordingStore::Folder,
        settings: services.policy.settings.clone(),
        storing: std::sync::Mutex::default(),
        unfinished: crate::Unfinished::default(),
        sessions,
    })
}
