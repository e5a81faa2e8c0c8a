//! How long a person waits for the compiler after a change. `docs/decisions/0018-quick-builds.md` has the aims and what keeps
//! them.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Instant, SystemTime},
};

use anyhow::Context;

use crate::{cargo_path, root};

/// A file that is changed, what it stands for, and the seconds in which the server is to be linked again.
const CHANGES: [(&str, &str, u64); 2] = [
    ("crates/server/src/api/session_history.rs", "a change in the HTTP layer", 10),
    ("crates/session/src/decide.rs", "a change in session", 20),
];
/// The crates that the server is made of.
const OURS: [&str; 9] =
    ["protocol", "session", "av1", "aom", "evidence", "platform", "store", "live_sessions", "archive"];
const FROM_NOTHING: u64 = 90;

/// Measures, and prints a line for each. Everything must have been built before.
pub fn run() -> anyhow::Result<()> {
    build()?;
    for (file, what, aim) in CHANGES {
        File::options().append(true).open(root().join(file))?.set_modified(SystemTime::now())?;
        measure(what, aim)?;
    }
    let packages = OURS.iter().chain(&["server"]).flat_map(|name| ["-p", name]);
    let cleaned = Command::new(cargo_path()).args(["clean", "--quiet"]).args(packages).current_dir(root()).status()?;
    anyhow::ensure!(cleaned.success(), "cargo clean failed");
    measure("the server's own crates from nothing", FROM_NOTHING)
}

fn measure(what: &str, aim: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    build()?;
    println!("{:>6.1} s  {what} (aim: {aim} s)", began.elapsed().as_secs_f64());
    Ok(())
}

/// The server with the features that its dependencies have in every other build.
fn build() -> anyhow::Result<()> {
    let arguments = ["build", "--quiet", "--workspace", "--bin", "deskside-server", "--example", "plain-relay"];
    let built = Command::new(cargo_path()).args(arguments).current_dir(root()).stderr(Stdio::inherit()).status();
    anyhow::ensure!(built.context("cargo cannot be run")?.success(), "the server does not build");
    Ok(())
}
