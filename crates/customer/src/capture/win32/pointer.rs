//! The pointer: its position, and its shape as RGBA.

use protocol::{MAX_POINTER_SIDE, PointerShape};
use windows::Win32::{
    Graphics::Gdi::{
        BI_RGB, BITMAP, BITMAPINFO, BITMAPINFOHEADER, CreateCompatibleDC, DIB_RGB_COLORS, DeleteDC, DeleteObject,
        GetDIBits, GetObjectW, HBITMAP,
    },
    UI::WindowsAndMessaging::{CURSOR_SHOWING, CURSORINFO, GetCursorInfo, GetIconInfo, HCURSOR, ICONINFO},
};

use super::Watch;
use crate::window::virtual_screen;

/// Reports the pointer when it moved or changed.
#[derive(Default)]
pub struct Follower {
    at: Option<(u16, u16)>,
    cursor: Option<isize>,
}

impl Follower {
    /// Checks once.
    pub fn follow(&mut self, watch: &Watch) {
        let Some((at, cursor)) = look() else { return };
        let moved = self.at.replace(at) != Some(at);
        let changed = self.cursor.replace(cursor.0 as isize) != Some(cursor.0 as isize);
        if !moved && !changed {
            return;
        }
        let shape = if changed { shape(cursor) } else { None };
        let mut seen = watch.seen();
        if moved {
            seen.pointer_at = Some(at);
        }
        seen.pointer_shape = shape.or(seen.pointer_shape.take());
        drop(seen);
        watch.wake.notify_all();
    }
}

/// The position of the pointer, and its shape if it has one.
pub fn read() -> (Option<(u16, u16)>, Option<PointerShape>) {
    match look() {
        Some((at, cursor)) => (Some(at), shape(cursor)),
        None => (None, None),
    }
}

fn look() -> Option<((u16, u16), HCURSOR)> {
    let mut info = CURSORINFO { cbSize: size_of::<CURSORINFO>() as u32, ..Default::default() };
    // SAFETY: the structure is as large as its first field says.
    unsafe { GetCursorInfo(&mut info) }.ok()?;
    let (left, top, ..) = virtual_screen();
    let place = |n: i32, from: i32| u16::try_from((n - from).max(0)).unwrap_or(u16::MAX);
    let at = (place(info.ptScreenPos.x, left), place(info.ptScreenPos.y, top));
    let hidden = info.flags.0 & CURSOR_SHOWING.0 == 0;
    Some((at, if hidden { HCURSOR::default() } else { info.hCursor }))
}

/// The shape in the page's format. Pixels that invert the screen below become black.
fn shape(cursor: HCURSOR) -> Option<PointerShape> {
    if cursor.is_invalid() {
        return None;
    }
    let mut icon = ICONINFO::default();
    // SAFETY: the two bitmaps that this call makes are ours and are deleted below.
    unsafe { GetIconInfo(cursor.into(), &mut icon) }.ok()?;
    let shape = rgba(&icon).and_then(|(width, height, rgba)| {
        let small = |n: u32| u16::try_from(n).ok().filter(|n| (1..=MAX_POINTER_SIDE).contains(n));
        let (width, height) = (small(width)?, small(height)?);
        let hot = |n: u32, side: u16| u16::try_from(n).unwrap_or(0).min(side.saturating_sub(1));
        Some(PointerShape { hot_x: hot(icon.xHotspot, width), hot_y: hot(icon.yHotspot, height), width, height, rgba })
    });
    // SAFETY: see above; deleting a null bitmap fails harmlessly.
    unsafe {
        let _ = DeleteObject(icon.hbmMask.into());
        let _ = DeleteObject(icon.hbmColor.into());
    }
    shape
}

fn rgba(icon: &ICONINFO) -> Option<(u32, u32, Vec<u8>)> {
    let (width, mask_height, mask) = pixels(icon.hbmMask)?;
    if icon.hbmColor.is_invalid() {
        // Black and white: the AND mask above the XOR mask.
        let height = mask_height / 2;
        let (and, xor) = mask.split_at(mask.len() / 2);
        let both = and.chunks_exact(4).zip(xor.chunks_exact(4));
        let pixel = |(and, xor): (&[u8], &[u8])| match (and[0] > 0, xor[0] > 0) {
            (true, false) => [0; 4],
            (false, true) => [255; 4],
            (false, false) | (true, true) => [0, 0, 0, 255],
        };
        return Some((width, height, both.flat_map(pixel).collect()));
    }
    let (width, height, colour) = pixels(icon.hbmColor)?;
    let has_alpha = colour.chunks_exact(4).any(|p| p[3] > 0);
    let both = colour.chunks_exact(4).zip(mask.chunks_exact(4));
    let pixel = |(p, mask): (&[u8], &[u8])| {
        let alpha = if has_alpha {
            p[3]
        } else if mask[0] > 0 {
            0
        } else {
            255
        };
        [p[2], p[1], p[0], alpha]
    };
    Some((width, height, both.flat_map(pixel).collect()))
}

/// The pixels of a bitmap as BGRA, top row first.
fn pixels(bitmap: HBITMAP) -> Option<(u32, u32, Vec<u8>)> {
    let mut about = BITMAP::default();
    let length = size_of::<BITMAP>() as i32;
    // SAFETY: the structure has the stated size.
    let size = unsafe { GetObjectW(bitmap.into(), length, Some((&raw mut about).cast())) };
    let side = |n: i32| u32::try_from(n).ok().filter(|n| (1..=2 * u32::from(MAX_POINTER_SIDE)).contains(n));
    let (width, height) = (side(about.bmWidth)?, side(about.bmHeight)?);
    if size == 0 {
        return None;
    }
    let mut info = BITMAPINFO::default();
    info.bmiHeader = BITMAPINFOHEADER {
        biSize: size_of::<BITMAPINFOHEADER>() as u32,
        biWidth: about.bmWidth,
        biHeight: -about.bmHeight,
        biPlanes: 1,
        biBitCount: 32,
        biCompression: BI_RGB.0,
        ..Default::default()
    };
    let mut bytes = vec![0; (width * height * 4) as usize];
    // SAFETY: the buffer has four bytes for each pixel of the bitmap, as the header asks for.
    let rows = unsafe {
        let memory = CreateCompatibleDC(None);
        let buffer = Some(bytes.as_mut_ptr().cast());
        let rows = GetDIBits(memory, bitmap, 0, height, buffer, &mut info, DIB_RGB_COLORS);
        let _ = DeleteDC(memory);
        rows
    };
    (rows > 0).then_some((width, height, bytes))
}
