//! `cargo xtask`: every command that a person needs.

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

/// What a person can do with this project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Start everything on this machine: server, console, and a sample customer's desktop to help.
    Demo,
    /// Set up what is missing and run every test.
    Test {
        /// Only what says within a minute whether a change of the pure crates or the console is right.
        #[arg(long)]
        fast: bool,
    },
    /// Everything that must be green: format, lints, tidy, every test.
    Ci,
    /// Check the rules of the house.
    Tidy,
    /// Write the console's types anew from the Rust types.
    Types,
    /// Fuzz every parser for some seconds each.
    Fuzz {
        /// How long for each target.
        #[arg(default_value_t = 60)]
        seconds: u32,
    },
    /// Measure the screen's way, stage by stage and as a whole. Needs root.
    Bench {
        /// Install and measure the others too, side by side.
        #[arg(long)]
        peers: bool,
    },
    /// Build the support program for Windows, as customers download it.
    Windows {
        /// Build it quickly instead, and run its tests under Wine.
        #[arg(long)]
        test: bool,
    },
    /// Run the browser tests and keep their pictures for the README.
    Screenshots,
    /// Build the console.
    Console,
    /// Measure how long the compiler takes after a change.
    BuildTimes,
    /// Install what is missing on Debian, and say what and why.
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
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the project").to_owned()
}

/// Runs a program in a folder of the project, showing what it says; fails when it fails.
fn run(folder: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("\n› {program} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(root().join(folder)).status();
    let status = status.with_context(|| format!("{program} cannot be started"))?;
    anyhow::ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}

/// The cargo that runs this.
fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(".", &cargo_path(), arguments)
}

fn cargo_path() -> String {
    std::env::var("CARGO").unwrap_or("cargo".into())
}

/// Every package that the project is built of, as `cargo metadata` tells of it.
fn packages() -> anyhow::Result<Vec<serde_json::Value>> {
    let asked = Command::new(cargo_path())
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()?;
    anyhow::ensure!(asked.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&asked.stderr));
    let mut metadata: serde_json::Value = serde_json::from_slice(&asked.stdout)?;
    serde_json::from_value(metadata["packages"].take()).context("cargo metadata without packages")
}
