//! Sessions for tests, on a database in memory and without receivers.

use std::{path::Path, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use platform::{disk::Disk, identity::Identity, paths, vault::Vault};
use protocol::{Client, Entry, IncidentRef, Role, UserRef};
use sea_orm::{DatabaseTransaction, DbErr};
use session::{Actor, Command, Session};
use store::{setting::Current, settings::Settings};

use crate::{
    Listener, LiveSession, Services, SessionRegistry,
    recorder::RecordingPlace,
    rules::{DefaultPolicy, Rules},
};

/// A listener that ignores everything.
struct NoListener;

impl Listener for NoListener {
    fn enqueue<'a>(
        &'a self,
        _: &'a DatabaseTransaction,
        _: &'a Session,
        _: &'a [Entry],
    ) -> BoxFuture<'a, Result<bool, DbErr>> {
        async { Ok(false) }.boxed()
    }

    fn wake(&self) {}
}

/// A registry without sessions. Keys and files are stored in the folder.
pub async fn registry(folder: &Path) -> Arc<SessionRegistry> {
    let settings = Arc::new(Current::from(Settings::default()));
    let recordings = RecordingPlace {
        data: folder.to_owned(),
        disk: Disk::new(folder.to_owned(), 0),
        vault: Arc::new(Vault::open(&paths::vault(folder)).expect("folder is writable")),
    };
    SessionRegistry::new(Services {
        db: store::open_in_memory().await.expect("in-memory database opens"),
        recordings,
        identity: Arc::new(Identity::open(&paths::identity(folder)).expect("folder is writable")),
        policy: Arc::new(DefaultPolicy { settings, grace_ms: 3_600_000, hold_ms: 3_600_000 }),
        rules: Arc::new(Current::from(Rules::default())),
        listener: Arc::new(NoListener),
        behind_proxy: false,
    })
}

/// The registry after a restart of its server, before sessions are loaded.
pub fn restarted(sessions: &SessionRegistry) -> Arc<SessionRegistry> {
    let before = &sessions.services;
    let data = before.recordings.data.clone();
    let recordings = RecordingPlace { disk: Disk::new(data.clone(), 0), vault: before.recordings.vault.clone(), data };
    SessionRegistry::new(Services {
        db: before.db.clone(),
        recordings,
        identity: before.identity.clone(),
        policy: before.policy.clone(),
        rules: before.rules.clone(),
        listener: before.listener.clone(),
        behind_proxy: before.behind_proxy,
    })
}

/// A session that a customer has joined with the support program.
pub async fn joined(sessions: &Arc<SessionRegistry>) -> Arc<LiveSession> {
    let customer = "Ada".to_owned();
    let about = IncidentRef { id: 1, number: "INC-1001".into(), subject: "Printer".into(), customer: customer.clone() };
    let owner = UserRef { id: 1, name: "Tom".into() };
    let live = sessions.create(about, owner.clone()).await.expect("session is created");
    let join = Command::Join {
        role: Role::Customer,
        name: customer,
        client: Client::Program,
        user: None,
        by_role: None,
        by_key: false,
    };
    for (by, command) in [(Actor::Technician(owner), Command::IssueKey { life: None }), (Actor::Server, join)] {
        live.act(&by, command).await.expect("customer joins");
    }
    live
}
