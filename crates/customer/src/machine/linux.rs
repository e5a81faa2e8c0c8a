//! Linux: systemd and its journal if present, otherwise text logs.

use std::{
    ffi::{CStr, CString, OsStr, OsString},
    fs, io,
    ops::ControlFlow,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

use portable_pty::CommandBuilder;
use protocol::{
    Client, Log, Service,
    file_name::{as_raw_byte, raw_byte},
};
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags},
    io::Errno,
};
use serde::Deserialize;
use sysinfo::{Uid, Users};

use super::{LOG_LINES, cut, done_by, output_of};

/// Where systems mount removable disks.
const DISKS: [&str; 2] = ["/media", "/mnt"];
/// Text logs of older systems.
const LOG_FILES: [&str; 2] = ["/var/log/syslog", "/var/log/messages"];

/// The client that this program reports to the server.
pub fn client() -> Client {
    Client::Program
}

/// Waits until the system or a user ends this program.
pub async fn wait_for_termination() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut end), Ok(mut break_), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = end.recv() => {}
        _ = break_.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// The root of every path.
pub fn top() -> PathBuf {
    PathBuf::from("/")
}

/// A name or path for the wire: see [`protocol::file_name`].
pub fn name_to_text(name: &OsStr) -> String {
    let mut text = String::new();
    for part in name.as_bytes().utf8_chunks() {
        for c in part.valid().chars() {
            match as_raw_byte(c) {
                Some(_) => text.extend(c.encode_utf8(&mut [0; 4]).bytes().filter_map(raw_byte)),
                None => text.push(c),
            }
        }
        text.extend(part.invalid().iter().copied().filter_map(raw_byte));
    }
    text
}

/// The inverse of [`name_to_text`].
pub fn name_of_text(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match as_raw_byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    OsString::from_vec(bytes)
}

/// The permissions of a file, for archives.
pub fn mode(about: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;

    about.permissions().mode() & 0o777
}

/// Places to start from, besides the home folder.
pub fn disks() -> Vec<PathBuf> {
    let mounted = DISKS.iter().flat_map(|d| fs::read_dir(d).into_iter().flatten().flatten()).map(|e| e.path());
    [top()].into_iter().chain(mounted).collect()
}

/// How many bytes the customer's user may still write there.
pub fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Deletes a folder with everything in it while that is allowed, which is checked before each entry. Each folder is
/// opened without following links, so that nobody can redirect the deletion by replacing a folder with a link.
pub fn remove_folder(path: &Path, allowed: &dyn Fn() -> bool) -> io::Result<ControlFlow<()>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    remove_entry(parent.as_fd(), &CString::new(name.as_bytes())?, allowed)
}

fn remove_entry(folder: BorrowedFd<'_>, name: &CStr, allowed: &dyn Fn() -> bool) -> io::Result<ControlFlow<()>> {
    if !allowed() {
        return Ok(ControlFlow::Break(()));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(inner) => inner,
        Err(Errno::NOTDIR | Errno::LOOP) => {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
            return Ok(ControlFlow::Continue(()));
        }
        Err(error) => return Err(error.into()),
    };
    for entry in Dir::read_from(&inner)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." && remove_entry(inner.as_fd(), name, allowed)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?;
    Ok(ControlFlow::Continue(()))
}

/// The customer's own shell.
pub fn shell() -> CommandBuilder {
    let mut shell = CommandBuilder::new_default_prog();
    shell.env("TERM", "xterm-256color");
    shell
}

/// Lets a command run without a window; Linux opens none.
pub fn hidden(_: &mut Command) {}

/// A unit in the output of `systemctl --output=json`.
#[derive(Deserialize)]
struct Unit {
    unit: String,
    active: String,
    sub: String,
    description: String,
}

/// The background services.
pub fn services() -> Option<Vec<Service>> {
    let list = output_of("systemctl", &["list-units", "--type=service", "--all", "--no-pager", "--output=json"])?;
    let units: Vec<Unit> = serde_json::from_str(&list).ok()?;
    let service = |u: Unit| Service {
        name: u.unit.trim_end_matches(".service").to_owned(),
        state: format!("{} ({})", u.active, u.sub),
        description: u.description,
    };
    Some(units.into_iter().map(service).collect())
}

/// The newest lines of the system log.
pub fn log() -> Option<Log> {
    let lines = LOG_LINES.to_string();
    let journal = || {
        let text = output_of("journalctl", &["--no-pager", "--quiet", "--output=short-iso", "-n", &lines])?;
        (!text.trim().is_empty()).then_some(("systemd journal".to_owned(), text))
    };
    let file = || {
        LOG_FILES.iter().find_map(|path| {
            let text = output_of("tail", &["-n", &lines, path])?;
            Some(((*path).to_owned(), text))
        })
    };
    let (source, text) = journal().or_else(file)?;
    Some(Log { source, lines: text.lines().map(cut).collect() })
}

/// The names of this machine's users.
pub struct UserNames(Option<Users>);

impl UserNames {
    /// Reads them.
    pub fn read() -> Self {
        Self(Users::new_with_refreshed_list().ok())
    }

    /// The name of this user.
    pub fn of(&mut self, user: &Uid) -> Option<String> {
        Some(self.0.as_ref()?.get_user_by_id(user)?.name().to_owned())
    }
}

/// Removes this program's own file; the program keeps running.
pub fn remove_own_program() -> io::Result<()> {
    std::env::current_exe().and_then(fs::remove_file)
}

/// Where this program stores what it must find again, readable by its user alone.
pub fn state_folder() -> PathBuf {
    folder("XDG_STATE_HOME", ".local/state").join("deskside")
}

/// Makes a new file readable by its user alone.
pub fn restrict_to_user(options: &mut fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// A folder of the user by the XDG Base Directory Specification.
fn folder(variable: &str, otherwise: &str) -> PathBuf {
    let configured = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    configured.unwrap_or_else(|| home().join(otherwise))
}

/// The entry with which desktops start a program when their user signs in (Desktop Application Autostart
/// Specification).
fn autostart() -> PathBuf {
    folder("XDG_CONFIG_HOME", ".config").join("autostart/deskside-return.desktop")
}

/// Starts this program when the user signs in the next time.
pub fn start_at_sign_in(program: &Path, argument: &str) -> io::Result<()> {
    let entry = autostart();
    fs::create_dir_all(entry.parent().expect("it is in a folder"))?;
    let program = program.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    let text = "[Desktop Entry]\nType=Application\nName=Deskside support\nTerminal=false\n";
    fs::write(entry, format!("{text}Exec={} {argument}\n", exec(program)))
}

/// Undoes [`start_at_sign_in`].
pub fn forget_sign_in_start() -> io::Result<()> {
    fs::remove_file(autostart())
}

/// A path in the `Exec` key of the Desktop Entry Specification: quoted, and escaped again as every value of such a
/// file.
fn exec(path: &str) -> String {
    let quoted: String = path
        .chars()
        .flat_map(|c| match c {
            '"' | '`' | '$' | '\\' => vec!['\\', c],
            '%' => vec!['%', '%'],
            c => vec![c],
        })
        .collect();
    format!("\"{}\"", quoted.replace('\\', "\\\\"))
}

/// An elevated process: there are none here.
pub enum Elevated {}

impl Elevated {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        match *self {}
    }

    /// Waits for its end; returns its exit code.
    pub fn wait(self) -> u32 {
        match self {}
    }
}

/// No window is out of reach because of its program's rights here, so nothing needs to be elevated.
pub fn run_as_administrator(_: &[String]) -> Result<Elevated, String> {
    Err("only Windows keeps rights apart for administrators".into())
}

/// No service presses keys here: a program of the user can.
pub fn serve_attention() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks the system to restart; returns its error. The user at the computer may do this, unless others use it too.
pub fn restart() -> Result<(), String> {
    done_by("systemctl", &["reboot"]).or_else(|why| done_by("loginctl", &["reboot"]).map_err(|_| why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_desktop_entry_is_quoted() {
        assert_eq!(exec("/home/a b/deskside-support"), r#""/home/a b/deskside-support""#);
        assert_eq!(exec(r#"/a"b\c$d%e"#), r#""/a\\"b\\\\c\\$d%%e""#);
    }
}
