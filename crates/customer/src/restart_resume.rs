//! Resuming once after a restart of the computer: for this session alone, and only while it is awaited.

use std::{
    fs, io,
    io::Write,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use protocol::{Binding, Fault};
use serde::{Deserialize, Serialize};

use crate::machine;

/// The argument that tells this program to resume.
const ARGUMENT: &str = "--return";
/// The longest that a session is awaited.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The most bytes of the file.
const MOST_BYTES: u64 = 16 * 1024;

/// The session to resume. It is stored in a file of the customer's while the computer restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSession {
    pub server: String,
    pub identity: String,
    pub resume: String,
    /// When it was written, in seconds since 1970.
    at: u64,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn path() -> PathBuf {
    machine::state_folder().join("return.json")
}

impl SavedSession {
    pub fn new(binding: &Binding, resume: &str) -> Self {
        Self {
            server: binding.server.clone(),
            identity: binding.identity.clone(),
            resume: resume.to_owned(),
            at: now(),
        }
    }

    /// Restarts the computer. If anything fails, nothing is left that would start this program.
    pub fn restart(&self) -> Result<(), Fault> {
        let prepared = self.prepare().map_err(|e| format!("this program could not prepare to resume ({e})"));
        prepared.and_then(|()| machine::restart()).map_err(|why| {
            forget();
            Fault::Other { why }
        })
    }

    fn prepare(&self) -> io::Result<()> {
        forget();
        let path = path();
        fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        machine::restrict_to_user(&mut options);
        let mut file = options.open(&path)?;
        file.write_all(&serde_json::to_vec(&Self { at: now(), ..self.clone() })?)?;
        file.sync_all()?;
        machine::start_at_sign_in(&std::env::current_exe()?, ARGUMENT)
    }
}

/// Removes everything that would start this program after a restart.
pub fn forget() {
    for (what, removed) in [("the entry", machine::forget_sign_in_start()), ("the session", fs::remove_file(path()))] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, what, "left over from a restart");
            }
            _ => {}
        }
    }
}

/// Takes the session from before the restart; `None` when it is no longer awaited, or belongs to another server than
/// this program.
pub fn take(server: Option<&str>) -> Option<SavedSession> {
    let read = || -> io::Result<SavedSession> {
        let file = fs::File::open(path())?;
        Ok(serde_json::from_reader(io::Read::take(file, MOST_BYTES))?)
    };
    let found = read().inspect_err(|error| tracing::warn!(%error, "no session to resume"));
    forget();
    found.ok().filter(|c| is_awaited(c, server, now()))
}

fn is_awaited(found: &SavedSession, server: Option<&str>, now: u64) -> bool {
    server.is_none_or(|server| server == found.server) && now.saturating_sub(found.at) < LONGEST.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_resumed_within_an_hour_and_by_its_own_server() {
        let found = SavedSession {
            server: "https://a.example".into(),
            identity: String::new(),
            resume: "r".into(),
            at: 1_000_000,
        };
        for (server, now, expected) in [
            (Some("https://a.example"), 1_000_100, true),
            (None, 1_000_100, true),
            (Some("https://b.example"), 1_000_100, false),
            (Some("https://a.example"), 1_003_600, false),
            // The clock was set back: the session is recent enough.
            (Some("https://a.example"), 999_000, true),
        ] {
            assert_eq!(is_awaited(&found, server, now), expected, "{server:?} at {now}");
        }
    }
}
