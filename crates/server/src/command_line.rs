//! The archive from the command line, beside a server that may run.

use std::{fs::File, io::BufWriter, path::PathBuf, sync::Arc};

use anyhow::Context;
use archive::{Archive, Pointer};
use platform::clock;
use protocol::{Event, SessionId};

use crate::{
    config::{Config, Task},
    serve,
};

/// Does what was asked for.
pub async fn run(config: Config, task: Task) -> anyhow::Result<()> {
    anyhow::ensure!(config.data.is_dir(), "{} is not a data folder", config.data.display());
    let archive = serve::open(&config).await?.archive;
    match task {
        Task::Export { session, to, pointer } => {
            write(archive, session, to, if pointer { Pointer::BurnedIn } else { Pointer::Beside }).await
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

async fn write(archive: Arc<Archive>, session: String, to: Option<PathBuf>, pointer: Pointer) -> anyhow::Result<()> {
    let id = SessionId::try_from(session).map_err(|e| anyhow::anyhow!("that is no session: {e}"))?;
    let entries = archive.sessions.read(&id).await?.context("there is no session by that name")?;
    let stored = entries.iter().any(|e| matches!(e.event, Event::Stored { .. }));
    anyhow::ensure!(stored, "its evidence is not complete yet: the session goes on, or it is being stored");
    let contents = archive.export(&id, None).await?;
    let path = to.unwrap_or_else(|| format!("session-{id}.deskside.zip").into());
    let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let packed = move || {
        archive.pack(&contents, pointer, BufWriter::new(file))?.into_inner()?.sync_all().map_err(anyhow::Error::from)
    };
    tokio::task::spawn_blocking(packed).await??;
    println!("{}", path.display());
    Ok(())
}

fn show(archive: &Archive) {
    for key in archive.sealing.endorsements() {
        println!("{}  since {}  {}", evidence::fingerprint(&key.key), evidence::transcript::utc(key.since), key.key);
    }
}
