//! The packages that this project needs from Debian, and why.

use std::{path::Path, process::Command};

use crate::root;

/// A package: a path that shows that it is installed, its name, and why it is needed.
pub struct Need {
    path: &'static str,
    package: &'static str,
    why: &'static str,
}

const fn need(path: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { path, package, why }
}

/// For building and for every test.
pub const ALL: [Need; 37] = [
    need("/usr/bin/cc", "build-essential", "builds libaom and SQLite"),
    need("/usr/bin/cmake", "cmake", "builds libaom, the server's decoder of videos"),
    need("/usr/bin/nasm", "nasm", "assembles libaom's fast paths"),
    need("/usr/bin/perl", "perl", "builds libaom"),
    need("/usr/bin/pkg-config", "pkg-config", "finds system libraries"),
    need("/usr/bin/Xvfb", "xvfb", "the sample customer's display"),
    need("/usr/bin/openbox", "openbox", "the sample customer's window manager"),
    need("/usr/lib/python3/dist-packages/xdg", "python3-xdg", "what openbox starts when somebody signs in"),
    need("/usr/bin/zenity", "zenity", "the sample customer's window for choosing a file"),
    need("/usr/bin/xterm", "xterm", "the sample customer's terminal"),
    need("/usr/bin/mousepad", "mousepad", "the sample customer's text editor"),
    need("/usr/bin/pcmanfm", "pcmanfm", "the sample customer's file manager"),
    need("/usr/bin/feh", "feh", "shows the sample customer a picture"),
    need("/usr/bin/chromium", "chromium", "the sample customer's browser, and the tests' browser"),
    need("/usr/bin/x11vnc", "x11vnc", "shows the sample desktop to whoever plays the customer"),
    need("/usr/share/novnc/vnc_lite.html", "novnc", "shows the sample desktop in a page"),
    need("/usr/bin/xdotool", "xdotool", "lets the sample customer press keys"),
    need("/usr/bin/import", "imagemagick", "reads the display's pixels in tests"),
    need("/usr/bin/xclip", "xclip", "holds and reads the clipboard in tests"),
    need("/usr/bin/ffprobe", "ffmpeg", "reads recordings independently in tests"),
    need("/usr/sbin/mkfs.ext4", "e2fsprogs", "makes the disk whose power the tests cut"),
    need("/usr/bin/mount", "mount", "lets the tests fill a disk of their own"),
    need("/usr/bin/nsenter", "util-linux", "reaches into the tests' small disk"),
    need("/usr/bin/sqlite3", "sqlite3", "copies a database that is in use"),
    need("/usr/bin/openssl", "openssl", "makes the tests' certificates"),
    need("/usr/bin/python3", "python3", "runs the tests' mail server"),
    need("/usr/share/doc/python3-venv", "python3-venv", "holds schemathesis, which tests the REST API"),
    need("/usr/bin/curl", "curl", "runs the example of the REST API"),
    need("/usr/sbin/slapd", "slapd", "a real directory for the tests"),
    need("/usr/sbin/dovecot", "dovecot-imapd", "a real mailbox for the tests"),
    need("/usr/share/request-tracker5/libexec/rt-server", "request-tracker5", "a real service desk for the tests"),
    need("/usr/share/doc/rt5-db-sqlite", "rt5-db-sqlite", "its database"),
    need("/usr/share/doc/rt5-standalone", "rt5-standalone", "its web server"),
    need("/usr/lib/python3/dist-packages/aiosmtpd", "python3-aiosmtpd", "a real mail server for the tests"),
    need("/usr/bin/xsetroot", "x11-xserver-utils", "gives the sample desktop its colour"),
    need("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core", "letters for the sample desktop"),
    need("/usr/lib/x86_64-linux-gnu/libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "the support program's keyboard"),
];

/// For building the decoder that pages include.
pub const WASM: [Need; 5] = [
    need("/usr/bin/clang", "clang", "compiles the decoder for browsers that have none"),
    need("/usr/bin/llvm-ar", "llvm", "its archives"),
    need("/usr/bin/wasm-ld", "lld", "links it"),
    need("/usr/include/wasm32-wasi/stdlib.h", "wasi-libc", "its C library"),
    need("/usr/share/doc/libclang-rt-dev-wasm32", "libclang-rt-dev-wasm32", "what its compiler leaves to a library"),
];

/// For building and testing the support program for Windows.
pub const WINDOWS: [Need; 9] = [
    need("/usr/share/doc/rustc-web", "rustc-web", "the compiler whose std is built for Windows"),
    need("/usr/share/doc/cargo-web", "cargo-web", "builds with it"),
    need("/usr/share/doc/rust-web-src", "rust-web-src", "the source of its std"),
    need("/usr/bin/x86_64-w64-mingw32-gcc-posix", "gcc-mingw-w64-x86-64-posix", "links programs for Windows"),
    need("/usr/bin/x86_64-w64-mingw32-g++-posix", "g++-mingw-w64-x86-64-posix", "its C++ library"),
    need("/usr/bin/wine", "wine", "runs programs for Windows"),
    need("/usr/lib/wine/wine64", "wine64", "runs 64-bit ones"),
    need("/usr/share/wine/fonts", "fonts-wine", "letters for them"),
    need("/usr/bin/osslsigncode", "osslsigncode", "signs programs for Windows in tests"),
];

/// Installs what is missing, and prints what and why.
pub fn run(needs: &[Need]) -> anyhow::Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|n| !Path::new(n.path).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing on this machine, to be installed from Debian:");
    for need in &missing {
        println!("  {:<20} {}", need.package, need.why);
    }
    let root_user = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
    let packages = missing.iter().map(|n| n.package);
    let install = ["apt-get", "install", "-y", "-q", "--no-install-recommends"];
    let as_root = |words: &[&str]| {
        let words: Vec<&str> = if root_user { words.to_vec() } else { [&["sudo"], words].concat() };
        self::quiet(words[0], &words[1..])
    };
    as_root(&["apt-get", "update", "-q"])?;
    as_root(&install.into_iter().chain(packages).collect::<Vec<_>>())
}

/// Like [`run`](crate::run), without questions from Debian.
fn quiet(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("\n› {program} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?;
    anyhow::ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}

/// Packages from the Python Package Index for the tests: a tester of the REST API, and a client made for BeyondTrust's.
const PYTHON: [&str; 2] = ["schemathesis==4.32.5", "bt-cli==0.6.1"];

/// Makes the folder of Python packages for the tests, unless it is up to date.
pub fn python() -> anyhow::Result<()> {
    let folder = root().join("e2e/.python");
    let done = folder.join("installed");
    let wanted = PYTHON.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|what| what == wanted) {
        return Ok(());
    }
    crate::run("e2e", "/usr/bin/python3", &["-m", "venv", "--clear", ".python"])?;
    let install = ["install", "--quiet", "--disable-pip-version-check"];
    crate::run("e2e", ".python/bin/pip", &[&install[..], &PYTHON].concat())?;
    Ok(std::fs::write(done, wanted)?)
}

/// Installs the packages of a folder's lock file, unless they are installed. (`npm ci` is stricter, but refuses lock
/// files that leave out optional packages of other systems.)
pub fn npm(folder: &str) -> anyhow::Result<()> {
    let folder_path = root().join(folder);
    let (lock, done) = (folder_path.join("package-lock.json"), folder_path.join("node_modules/.package-lock.json"));
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    match (time(&lock), time(&done)) {
        (Some(lock), Some(done)) if done >= lock => Ok(()),
        _ => crate::run(folder, "npm", &["install", "--no-save", "--no-audit", "--no-fund"]),
    }
}
