//! `cargo xtask`: every command for working on the project.

mod bench;
mod build_times;
mod ci;
mod decoder;
mod demo;
mod setup;
mod tidy;
mod windows;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use clap::Parser;

/// Commands for working on the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Start everything on this machine: server, console, and a sample customer's desktop to help.
    Demo,
    /// Install what is missing and run every test.
    Test {
        /// Only the tests that show within a minute whether a change of the pure crates or the console is right.
        #[arg(long)]
        fast: bool,
    },
    /// Run everything that must be green: format, lints, tidy, every test.
    Ci,
    /// Check the project's own rules.
    Tidy,
    /// Write the console's types from the Rust types.
    Types,
    /// Fuzz every parser for some seconds.
    Fuzz {
        /// Seconds for each target.
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Measure the screen pipeline, stage by stage and as a whole. Needs root.
    Bench {
        /// Install and measure the other products, too, side by side.
        #[arg(long)]
        peers: bool,
    },
    /// Build the support program for Windows, as customers download it.
    Windows {
        /// Build it quickly instead, and run its tests under Wine.
        #[arg(long)]
        test: bool,
    },
    /// Run the browser tests and keep their screenshots for the README.
    Screenshots,
    /// Build the console.
    Console,
    /// Measure how long the compiler takes after a change.
    BuildTimes,
    /// Install what is missing on Debian, and print what and why.
    Setup,
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Demo => demo::run(),
        Task::Test { fast: false } => ci::test(),
        Task::Test { fast: true } => ci::fast(),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Types => ci::types(),
        Task::Fuzz { seconds } => ci::fuzz(seconds),
        Task::Bench { peers } => bench::run(peers),
        Task::Windows { test: false } => windows::ship(),
        Task::Windows { test: true } => windows::test(),
        Task::Screenshots => ci::screenshots(),
        Task::Console => ci::console(),
        Task::BuildTimes => build_times::run(),
        Task::Setup => setup::run(&setup::ALL),
    }
}

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the project's folder").to_owned()
}

/// Runs a program in a folder of the project and shows its output; fails when it fails.
fn run(folder: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("\n› {program} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(root().join(folder)).status();
    let status = status.with_context(|| format!("{program} cannot be started"))?;
    anyhow::ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}

/// Runs the same cargo that runs this.
fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(".", &cargo_path(), arguments)
}

fn cargo_path() -> String {
    std::env::var("CARGO").unwrap_or("cargo".into())
}

/// Every package of the project, from `cargo metadata`.
fn packages() -> anyhow::Result<Vec<serde_json::Value>> {
    let asked = Command::new(cargo_path())
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()?;
    anyhow::ensure!(asked.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&asked.stderr));
    let mut metadata: serde_json::Value = serde_json::from_slice(&asked.stdout)?;
    serde_json::from_value(metadata["packages"].take()).context("cargo metadata without packages")
}
