//! Going on as administrator: this program starts itself once more, the system asks the customer, and the new one takes the
//! session over. The old one waits behind it, and goes on when the other gives the session back.

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

/// How a program ends that ran as administrator as long as it was wanted. When it ends in any other way, because it was taken
/// back or crashed, the one behind it goes on.
pub const OVER: u8 = 77;
/// The arguments by which the new program finds what is handed over, and knows that it is what was meant.
const FILE: &str = "--elevated";
const SUM: &str = "--sum";
/// More than a session needs to be found again.
const MOST_BYTES: u64 = 16 * 1024;

/// What the new program goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    pub server: String,
    pub identity: String,
    pub resume: String,
    pub consent: Consent,
}

/// The program that runs as administrator, once there is one.
#[derive(Clone)]
pub struct Elevation {
    server: String,
    identity: String,
    resume: String,
    started: Arc<Mutex<Option<Elevated>>>,
}

/// Who took the session over from this program, and what came of it.
pub enum ElevatedExit {
    /// Nobody whom this program started.
    Nobody,
    /// This program as administrator, until the session's end or its own.
    Finished,
    /// The same, and it is gone before that: it was taken back, or it crashed.
    GivenBack,
}

impl Elevation {
    pub fn new(binding: &Binding, resume: &str) -> Self {
        let (server, identity, resume) = (binding.server.clone(), binding.identity.clone(), resume.to_owned());
        Self { server, identity, resume, started: Arc::default() }
    }

    /// Starts this program as administrator; the system asks the customer meanwhile. The error is for the technician.
    pub fn start(&self, consent: &Consent) -> Result<(), String> {
        if machine::client() == Client::WindowsAdministrator {
            return Err("it runs as administrator already".into());
        }
        let (server, identity, resume) = (self.server.clone(), self.identity.clone(), self.resume.clone());
        let handed = HandOver { server, identity, resume, consent: consent.elevated() };
        // Held until the system has answered: the new program may be quicker in the session than this thread here.
        let mut started = lock(&self.started);
        if started.as_ref().is_some_and(Elevated::runs) {
            return Err("it is being started already".into());
        }
        let folder = machine::state_folder();
        let (place, sum) = handed.write(&folder).map_err(|e| format!("nothing could be handed over ({e})"))?;
        let arguments = [FILE.to_owned(), place.clone(), SUM.to_owned(), sum];
        let elevated = machine::run_as_administrator(&arguments);
        if elevated.is_err() {
            let _ = fs::remove_file(place);
        }
        *started = Some(elevated?);
        Ok(())
    }

    /// Waits behind the program that took the session over, if it was started here.
    pub async fn wait_behind(&self, consent: &Mutex<Consent>, notify: &Notify) -> ElevatedExit {
        lock(consent).end();
        let started = self.started.clone();
        // Waits while the system still asks.
        let Ok(Some(program)) = tokio::task::spawn_blocking(move || lock(&started).take()).await else {
            return ElevatedExit::Nobody;
        };
        notify(UiEvent::HandedOver);
        match tokio::task::spawn_blocking(move || program.wait()).await {
            Ok(code) if code == u32::from(OVER) => ElevatedExit::Finished,
            _ => ElevatedExit::GivenBack,
        }
    }
}

impl HandOver {
    /// Writes it for this user alone; says where, and the sum of what was written.
    fn write(&self, folder: &Path) -> io::Result<(String, String)> {
        fs::create_dir_all(folder)?;
        let place = folder.join(format!("elevate-{}.json", std::process::id()));
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let bytes = serde_json::to_vec(self)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        machine::for_its_user_alone(&mut options);
        options.open(&place)?.write_all(&bytes)?;
        let name = place.into_os_string().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
        Ok((name, hex(&Sha256::digest(&bytes))))
    }

    /// Reads it and removes it. Arguments cannot be changed by other programs of the customer's, files can: what has not
    /// this sum was not handed over by the program that the customer said yes to.
    pub fn take(place: &Path, sum: &str) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        let file = fs::File::open(place).context("there is nothing to go on with")?;
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let _ = fs::remove_file(place);
        anyhow::ensure!(hex(&Sha256::digest(&bytes)) == sum, "what was handed over has been changed");
        Ok(serde_json::from_slice(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_arrives_once_and_unchanged_or_not_at_all() {
        let room = tempfile::tempdir().unwrap();
        let handed = HandOver {
            server: "https://a.example".into(),
            identity: "ab".into(),
            resume: "r".into(),
            consent: Consent::default().elevated(),
        };
        let (place, sum) = handed.write(room.path()).unwrap();
        assert_eq!(HandOver::take(Path::new(&place), &sum).unwrap(), handed);
        assert!(HandOver::take(Path::new(&place), &sum).is_err(), "it is gone");
        let (place, sum) = handed.write(room.path()).unwrap();
        let other = fs::read_to_string(&place).unwrap().replace("a.example", "b.example");
        fs::write(&place, other).unwrap();
        assert!(HandOver::take(Path::new(&place), &sum).is_err(), "another program has changed it");
    }
}
