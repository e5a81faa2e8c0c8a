//! Windows: `SendInput`. A printable key is found by the character that it produced, wherever the customer's layout has
//! it; every other key by its position. Characters that the layout lacks are sent as Unicode.

use std::collections::BTreeMap;

use protocol::{Button, Modifier, Special};
use windows::Win32::Foundation::{HWND, POINT};
use windows::Win32::UI::{
    Input::KeyboardAndMouse::{
        GetKeyState, GetKeyboardLayout, HKL, INPUT, INPUT_0, INPUT_KEYBOARD, INPUT_MOUSE, KEYBD_EVENT_FLAGS,
        KEYBDINPUT, KEYEVENTF_EXTENDEDKEY, KEYEVENTF_KEYUP, KEYEVENTF_UNICODE, MAPVK_VK_TO_VSC_EX, MAPVK_VSC_TO_VK_EX,
        MOUSE_EVENT_FLAGS, MOUSEEVENTF_ABSOLUTE, MOUSEEVENTF_HWHEEL, MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP,
        MOUSEEVENTF_MIDDLEDOWN, MOUSEEVENTF_MIDDLEUP, MOUSEEVENTF_MOVE, MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP,
        MOUSEEVENTF_VIRTUALDESK, MOUSEEVENTF_WHEEL, MOUSEEVENTF_XDOWN, MOUSEEVENTF_XUP, MOUSEINPUT, MapVirtualKeyExW,
        SendInput, VIRTUAL_KEY, VK_CAPITAL, VK_LCONTROL, VK_LMENU, VK_LSHIFT, VK_LWIN, VK_PAUSE, VK_RCONTROL,
        VK_RETURN, VK_RMENU, VK_RSHIFT, VK_RWIN, VK_TAB, VkKeyScanExW,
    },
    WindowsAndMessaging::{
        GetCursorPos, GetForegroundWindow, GetWindowThreadProcessId, WHEEL_DELTA, WindowFromPoint, XBUTTON1, XBUTTON2,
    },
};

use super::{InputInjector, held::Act, keys};
use crate::{
    machine::win32::{rights, secure_attention},
    window::virtual_screen,
};

/// A notch of a wheel, in the browser's pixels.
const NOTCH: i32 = 100;
/// The most notches of one input: a wheel that never stops is an error.
const MOST_NOTCHES: i32 = 20;

/// Identifies a key that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stroke {
    /// A key of the keyboard.
    Key { virtual_key: VIRTUAL_KEY, scan: u16, extended: bool },
    /// A character that the keyboard lacks.
    Character(char),
}

/// The injector.
#[derive(Default)]
pub struct Win32 {
    /// The modifiers that the technician holds.
    held: BTreeMap<Modifier, Stroke>,
    wheel: (i32, i32),
    /// The window that was last checked, by its address, and whether it is out of reach.
    looked_at: Option<(usize, bool)>,
}

impl Win32 {
    fn modifier(&mut self, modifier: Modifier, down: bool) {
        if !down {
            if let Some(stroke) = self.held.remove(&modifier) {
                send(&strokes(stroke, false));
            }
            return;
        }
        let stroke = of_virtual_key(virtual_key_of(modifier), layout());
        send(&strokes(stroke, true));
        self.held.insert(modifier, stroke);
    }

    /// The Shift keys that are held.
    fn shifts(&self) -> Vec<Stroke> {
        [Modifier::ShiftLeft, Modifier::ShiftRight].iter().filter_map(|m| self.held.get(m).copied()).collect()
    }

    fn strike(&self, code: &str, key: &str) {
        let layout = layout();
        let is_shift = |modifier: &Modifier| matches!(modifier, Modifier::ShiftLeft | Modifier::ShiftRight);
        let chord = self.held.keys().any(|modifier| !is_shift(modifier));
        match keys::character(key) {
            // With Ctrl, Alt or Meta a letter needs its key in any case; a sign needs the Shift of this layout.
            Some(c) if chord && c.is_alphabetic() => {
                let lower = c.to_lowercase().next().unwrap_or(c);
                let found = on_layout(lower, layout).map(|(stroke, _)| stroke).or_else(|| by_place(code, layout));
                if let Some(stroke) = found {
                    send(&pressed_and_released(stroke));
                }
            }
            Some(c) if chord => match on_layout(c, layout) {
                // Alt with digits of the numeric pad produces characters.
                Some((stroke, wants_shift)) if !code.starts_with("Numpad") => {
                    self.with_shift(stroke, wants_shift, layout)
                }
                _ => by_place(code, layout).into_iter().for_each(|stroke| send(&pressed_and_released(stroke))),
            },
            // Caps Lock changes the output of keys, but not of characters that are sent as Unicode.
            Some(c) => match on_layout(c, layout).filter(|_| !is_caps_lock_on()) {
                Some((stroke, wants_shift)) => self.with_shift(stroke, wants_shift, layout),
                None => send(&pressed_and_released(Stroke::Character(c))),
            },
            None => {
                if let Some(stroke) = by_place(keys::place(code, key), layout) {
                    send(&pressed_and_released(stroke));
                }
            }
        }
    }

    /// Presses a key with or without Shift, whatever Shift is held.
    fn with_shift(&self, stroke: Stroke, wants_shift: bool, layout: HKL) {
        let shifts = self.shifts();
        let one = of_virtual_key(VK_LSHIFT, layout);
        let (before, after): (Vec<INPUT>, Vec<INPUT>) = match (wants_shift, shifts.is_empty()) {
            (true, true) => (strokes(one, true), strokes(one, false)),
            (false, false) => (
                shifts.iter().flat_map(|s| strokes(*s, false)).collect(),
                shifts.iter().flat_map(|s| strokes(*s, true)).collect(),
            ),
            (true, false) | (false, true) => (vec![], vec![]),
        };
        send(&[before, pressed_and_released(stroke), after].concat());
    }

    /// Types a text with all modifiers released.
    fn type_text(&self, text: &str, may: &dyn Fn() -> bool) {
        let all = |down| self.held.values().flat_map(move |stroke| strokes(*stroke, down)).collect::<Vec<_>>();
        send(&all(false));
        for c in keys::typeable(text) {
            if !may() {
                break;
            }
            let stroke = match c {
                '\n' => of_virtual_key(VK_RETURN, layout()),
                '\t' => of_virtual_key(VK_TAB, layout()),
                c => Stroke::Character(c),
            };
            send(&pressed_and_released(stroke));
        }
        send(&all(true));
    }

    fn press(&self, button: Button, down: bool) {
        let (pressed, released, data) = match button {
            Button::Left => (MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP, 0),
            Button::Middle => (MOUSEEVENTF_MIDDLEDOWN, MOUSEEVENTF_MIDDLEUP, 0),
            Button::Right => (MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP, 0),
            Button::Back => (MOUSEEVENTF_XDOWN, MOUSEEVENTF_XUP, u32::from(XBUTTON1)),
            Button::Forward => (MOUSEEVENTF_XDOWN, MOUSEEVENTF_XUP, u32::from(XBUTTON2)),
        };
        send(&[mouse(if down { pressed } else { released }, 0, 0, data)]);
    }

    /// Converts wheel pixels to Windows' units, which are finer than notches.
    fn wheel(&mut self, dx: i32, dy: i32) {
        let turn = |rest: &mut i32, delta: i32| {
            let wanted = rest.saturating_add(delta.saturating_mul(WHEEL_DELTA as i32));
            let units = (wanted / NOTCH).clamp(-MOST_NOTCHES * WHEEL_DELTA as i32, MOST_NOTCHES * WHEEL_DELTA as i32);
            *rest = wanted % NOTCH;
            units
        };
        // Vertically Windows counts up as positive and a page down; horizontally both count right as positive.
        let (down, right) = (turn(&mut self.wheel.1, dy), turn(&mut self.wheel.0, dx));
        let turns = [(MOUSEEVENTF_WHEEL, -down), (MOUSEEVENTF_HWHEEL, right)];
        for (which, units) in turns.into_iter().filter(|(_, units)| *units != 0) {
            send(&[mouse(which, 0, 0, units.cast_unsigned())]);
        }
    }

    fn combination(&self, special: Special) {
        let codes: &[&str] = match special {
            // Windows accepts this combination only from the keyboard itself and from services.
            Special::CtrlAltDel => {
                if let Err(error) = secure_attention::press() {
                    tracing::warn!(%error, "Ctrl+Alt+Del cannot be pressed");
                }
                return;
            }
            Special::AltTab => &["AltLeft", "Tab"],
            Special::AltF4 => &["AltLeft", "F4"],
            Special::Super => &["MetaLeft"],
            Special::CtrlEsc => &["ControlLeft", "Escape"],
            Special::PrintScreen => &["PrintScreen"],
        };
        let layout = layout();
        let all: Vec<Stroke> = codes.iter().filter_map(|code| by_place(code, layout)).collect();
        send(&all.iter().flat_map(|s| strokes(*s, true)).collect::<Vec<_>>());
        send(&all.iter().rev().flat_map(|s| strokes(*s, false)).collect::<Vec<_>>());
    }
}

impl InputInjector for Win32 {
    fn act(&mut self, act: &Act, may: &dyn Fn() -> bool) {
        match act {
            Act::Move { x, y } => move_to(*x, *y),
            Act::Button { button, down } => self.press(*button, *down),
            Act::Wheel { dx, dy } => self.wheel(*dx, *dy),
            Act::Modifier { modifier, down } => self.modifier(*modifier, *down),
            Act::Strike { code, key } => self.strike(code, key),
            Act::Text { text } => self.type_text(text, may),
            Act::Special { combination } => self.combination(*combination),
        }
    }

    fn is_blocked(&mut self, act: &Act) -> Option<bool> {
        let window = match act {
            Act::Strike { .. } | Act::Text { .. } => front(),
            Act::Button { down: true, .. } | Act::Wheel { .. } => under_pointer(),
            Act::Move { .. } | Act::Button { .. } | Act::Modifier { .. } | Act::Special { .. } => return None,
        };
        let address = window.0 as usize;
        if self.looked_at.is_none_or(|(known, _)| known != address) {
            self.looked_at = Some((address, rights::is_out_of_reach(window)));
        }
        self.looked_at.map(|(_, blocked)| blocked)
    }
}

/// The window that receives keys.
fn front() -> HWND {
    // SAFETY: gives a handle.
    unsafe { GetForegroundWindow() }
}

/// The window that receives clicks.
fn under_pointer() -> HWND {
    let mut place = POINT::default();
    // SAFETY: the place for the answer lives until the call returns; the rest are plain values.
    unsafe {
        let _ = GetCursorPos(&mut place);
        WindowFromPoint(place)
    }
}

/// The keyboard layout of the window that receives keys.
fn layout() -> HKL {
    // SAFETY: takes and gives handles; a window that is gone gives thread 0, which means our own.
    unsafe { GetKeyboardLayout(GetWindowThreadProcessId(front(), None)) }
}

/// The key that produces a character alone or with Shift; `None` if it needs more or does not exist.
fn on_layout(c: char, layout: HKL) -> Option<(Stroke, bool)> {
    let unit = u16::try_from(u32::from(c)).ok()?;
    // SAFETY: takes and gives numbers.
    let found = unsafe { VkKeyScanExW(unit, layout) };
    let [virtual_key, shift] = found.to_le_bytes();
    let known = found != -1 && shift <= 1;
    known.then(|| (of_virtual_key(VIRTUAL_KEY(u16::from(virtual_key)), layout), shift == 1))
}

fn of_virtual_key(virtual_key: VIRTUAL_KEY, layout: HKL) -> Stroke {
    // SAFETY: takes and gives numbers.
    let scan = unsafe { MapVirtualKeyExW(u32::from(virtual_key.0), MAPVK_VK_TO_VSC_EX, Some(layout)) };
    Stroke::Key { virtual_key, scan: (scan & 0xFF) as u16, extended: scan & 0xE000 == 0xE000 }
}

fn by_place(code: &str, layout: HKL) -> Option<Stroke> {
    let (scan, extended) = keys::scancode(code)?;
    let prefix = if extended { 0xE000 } else { 0 };
    // SAFETY: takes and gives numbers.
    let found = unsafe { MapVirtualKeyExW(u32::from(scan) | prefix, MAPVK_VSC_TO_VK_EX, Some(layout)) };
    let virtual_key = match (code, u16::try_from(found)) {
        ("Pause", _) => VK_PAUSE,
        (_, Ok(found @ 1..)) => VIRTUAL_KEY(found),
        _ => return None,
    };
    Some(Stroke::Key { virtual_key, scan, extended })
}

fn virtual_key_of(modifier: Modifier) -> VIRTUAL_KEY {
    match modifier {
        Modifier::ShiftLeft => VK_LSHIFT,
        Modifier::ShiftRight => VK_RSHIFT,
        Modifier::ControlLeft => VK_LCONTROL,
        Modifier::ControlRight => VK_RCONTROL,
        Modifier::AltLeft => VK_LMENU,
        Modifier::AltRight => VK_RMENU,
        Modifier::MetaLeft => VK_LWIN,
        Modifier::MetaRight => VK_RWIN,
    }
}

/// Whether Caps Lock is on.
fn is_caps_lock_on() -> bool {
    // SAFETY: takes and gives numbers.
    unsafe { GetKeyState(i32::from(VK_CAPITAL.0)) & 1 == 1 }
}

fn pressed_and_released(stroke: Stroke) -> Vec<INPUT> {
    [strokes(stroke, true), strokes(stroke, false)].concat()
}

/// The `SendInput` form of a stroke: one event, or two for a character outside the Basic Multilingual Plane.
fn strokes(stroke: Stroke, down: bool) -> Vec<INPUT> {
    let up = if down { KEYBD_EVENT_FLAGS(0) } else { KEYEVENTF_KEYUP };
    match stroke {
        Stroke::Key { virtual_key, scan, extended } => {
            let prefix = if extended { KEYEVENTF_EXTENDEDKEY } else { KEYBD_EVENT_FLAGS(0) };
            vec![keyboard(virtual_key, scan, up | prefix)]
        }
        Stroke::Character(c) => {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units.map(|unit| keyboard(VIRTUAL_KEY(0), *unit, up | KEYEVENTF_UNICODE)).collect()
        }
    }
}

fn keyboard(virtual_key: VIRTUAL_KEY, scan: u16, flags: KEYBD_EVENT_FLAGS) -> INPUT {
    let ki = KEYBDINPUT { wVk: virtual_key, wScan: scan, dwFlags: flags, time: 0, dwExtraInfo: 0 };
    INPUT { r#type: INPUT_KEYBOARD, Anonymous: INPUT_0 { ki } }
}

fn mouse(flags: MOUSE_EVENT_FLAGS, dx: i32, dy: i32, data: u32) -> INPUT {
    let mi = MOUSEINPUT { dx, dy, mouseData: data, dwFlags: flags, time: 0, dwExtraInfo: 0 };
    INPUT { r#type: INPUT_MOUSE, Anonymous: INPUT_0 { mi } }
}

/// Moves the pointer to a pixel of the virtual screen.
fn move_to(x: u16, y: u16) {
    let (_, _, width, height) = virtual_screen();
    // Windows truncates `n * side / 65536`: rounding up here yields the exact pixel.
    let part = |n: u16, side: i32| {
        let side = i64::from(side.max(1));
        i32::try_from((i64::from(n).min(side - 1) * 65_536 + side - 1) / side).unwrap_or(0)
    };
    let flags = MOUSEEVENTF_MOVE | MOUSEEVENTF_ABSOLUTE | MOUSEEVENTF_VIRTUALDESK;
    send(&[mouse(flags, part(x, width), part(y, height), 0)]);
}

fn send(inputs: &[INPUT]) {
    if inputs.is_empty() {
        return;
    }
    // SAFETY: the structures are whole, and their size is the one that is said.
    let taken = unsafe { SendInput(inputs, size_of::<INPUT>() as i32) };
    if taken as usize != inputs.len() {
        tracing::warn!("input was not accepted");
    }
}
