//! Free space on the server's disk. Whoever is about to write a lot reserves it first, and reservations of others
//! count.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The disk of the data folder.
pub struct Disk {
    folder: PathBuf,
    /// Bytes that stay free for everything else that a server writes.
    minimum_free: u64,
    /// Reserved bytes that are not written yet.
    promised: AtomicU64,
}

/// Free bytes on the disk of a folder; 0 if it cannot be queried.
pub fn free_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The disk does not have enough free space.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's disk is nearly full")]
pub struct Full;

/// Reserved space; dropping it releases the reservation.
pub struct Promise {
    disk: Arc<Disk>,
    left: u64,
}

impl Disk {
    /// The disk of this folder, with the bytes that must stay free.
    pub fn new(folder: PathBuf, minimum_free: u64) -> Arc<Self> {
        Arc::new(Self { folder, minimum_free, promised: AtomicU64::new(0) })
    }

    /// Reserves this many bytes, if they are free.
    pub fn promise(self: &Arc<Self>, bytes: u64) -> Result<Promise, Full> {
        self.promise_of(bytes, || free_bytes(&self.folder))
    }

    /// An empty reservation.
    pub fn nothing(self: &Arc<Self>) -> Promise {
        Promise { disk: self.clone(), left: 0 }
    }

    /// Reserved bytes that are not written yet.
    pub fn promised(&self) -> u64 {
        self.promised.load(Relaxed)
    }

    /// Checks that there is space for all reservations.
    pub fn look(self: &Arc<Self>) -> Result<(), Full> {
        self.promise(0).map(drop)
    }

    fn promise_of(self: &Arc<Self>, bytes: u64, free: impl FnOnce() -> u64) -> Result<Promise, Full> {
        let others = self.promised.fetch_add(bytes, Relaxed);
        let promise = Promise { disk: self.clone(), left: bytes };
        let needed = self.minimum_free.saturating_add(others).saturating_add(bytes);
        if free() >= needed { Ok(promise) } else { Err(Full) }
    }
}

impl Promise {
    /// Reserves this many more bytes, if they are free.
    pub fn more(&mut self, bytes: u64) -> Result<(), Full> {
        let mut more = self.disk.promise(bytes)?;
        self.left += std::mem::take(&mut more.left);
        Ok(())
    }

    /// Grows the reservation to at least this many bytes, whether or not they are free: they will be written all the
    /// same, and others find less space.
    pub fn owe(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.left);
        self.disk.promised.fetch_add(more, Relaxed);
        self.left += more;
    }

    /// Checks that this reservation fits onto the disk, ignoring other reservations and the space that must stay free:
    /// for writes that free space when they finish.
    pub fn fits(&self) -> Result<(), Full> {
        if free_bytes(&self.disk.folder) >= self.left { Ok(()) } else { Err(Full) }
    }

    /// This many reserved bytes are written and no longer count twice; returns how many of them were reserved here.
    pub fn written(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.disk.promised.fetch_sub(bytes, Relaxed);
        bytes
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.disk.promised.fetch_sub(self.left, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_reserved_once_and_the_minimum_stays_free() {
        let disk = Disk::new(PathBuf::new(), 100);
        let ask = |bytes, free| disk.promise_of(bytes, || free);
        assert!(ask(1, 100).is_err(), "the minimum stays free");
        let mut first = ask(60, 200).unwrap();
        assert!(ask(41, 200).is_err(), "the same space for two");
        let second = ask(40, 200).unwrap();
        // Half of the first reservation is written: less is free, and less is reserved.
        assert_eq!(first.written(30), 30);
        assert!(ask(1, 170).is_err());
        drop(second);
        assert!(ask(40, 170).is_ok());
        assert_eq!(first.written(1_000), 30);
        // A forced reservation counts once, and before there is space for it.
        let mut owed = disk.nothing();
        owed.owe(500);
        owed.owe(500);
        assert!(ask(0, 599).is_err() && ask(0, 600).is_ok());
        drop(owed);
        drop(first);
        assert_eq!(disk.promised(), 0);
    }
}
