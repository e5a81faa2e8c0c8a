//! Room on the server's disk. Whoever is about to write a lot asks before, and what was promised to others counts.

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
    /// So many bytes stay free, for everything else that a server writes.
    floor: u64,
    /// What was promised and is not written yet.
    promised: AtomicU64,
}

/// How much room a folder's disk has; none when the disk cannot be asked.
pub fn free_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The disk has no room for it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's disk is nearly full")]
pub struct Full;

/// Room for some bytes, until it is dropped.
pub struct Promise {
    disk: Arc<Disk>,
    left: u64,
}

impl Disk {
    /// The disk of this folder, of which so many bytes stay free.
    pub fn new(folder: PathBuf, floor: u64) -> Arc<Self> {
        Arc::new(Self { folder, floor, promised: AtomicU64::new(0) })
    }

    /// Promises room for so many bytes, if there is any.
    pub fn promise(self: &Arc<Self>, bytes: u64) -> Result<Promise, Full> {
        self.promise_of(bytes, || free_bytes(&self.folder))
    }

    /// A promise of nothing yet.
    pub fn nothing(self: &Arc<Self>) -> Promise {
        Promise { disk: self.clone(), left: 0 }
    }

    /// What was promised and is not written yet, in bytes.
    pub fn promised(&self) -> u64 {
        self.promised.load(Relaxed)
    }

    /// Says whether there is room for everything that was promised.
    pub fn look(self: &Arc<Self>) -> Result<(), Full> {
        self.promise(0).map(drop)
    }

    fn promise_of(self: &Arc<Self>, bytes: u64, free: impl FnOnce() -> u64) -> Result<Promise, Full> {
        let others = self.promised.fetch_add(bytes, Relaxed);
        let promise = Promise { disk: self.clone(), left: bytes };
        let needed = self.floor.saturating_add(others).saturating_add(bytes);
        if free() >= needed { Ok(promise) } else { Err(Full) }
    }
}

impl Promise {
    /// Room for so many bytes more, if there is any.
    pub fn more(&mut self, bytes: u64) -> Result<(), Full> {
        let mut more = self.disk.promise(bytes)?;
        self.left += std::mem::take(&mut more.left);
        Ok(())
    }

    /// Makes it a promise of so many bytes at least, whether or not there is room: they will be needed all the same, and
    /// others find less.
    pub fn owe(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.left);
        self.disk.promised.fetch_add(more, Relaxed);
        self.left += more;
    }

    /// Says whether what is promised here fits onto the disk, whatever others were promised and however little stays free then:
    /// for what gives room back once it is written.
    pub fn fits(&self) -> Result<(), Full> {
        if free_bytes(&self.disk.folder) >= self.left { Ok(()) } else { Err(Full) }
    }

    /// Of what was promised this is written, and no longer counts twice; says how much of it was promised here.
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
    fn what_is_promised_to_one_is_not_promised_to_another_and_the_floor_stays() {
        let disk = Disk::new(PathBuf::new(), 100);
        let ask = |bytes, free| disk.promise_of(bytes, || free);
        assert!(ask(1, 100).is_err(), "the floor");
        let mut first = ask(60, 200).unwrap();
        assert!(ask(41, 200).is_err(), "the same room for two");
        let second = ask(40, 200).unwrap();
        // Half of the first is written: the disk has less, and less is owed.
        assert_eq!(first.written(30), 30);
        assert!(ask(1, 170).is_err());
        drop(second);
        assert!(ask(40, 170).is_ok());
        assert_eq!(first.written(1_000), 30);
        // What will be needed counts before there is room for it, and once.
        let mut owed = disk.nothing();
        owed.owe(500);
        owed.owe(500);
        assert!(ask(0, 599).is_err() && ask(0, 600).is_ok());
        drop(owed);
        drop(first);
        assert_eq!(disk.promised(), 0);
    }
}
