//! The commands that work on the archive, while a server may be running.

use std::{fs::File, io::BufWriter, path::PathBuf, sync::Arc};

use anyhow::Context;
use archive::{Archive, Pointer};
use platform::clock;
use protocol::{Event, SessionId};

use crate::{
    compose,
    config::{Config, Task},
};

/// Runs a command.
pub async fn run(config: Config, task: Task) -> anyhow::Result<()> {
    anyhow::ensure!(config.data.is_dir(), "{} is not a data folder", config.data.display());
    let archive = compose::open(&config).await?.archive;
    match task {
        Task::Export { session, to, pointer } => {
            export(archive, session, to, if pointer { Pointer::BurnedIn } else { Pointer::Beside }).await
        }
        Task::RotateKey => {
            archive.sealing.rotate(clock::now())?;
            show(&archive);
            Ok(())
        }
        Task::Keys => {
            show(&archive);
            Ok(())
        }
    }
}

async fn export(archive: Arc<Archive>, session: String, to: Option<PathBuf>, pointer: Pointer) -> anyhow::Result<()> {
    let id = SessionId::try_from(session).map_err(|e| anyhow::anyhow!("not a session number: {e}"))?;
    let entries = archive.sessions.read(&id).await?.context("no such session")?;
    let stored = entries.iter().any(|e| matches!(e.event, Event::Stored { .. }));
    anyhow::ensure!(stored, "the evidence is not complete yet: the session is still running or being stored");
    let contents = archive.export(&id, None).await?;
    let path = to.unwrap_or_else(|| format!("session-{id}.deskside.zip").into());
    let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let pack = move || {
        archive.pack(&contents, pointer, BufWriter::new(file))?.into_inner()?.sync_all().map_err(anyhow::Error::from)
    };
    tokio::task::spawn_blocking(pack).await??;
    println!("{}", path.display());
    Ok(())
}

fn show(archive: &Archive) {
    for key in archive.sealing.endorsements() {
        println!("{}  since {}  {}", evidence::fingerprint(&key.key), evidence::transcript::utc(key.since), key.key);
    }
}
