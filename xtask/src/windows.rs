//! The support program for Windows, built on Debian and tested under Wine.
//!
//! Debian's security archive has a newer compiler with the source of std (`rustc-web`, `rust-web-src`). With mingw-w64,
//! std for Windows is built from it once for each version of that compiler. Everything is in `target/windows`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{root, setup};

const TRIPLE: &str = "x86_64-pc-windows-gnu";
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const GCC: &str = "x86_64-w64-mingw32-gcc";

fn home() -> PathBuf {
    root().join("target/windows")
}

/// Builds the program that customers download, and prints its size.
pub fn ship() -> anyhow::Result<()> {
    prepare()?;
    cargo(&["build", "--profile", "small", "-p", "customer"])?;
    let program = home().join(TRIPLE).join("small/deskside-support.exe");
    println!("\n{}: {} bytes", program.display(), program.metadata()?.len());
    Ok(())
}

/// Builds it quickly and runs its tests under Wine.
pub fn test() -> anyhow::Result<()> {
    prepare()?;
    wine_prefix()?;
    // Build once for all: separate builds would compile dependencies with different features.
    cargo(&["build", "-p", "customer", "--bins", "--tests"])?;
    // Windows runs the entries of RunOnce when it starts, so start it before the test that writes there.
    run(command("wineserver").arg("--persistent=30"))?;
    run(command("wineboot").env_remove("DISPLAY"))?;
    cargo(&["test", "-p", "customer"])
}

fn prepare() -> anyhow::Result<()> {
    setup::run(&setup::WINDOWS)?;
    fs::create_dir_all(home())?;
    sysroot()
}

/// A command with everything that building for Windows and running under Wine needs.
fn command(program: &str) -> Command {
    let home = home();
    let mut command = Command::new(program);
    let path = format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default());
    let flags = format!("--sysroot={0} -Lnative={0}/static", home.join("sysroot").display());
    // The variables that cargo and rustup set for this program are for another compiler.
    for (name, _) in std::env::vars().filter(|(n, _)| n.starts_with("CARGO") || n.starts_with("RUST")) {
        if name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    command
        .current_dir(root())
        .env("PATH", path)
        .env("RUSTC", RUSTC)
        .env("CARGO_TARGET_DIR", &home)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS", flags)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", GCC)
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine")
        .env("WINEPREFIX", home.join("wine"))
        .env("WINEDEBUG", "-all")
        .env("WINEDLLOVERRIDES", "mscoree=;mshtml=;pdh=n");
    command
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let (task, rest) = arguments.split_first().context("no task")?;
    run(command(CARGO).arg(task).args(["--target", TRIPLE]).args(rest))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let what = format!("{} {}", command.get_program().to_string_lossy(), words.join(" "));
    println!("\n› {what}");
    let status = command.status().with_context(|| format!("{what} cannot be run"))?;
    anyhow::ensure!(status.success(), "{what} failed");
    Ok(())
}

/// As in rustc's own build: `panic_abort` alone is compiled with panic=abort.
const WRAPPER: &str = "#!/bin/sh
rustc=$1; shift
case \" $* \" in *' --crate-name panic_abort '*) set -- \"$@\" -Cpanic=abort;; esac
exec \"$rustc\" \"$@\"
";

/// Builds std for Windows, unless this version of the compiler has built it.
fn sysroot() -> anyhow::Result<()> {
    let compiler = Command::new(RUSTC).arg("-V").output().context("rustc-web is not installed")?.stdout;
    let done = home().join("sysroot/built-by");
    if fs::read(&done).is_ok_and(|by| by == compiler) {
        return Ok(());
    }
    let work = home().join("std");
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("src/lib.rs"), "#![no_std]\n")?;
    let manifest = "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[profile.release]\ndebug = 0\n";
    fs::write(work.join("Cargo.toml"), manifest)?;
    let wrapper = work.join("rustc");
    fs::write(&wrapper, WRAPPER)?;
    crate::run(".", "chmod", &["+x", &wrapper.display().to_string()])?;
    let parts = "-Zbuild-std=std,panic_abort,panic_unwind,test";
    run(command(CARGO)
        .args(["build", "--quiet", "--release", "--target", TRIPLE, parts])
        .current_dir(&work)
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env_remove("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("RUSTC_WRAPPER", &wrapper)
        .env("RUSTC_BOOTSTRAP", "1"))?;
    let (libraries, statics) =
        (home().join("sysroot/lib/rustlib").join(TRIPLE).join("lib"), home().join("sysroot/static"));
    let _ = fs::remove_dir_all(home().join("sysroot"));
    fs::create_dir_all(&libraries)?;
    fs::create_dir_all(&statics)?;
    for entry in fs::read_dir(work.join("target").join(TRIPLE).join("release/deps"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name.ends_with(".rlib") && !name.starts_with("libnothing") {
            fs::copy(&path, libraries.join(name))?;
        }
    }
    // This folder is searched before the compiler's own, where the linker would choose libraries that need a DLL beside
    // the program.
    for library in ["libstdc++.a", "libwinpthread.a"] {
        let found = Command::new("x86_64-w64-mingw32-g++").arg(format!("-print-file-name={library}")).output()?.stdout;
        fs::copy(Path::new(String::from_utf8(found)?.trim()), statics.join(library))?;
    }
    fs::remove_dir_all(&work)?;
    Ok(fs::write(done, compiler)?)
}

/// DLLs of Windows 10 that Wine 8 lacks: randomness for Rust's std, and performance counters, at which Wine ends the
/// calling program. The stub answers that there are none.
const STUBS: [(&str, &str); 2] = [("bcryptprimitives.dll", PROCESS_PRNG), ("pdh.dll", NO_COUNTERS)];
const NO_COUNTERS: &str = "#define NONE(name) __declspec(dllexport) unsigned name(void) { return 0xC0000BB8; }
NONE(PdhAddEnglishCounterW) NONE(PdhCloseQuery) NONE(PdhCollectQueryData) NONE(PdhEnumObjectsW)
NONE(PdhGetFormattedCounterValue) NONE(PdhOpenQueryW) NONE(PdhRemoveCounter)
";
const PROCESS_PRNG: &str = "#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) {
    while (n) { ULONG k = n > 65536 ? 65536 : n; if (!RtlGenRandom(p, k)) return 0; p += k; n -= k; }
    return 1;
}
";

/// Creates the folder where Wine keeps its Windows.
fn wine_prefix() -> anyhow::Result<()> {
    let prefix = home().join("wine");
    let done = prefix.join("ready");
    if done.exists() {
        return Ok(());
    }
    run(command("wineboot").arg("--init").env_remove("DISPLAY"))?;
    run(command("wineserver").arg("--wait"))?;
    for (name, text) in STUBS {
        let (source, library) = (prefix.join("stub.c"), prefix.join("drive_c/windows/system32").join(name));
        fs::write(&source, text)?;
        let _ = fs::remove_file(&library);
        run(command(GCC).args(["-shared", "-O2", "-s", "-o"]).args([&library, &source]).arg("-ladvapi32"))?;
    }
    Ok(fs::write(done, "")?)
}
