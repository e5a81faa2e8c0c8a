//! Windows: drives, PowerShell's lists of services and events, and a shell on ConPTY.

pub mod rights;
pub mod secure_attention;

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs, io,
    ops::ControlFlow,
    os::windows::{
        ffi::{OsStrExt, OsStringExt},
        fs::FileTypeExt,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use portable_pty::CommandBuilder;
use protocol::{
    Client, Log, Service,
    file_name::{as_raw_half, raw_half},
};
use serde::Deserialize;
use sysinfo::Uid;
use windows::{
    Win32::{
        Foundation::{HLOCAL, LocalFree},
        Security::{Authorization::ConvertStringSidToSidW, LookupAccountSidW, PSID, SID_NAME_USE},
        Storage::FileSystem::{GetDiskFreeSpaceExW, GetLogicalDrives},
        System::{
            Registry::{HKEY_CURRENT_USER, REG_SZ, RegDeleteKeyValueW, RegSetKeyValueW},
            Threading::CREATE_NO_WINDOW,
        },
    },
    core::{HRESULT, PCWSTR, PWSTR, w},
};

use super::{LOG_LINES, cut, done_by, output_of};

pub use rights::{Elevated, run_as_administrator};
pub use secure_attention::serve as serve_attention;

/// The client that this program reports to the server.
pub fn client() -> Client {
    if rights::is_administrator() { Client::WindowsAdministrator } else { Client::WindowsProgram }
}

/// Waits until the system or a user ends this program: on Windows its windows receive that.
pub async fn wait_for_termination() {
    std::future::pending().await
}

/// The root of every path on the system drive.
pub fn top() -> PathBuf {
    let drive = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".into());
    PathBuf::from(drive + "\\")
}

/// A name or path for the wire: see [`protocol::file_name`].
pub fn name_to_text(name: &OsStr) -> String {
    let mut text = String::new();
    for unit in char::decode_utf16(name.encode_wide()) {
        match unit {
            Ok(c) if as_raw_half(c).is_some() => {
                text.extend(c.encode_utf16(&mut [0; 2]).iter().copied().filter_map(raw_half));
            }
            Ok(c) => text.push(c),
            Err(half) => text.extend(raw_half(half.unpaired_surrogate())),
        }
    }
    text
}

/// The inverse of [`name_to_text`].
pub fn name_of_text(text: &str) -> OsString {
    let mut units = Vec::with_capacity(text.len());
    for c in text.chars() {
        match as_raw_half(c) {
            Some(half) => units.push(half),
            None => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    OsString::from_wide(&units)
}

/// The permissions of a file, for archives: Windows has none of this kind.
pub fn mode(about: &fs::Metadata) -> u32 {
    if about.is_dir() { 0o755 } else { 0o644 }
}

/// Places to start from, besides the home folder: the drives.
pub fn disks() -> Vec<PathBuf> {
    // SAFETY: gives a number.
    let present = unsafe { GetLogicalDrives() };
    let drive = |letter: u8| PathBuf::from(format!("{}:\\", char::from(letter)));
    (b'A'..=b'Z').enumerate().filter(|(bit, _)| present >> bit & 1 == 1).map(|(_, letter)| drive(letter)).collect()
}

/// How many bytes the customer's user may still write there.
pub fn free(path: &Path) -> u64 {
    let wide: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut bytes = 0;
    // SAFETY: the path ends with a zero, and the place for the answer lives until the call returns.
    match unsafe { GetDiskFreeSpaceExW(PCWSTR(wide.as_ptr()), Some(&mut bytes), None, None) } {
        Ok(()) => bytes,
        Err(_) => 0,
    }
}

/// Deletes a folder with everything in it while that is allowed, which is checked before each entry. Of links, the
/// targets stay.
pub fn remove_folder(path: &Path, allowed: &dyn Fn() -> bool) -> io::Result<ControlFlow<()>> {
    if !allowed() {
        return Ok(ControlFlow::Break(()));
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if remove_folder(&entry.path(), allowed)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        } else if !allowed() {
            return Ok(ControlFlow::Break(()));
        } else if kind.is_symlink_dir() {
            fs::remove_dir(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(path).map(ControlFlow::Continue)
}

/// PowerShell, which every Windows since 7 has; otherwise the command prompt.
pub fn shell() -> CommandBuilder {
    let root = std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\Windows".into());
    let powershell = Path::new(&root).join(r"System32\WindowsPowerShell\v1.0\powershell.exe");
    if powershell.is_file() {
        let mut shell = CommandBuilder::new(powershell);
        shell.arg("-NoLogo");
        return shell;
    }
    CommandBuilder::new(std::env::var("ComSpec").unwrap_or_else(|_| "cmd.exe".into()))
}

/// Lets a command run without a window.
pub fn hidden(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW.0);
}

fn powershell(script: &str) -> Option<String> {
    let utf8 = format!("[Console]::OutputEncoding=[Text.Encoding]::UTF8; {script}");
    output_of("powershell.exe", &["-NoProfile", "-NonInteractive", "-Command", &utf8])
}

/// A service in PowerShell's output.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceJson {
    name: String,
    display_name: String,
    state: String,
}

/// The background services.
pub fn services() -> Option<Vec<Service>> {
    let list = powershell(
        "ConvertTo-Json -Compress @(Get-Service | ForEach-Object { \
         @{Name=$_.Name; DisplayName=$_.DisplayName; State=\"$($_.Status)\"} })",
    )?;
    let services: Vec<ServiceJson> = serde_json::from_str(&list).ok()?;
    let service = |t: ServiceJson| Service { name: t.name, state: t.state, description: t.display_name };
    Some(services.into_iter().map(service).collect())
}

/// The newest events of the system log.
pub fn log() -> Option<Log> {
    let text = powershell(&format!(
        "Get-WinEvent -LogName System,Application -MaxEvents {LOG_LINES} -ErrorAction SilentlyContinue | Sort-Object \
         TimeCreated | ForEach-Object {{ \"$($_.TimeCreated.ToString('s')) $($_.ProviderName) $($_.LevelDisplayName): \
         $(($_.Message -split \"`n\")[0])\" }}"
    ))?;
    (!text.trim().is_empty())
        .then(|| Log { source: "Windows event log".into(), lines: text.lines().map(cut).collect() })
}

/// The names of this machine's users, looked up one by one: a machine of a large organisation knows too many.
pub struct UserNames(HashMap<String, Option<String>>);

impl UserNames {
    /// An empty cache.
    pub fn read() -> Self {
        Self(HashMap::new())
    }

    /// The name of this user.
    pub fn of(&mut self, user: &Uid) -> Option<String> {
        let sid = user.to_string();
        self.0.entry(sid).or_insert_with_key(|sid| account(sid)).clone()
    }
}

/// The account of a security identifier in text form: `S-1-5-18`.
fn account(sid: &str) -> Option<String> {
    let wide: Vec<u16> = sid.encode_utf16().chain([0]).collect();
    let mut parsed = PSID::default();
    let (mut name, mut domain) = ([0u16; 257], [0u16; 257]);
    let (mut name_length, mut domain_length) = (name.len() as u32, domain.len() as u32);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: the text ends with a zero; the buffers have the stated lengths; what was parsed is freed once.
    let found = unsafe {
        ConvertStringSidToSidW(PCWSTR(wide.as_ptr()), &mut parsed).ok()?;
        let (name, domain) = (Some(PWSTR(name.as_mut_ptr())), Some(PWSTR(domain.as_mut_ptr())));
        let nowhere = PCWSTR::null();
        let found = LookupAccountSidW(nowhere, parsed, name, &mut name_length, domain, &mut domain_length, &mut kind);
        LocalFree(Some(HLOCAL(parsed.0)));
        found
    };
    found.ok()?;
    Some(String::from_utf16_lossy(name.get(..name_length as usize)?))
}

/// Removes this program's own file once it has ended: the file of a running program cannot be removed.
pub fn remove_own_program() -> std::io::Result<()> {
    self_replace::self_delete()
}

/// Where this program stores what it must find again: the user's own application data.
pub fn state_folder() -> PathBuf {
    std::env::var_os("LOCALAPPDATA").map_or_else(std::env::temp_dir, PathBuf::from).join("Deskside")
}

/// Files in the user's application data belong to that user alone.
pub fn restrict_to_user(_: &mut std::fs::OpenOptions) {}

/// Windows runs each entry once when this user signs in, and removes it before starting it. (Microsoft: "Run and
/// RunOnce Registry Keys".)
const RUN_ONCE: PCWSTR = w!(r"Software\Microsoft\Windows\CurrentVersion\RunOnce");
/// This program's entry there.
const ENTRY: PCWSTR = w!("DesksideReturn");

/// Starts this program when the user signs in the next time.
pub fn start_at_sign_in(program: &Path, argument: &str) -> std::io::Result<()> {
    let quote = u16::from(b'"');
    let argument = format!(" {argument}");
    let command: Vec<u16> = std::iter::once(quote)
        .chain(program.as_os_str().encode_wide())
        .chain([quote])
        .chain(argument.encode_utf16())
        .chain([0])
        .collect();
    let bytes = u32::try_from(command.len() * 2).map_err(std::io::Error::other)?;
    // SAFETY: the names end with a zero, and so does the text, which has the stated length and is copied before the return.
    let set =
        unsafe { RegSetKeyValueW(HKEY_CURRENT_USER, RUN_ONCE, ENTRY, REG_SZ.0, Some(command.as_ptr().cast()), bytes) };
    set.ok().map_err(system_error)
}

/// Undoes [`start_at_sign_in`].
pub fn forget_sign_in_start() -> std::io::Result<()> {
    // SAFETY: the names end with a zero.
    unsafe { RegDeleteKeyValueW(HKEY_CURRENT_USER, RUN_ONCE, ENTRY) }.ok().map_err(system_error)
}

/// With the kind of the error, if it has one: a missing entry is not an error for a removal.
fn system_error(error: windows::core::Error) -> std::io::Error {
    let HRESULT(code) = error.code();
    std::io::Error::from_raw_os_error(code & 0xFFFF)
}

/// Asks the system to restart; returns its error.
pub fn restart() -> Result<(), String> {
    done_by("shutdown.exe", &["/r", "/t", "2"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_for_the_next_sign_in_is_written_and_removed() {
        let entries_now =
            || output_of("reg.exe", &["query", r"HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce"]);
        start_at_sign_in(Path::new(r"C:\Users\a b\deskside-support.exe"), "--return").unwrap();
        let entries = entries_now().unwrap();
        assert!(entries.contains(r#"DesksideReturn"#), "{entries}");
        assert!(entries.contains(r#""C:\Users\a b\deskside-support.exe" --return"#), "{entries}");
        forget_sign_in_start().unwrap();
        assert!(!entries_now().unwrap_or_default().contains("DesksideReturn"));
        assert_eq!(forget_sign_in_start().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }
}
