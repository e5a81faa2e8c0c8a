//! The sample customer's desktop: a virtual display with a window manager and a few applications; and the sample
//! customer, who can say yes by keyboard.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{Children, SERVER, VNC_PORT};
use crate::root;

/// The number of the display, far from those of real desktops.
const DISPLAY: &str = ":70";

/// The running desktop.
pub struct Desktop {
    home: PathBuf,
}

impl Desktop {
    /// Starts the display, its window manager and applications, and the server of its picture for the customer's page.
    pub fn start(data: &Path, children: &mut Children) -> anyhow::Result<Self> {
        let home = data.join("customer");
        fs::create_dir_all(home.join("Downloads"))?;
        fs::write(home.join("Notes.txt"), "Shopping: paper, ink\nThe printer was fine until Monday.\n")?;
        let desktop = Self { home };
        let quiet = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        };
        let mut xvfb = Command::new("Xvfb");
        xvfb.args([DISPLAY, "-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset"]);
        quiet(&mut xvfb);
        children.start(&mut xvfb)?;
        desktop.wait_for_display()?;
        let picture = root().join("docs/screenshots/incident.png");
        let start = |program: &str, arguments: &[&str], children: &mut Children| {
            let mut command = desktop.command(program);
            command.args(arguments);
            quiet(&mut command);
            children.start(&mut command)
        };
        start("openbox", &[], children)?;
        start("xsetroot", &["-solid", "#3a6ea5"], children)?;
        start(
            "xterm",
            &["-geometry", "84x20+60+620", "-fa", "DejaVu Sans Mono", "-fs", "11", "-T", "Terminal"],
            children,
        )?;
        start("mousepad", &[&desktop.home.join("Notes.txt").display().to_string()], children)?;
        start("pcmanfm", &["--no-desktop", &desktop.home.display().to_string()], children)?;
        if picture.is_file() {
            start(
                "feh",
                &["--geometry", "640x400+1240+620", "--scale-down", &picture.display().to_string()],
                children,
            )?;
        }
        start(
            "x11vnc",
            &[
                "-display",
                DISPLAY,
                "-localhost",
                "-rfbport",
                "5970",
                "-forever",
                "-shared",
                "-nopw",
                "-quiet",
                "-noxrecord",
            ],
            children,
        )?;
        let mut websockify = Command::new("websockify");
        websockify.args(["--web", "/usr/share/novnc", &format!("127.0.0.1:{VNC_PORT}"), "127.0.0.1:5970"]);
        quiet(&mut websockify);
        children.start(&mut websockify)?;
        Ok(desktop)
    }

    fn wait_for_display(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if self.command("xdotool").arg("getdisplaygeometry").output().is_ok_and(|o| o.status.success()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("the sample display did not start: is another one running on {DISPLAY}?")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", DISPLAY).env("HOME", &self.home).current_dir(&self.home);
        command
    }

    /// Opens a page of the demo's server in the sample customer's browser.
    pub fn open_page(&self, address: &str, children: &mut Children) -> anyhow::Result<()> {
        anyhow::ensure!(address.starts_with(&format!("{SERVER}/")), "the sample customer opens links of the demo only");
        let profile = format!("--user-data-dir={}", self.home.join(".browser").display());
        let mut command = self.command("chromium");
        command
            .args([&profile, "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--window-size=980,860",
                "--window-position=460,80",
                address,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        children.start(&mut command)
    }

    /// Downloads the support program for a link, as the link's page does, and runs it.
    pub fn run_program(&self, token: &str, children: &mut Children) -> anyhow::Result<()> {
        let mut answer = ureq::post(format!("{SERVER}/download/linux"))
            .send_form([("link", token)])
            .context("the support program cannot be downloaded")?;
        let bytes = answer.body_mut().with_config().limit(512 * 1024 * 1024).read_to_vec()?;
        // A running program cannot be overwritten, so each download has a number, as in browsers.
        let free = (1..).map(|n| self.home.join(format!("Downloads/deskside-support-{n}"))).find(|p| !p.exists());
        let path = free.context("the downloads folder is full")?;
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        children.start(self.command(&path.display().to_string()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Answers a question on the screen with yes, by keyboard.
    pub fn say_yes(&self) {
        let window = |title: &str| {
            let found = self.command("xdotool").args(["search", "--onlyvisible", "--name", title]).output().ok()?;
            let id = String::from_utf8(found.stdout).ok()?.lines().next()?.to_owned();
            (!id.is_empty()).then_some(id)
        };
        let keys = |id: &str, keys: &[&str]| {
            let _ = self.command("xdotool").args(["windowactivate", "--sync", id]).status();
            let _ = self.command("xdotool").args(["key", "--delay", "60"]).args(keys).status();
        };
        // The title of the first question counts down the seconds for reading; after that its button works.
        if let Some(id) = window("^A question from [^(]*$") {
            keys(&id, &["Tab", "Tab", "space"]);
        } else if let Some(id) = window("^What may .* do") {
            // "No" and "View only" come before "View and control"; a question for viewing alone ends with "View only".
            keys(&id, &["shift+Tab", "space"]);
        }
    }
}
