//! Which desktop is shown. Consent prompts of the system (UAC), the lock screen and the sign-in screen have a desktop
//! of their own, which the customer's programs neither see nor control.

use windows::Win32::{
    Foundation::HANDLE,
    System::StationsAndDesktops::{
        CloseDesktop, DESKTOP_CONTROL_FLAGS, DESKTOP_READOBJECTS, GetUserObjectInformationW, OpenInputDesktop, UOI_NAME,
    },
};

/// The name of the desktop where programs run.
const ORDINARY: &str = "Default";

/// Whether another desktop than that of the programs is shown.
pub fn is_secure() -> bool {
    // SAFETY: the handle is checked and closed once; the buffer has the stated length.
    unsafe {
        // Programs may not open the secure desktop.
        let Ok(desktop) = OpenInputDesktop(DESKTOP_CONTROL_FLAGS(0), false, DESKTOP_READOBJECTS) else { return true };
        let mut name = [0u16; 64];
        let length = size_of_val(&name) as u32;
        let filled =
            GetUserObjectInformationW(HANDLE(desktop.0), UOI_NAME, Some(name.as_mut_ptr().cast()), length, None);
        let _ = CloseDesktop(desktop);
        let name = String::from_utf16_lossy(&name);
        filled.is_ok() && name.trim_end_matches('\0') != ORDINARY
    }
}
