//! Rights on Windows: whether a program runs as administrator, and whether its input reaches another's windows. User
//! Interface Privilege Isolation keeps input from windows of programs with a higher integrity level; `SendInput` does
//! not report it. (Microsoft: "Mandatory Integrity Control", "SendInput function".)

use std::{os::windows::ffi::OsStrExt, path::Path};

use windows::{
    Win32::{
        Foundation::{CloseHandle, ERROR_CANCELLED, HANDLE, HWND, WAIT_TIMEOUT},
        Security::{
            GetSidSubAuthority, GetSidSubAuthorityCount, GetTokenInformation, TOKEN_ELEVATION, TOKEN_INFORMATION_CLASS,
            TOKEN_MANDATORY_LABEL, TOKEN_QUERY, TokenElevation, TokenIntegrityLevel,
        },
        System::{
            Com::{COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, CoInitializeEx, CoUninitialize},
            Threading::{
                GetCurrentProcess, GetExitCodeProcess, INFINITE, OpenProcess, OpenProcessToken,
                PROCESS_QUERY_LIMITED_INFORMATION, WaitForSingleObject,
            },
        },
        UI::{
            Shell::{SEE_MASK_NOASYNC, SEE_MASK_NOCLOSEPROCESS, SHELLEXECUTEINFOW, ShellExecuteExW},
            WindowsAndMessaging::{GetWindowThreadProcessId, SW_SHOWNORMAL},
        },
    },
    core::{Error, HRESULT, PCWSTR, Result, w},
};

/// A handle that is closed on drop.
struct Owned(HANDLE);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and closed once.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

fn token(process: HANDLE) -> Result<Owned> {
    let mut token = HANDLE::default();
    // SAFETY: the place for the answer lives until the call returns.
    unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) }?;
    Ok(Owned(token))
}

/// Information about a token, in a buffer that is aligned for pointers and long enough for one SID.
///
/// The information may point into itself, so it stays where the call has put it.
fn information(token: &Owned, what: TOKEN_INFORMATION_CLASS) -> Result<Box<[usize; 16]>> {
    let mut buffer = Box::new([0usize; 16]);
    let (room, mut length) = (size_of_val(&*buffer) as u32, 0);
    // SAFETY: the buffer has the stated length, and lives until the call returns.
    unsafe { GetTokenInformation(token.0, what, Some(buffer.as_mut_ptr().cast()), room, &mut length) }?;
    Ok(buffer)
}

/// Whether this program runs as administrator.
pub fn is_administrator() -> bool {
    let elevated = || {
        // SAFETY: a handle that need not be closed.
        let buffer = information(&token(unsafe { GetCurrentProcess() })?, TokenElevation)?;
        // SAFETY: the call filled the buffer with this structure, which it is aligned for.
        Result::Ok(unsafe { buffer.as_ptr().cast::<TOKEN_ELEVATION>().read() }.TokenIsElevated != 0)
    };
    elevated().unwrap_or(false)
}

/// The integrity level of a process: 0x2000 for a program of a user, 0x3000 as administrator.
fn integrity(process: HANDLE) -> Result<u32> {
    let buffer = information(&token(process)?, TokenIntegrityLevel)?;
    // SAFETY: the call filled the buffer with this structure, whose SID lies in the buffer too and has at least one part.
    unsafe {
        let sid = buffer.as_ptr().cast::<TOKEN_MANDATORY_LABEL>().read().Label.Sid;
        let parts = u32::from(*GetSidSubAuthorityCount(sid));
        Ok(*GetSidSubAuthority(sid, parts.saturating_sub(1)))
    }
}

/// Whether Windows keeps this program's input from a window. A process that cannot be queried has more rights than this
/// one.
pub fn is_out_of_reach(window: HWND) -> bool {
    let mut id = 0;
    // SAFETY: the place for the answer lives until the call returns; a window that is gone gives process 0.
    unsafe { GetWindowThreadProcessId(window, Some(&mut id)) };
    if id == 0 || id == std::process::id() {
        return false;
    }
    // SAFETY: takes numbers; the handle is closed with `Owned`.
    let Ok(process) = (unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, id) }) else { return true };
    let process = Owned(process);
    // SAFETY: a handle that need not be closed.
    let own = integrity(unsafe { GetCurrentProcess() });
    match (integrity(process.0), own) {
        (Ok(its), Ok(own)) => its > own,
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    }
}

/// This program, running as administrator.
pub struct Elevated(Owned);

// SAFETY: a handle of a process may be waited for by any thread.
unsafe impl Send for Elevated {}

impl Elevated {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        // SAFETY: the handle is ours and open.
        unsafe { WaitForSingleObject(self.0.0, 0) == WAIT_TIMEOUT }
    }

    /// Waits for its end; returns its exit code.
    pub fn wait(self) -> u32 {
        let mut code = 0;
        // SAFETY: the handle is ours and open; the place for the answer lives until the call returns.
        unsafe {
            WaitForSingleObject(self.0.0, INFINITE);
            let _ = GetExitCodeProcess(self.0.0, &mut code);
        }
        code
    }
}

/// Starts this program again as administrator: Windows asks its user, who may take as long as they like. The error is
/// for the technician.
pub fn run_as_administrator(arguments: &[String]) -> std::result::Result<Elevated, String> {
    let program = std::env::current_exe().map_err(|e| format!("this program does not find itself ({e})"))?;
    start(&program, &command_line(arguments)).map_err(|error| match error.code() {
        code if code == HRESULT::from_win32(ERROR_CANCELLED.0) => "Windows asked, and the answer was no".into(),
        _ => format!("Windows cannot start it: {}", error.message()),
    })
}

/// Arguments in quotes. Ours contain no quotes and do not end with a backslash.
fn command_line(arguments: &[String]) -> String {
    debug_assert!(arguments.iter().all(|a| !a.contains('"') && !a.ends_with('\\')));
    arguments.iter().map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(" ")
}

fn start(program: &Path, arguments: &str) -> Result<Elevated> {
    let file: Vec<u16> = program.as_os_str().encode_wide().chain([0]).collect();
    let arguments: Vec<u16> = arguments.encode_utf16().chain([0]).collect();
    let mut how = SHELLEXECUTEINFOW {
        cbSize: size_of::<SHELLEXECUTEINFOW>() as u32,
        // This thread waits for the answer and then continues with other work.
        fMask: SEE_MASK_NOCLOSEPROCESS | SEE_MASK_NOASYNC,
        lpVerb: w!("runas"),
        lpFile: PCWSTR(file.as_ptr()),
        lpParameters: PCWSTR(arguments.as_ptr()),
        nShow: SW_SHOWNORMAL.0,
        ..Default::default()
    };
    // SAFETY: the texts end with a zero and live until the call returns. The shell wants COM on its caller's thread, and as
    // often as that was given it is given back.
    unsafe {
        let com = CoInitializeEx(None, COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE).is_ok();
        let started = ShellExecuteExW(&mut how);
        if com {
            CoUninitialize();
        }
        started?;
    }
    if how.hProcess.is_invalid() { Err(Error::from_hresult(HRESULT(0))) } else { Ok(Elevated(Owned(how.hProcess))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_spaces_are_quoted() {
        let arguments = ["--elevated", r"C:\Users\a b\elevate-1.json"].map(str::to_owned);
        assert_eq!(command_line(&arguments), r#""--elevated" "C:\Users\a b\elevate-1.json""#);
    }

    #[test]
    fn this_process_has_an_integrity_level_and_reaches_its_own_windows() {
        // SAFETY: a handle that need not be closed.
        let own = integrity(unsafe { GetCurrentProcess() }).unwrap();
        assert!(own >= 0x1000, "{own:#x}");
        assert!(!is_out_of_reach(HWND::default()), "no window is within reach");
    }

    #[test]
    fn a_started_program_can_be_waited_for() {
        let interpreter = std::env::var("ComSpec").unwrap();
        let started = start(Path::new(&interpreter), "/c exit 77").unwrap();
        while started.runs() {
            std::thread::yield_now();
        }
        assert_eq!(started.wait(), 77);
    }
}
