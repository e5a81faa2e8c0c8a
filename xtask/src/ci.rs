//! The one definition of green.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Instant, SystemTime},
};

use anyhow::Context;

use crate::{cargo, decoder, root, run as go, setup, tidy, windows};

/// One thing that must be green, and its name.
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
    ("lints", lints),
    ("tidy", tidy::run),
    ("types", fresh_types),
    ("prettier", || in_console(&["prettier", "--check", "--log-level", "warn", "src"])),
    ("svelte-check", || in_console(&["svelte-check", "--fail-on-warnings"])),
    ("e2e types", || e2e_script("check")),
    ("e2e format", || e2e_script("format:check")),
    ("fuzz", || fuzz(8)),
];

/// Sets up what is missing and runs every test: units, properties, simulator, console, and the whole story in a browser.
pub fn test() -> anyhow::Result<()> {
    in_order(TESTS.into_iter())
}

/// Everything that must be green.
pub fn run() -> anyhow::Result<()> {
    in_order(CHECKS.into_iter().chain(TESTS))
}

/// Takes steps until one fails, and says how long each took.
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

/// Everything of the workspace, for the machine's own use. With the tests: without them dependencies have fewer features, and
/// would be built once more.
const BUILD: [&str; 5] = ["build", "--workspace", "--bins", "--tests", "--examples"];

/// Clippy, as it builds. `cargo clippy` would check every dependency first, which takes as long as half of a build and is of no
/// use to the tests; as the compiler of a build it finds the same, and leaves the dependencies built. `-D warnings` is said as
/// `cargo clippy` says it.
fn lints() -> anyhow::Result<()> {
    println!("\n› clippy-driver, by cargo {}", BUILD.join(" "));
    let built = Command::new(crate::cargo_path())
        .args(BUILD)
        .current_dir(root())
        .env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        .env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__")
        .status()?;
    anyhow::ensure!(built.success(), "clippy has found something");
    Ok(())
}

/// What somebody wants to know who has changed `session` or the console.
pub fn fast() -> anyhow::Result<()> {
    in_order(FAST.into_iter())
}

/// What libFuzzer needs of the compiler: coverage counters. cargo-fuzz gives the same flags.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1";
const TARGETS: [&str; 4] = ["control_stream", "screen_stream", "evidence", "av1_drawing"];

/// Fuzzes every parser for so many seconds.
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

/// The newest change of a file or of anything in a folder; `None` when there is nothing.
pub fn newest(path: &Path) -> Option<SystemTime> {
    let own = path.metadata().and_then(|m| m.modified()).ok();
    let inside = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| newest(&entry.path()));
    inside.chain([own]).max().flatten()
}

/// Builds the console, unless it is newer than all it is made of.
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

/// Runs a tool of the console's.
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

/// The README's pictures, as the tests made them.
const PICTURES: [&str; 7] = ["session", "key", "invitation", "customer-desktop", "incident", "history", "queue"];

/// Runs the browser tests and keeps their pictures.
pub fn screenshots() -> anyhow::Result<()> {
    e2e()?;
    for name in PICTURES {
        fs::copy(root().join(format!("e2e/results/{name}.png")), root().join(format!("docs/screenshots/{name}.png")))?;
    }
    Ok(())
}

const TYPES: &str = "console/src/lib/api/types";

/// Writes the console's types anew.
pub fn types() -> anyhow::Result<()> {
    cargo(&["test", "--workspace", "--quiet", "export_bindings"])
}

/// The console's types are the Rust types.
fn fresh_types() -> anyhow::Result<()> {
    let before = read(&root().join(TYPES))?;
    types()?;
    anyhow::ensure!(before == read(&root().join(TYPES))?, "{TYPES} was stale: it is written anew, please commit it");
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
