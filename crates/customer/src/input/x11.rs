//! X11: XTEST. A printable key is found by the character it produced, wherever the customer's layout has it; every other
//! key by its place on the keyboard. Characters that the layout lacks borrow a free keycode.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Button, Input, Special};
use x11rb::{
    connection::Connection,
    protocol::{
        xproto::{
            BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
            MOTION_NOTIFY_EVENT, Window,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::{Inject, keys};

/// A notch of a wheel, in the browser's pixels.
const NOTCH: i32 = 100;
/// No more notches from one act: a wheel that spins for ever is a mistake.
const MOST_NOTCHES: i32 = 20;
const SHIFT: [u8; 2] = [50, 62];
const LEVEL_3: u8 = 108;

pub struct X11 {
    x: RustConnection,
    root: Window,
    first: u8,
    per_key: usize,
    keysyms: Vec<u32>,
    /// Keycodes whose meaning may be borrowed, and what they mean now.
    spare: Vec<u8>,
    next_spare: usize,
    held: BTreeMap<String, u8>,
    buttons: BTreeSet<Button>,
    wheel: (i32, i32),
}

impl X11 {
    pub fn open() -> anyhow::Result<Self> {
        let (x, number) = RustConnection::connect(None)?;
        let root = x.setup().roots[number].root;
        x.xtest_get_version(2, 2)?.reply()?;
        let mut hands = Self {
            first: x.setup().min_keycode,
            x,
            root,
            per_key: 1,
            keysyms: vec![],
            spare: vec![],
            next_spare: 0,
            held: BTreeMap::new(),
            buttons: BTreeSet::new(),
            wheel: (0, 0),
        };
        hands.read_layout()?;
        Ok(hands)
    }

    fn read_layout(&mut self) -> anyhow::Result<()> {
        let last = self.x.setup().max_keycode;
        let reply = self.x.get_keyboard_mapping(self.first, last - self.first + 1)?.reply()?;
        self.per_key = usize::from(reply.keysyms_per_keycode).max(1);
        self.keysyms = reply.keysyms;
        let empty = |(_, syms): &(usize, &[u32])| syms.iter().all(|s| *s == 0);
        let spare = self.keysyms.chunks(self.per_key).enumerate().filter(empty);
        self.spare = spare.filter_map(|(i, _)| self.first.checked_add(u8::try_from(i).ok()?)).rev().take(8).collect();
        Ok(())
    }

    /// The keycode and level (0 plain, 1 Shift, 4 and 5 with level 3) that produce a keysym.
    fn find(&self, keysym: u32) -> Option<(u8, usize)> {
        [0, 1, 4, 5].into_iter().find_map(|level| {
            let at = |(_, syms): &(usize, &[u32])| syms.get(level) == Some(&keysym);
            let (index, _) = self.keysyms.chunks(self.per_key).enumerate().find(at)?;
            Some((self.first + u8::try_from(index).ok()?, level))
        })
    }

    /// Gives a free keycode this meaning.
    fn borrow(&mut self, keysym: u32) -> Option<(u8, usize)> {
        let keycode = *self.spare.get(self.next_spare % self.spare.len().max(1))?;
        self.next_spare += 1;
        let syms = vec![keysym; self.per_key];
        self.x.change_keyboard_mapping(1, keycode, u8::try_from(self.per_key).ok()?, &syms).ok()?;
        self.x.sync().ok()?;
        let at = usize::from(keycode - self.first) * self.per_key;
        self.keysyms[at..at + self.per_key].copy_from_slice(&syms);
        Some((keycode, 0))
    }

    fn fake(&self, kind: u8, detail: u8) {
        if let Err(error) = self.x.xtest_fake_input(kind, detail, 0, self.root, 0, 0, 0) {
            tracing::warn!(%error, "input was not taken");
        }
    }

    fn key(&self, keycode: u8, down: bool) {
        self.fake(if down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, keycode);
    }

    fn move_to(&self, x: u16, y: u16) {
        let (x, y) = (x.min(i16::MAX as u16).cast_signed(), y.min(i16::MAX as u16).cast_signed());
        if let Err(error) = self.x.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0) {
            tracing::warn!(%error, "input was not taken");
        }
    }

    fn holds(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.held.contains_key(*code))
    }

    /// Presses the key that makes `c`, with the Shift and level 3 that it needs on this layout; gives the keycode.
    fn press_character(&mut self, c: char) -> Option<u8> {
        let keysym = keys::keysym(c);
        let (keycode, level) = self.find(keysym).or_else(|| self.borrow(keysym))?;
        let shift_held: Vec<u8> = self.held.values().copied().filter(|k| SHIFT.contains(k)).collect();
        let wants_shift = level % 2 == 1;
        let change_shift = wants_shift == shift_held.is_empty();
        let level_3 = level >= 4;
        if change_shift {
            if wants_shift { self.key(SHIFT[0], true) } else { shift_held.iter().for_each(|k| self.key(*k, false)) }
        }
        if level_3 {
            self.key(LEVEL_3, true);
        }
        self.key(keycode, true);
        if level_3 {
            self.key(LEVEL_3, false);
        }
        if change_shift {
            if wants_shift { self.key(SHIFT[0], false) } else { shift_held.iter().for_each(|k| self.key(*k, true)) }
        }
        Some(keycode)
    }

    fn key_down(&mut self, code: &str, key: &str) {
        let chord = self.holds(&["ControlLeft", "ControlRight", "AltLeft", "MetaLeft", "MetaRight"]);
        let pressed = match keys::character(key) {
            // With Ctrl, Alt or Meta the letter's key counts, not its case.
            Some(c) if chord => {
                let found = self.find(keys::keysym(c.to_lowercase().next().unwrap_or(c)));
                let keycode = found.map(|(keycode, _)| keycode).or_else(|| keys::keycode(code));
                keycode.inspect(|keycode| self.key(*keycode, true))
            }
            Some(c) => self.press_character(c),
            None => keys::keycode(code).inspect(|keycode| self.key(*keycode, true)),
        };
        if let Some(keycode) = pressed
            && self.held.len() < 32
        {
            self.held.insert(code.to_owned(), keycode);
        }
    }

    fn type_text(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t') {
            if let Some(keycode) = self.press_character(c) {
                self.key(keycode, false);
                // A borrowed keycode must have been read before it is given another meaning.
                let _ = self.x.sync();
            }
        }
    }

    fn press(&mut self, button: Button, down: bool) {
        let number = match button {
            Button::Left => 1,
            Button::Middle => 2,
            Button::Right => 3,
            Button::Back => 8,
            Button::Forward => 9,
        };
        if down {
            self.buttons.insert(button)
        } else {
            self.buttons.remove(&button)
        };
        self.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, number);
    }

    /// Turns wheel pixels into notches, keeping what is left over.
    fn wheel(&mut self, dx: i32, dy: i32) {
        let turn = |rest: &mut i32, delta: i32, negative: u8, positive: u8| {
            *rest = rest.saturating_add(delta);
            let notches = (*rest / NOTCH).clamp(-MOST_NOTCHES, MOST_NOTCHES);
            *rest %= NOTCH;
            (if notches < 0 { negative } else { positive }, notches.unsigned_abs())
        };
        let turns = [turn(&mut self.wheel.1, dy, 4, 5), turn(&mut self.wheel.0, dx, 6, 7)];
        for (button, notches) in turns {
            for _ in 0..notches {
                self.fake(BUTTON_PRESS_EVENT, button);
                self.fake(BUTTON_RELEASE_EVENT, button);
            }
        }
    }

    fn combination(&self, special: Special) {
        let codes: &[&str] = match special {
            Special::CtrlAltDel => &["ControlLeft", "AltLeft", "Delete"],
            Special::AltTab => &["AltLeft", "Tab"],
            Special::AltF4 => &["AltLeft", "F4"],
            Special::Super => &["MetaLeft"],
            Special::CtrlEsc => &["ControlLeft", "Escape"],
            Special::PrintScreen => &["PrintScreen"],
        };
        let keycodes: Vec<u8> = codes.iter().filter_map(|code| keys::keycode(code)).collect();
        keycodes.iter().for_each(|k| self.key(*k, true));
        keycodes.iter().rev().for_each(|k| self.key(*k, false));
    }
}

impl Inject for X11 {
    fn act(&mut self, input: &Input) {
        match input {
            Input::Move { x, y } => self.move_to(*x, *y),
            Input::Press { button, down, x, y } => {
                self.move_to(*x, *y);
                self.press(*button, *down);
            }
            Input::Wheel { dx, dy, x, y } => {
                self.move_to(*x, *y);
                self.wheel(*dx, *dy);
            }
            // Text that AltGr makes arrives as text; the key itself would only get in the way.
            Input::Key { key, .. } if key == "AltGraph" || key == "Dead" => {}
            Input::Key { code, key, down: true } => self.key_down(code, key),
            Input::Key { code, down: false, .. } => {
                if let Some(keycode) = self.held.remove(code) {
                    self.key(keycode, false);
                }
            }
            Input::Text { text } => self.type_text(text),
            Input::ReleaseAll {} => self.release_all(),
            Input::Special { combination } => self.combination(*combination),
        }
        let _ = self.x.flush();
    }

    fn release_all(&mut self) {
        for (_, keycode) in std::mem::take(&mut self.held) {
            self.key(keycode, false);
        }
        for button in std::mem::take(&mut self.buttons) {
            self.press(button, false);
        }
        let _ = self.x.flush();
    }
}
