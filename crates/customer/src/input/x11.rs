//! X11: XTEST. A printable key is found by the character that it produced, wherever the customer's current layout has
//! it; every other key by its name, or by its position if no key has that name. Characters that the layout lacks borrow
//! a free keycode.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{Button, Modifier, Special};
use x11rb::{
    connection::Connection,
    protocol::{
        Event,
        xinput::{self, ConnectionExt as _},
        xkb::{self, ConnectionExt as _},
        xproto::{
            BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, GrabMode, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
            MOTION_NOTIFY_EVENT, ModMask, Window,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

#[cfg(test)]
mod tests;

use super::{
    InputInjector,
    held::Act,
    keymap::{Entry, Key, KeyType, Keymap, LOCK, Meaning, State, Stroke},
    keys,
    spare::Spares,
};

/// A notch of a wheel, in the browser's pixels.
const NOTCH: i32 = 100;
/// The most notches of one input: a wheel that never stops is an error.
const MOST_NOTCHES: i32 = 20;
/// How often to check whether keycodes can be lent again.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// The core keyboard, which programs read.
const CORE: xkb::DeviceSpec = 0x100;
const RETURN: u32 = 0xFF0D;
const TAB: u32 = 0xFF09;

pub struct X11 {
    x: RustConnection,
    root: Window,
    keymap: Keymap,
    /// Whether the map changed since it was read.
    stale: bool,
    spares: Spares,
    /// The modifiers that the technician holds: their keycodes and bits.
    pressed: BTreeMap<Modifier, (u8, u8)>,
    wheel: (i32, i32),
}

impl X11 {
    /// Opens this display, or the one of the environment.
    pub fn open(display: Option<&str>) -> anyhow::Result<Self> {
        let (x, number) = RustConnection::connect(display)?;
        let root = x.setup().roots[number].root;
        x.xtest_get_version(2, 2)?.reply()?;
        let xkb = x.xkb_use_extension(1, 0)?.reply()?;
        anyhow::ensure!(xkb.supported, "the display has no XKB");
        let events = xkb::EventType::NEW_KEYBOARD_NOTIFY | xkb::EventType::MAP_NOTIFY;
        let parts = xkb::MapPart::KEY_TYPES | xkb::MapPart::KEY_SYMS | xkb::MapPart::MODIFIER_MAP;
        x.xkb_select_events(CORE, xkb::EventType::from(0u16), events, parts, parts, &xkb::SelectEventsAux::new())?;
        x.xinput_xi_query_version(2, 2)?.reply()?;
        let (keymap, stale, spares) = (Keymap::default(), true, Spares::default());
        Ok(Self { x, root, keymap, stale, spares, pressed: BTreeMap::new(), wheel: (0, 0) })
    }

    /// The current state of the keyboard, and its map if that changed.
    fn refresh(&mut self) -> anyhow::Result<State> {
        let state = self.x.xkb_get_state(CORE)?.reply()?;
        // Events from before the answer have arrived before it.
        while let Some(event) = self.x.poll_for_event()? {
            self.stale |= matches!(event, Event::XkbNewKeyboardNotify(_) | Event::XkbMapNotify(_));
        }
        if std::mem::take(&mut self.stale) {
            self.keymap = read_keymap(&self.x).inspect_err(|_| self.stale = true)?;
            let keymap = &self.keymap;
            self.spares.follow(&keymap.free(), |keycode| keymap.plain(keycode, 0));
        }
        let ours: Vec<(Modifier, u8)> = self.pressed.iter().map(|(modifier, (_, bits))| (*modifier, *bits)).collect();
        let held = ours.iter().fold(0, |all, (_, bits)| all | bits);
        let locked = u8::try_from(u16::from(state.latched_mods | state.locked_mods) & 0xFF)?;
        let base = u8::try_from(u16::from(state.base_mods) & 0xFF)?;
        Ok(State { group: usize::from(u8::from(state.group)), fixed: locked | (base & !held), ours })
    }

    fn fake(&self, kind: u8, detail: u8) {
        if let Err(error) = self.x.xtest_fake_input(kind, detail, 0, self.root, 0, 0, 0) {
            tracing::warn!(%error, "input was not accepted");
        }
    }

    fn key(&self, keycode: u8, down: bool) {
        self.fake(if down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, keycode);
    }

    fn move_to(&self, x: u16, y: u16) -> anyhow::Result<()> {
        let (x, y) = (x.min(i16::MAX as u16).cast_signed(), y.min(i16::MAX as u16).cast_signed());
        self.x.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0)?;
        Ok(())
    }

    fn modifier(&mut self, modifier: Modifier, down: bool) -> anyhow::Result<()> {
        if !down {
            if let Some((keycode, _)) = self.pressed.remove(&modifier) {
                // Two modifiers may share the only such key of this keyboard.
                if self.pressed.values().all(|(other, _)| *other != keycode) {
                    self.key(keycode, false);
                }
            }
            return Ok(());
        }
        let state = self.refresh()?;
        if let Some((keycode, bits)) = self.keymap.modifier(modifier, state.group) {
            self.key(keycode, true);
            self.pressed.insert(modifier, (keycode, bits));
        }
        Ok(())
    }

    /// Presses and releases a key, with the modifiers around it.
    fn stroke(&mut self, stroke: &Stroke) {
        let lifted: Vec<u8> =
            stroke.lift.iter().filter_map(|m| self.pressed.get(m)).map(|(keycode, _)| *keycode).collect();
        lifted.iter().for_each(|keycode| self.key(*keycode, false));
        stroke.add.iter().for_each(|keycode| self.key(*keycode, true));
        self.key(stroke.keycode, true);
        self.key(stroke.keycode, false);
        stroke.add.iter().rev().for_each(|keycode| self.key(*keycode, false));
        lifted.iter().for_each(|keycode| self.key(*keycode, true));
        self.spares.struck(stroke.keycode, Instant::now());
    }

    fn strike(&mut self, code: &str, key: &str, may: &dyn Fn() -> bool) -> anyhow::Result<()> {
        let state = self.refresh()?;
        let place = keys::keycode(keys::place(code, key));
        let Some(c) = keys::character(key) else {
            self.strike_named(code, key, place, &state);
            return Ok(());
        };
        if !self.pressed.keys().any(|modifier| is_chord(*modifier)) {
            let Some(stroke) = self.keymap.character(c, place, &state) else { return self.type_text(&[c], may) };
            self.stroke(&stroke);
            return Ok(());
        }
        let stroke = self.keymap.chord(c, place, &state);
        let Some(stroke) = stroke.or_else(|| Some(Stroke { keycode: place?, ..Stroke::default() })) else {
            return Ok(());
        };
        if self.pressed.keys().all(|modifier| !is_chord(*modifier) || is_meta(*modifier))
            && !self.is_awaited(stroke.keycode, state.all())?
        {
            // Many programs ignore Super: they would type the letter of an unknown shortcut.
            return Ok(());
        }
        self.stroke(&stroke);
        Ok(())
    }

    /// Strikes a named key, under whatever is held. It never types a character.
    fn strike_named(&mut self, code: &str, key: &str, place: Option<u8>, state: &State) {
        let found = self.keymap.named(&keys::named(code, key), place, state.group).or(place);
        let types =
            |keycode: &u8| matches!(self.keymap.meaning(*keycode, state.group, state.all()), Meaning::Character(_));
        if let Some(keycode) = found.filter(|keycode| !types(keycode)) {
            self.stroke(&Stroke { keycode, ..Stroke::default() });
        }
    }

    /// Whether a program has grabbed this key with these modifiers globally: then another grab fails.
    fn is_awaited(&self, keycode: u8, modifiers: u8) -> anyhow::Result<bool> {
        let mask = ModMask::from(u16::from(modifiers));
        if self.x.grab_key(false, self.root, mask, keycode, GrabMode::ASYNC, GrabMode::ASYNC)?.check().is_err() {
            return Ok(true);
        }
        self.x.ungrab_key(keycode, self.root, mask)?;
        let (key, masters, kind) = (u32::from(keycode), xinput::Device::ALL_MASTER, xinput::GrabType::KEYCODE);
        let (mode, owner) = (xinput::GrabMode22::ASYNC, xinput::GrabOwner::NO_OWNER);
        let all = [u32::from(modifiers)];
        let (root, now, events) = (self.root, x11rb::CURRENT_TIME, [u32::from(xinput::XIEventMask::KEY_PRESS)]);
        let grab = self.x.xinput_xi_passive_grab_device(
            now,
            root,
            x11rb::NONE,
            key,
            masters,
            kind,
            mode,
            GrabMode::ASYNC,
            owner,
            &events,
            &all,
        )?;
        let refused = !grab.reply()?.modifiers.is_empty();
        self.x.xinput_xi_passive_ungrab_device(root, key, masters, kind, &all)?;
        Ok(refused)
    }

    /// Types a text with only the modifiers that each character needs, and without Caps Lock: programs disagree on its
    /// capitals.
    fn type_text(&mut self, text: &[char], may: &dyn Fn() -> bool) -> anyhow::Result<()> {
        let lifted = std::mem::take(&mut self.pressed);
        lifted.values().for_each(|(keycode, _)| self.key(*keycode, false));
        let locked = self.refresh().map(|state| state.fixed & LOCK != 0)?;
        if locked {
            self.lock_capitals(false)?;
        }
        let typed = self.type_all(text, may);
        if locked {
            self.lock_capitals(true)?;
        }
        lifted.values().for_each(|(keycode, _)| self.key(*keycode, true));
        self.pressed = lifted;
        typed
    }

    fn lock_capitals(&self, on: bool) -> anyhow::Result<()> {
        let (group, none) = (xkb::Group::from(0u8), ModMask::from(0u16));
        let locks = if on { ModMask::LOCK } else { none };
        self.x.xkb_latch_lock_state(CORE, ModMask::LOCK, locks, false, group, none, false, 0)?;
        Ok(())
    }

    fn type_all(&mut self, text: &[char], may: &dyn Fn() -> bool) -> anyhow::Result<()> {
        let mut rest = text;
        while let Some(first) = rest.first()
            && may()
        {
            let mut state = self.refresh()?;
            let lent = self.lend(rest, &state)?;
            if lent {
                state = self.refresh()?;
            }
            let known = rest.iter().take_while(|c| self.of(**c, &state).is_some()).count();
            for c in &rest[..known] {
                if let Some(stroke) = self.of(*c, &state) {
                    self.stroke(&stroke);
                }
            }
            self.x.flush()?;
            if known == 0 && (lent || self.spares.is_empty()) {
                // The customer holds a modifier that prevents it, or no keycode is free.
                match self.of(*first, &State { group: state.group, ..State::default() }) {
                    Some(stroke) => self.stroke(&stroke),
                    None => tracing::warn!("no key for a character, and no free keycode"),
                }
                rest = &rest[1..];
                continue;
            }
            rest = &rest[known..];
            if !rest.is_empty() {
                std::thread::sleep(CHECK_INTERVAL);
            }
        }
        Ok(())
    }

    /// How to strike a character of a text.
    fn of(&self, c: char, state: &State) -> Option<Stroke> {
        let named =
            |symbol| Some(Stroke { keycode: self.keymap.named(&[symbol], None, state.group)?, ..Stroke::default() });
        match c {
            '\n' => named(RETURN),
            '\t' => named(TAB),
            c => self.keymap.character(c, None, state),
        }
    }

    /// Binds free keycodes to characters that the keyboard lacks. Returns whether any was bound.
    fn lend(&mut self, text: &[char], state: &State) -> anyhow::Result<bool> {
        let mut missing: Vec<(usize, char)> = vec![];
        let mut needed: Vec<(usize, u8)> = vec![];
        for (at, c) in text.iter().enumerate() {
            match self.of(*c, state) {
                Some(stroke) => needed.push((at, stroke.keycode)),
                None if missing.iter().any(|(_, known)| known == c) => {}
                None => missing.push((at, *c)),
            }
        }
        let bindings = self.spares.bind(Instant::now(), &missing, &needed);
        for (keycode, symbols) in &bindings {
            self.x.change_keyboard_mapping(1, *keycode, 2, symbols)?;
        }
        self.x.sync()?;
        Ok(!bindings.is_empty())
    }

    fn press(&self, button: Button, down: bool) -> anyhow::Result<()> {
        let number = match button {
            Button::Left => 1,
            Button::Middle => 2,
            Button::Right => 3,
            Button::Back => 8,
            Button::Forward => 9,
        };
        self.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, number);
        Ok(())
    }

    /// Converts wheel pixels to notches, keeping the remainder.
    fn wheel(&mut self, dx: i32, dy: i32) -> anyhow::Result<()> {
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
        Ok(())
    }

    fn combination(&mut self, special: Special) -> anyhow::Result<()> {
        let (modifiers, last): (&[Modifier], Option<&str>) = match special {
            Special::CtrlAltDel => (&[Modifier::ControlLeft, Modifier::AltLeft], Some("Delete")),
            Special::AltTab => (&[Modifier::AltLeft], Some("Tab")),
            Special::AltF4 => (&[Modifier::AltLeft], Some("F4")),
            Special::Super => (&[Modifier::MetaLeft], None),
            Special::CtrlEsc => (&[Modifier::ControlLeft], Some("Escape")),
            Special::PrintScreen => (&[], Some("PrintScreen")),
        };
        let group = self.refresh()?.group;
        let held = modifiers.iter().filter_map(|m| self.keymap.modifier(*m, group)).map(|(keycode, _)| keycode);
        let last = last.and_then(|name| self.keymap.named(&keys::named(name, name), keys::keycode(name), group));
        let keycodes: Vec<u8> = held.chain(last).collect();
        keycodes.iter().for_each(|keycode| self.key(*keycode, true));
        keycodes.iter().rev().for_each(|keycode| self.key(*keycode, false));
        Ok(())
    }
}

impl InputInjector for X11 {
    fn act(&mut self, act: &Act, may: &dyn Fn() -> bool) {
        let done = match act {
            Act::Move { x, y } => self.move_to(*x, *y),
            Act::Button { button, down } => self.press(*button, *down),
            Act::Wheel { dx, dy } => self.wheel(*dx, *dy),
            Act::Modifier { modifier, down } => self.modifier(*modifier, *down),
            Act::Strike { code, key } => self.strike(code, key, may),
            Act::Text { text } => self.type_text(&keys::typeable(text), may),
            Act::Special { combination } => self.combination(*combination),
        };
        if let Err(error) = done.and_then(|()| Ok(self.x.flush()?)) {
            tracing::warn!(%error, "input was not accepted");
        }
    }
}

impl Drop for X11 {
    fn drop(&mut self) {
        let lent = self.spares.lent();
        if lent.is_empty() {
            return;
        }
        if let Some(settled) = self.spares.settled() {
            std::thread::sleep(settled.saturating_duration_since(Instant::now()));
        }
        for keycode in lent {
            let _ = self.x.change_keyboard_mapping(1, keycode, 2, &[0, 0]);
        }
        let _ = self.x.sync();
    }
}

fn is_meta(modifier: Modifier) -> bool {
    matches!(modifier, Modifier::MetaLeft | Modifier::MetaRight)
}

/// Whether a modifier turns a letter into a shortcut.
fn is_chord(modifier: Modifier) -> bool {
    !matches!(modifier, Modifier::ShiftLeft | Modifier::ShiftRight)
}

/// The map that programs use now.
fn read_keymap(x: &RustConnection) -> anyhow::Result<Keymap> {
    let all = xkb::MapPart::KEY_TYPES | xkb::MapPart::KEY_SYMS | xkb::MapPart::MODIFIER_MAP;
    let none = xkb::MapPart::from(0u16);
    let reply =
        x.xkb_get_map(CORE, all, none, 0, 0, 0, 0, 0, 0, 0, 0, xkb::VMod::from(0u16), 0, 0, 0, 0, 0, 0)?.reply()?;
    let low = |mask: ModMask| (u16::from(mask) & 0xFF) as u8;
    let kind = |kind: xkb::KeyType| {
        let preserve = |n: usize| kind.preserve.get(n).map_or(0, |p| low(p.mask));
        let active = kind.map.iter().enumerate().filter(|(_, entry)| entry.active);
        let entry = |(n, entry): (usize, &xkb::KTMapEntry)| Entry {
            modifiers: low(entry.mods_mask),
            level: usize::from(entry.level),
            preserve: preserve(n),
        };
        KeyType { mask: low(kind.mods_mask), entries: active.map(entry).collect() }
    };
    let key = |key: xkb::KeySymMap| Key {
        types: key.kt_index,
        group_info: key.group_info,
        width: usize::from(key.width),
        symbols: key.syms,
    };
    Ok(Keymap {
        first: reply.first_key_sym,
        types: reply.map.types_rtrn.unwrap_or_default().into_iter().map(kind).collect(),
        keys: reply.map.syms_rtrn.unwrap_or_default().into_iter().map(key).collect(),
        modifiers: reply.map.modmap_rtrn.unwrap_or_default().iter().map(|m| (m.keycode, low(m.mods))).collect(),
    })
}
