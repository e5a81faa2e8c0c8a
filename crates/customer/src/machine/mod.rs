//! Other differences between systems: disks, names, services, logs, shells. One file for each system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
pub mod win32;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use win32 as system;

pub use system::{
    Elevated, UserNames, client, disks, forget_sign_in_start, free, log, mode, name_of_text, name_to_text,
    remove_folder, remove_own_program, restart, restrict_to_user, run_as_administrator, serve_attention, services,
    shell, start_at_sign_in, state_folder, top, wait_for_termination,
};

use std::process::{Command, Stdio};

/// The most lines of the log, and their longest.
const LOG_LINES: usize = 200;
const LINE_CHARS: usize = 400;

/// The line end of this system's programs.
pub const LINE_END: &str = if cfg!(windows) { "\r\n" } else { "\n" };

/// A line of a list, shortened to a readable length.
pub fn cut(text: &str) -> String {
    text.chars().take(LINE_CHARS).collect()
}

/// The output of a program, if it exists and succeeds.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    system::hidden(&mut command);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program; the error is its output.
fn done_by(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    system::hidden(&mut command);
    let output = command.args(arguments).stdin(Stdio::null()).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(cut(words.lines().find(|l| !l.trim().is_empty()).unwrap_or("it did not say why").trim()))
}

/// Whether a file may have this name here, as one component of a path.
pub fn name_fits(name: &str) -> bool {
    protocol::name_fits(name) && (cfg!(not(windows)) || fits_windows(name))
}

/// Whether Windows accepts this name unchanged. (Microsoft: "Naming Files, Paths, and Namespaces".)
fn fits_windows(name: &str) -> bool {
    const RESERVED: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let mut letters = stem.chars();
    let port = letters.by_ref().take(3).collect::<String>();
    let numbered = ["COM", "LPT"].contains(&port.as_str())
        && matches!(letters.as_str(), "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³");
    let forbidden = |c: char| c < ' ' || "<>:\"|?*".contains(c);
    !name.contains(forbidden) && !name.ends_with(['.', ' ']) && !RESERVED.contains(&stem.as_str()) && !numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_this_system_survives_the_round_trip() {
        for name in ["report.pdf", "Grüße 你好.txt", "private \u{EFFC} use", "plane 15 \u{FD83D}\u{FDE00}", "😀"]
        {
            assert_eq!(name_of_text(&name_to_text(name.as_ref())), name);
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_unicode_stay_distinct() {
        use std::os::unix::ffi::OsStrExt;

        let text = |bytes: &[u8]| name_to_text(std::ffi::OsStr::from_bytes(bytes));
        assert_eq!(text(b"gr\xfcn.txt"), "gr\u{EFFC}n.txt");
        let mut names: Vec<Vec<u8>> = (0x80..=0xFF).map(|byte| vec![b'a', byte]).collect();
        names.extend(["a\u{EFFC}".into(), vec![b'a', 0xEE, 0xBF], vec![0xF0, 0x9F, b'/', 0xC3]]);
        let mut texts = std::collections::HashSet::new();
        for name in names {
            assert_eq!(name_of_text(&text(&name)).as_encoded_bytes(), name);
            assert!(texts.insert(text(&name)), "{name:?} looks like another");
        }
    }

    #[test]
    fn names_that_windows_would_change_or_refuse_are_recognised() {
        for name in ["report.pdf", "Grüße 你好.txt", ".hidden", "console.log", "COM.txt", "COM10", "a b", "NULL"] {
            assert!(fits_windows(name), "{name:?}");
        }
        for name in [
            "a:b", "what?", "a*b", "\"x\"", "a|b", "<a>", "end.", "end ", "CON", "nul.txt", "com1", "LPT9.log",
            "AUX .x", "a\tb",
        ] {
            assert!(!fits_windows(name), "{name:?}");
        }
    }
}
