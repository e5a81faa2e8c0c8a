//! The project's own rules that no compiler checks. Cheap to extend.

mod architecture;
mod modules;
mod references;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{packages, root};

use architecture::Architecture;

/// The folders that hold one file for each system.
const SYSTEM_FOLDERS: [&str; 4] = [
    "crates/customer/src/capture",
    "crates/customer/src/input",
    "crates/customer/src/window",
    "crates/customer/src/machine",
];

/// The crates that make up the server.
const SERVER_CRATES: [&str; 5] =
    ["crates/platform", "crates/store", "crates/live_sessions", "crates/archive", "crates/server"];

/// The crates that may read a clock.
const MAY_READ_CLOCK: [&str; 5] =
    ["crates/platform", "crates/live_sessions", "crates/server", "crates/customer", "xtask"];

/// Words that may not appear in code, and where they may.
const FORBIDDEN: [(&str, &str, &[&str]); 7] = [
    ("unbounded_channel", "every queue has a bound", &[]),
    ("std::process::Command", "no child process in the server", &["crates/customer", "crates/av1/tests", "xtask"]),
    ("tokio::process", "no child process in the server", &[]),
    ("#[cfg(target_os", "systems differ only in capture, input, window and machine", &SYSTEM_FOLDERS),
    ("#[cfg(windows", "systems differ only in capture, input, window and machine", &SYSTEM_FOLDERS),
    ("SystemTime::now", "time is an argument in the pure crates", &MAY_READ_CLOCK),
    ("Instant::now", "time is an argument in the pure crates", &MAY_READ_CLOCK),
];

/// Checks every rule; reports every violation.
pub fn run() -> anyhow::Result<()> {
    let mut broken = Vec::new();
    let architecture = Architecture::read(&root())?;
    crates(&architecture, &mut broken)?;
    modules::check(&root(), &architecture, &mut broken)?;
    references::check(&root(), &mut broken)?;
    words(&mut broken)?;
    licences(&mut broken)?;
    wire(&mut broken)?;
    anyhow::ensure!(broken.is_empty(), "not tidy:\n  {}", broken.join("\n  "));
    println!("tidy");
    Ok(())
}

/// Each crate has its row in ARCHITECTURE.md, and names only what the row says.
fn crates(architecture: &Architecture, broken: &mut Vec<String>) -> anyhow::Result<()> {
    let known = architecture.crates();
    let folders = fs::read_dir(root().join("crates"))?.filter_map(Result::ok).map(|e| e.file_name());
    let real: Vec<String> = folders.filter_map(|n| n.into_string().ok()).collect();
    for name in real.iter().filter(|name| !known.iter().any(|row| row.name == **name)) {
        broken.push(format!("crates/{name} has no row in ARCHITECTURE.md: a new crate also needs a decision page"));
    }
    for row in &known {
        let manifest = root().join("crates").join(&row.name).join("Cargo.toml");
        let Ok(manifest) = fs::read_to_string(manifest) else {
            broken.push(format!("ARCHITECTURE.md has a row for crates/{}, which does not exist", row.name));
            continue;
        };
        let (mut for_tests, mut named) = (false, Vec::new());
        for line in manifest.lines() {
            if line.starts_with('[') {
                for_tests = line.ends_with("dev-dependencies]");
            }
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if real.iter().any(|other| other == name) {
                named.push((name, for_tests));
            }
        }
        for (other, for_tests) in named {
            let allowed =
                row.names.iter().any(|n| n == other) || for_tests && row.tests_name.iter().any(|n| n == other);
            if !allowed {
                broken.push(format!("{} may not use {other}: its row in ARCHITECTURE.md does not say so", row.name));
            }
        }
    }
    Ok(())
}

fn words(broken: &mut Vec<String>) -> anyhow::Result<()> {
    for path in sources(&root().join("crates"))? {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        for (word, why, where_allowed) in FORBIDDEN {
            if text.contains(word) && !where_allowed.iter().any(|folder| name.starts_with(folder)) {
                broken.push(format!("{name} contains {word}: {why}"));
            }
        }
        if SERVER_CRATES.iter().any(|folder| name.starts_with(folder)) && text.contains("unsafe {") {
            broken.push(format!("{name} is unsafe"));
        }
        let lines = text.lines().count();
        if lines > 600 {
            broken.push(format!("{name} has {lines} lines, more than 600: split it"));
        }
    }
    Ok(())
}

/// The protocol's page names the version and the limits of the code.
fn wire(broken: &mut Vec<String>) -> anyhow::Result<()> {
    let page = fs::read_to_string(root().join("docs/protocol.md")).context("docs/protocol.md is missing")?;
    let code = fs::read_to_string(root().join("crates/protocol/src/lib.rs"))?;
    let version = code.split("VERSION: u16 = ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or("?");
    if !page.contains(&format!("Version {version} ")) {
        broken.push(format!("docs/protocol.md does not name version {version}"));
    }
    // Each row of the frame header's table is in both.
    let screen = fs::read_to_string(root().join("crates/protocol/src/screen.rs"))?;
    for row in
        screen.lines().filter_map(|l| l.strip_prefix("//! | ")).filter(|l| l.starts_with(|c: char| c.is_ascii_digit()))
    {
        let place = row.split('|').take(2).map(str::trim).collect::<Vec<_>>().join(" | ");
        if !page.contains(&format!("| {place} |")) {
            broken.push(format!("docs/protocol.md lacks the header's row {place}"));
        }
    }
    Ok(())
}

/// Licences that anybody may build on; the one exception has a decision page.
const LICENCES: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MPL-2.0",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
];
const SLINT: &str = "LicenseRef-Slint-Royalty-free-2.0";

/// Every dependency offers a licence of the list.
fn licences(broken: &mut Vec<String>) -> anyhow::Result<()> {
    for package in packages()? {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or("none"));
        if !allowed(licence) {
            broken.push(format!("the licence of {name} is {licence}"));
        }
    }
    Ok(())
}

/// Checks an SPDX expression: one side of an OR is enough, every side of an AND is needed.
fn allowed(licence: &str) -> bool {
    let plain = licence.replace(['(', ')'], " ").replace('/', " OR ");
    let one = |l: &str| {
        let l = l.split(" WITH ").next().unwrap_or(l).trim();
        LICENCES.contains(&l) || l == SLINT || l == "NCSA" || l == "CDLA-Permissive-2.0"
    };
    // Parentheses only ever group an OR within an AND here. Without them the result is the same if every AND part has
    // one good side.
    plain.split(" AND ").all(|part| part.split(" OR ").any(one))
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #[test]
    fn licences_are_judged() {
        let table = [
            ("MIT OR Apache-2.0", true),
            ("Apache-2.0 AND ISC", true),
            ("(MIT OR GPL-3.0) AND Zlib", true),
            ("GPL-3.0-only", false),
            ("MIT AND GPL-3.0-only", false),
            ("none", false),
            ("GPL-3.0-only OR LicenseRef-Slint-Royalty-free-2.0 OR LicenseRef-Slint-Software-3.0", true),
        ];
        for (licence, good) in table {
            assert_eq!(super::allowed(licence), good, "{licence}");
        }
    }

    #[test]
    fn the_project_is_tidy() {
        super::run().unwrap();
    }
}
