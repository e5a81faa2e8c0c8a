//! The one definition of green.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Instant, SystemTime},
};

use anyhow::Context;

use crate::{build_times, cargo, decoder, root, run as go, setup, tidy, windows};

/// A step that must be green, with its name.
type Step = (&'static str, fn() -> anyhow::Result<()>);

const TESTS: [Step; 7] = [
    ("set up", || setup::run(&setup::ALL)),
    ("build the console", console),
    ("build", || cargo(&BUILD)),
    ("Rust tests", || cargo(&["test", "--workspace"])),
    ("console tests", || in_console(&["vitest", "run"])),
    ("Windows tests", windows::test),
    ("browser tests", e2e),
];

const FAST: [Step; 4] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("pure crates", || cargo(&["test", "--quiet", "-p", "protocol", "-p", "session", "-p", "simulator"])),
    ("console tests", || in_console(&["vitest", "run"])),
    ("svelte-check", || in_console(&["svelte-check", "--fail-on-warnings"])),
];

const CHECKS: [Step; 11] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("set up", || setup::run(&setup::ALL)),
    ("build the console", console),
    ("build and lints", || cargo(&BUILD)),
    ("tidy", tidy::run),
    ("types", fresh_types),
    ("prettier", || in_console(&["prettier", "--check", "--log-level", "warn", "src"])),
    ("svelte-check", || in_console(&["svelte-check", "--fail-on-warnings"])),
    ("e2e types", || e2e_script("check")),
    ("e2e format", || e2e_script("format:check")),
    ("fuzz", || fuzz(8)),
];

/// Installs what is missing and runs every test: units, properties, simulator, console, and the browser tests.
pub fn test() -> anyhow::Result<()> {
    in_order(TESTS.into_iter())
}

/// Everything that must be green.
pub fn run() -> anyhow::Result<()> {
    if std::env::var_os(WRAPPER).is_none() {
        return with_clippy();
    }
    let times: [Step; 1] = [("build times", build_times::run)];
    in_order(CHECKS.into_iter().chain(TESTS).chain(times))
}

/// The compiler of this workspace's crates.
const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER";

/// The same with Clippy as the compiler. `cargo clippy` would check every dependency first, which takes as long as half of a
/// build and is of no use to the tests; as the compiler of every build it finds the same, and nothing is compiled twice.
/// `-D warnings` is said as `cargo clippy` says it.
fn with_clippy() -> anyhow::Result<()> {
    let status = Command::new(std::env::current_exe()?)
        .arg("ci")
        .env(WRAPPER, "clippy-driver")
        .env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__")
        .status()?;
    // It has said what failed.
    std::process::exit(status.code().unwrap_or(1));
}

/// Runs steps until one fails, and prints how long each took.
fn in_order(mut steps: impl Iterator<Item = Step>) -> anyhow::Result<()> {
    let mut took = String::new();
    let outcome = steps.try_for_each(|(name, step)| {
        let began = Instant::now();
        let outcome = step().with_context(|| format!("failed: {name}"));
        took += &format!("{:>6} s  {name}\n", began.elapsed().as_secs());
        outcome
    });
    println!("\n{took}");
    outcome
}

/// Builds everything of the workspace for this machine, including tests: without them, dependencies have fewer features
/// and would be compiled again.
const BUILD: [&str; 5] = ["build", "--workspace", "--bins", "--tests", "--examples"];

/// The checks for a change of `session` or the console.
pub fn fast() -> anyhow::Result<()> {
    in_order(FAST.into_iter())
}

/// The coverage counters that libFuzzer needs. cargo-fuzz passes the same flags.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1";
const TARGETS: [&str; 4] = ["control_stream", "screen_stream", "evidence", "av1_drawing"];

/// Fuzzes every parser for this many seconds.
pub fn fuzz(seconds: u32) -> anyhow::Result<()> {
    let triple = "x86_64-unknown-linux-gnu";
    let folder = root().join("fuzz");
    let built = Command::new(crate::cargo_path())
        .args(["build", "--quiet", "--target", triple])
        .current_dir(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()?;
    anyhow::ensure!(built.success(), "the fuzz targets do not build");
    for target in TARGETS {
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let corpus = corpus.display().to_string();
        let limit = format!("-max_total_time={seconds}");
        go(
            "fuzz",
            &format!("target/{triple}/debug/{target}"),
            &[&corpus, &limit, "-max_len=4096", "-print_final_stats=1", "-verbosity=0"],
        )?;
    }
    Ok(())
}

/// The newest modification of a file or of anything in a folder; `None` if it does not exist.
pub fn newest(path: &Path) -> Option<SystemTime> {
    let own = path.metadata().and_then(|m| m.modified()).ok();
    let inside = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| newest(&entry.path()));
    inside.chain([own]).max().flatten()
}

/// Builds the console, unless it is newer than its sources.
pub fn console() -> anyhow::Result<()> {
    setup::npm("console")?;
    decoder::build()?;
    let built = newest(&root().join("console/build/index.html"));
    let parts = ["src", "static", "scripts", "package-lock.json", "svelte.config.js", "vite.config.ts"];
    if parts.iter().map(|part| newest(&root().join("console").join(part))).max() < Some(built) {
        return Ok(());
    }
    go("console", "npm", &["run", "--silent", "build"])
}

/// Runs a tool of the console's packages.
fn in_console(tool: &[&str]) -> anyhow::Result<()> {
    setup::npm("console")?;
    go("console", "npx", tool)
}

/// Runs a script of the browser tests' package.
fn e2e_script(name: &str) -> anyhow::Result<()> {
    setup::npm("e2e")?;
    go("e2e", "npm", &["run", "--silent", name])
}

fn e2e() -> anyhow::Result<()> {
    setup::npm("e2e")?;
    setup::python()?;
    go("e2e", "npx", &["playwright", "test"])
}

/// The README's screenshots, as the tests make them.
const PICTURES: [&str; 7] = ["session", "key", "invitation", "customer-desktop", "incident", "history", "queue"];

/// Runs the browser tests and keeps their screenshots.
pub fn screenshots() -> anyhow::Result<()> {
    e2e()?;
    for name in PICTURES {
        fs::copy(root().join(format!("e2e/results/{name}.png")), root().join(format!("docs/screenshots/{name}.png")))?;
    }
    Ok(())
}

const TYPES: &str = "console/src/lib/api/types";

/// Writes the console's types.
pub fn types() -> anyhow::Result<()> {
    cargo(&["test", "--workspace", "--quiet", "export_bindings"])
}

/// Checks that the console's types are those of the Rust code.
fn fresh_types() -> anyhow::Result<()> {
    let before = read(&root().join(TYPES))?;
    types()?;
    anyhow::ensure!(before == read(&root().join(TYPES))?, "{TYPES} was stale and has been written: please commit it");
    Ok(())
}

fn read(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() {
            files.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}
