//! The benchmark: stages with Criterion, the whole path with the harness in `bench/`, optionally side by side with
//! other products.

use std::{fs, path::Path, process::Command};

use anyhow::Context;

use crate::{cargo, root, run as go};

/// What is measured over local links, in this order.
const LOCAL: &str = "first,latency,idle,terminal,scroll,drag,video,settled";
/// What is measured over slower links: round trip in ms, loss in percent, rate in Mbit/s.
const FAR: &str = "latency,terminal";
const LINKS: [&str; 2] = ["40,0,20", "40,2,20"];
/// What is measured on a screen with four times as many pixels, and its size.
const LARGE: &str = "first,latency,terminal,scroll,settled";
const LARGE_SIZE: &str = "3840x2160";
/// The other products: VNC servers with noVNC, Xpra, MeshCentral.
const PEERS: [&str; 5] = ["vnc:x0vnc-17-q6", "vnc:x11vncfast-17-q6", "vnc:x11vnc-17-q6", "xpra", "meshcentral"];
/// Over slower links and on the large screen, only the best of the others is measured.
const BEST_PEER: &str = "vnc:x0vnc-17-q6";

/// Runs the benchmark and writes `target/bench/performance.md` and one JSON file for each run. Needs root, for its
/// network namespaces.
pub fn run(peers: bool) -> anyhow::Result<()> {
    let home = root().join("target/bench");
    fs::create_dir_all(&home)?;
    let home = home.display().to_string();
    let setup = if peers { "all" } else { "own" };
    let mut install = Command::new("bash");
    install.args(["setup.sh", setup]).env("BENCH_HOME", &home).current_dir(root().join("bench"));
    check(&mut install, "bench/setup.sh")?;
    go("bench", "make", &["--silent"])?;
    cargo(&["build", "--release", "--package", "server", "--package", "customer"])?;
    cargo(&["bench", "--package", "screen", "--bench", "stages"])?;
    measure(&home, "deskside", LOCAL, &[])?;
    for peer in PEERS.iter().filter(|_| peers) {
        measure(&home, peer, LOCAL, &[])?;
    }
    let large = ["--size", LARGE_SIZE];
    measure(&home, "deskside", LARGE, &large)?;
    if peers {
        measure(&home, BEST_PEER, LARGE, &large)?;
    }
    for link in LINKS.map(|link| ["--link", link]) {
        // Over HTTPS, and so over QUIC.
        measure(&home, "deskside:tls", FAR, &link)?;
        if peers {
            measure(&home, BEST_PEER, FAR, &link)?;
        }
    }
    let report =
        Command::new("node").args(["report.mjs", &format!("{home}/out")]).current_dir(root().join("bench")).output()?;
    anyhow::ensure!(report.status.success(), "bench/report.mjs failed");
    let page = Path::new(&home).join("performance.md");
    fs::write(&page, &report.stdout)?;
    println!("\n{}\nThe tables: {}", String::from_utf8_lossy(&report.stdout), page.display());
    Ok(())
}

fn measure(home: &str, peer: &str, only: &str, more: &[&str]) -> anyhow::Result<()> {
    println!("\n› {peer} {}", more.join(" "));
    let out = format!("{home}/out");
    fs::create_dir_all(&out)?;
    let mut command = Command::new("node");
    command.args(["bench.mjs", "--peer", peer, "--only", only, "--out", &out]).args(more);
    command.env("BENCH_HOME", home).current_dir(root().join("bench"));
    check(&mut command, peer)
}

fn check(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{what} cannot be started"))?;
    anyhow::ensure!(status.success(), "{what} failed");
    Ok(())
}
