//! Windows: the virtual screen (all monitors together), its monitors, and overlays as layered windows with a region.

use std::sync::OnceLock;

use anyhow::Context;
use protocol::{MAX_MONITORS, Monitor};
use windows::{
    Win32::{
        Foundation::{COLORREF, HWND, LPARAM, LRESULT, RECT, WPARAM},
        Graphics::Gdi::{
            CombineRgn, CreateRectRgn, CreateSolidBrush, DeleteObject, EnumDisplayMonitors, FillRect, GetMonitorInfoW,
            HDC, HMONITOR, MONITORINFO, MONITORINFOEXW, RGN_OR, SetWindowRgn,
        },
        System::LibraryLoader::GetModuleHandleW,
        UI::WindowsAndMessaging::{
            CreateWindowExW, DefWindowProcW, DestroyWindow, GWLP_USERDATA, GetClientRect, GetSystemMetrics,
            GetWindowLongPtrW, LWA_ALPHA, MONITORINFOF_PRIMARY, RegisterClassW, SM_CXVIRTUALSCREEN, SM_CYVIRTUALSCREEN,
            SM_XVIRTUALSCREEN, SM_YVIRTUALSCREEN, SW_SHOWNOACTIVATE, SetLayeredWindowAttributes, SetWindowLongPtrW,
            ShowWindow, WM_ERASEBKGND, WNDCLASSW, WS_EX_LAYERED, WS_EX_NOACTIVATE, WS_EX_TOOLWINDOW, WS_EX_TOPMOST,
            WS_EX_TRANSPARENT, WS_POPUP,
        },
    },
    core::{BOOL, PCWSTR, w},
};

use super::Area;

const CLASS: PCWSTR = w!("DesksideOverlay");

/// The virtual screen in Windows coordinates, whose origin is the primary monitor's corner: left, top, width, height.
pub fn virtual_screen() -> (i32, i32, i32, i32) {
    // SAFETY: takes and gives plain numbers.
    let metric = |index| unsafe { GetSystemMetrics(index) };
    (metric(SM_XVIRTUALSCREEN), metric(SM_YVIRTUALSCREEN), metric(SM_CXVIRTUALSCREEN), metric(SM_CYVIRTUALSCREEN))
}

/// Width and height of the screen, in pixels.
pub fn screen_size() -> anyhow::Result<(u16, u16)> {
    let (_, _, width, height) = virtual_screen();
    Ok((
        u16::try_from(width).context("screen size not available")?,
        u16::try_from(height).context("screen size not available")?,
    ))
}

/// The monitors of the screen, the primary one first.
pub fn monitors() -> anyhow::Result<Vec<Monitor>> {
    let mut found: Vec<(bool, Monitor)> = Vec::new();
    // SAFETY: the callback runs only during this call, and gets the address of `found`, which lives on.
    let listed = unsafe { EnumDisplayMonitors(None, None, Some(each), LPARAM(&raw mut found as isize)) };
    anyhow::ensure!(listed.as_bool(), "monitors cannot be listed");
    found.sort_by_key(|(primary, _)| !primary);
    Ok(found.into_iter().map(|(_, monitor)| monitor).filter(Monitor::fits).take(MAX_MONITORS).collect())
}

unsafe extern "system" fn each(monitor: HMONITOR, _: HDC, _: *mut RECT, found: LPARAM) -> BOOL {
    let mut info = MONITORINFOEXW::default();
    info.monitorInfo.cbSize = size_of::<MONITORINFOEXW>() as u32;
    // SAFETY: the structure is as large as its first field says, as MONITORINFOEXW asks.
    if unsafe { GetMonitorInfoW(monitor, (&raw mut info).cast::<MONITORINFO>()) }.as_bool() {
        let (left, top, ..) = virtual_screen();
        let area = info.monitorInfo.rcMonitor;
        let side = |n: i32| u16::try_from(n).unwrap_or(0);
        let name = String::from_utf16_lossy(&info.szDevice);
        let name = name.trim_end_matches('\0').trim_start_matches(r"\\.\").to_owned();
        let (x, y) = (side(area.left - left), side(area.top - top));
        let (width, height) = (side(area.right - area.left), side(area.bottom - area.top));
        let primary = info.monitorInfo.dwFlags & MONITORINFOF_PRIMARY != 0;
        // SAFETY: the address that `monitors` gave, which waits for us on the same thread.
        let found = unsafe { &mut *(found.0 as *mut Vec<(bool, Monitor)>) };
        found.push((primary, Monitor { name, x, y, width, height }));
    }
    true.into()
}

/// Areas of the screen in one colour, until this value is dropped: a layered window in their shape, above all others,
/// which ignores the pointer. It belongs to the thread of the windows.
pub struct Overlay(HWND);

impl Overlay {
    /// Shows these areas in this colour (0xRRGGBB).
    pub fn show(areas: &[Area], colour: u32) -> anyhow::Result<Self> {
        register();
        let (left, top, width, height) = virtual_screen();
        let style = WS_EX_LAYERED | WS_EX_TRANSPARENT | WS_EX_TOPMOST | WS_EX_TOOLWINDOW | WS_EX_NOACTIVATE;
        // SAFETY: the class is registered; no pointer is given but its name.
        let window = unsafe {
            let title = PCWSTR::null();
            CreateWindowExW(style, CLASS, title, WS_POPUP, left, top, width, height, None, None, None, None)
        };
        let overlay = Self(window.context("window cannot be created")?);
        // SAFETY: the window is ours and lives; a region that a window took belongs to the system.
        unsafe {
            // Windows writes colours as 0xBBGGRR.
            let bgr = (colour & 0xFF) << 16 | colour & 0xFF00 | colour >> 16 & 0xFF;
            SetWindowLongPtrW(overlay.0, GWLP_USERDATA, bgr as isize);
            let shape = CreateRectRgn(0, 0, 0, 0);
            for area in areas {
                let (x, y) = (i32::from(area.x), i32::from(area.y));
                let part = CreateRectRgn(x, y, x + i32::from(area.width), y + i32::from(area.height));
                CombineRgn(Some(shape), Some(shape), Some(part), RGN_OR);
                let _ = DeleteObject(part.into());
            }
            SetWindowRgn(overlay.0, Some(shape), false);
            SetLayeredWindowAttributes(overlay.0, COLORREF(0), 255, LWA_ALPHA)
                .context("layered window not available")?;
            let _ = ShowWindow(overlay.0, SW_SHOWNOACTIVATE);
        }
        Ok(overlay)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // SAFETY: the window is ours.
        let _ = unsafe { DestroyWindow(self.0) };
    }
}

fn register() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // SAFETY: the class lives as long as the program, and so does its procedure.
        unsafe {
            let instance = GetModuleHandleW(None).map(Into::into).unwrap_or_default();
            let class =
                WNDCLASSW { lpfnWndProc: Some(paint), hInstance: instance, lpszClassName: CLASS, ..Default::default() };
            RegisterClassW(&class);
        }
    });
}

/// An overlay's window procedure: it fills the window with its colour and does nothing else.
unsafe extern "system" fn paint(window: HWND, message: u32, context: WPARAM, rest: LPARAM) -> LRESULT {
    if message == WM_ERASEBKGND {
        // SAFETY: the message brings a device context; the window is ours.
        unsafe {
            let mut area = RECT::default();
            let _ = GetClientRect(window, &mut area);
            let brush = CreateSolidBrush(COLORREF(GetWindowLongPtrW(window, GWLP_USERDATA) as u32));
            FillRect(HDC(context.0 as *mut _), &area, brush);
            let _ = DeleteObject(brush.into());
        }
        return LRESULT(1);
    }
    // SAFETY: what the system gave is handed on as it is.
    unsafe { DefWindowProcW(window, message, context, rest) }
}
