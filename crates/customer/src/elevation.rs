//! Running as administrator: this program starts itself again, the system asks the customer, and the new process takes
//! over the session. The old process waits and resumes when the new one gives the session back.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use protocol::{Binding, Client};
use serde::{Deserialize, Serialize};
use session::Consent;
use sha2::{Digest, Sha256};

use crate::{
    machine::{self, Elevated},
    messages::{Notify, UiEvent},
    util::{hex, lock},
};

/// The exit code of an elevated process that was not stopped early. After any other exit, because elevation was
/// withdrawn or the process crashed, the waiting process resumes.
pub const EXIT_FINISHED: u8 = 77;
/// The arguments with which the new process finds and verifies the hand-over file.
const FILE: &str = "--elevated";
const SUM: &str = "--sum";
/// The most bytes of a hand-over file.
const MOST_BYTES: u64 = 16 * 1024;

/// What the new process needs to take over the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    pub server: String,
    pub identity: String,
    pub resume: String,
    pub consent: Consent,
}

/// The elevated process, once there is one.
#[derive(Clone)]
pub struct Elevation {
    server: String,
    identity: String,
    resume: String,
    started: Arc<Mutex<Option<Elevated>>>,
}

/// Who took over the session, and how that ended.
pub enum ElevatedExit {
    /// A process that was not started by this one.
    Nobody,
    /// The elevated process, until its own or the session's end.
    Finished,
    /// The elevated process, which ended early: elevation was withdrawn, or it crashed.
    Withdrawn,
}

impl Elevation {
    pub fn new(binding: &Binding, resume: &str) -> Self {
        let (server, identity, resume) = (binding.server.clone(), binding.identity.clone(), resume.to_owned());
        Self { server, identity, resume, started: Arc::default() }
    }

    /// Starts this program as administrator; meanwhile the system asks the customer. The error is for the technician.
    pub fn start(&self, consent: &Consent) -> Result<(), String> {
        if machine::client() == Client::WindowsAdministrator {
            return Err("it runs as administrator already".into());
        }
        let (server, identity, resume) = (self.server.clone(), self.identity.clone(), self.resume.clone());
        let hand_over = HandOver { server, identity, resume, consent: consent.elevated() };
        // Locked until the system has answered: the new process may be in the session before this thread continues.
        let mut started = lock(&self.started);
        if started.as_ref().is_some_and(Elevated::runs) {
            return Err("it is starting already".into());
        }
        let folder = machine::state_folder();
        let (path, sum) = hand_over.write(&folder).map_err(|e| format!("nothing could be hand_over over ({e})"))?;
        let arguments = [FILE.to_owned(), path.clone(), SUM.to_owned(), sum];
        let elevated = machine::run_as_administrator(&arguments);
        if elevated.is_err() {
            let _ = fs::remove_file(path);
        }
        *started = Some(elevated?);
        Ok(())
    }

    /// Waits for the process that took over the session, if it was started here.
    pub async fn wait_behind(&self, consent: &Mutex<Consent>, notify: &Notify) -> ElevatedExit {
        lock(consent).end();
        let started = self.started.clone();
        // Waits while the system asks the customer.
        let Ok(Some(program)) = tokio::task::spawn_blocking(move || lock(&started).take()).await else {
            return ElevatedExit::Nobody;
        };
        notify(UiEvent::HandedOver);
        match tokio::task::spawn_blocking(move || program.wait()).await {
            Ok(code) if code == u32::from(EXIT_FINISHED) => ElevatedExit::Finished,
            _ => ElevatedExit::Withdrawn,
        }
    }
}

impl HandOver {
    /// Writes the hand-over file, readable by this user alone; returns its path and its SHA-256.
    fn write(&self, folder: &Path) -> io::Result<(String, String)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("elevate-{}.json", std::process::id()));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let bytes = serde_json::to_vec(self)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        machine::restrict_to_user(&mut options);
        options.open(&path)?.write_all(&bytes)?;
        let name = path.into_os_string().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
        Ok((name, hex(&Sha256::digest(&bytes))))
    }

    /// Reads and removes the hand-over file. Other programs of the customer can change files but not arguments, so the
    /// hash shows whether the file is from the program that the customer agreed to.
    pub fn take(path: &Path, sum: &str) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        let file = fs::File::open(path).context("the hand-over file cannot be opened")?;
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let _ = fs::remove_file(path);
        anyhow::ensure!(hex(&Sha256::digest(&bytes)) == sum, "the hand-over file has been changed");
        Ok(serde_json::from_slice(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_over_file_is_read_once_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let hand_over = HandOver {
            server: "https://a.example".into(),
            identity: "ab".into(),
            resume: "r".into(),
            consent: Consent::default().elevated(),
        };
        let (path, sum) = hand_over.write(folder.path()).unwrap();
        assert_eq!(HandOver::take(Path::new(&path), &sum).unwrap(), hand_over);
        assert!(HandOver::take(Path::new(&path), &sum).is_err(), "it is removed");
        let (path, sum) = hand_over.write(folder.path()).unwrap();
        let other = fs::read_to_string(&path).unwrap().replace("a.example", "b.example");
        fs::write(&path, other).unwrap();
        assert!(HandOver::take(Path::new(&path), &sum).is_err(), "changed by another program");
    }
}
