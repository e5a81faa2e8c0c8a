//! Which desktop the customer looks at. Consents of the system (UAC), the lock screen and sign-in have one of their own, and
//! programs of the customer's neither see nor touch it.

use windows::Win32::{
    Foundation::HANDLE,
    System::StationsAndDesktops::{
        CloseDesktop, DESKTOP_CONTROL_FLAGS, DESKTOP_READOBJECTS, GetUserObjectInformationW, OpenInputDesktop, UOI_NAME,
    },
};

/// What Windows calls the desktop of programs.
const ORDINARY: &str = "Default";

/// Whether the customer looks at another desktop than that of their programs.
pub fn is_secure() -> bool {
    // SAFETY: the handle is checked and closed once; the buffer is as long as is said.
    unsafe {
        // Windows does not let programs open the secure desktop.
        let Ok(desktop) = OpenInputDesktop(DESKTOP_CONTROL_FLAGS(0), false, DESKTOP_READOBJECTS) else { return true };
        let mut name = [0u16; 64];
        let length = size_of_val(&name) as u32;
        let told = GetUserObjectInformationW(HANDLE(desktop.0), UOI_NAME, Some(name.as_mut_ptr().cast()), length, None);
        let _ = CloseDesktop(desktop);
        let name = String::from_utf16_lossy(&name);
        told.is_ok() && name.trim_end_matches('\0') != ORDINARY
    }
}
