//! GDI: the screen is copied into a bitmap periodically and compared with the previous copy.

use std::{
    ffi::c_void,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::ShareTrouble;
use windows::Win32::{
    Graphics::Gdi::{
        BI_RGB, BITMAPINFO, BITMAPINFOHEADER, BitBlt, CAPTUREBLT, CreateCompatibleDC, CreateDIBSection, DIB_RGB_COLORS,
        DeleteDC, DeleteObject, GdiFlush, GetDC, HBITMAP, HDC, HGDIOBJ, ReleaseDC, SRCCOPY, SelectObject,
    },
    UI::Input::KeyboardAndMouse::{GetLastInputInfo, LASTINPUTINFO},
};

use super::{Watch, compare::differences, pointer};
use crate::window::{screen_size, virtual_screen};

/// How often pointer and input are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(16);
/// After input or a change, the screen is read at every check for this long.
const LIVELY: Duration = Duration::from_millis(1_500);
/// How often the screen is read while nothing happens.
const QUIET: Duration = Duration::from_millis(100);
/// How often the shown desktop is checked.
const HIDDEN: Duration = Duration::from_millis(200);
/// After this many failures in a row the screen counts as lost: it is away for a moment while monitors change.
const MOST_FAILURES: u32 = 50;

/// Starts the watching thread.
pub fn start(watch: &Arc<Watch>) -> anyhow::Result<()> {
    // The first picture is read here, so that the caller learns at once if it cannot work.
    drop(Screen::open()?);
    let watch = watch.clone();
    std::thread::Builder::new().name("gdi".into()).spawn(move || run(&watch))?;
    Ok(())
}

fn run(watch: &Watch) {
    let mut screen: Option<Screen> = None;
    let mut failures = 0;
    let mut pointer = pointer::Follower::default();
    let (mut input, mut stirred, mut read) = (0, Instant::now(), None::<Instant>);
    let mut asked = None::<Instant>;
    while !watch.is_over() {
        let begun = Instant::now();
        if asked.is_none_or(|at| at.elapsed() > HIDDEN) {
            if watch.check_desktop() {
                std::thread::sleep(QUIET);
                continue;
            }
            asked = Some(begun);
        }
        let touched = last_input();
        if std::mem::replace(&mut input, touched) != touched {
            stirred = begun;
        }
        let rest = if stirred.elapsed() < LIVELY { CHECK_INTERVAL } else { QUIET };
        if read.is_none_or(|at| at.elapsed() + CHECK_INTERVAL / 2 >= rest) {
            read = Some(begun);
            match look(watch, &mut screen) {
                Ok(true) => stirred = begun,
                Ok(false) => {}
                Err(error) => {
                    screen = None;
                    failures += 1;
                    if failures > MOST_FAILURES {
                        tracing::error!(%error, "screen capture failed");
                        return watch.fail(ShareTrouble::NoPermission);
                    }
                    std::thread::sleep(QUIET);
                    continue;
                }
            }
            failures = 0;
        }
        pointer.follow(watch);
        // On a slow machine capture takes half of a core at most: its user works on it.
        let spent = begun.elapsed();
        std::thread::sleep(CHECK_INTERVAL.saturating_sub(spent).max(spent));
    }
}

/// Reads the screen once; returns whether something changed.
fn look(watch: &Watch, screen: &mut Option<Screen>) -> anyhow::Result<bool> {
    let size = screen_size()?;
    if screen.as_ref().is_none_or(|s| s.size != size) {
        *screen = Some(Screen::open()?);
    }
    let Some(screen) = screen else { return Ok(false) };
    let new = screen.read()?;
    let mut seen = watch.seen();
    if seen.size != size {
        seen.resize(size);
    }
    let changed = differences(&seen.pixels, new, size);
    for rect in &changed {
        for y in rect.y..rect.y + rect.height {
            let row = seen.row(rect.x, y, rect.width);
            seen.pixels[row.clone()].copy_from_slice(&new[row]);
        }
        seen.change(*rect);
    }
    drop(seen);
    if !changed.is_empty() {
        watch.wake.notify_all();
    }
    Ok(!changed.is_empty())
}

/// When mouse or keyboard were last used, in the system's milliseconds.
fn last_input() -> u32 {
    let mut last = LASTINPUTINFO { cbSize: size_of::<LASTINPUTINFO>() as u32, dwTime: 0 };
    // SAFETY: the structure is as large as its first field says.
    let _ = unsafe { GetLastInputInfo(&mut last) };
    last.dwTime
}

/// A bitmap in memory that the screen is copied into.
struct Screen {
    size: (u16, u16),
    desktop: HDC,
    memory: HDC,
    bitmap: HBITMAP,
    before: HGDIOBJ,
    pixels: *const u8,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        let size = screen_size()?;
        let header = BITMAPINFOHEADER {
            biSize: size_of::<BITMAPINFOHEADER>() as u32,
            biWidth: i32::from(size.0),
            // Negative: the first row is at the top.
            biHeight: -i32::from(size.1),
            biPlanes: 1,
            biBitCount: 32,
            biCompression: BI_RGB.0,
            ..Default::default()
        };
        let info = BITMAPINFO { bmiHeader: header, ..Default::default() };
        // SAFETY: every handle is made here and checked; what was made is undone in `drop`.
        unsafe {
            let desktop = GetDC(None);
            let memory = CreateCompatibleDC(Some(desktop));
            let mut bits: *mut c_void = std::ptr::null_mut();
            let bitmap = CreateDIBSection(Some(memory), &info, DIB_RGB_COLORS, &mut bits, None, 0);
            let bitmap = bitmap.inspect_err(|_| {
                let _ = DeleteDC(memory);
                ReleaseDC(None, desktop);
            })?;
            let before = SelectObject(memory, bitmap.into());
            Ok(Self { size, desktop, memory, bitmap, before, pixels: bits.cast() })
        }
    }

    /// The current screen: BGRX, row by row.
    fn read(&mut self) -> anyhow::Result<&[u8]> {
        let (left, top, ..) = virtual_screen();
        let (width, height) = (i32::from(self.size.0), i32::from(self.size.1));
        let length = usize::from(self.size.0) * usize::from(self.size.1) * 4;
        // SAFETY: the handles are ours; the section has four bytes for each pixel of its size, rows of 32 bits need no
        // padding, and after GdiFlush nothing writes into it before the next call, which needs `self` alone.
        unsafe {
            let from = Some(self.desktop);
            BitBlt(self.memory, 0, 0, width, height, from, left, top, SRCCOPY | CAPTUREBLT)?;
            let _ = GdiFlush();
            Ok(std::slice::from_raw_parts(self.pixels, length))
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // SAFETY: the handles are ours, and nobody uses them after this.
        unsafe {
            SelectObject(self.memory, self.before);
            let _ = DeleteObject(self.bitmap.into());
            let _ = DeleteDC(self.memory);
            ReleaseDC(None, self.desktop);
        }
    }
}
