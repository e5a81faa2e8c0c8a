//! Ctrl+Alt+Del, which Windows accepts only from the keyboard and from services. A program that runs as administrator
//! creates a temporary service that presses it. (Microsoft: "SendSAS function"; the policy "Software Secure Attention
//! Sequence" must allow it for services.)

use std::os::windows::ffi::OsStrExt;

use windows::{
    Win32::{
        Foundation::{ERROR_SERVICE_EXISTS, NO_ERROR},
        System::{
            LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW},
            Registry::{
                HKEY_LOCAL_MACHINE, REG_DWORD, RRF_RT_REG_DWORD, RegDeleteKeyValueW, RegGetValueW, RegSetKeyValueW,
            },
            Services::{
                ChangeServiceConfigW, CloseServiceHandle, CreateServiceW, DeleteService, OpenSCManagerW, OpenServiceW,
                RegisterServiceCtrlHandlerW, SC_HANDLE, SC_MANAGER_CREATE_SERVICE, SERVICE_CHANGE_CONFIG,
                SERVICE_DEMAND_START, SERVICE_ERROR_IGNORE, SERVICE_RUNNING, SERVICE_START, SERVICE_STATUS,
                SERVICE_STATUS_CURRENT_STATE, SERVICE_STATUS_HANDLE, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW,
                SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW, StartServiceW,
            },
        },
    },
    core::{HRESULT, PCWSTR, PWSTR, Result, s, w},
};

/// The argument that starts this program as that service.
pub const ARGUMENT: &str = "--press-ctrl-alt-del";
const NAME: PCWSTR = w!("DesksideCtrlAltDel");
const POLICIES: PCWSTR = w!(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System");
const POLICY: PCWSTR = w!("SoftwareSASGeneration");
/// The value of the policy that allows it for services.
const SERVICES: u32 = 1;
/// The right to delete a service (winnt.h: DELETE).
const DELETE: u32 = 0x0001_0000;

/// Presses Ctrl+Alt+Del. Only a program that runs as administrator can.
pub fn press() -> Result<()> {
    let program = std::env::current_exe().unwrap_or_default();
    let command: Vec<u16> = std::iter::once(u16::from(b'"'))
        .chain(program.as_os_str().encode_wide())
        .chain(format!("\" {ARGUMENT}\0").encode_utf16())
        .collect();
    // SAFETY: every text ends with a zero and lives until its call returns; the handles are closed with `Handle`.
    unsafe {
        let manager = Handle(OpenSCManagerW(None, None, SC_MANAGER_CREATE_SERVICE)?);
        let (may, kind, nothing) = (SERVICE_START | DELETE, SERVICE_WIN32_OWN_PROCESS, PCWSTR::null());
        let command = PCWSTR(command.as_ptr());
        let (when, fault) = (SERVICE_DEMAND_START, SERVICE_ERROR_IGNORE);
        let made = CreateServiceW(
            manager.0, NAME, NAME, may, kind, when, fault, command, nothing, None, nothing, nothing, nothing,
        );
        let service = match made {
            Ok(service) => Handle(service),
            // A program that was killed may have left the service.
            Err(error) if error.code() == HRESULT::from_win32(ERROR_SERVICE_EXISTS.0) => {
                let service = Handle(OpenServiceW(manager.0, NAME, may | SERVICE_CHANGE_CONFIG)?);
                ChangeServiceConfigW(
                    service.0, kind, when, fault, command, nothing, None, nothing, nothing, nothing, nothing,
                )?;
                service
            }
            Err(error) => return Err(error),
        };
        let started = StartServiceW(service.0, None);
        // The service is removed once it has stopped.
        DeleteService(service.0).and(started)
    }
}

struct Handle(SC_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and closed once.
        let _ = unsafe { CloseServiceHandle(self.0) };
    }
}

/// Runs as that service: started by Windows, which waits for this call.
pub fn serve() -> Result<()> {
    let mut name: Vec<u16> = "DesksideCtrlAltDel\0".encode_utf16().collect();
    let entry = SERVICE_TABLE_ENTRYW { lpServiceName: PWSTR(name.as_mut_ptr()), lpServiceProc: Some(run) };
    let table = [entry, SERVICE_TABLE_ENTRYW::default()];
    // SAFETY: the table ends with an empty entry, and it and its name live until the service has stopped.
    unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) }
}

unsafe extern "system" fn run(_: u32, _: *mut PWSTR) {
    // SAFETY: called by Windows for this service.
    let Ok(status) = (unsafe { RegisterServiceCtrlHandlerW(NAME, Some(control)) }) else { return };
    report(status, SERVICE_RUNNING);
    let before = policy();
    if before.is_none_or(|allowed| allowed & SERVICES == 0) {
        set_policy(Some(before.unwrap_or(0) | SERVICES));
    }
    attend();
    set_policy(before);
    report(status, SERVICE_STOPPED);
}

/// The service accepts no control requests.
unsafe extern "system" fn control(_: u32) {}

fn report(service: SERVICE_STATUS_HANDLE, state: SERVICE_STATUS_CURRENT_STATE) {
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwWin32ExitCode: NO_ERROR.0,
        ..Default::default()
    };
    // SAFETY: the handle is the one that Windows gave, and the structure is whole.
    let _ = unsafe { SetServiceStatus(service, &status) };
}

/// Calls `SendSAS(FALSE)`, which has a library of its own.
fn attend() {
    // SAFETY: the library is one of Windows', looked for in its own folder alone; the function is as its header declares it.
    unsafe {
        let Ok(library) = LoadLibraryExW(w!("sas.dll"), None, LOAD_LIBRARY_SEARCH_SYSTEM32) else { return };
        if let Some(found) = GetProcAddress(library, s!("SendSAS")) {
            let send: unsafe extern "system" fn(i32) = std::mem::transmute(found);
            send(0);
        }
    }
}

/// The value of the policy; `None` if it is not set.
fn policy() -> Option<u32> {
    let (mut value, mut length) = (0u32, size_of::<u32>() as u32);
    let place = Some((&raw mut value).cast());
    // SAFETY: the names end with a zero, and the place for the answer has the stated length.
    let read =
        unsafe { RegGetValueW(HKEY_LOCAL_MACHINE, POLICIES, POLICY, RRF_RT_REG_DWORD, None, place, Some(&mut length)) };
    read.is_ok().then_some(value)
}

fn set_policy(value: Option<u32>) {
    // SAFETY: the names end with a zero, and the value has the stated length.
    let set = unsafe {
        match &value {
            Some(value) => {
                let (value, length) = (Some((&raw const *value).cast()), size_of::<u32>() as u32);
                RegSetKeyValueW(HKEY_LOCAL_MACHINE, POLICIES, POLICY, REG_DWORD.0, value, length)
            }
            None => RegDeleteKeyValueW(HKEY_LOCAL_MACHINE, POLICIES, POLICY),
        }
    };
    if set.is_err() && value.is_some() {
        tracing::warn!("the policy for Ctrl+Alt+Del cannot be set");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_restored_afterwards() {
        let before = policy();
        for value in [Some(SERVICES), Some(3), None] {
            set_policy(value);
            assert_eq!(policy(), value);
        }
        set_policy(before);
        assert_eq!(policy(), before);
    }
}
