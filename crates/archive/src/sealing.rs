//! The keys with which this server seals timelines and signs bundles. Old keys are kept, so that their signatures stay
//! valid.

use std::{
    path::{Path, PathBuf},
    sync::RwLock,
};

use anyhow::Context;
use ed25519_dalek::SigningKey;
use evidence::{Endorsement, Seal};
use platform::secret;
use protocol::{SessionId, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
};
use store::{stored_time, tables::seal_row};

/// The sealing keys.
pub struct Sealing {
    folder: PathBuf,
    ring: RwLock<Ring>,
}

struct Ring {
    /// The newest last.
    keys: Vec<SigningKey>,
    endorsements: Vec<Endorsement>,
}

impl Ring {
    /// Reads the keys of a folder, which may have none yet.
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let list = Self::list(folder);
        let endorsements: Vec<Endorsement> = match std::fs::read(&list) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{} cannot be read", list.display()))?
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => vec![],
            Err(e) => return Err(e.into()),
        };
        let mut keys = Vec::new();
        for n in 1..=endorsements.len() {
            keys.push(SigningKey::from_bytes(&secret::kept(&Sealing::file(folder, n))?));
        }
        let same = keys.iter().zip(&endorsements).all(|(k, e)| evidence::seal::public(k) == e.key && e.holds());
        anyhow::ensure!(same, "the keys in {} do not belong together", folder.display());
        Ok(Self { keys, endorsements })
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(write_atomically(&Self::list(folder), &serde_json::to_vec_pretty(&self.endorsements)?)?)
    }

    fn list(folder: &Path) -> PathBuf {
        folder.join("keys.json")
    }
}

impl Sealing {
    /// Reads the keys, or generates the first one.
    pub fn open(folder: &Path, now: Timestamp) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut ring = Ring::read(folder)?;
        if ring.keys.is_empty() {
            let key = SigningKey::from_bytes(&secret::kept(&Self::file(folder, 1))?);
            ring.endorsements.push(Endorsement::new(&key, now, None));
            ring.keys.push(key);
            ring.write(folder)?;
        }
        Ok(Self { folder: folder.to_owned(), ring: RwLock::new(ring) })
    }

    fn file(folder: &Path, number: usize) -> PathBuf {
        folder.join(format!("{number}.key"))
    }

    fn ring(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.reload();
        self.ring.read().expect("lock is not poisoned")
    }

    /// Reloads the keys, because the command line may have rotated them while the server runs. New signatures must use
    /// the new key, and a bundle must name every key that has sealed.
    fn reload(&self) {
        let mut ring = self.ring.write().expect("lock is not poisoned");
        match Ring::read(&self.folder) {
            Ok(now) if now.endorsements.len() > ring.endorsements.len() => *ring = now,
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "sealing keys not reloaded"),
        }
    }

    /// The key that signs now.
    pub fn key(&self) -> SigningKey {
        self.ring().keys.last().expect("there is at least one key").clone()
    }

    /// All keys, the newest last, each endorsed by the one before it.
    pub fn endorsements(&self) -> Vec<Endorsement> {
        self.ring().endorsements.clone()
    }

    /// Generates a new key, endorsed by the one before it.
    pub fn rotate(&self, now: Timestamp) -> anyhow::Result<()> {
        let mut next = Ring::read(&self.folder)?;
        let key = SigningKey::from_bytes(&secret::kept(&Self::file(&self.folder, next.keys.len() + 1))?);
        next.endorsements.push(Endorsement::new(&key, now, next.keys.last()));
        next.keys.push(key);
        next.write(&self.folder)?;
        *self.ring.write().expect("lock is not poisoned") = next;
        Ok(())
    }

    /// Seals a timeline, unless it was sealed at this length before.
    pub async fn seal(
        &self,
        db: &DatabaseConnection,
        session: &SessionId,
        seq: u32,
        head: &session::Link,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let seal = Seal::new(&self.key(), session.clone(), seq, head, now);
        if Self::seals(db, session).await?.iter().any(|s| s.seq == seq && s.hash == seal.hash) {
            return Ok(());
        }
        let row = seal_row::ActiveModel {
            session: Set(session.to_string()),
            at: Set(stored_time(now)),
            body: Set(serde_json::to_string(&seal)?),
            ..Default::default()
        };
        row.insert(db).await?;
        Ok(())
    }

    /// The seals of a session, the oldest first.
    pub async fn seals(db: &DatabaseConnection, session: &SessionId) -> anyhow::Result<Vec<Seal>> {
        let rows = seal_row::Entity::find()
            .filter(seal_row::Column::Session.eq(session.as_str()))
            .order_by_asc(seal_row::Column::Id)
            .all(db)
            .await?;
        Ok(rows.iter().map(|r| serde_json::from_str(&r.body)).collect::<Result<_, _>>()?)
    }
}

/// Replaces a file atomically: writes a new one beside it, syncs it, and renames it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    std::fs::File::open(path.parent().expect("path has a parent folder"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_and_each_new_one_is_endorsed() {
        let folder = tempfile::tempdir().unwrap();
        let sealing = Sealing::open(folder.path(), Timestamp(1)).unwrap();
        let first = sealing.key();
        sealing.rotate(Timestamp(2)).unwrap();
        assert_ne!(sealing.key(), first);
        let again = Sealing::open(folder.path(), Timestamp(3)).unwrap();
        assert_eq!((again.key(), again.endorsements()), (sealing.key(), sealing.endorsements()));
        let second = &again.endorsements()[1];
        assert_eq!(second.by.as_ref().unwrap().0, evidence::seal::public(&first));
        assert!(second.holds());
        // Another process with the same folder also signs with the new key.
        again.rotate(Timestamp(4)).unwrap();
        assert_eq!((sealing.key(), sealing.endorsements()), (again.key(), again.endorsements()));
        // A replaced key is noticed at the start.
        std::fs::write(folder.path().join("1.key"), [9; 32]).unwrap();
        assert!(Sealing::open(folder.path(), Timestamp(5)).is_err());
    }
}
