//! What a technician holds down on this machine, and when it is released.
//!
//! Only modifiers and pointer buttons are ever held. Every other key is struck: pressed and released at once, and
//! struck again when the technician's own keyboard repeats it. So this machine never repeats a key for somebody whose
//! connection may be lost. What is held is released with the technician's key or button, with the control, with the
//! connection, and when the technician's page has been silent for [`HELD_FOR`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use protocol::{Button, HELD_FOR, Input, MAX_TEXT_CHARS, Modifier, Special};

/// Repetitions of a key that arrive closer together than this were delayed in transit. They are dropped.
const REPEAT_GAP: Duration = Duration::from_millis(10);
/// The most keys that are remembered as down.
const MOST_KEYS: usize = 32;

/// An action for the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Move the pointer here.
    Move { x: u16, y: u16 },
    /// Press or release a button.
    Button { button: Button, down: bool },
    /// Turn the wheel: pixels as the browser counts them.
    Wheel { dx: i32, dy: i32 },
    /// Press or release a modifier.
    Modifier { modifier: Modifier, down: bool },
    /// Press and release a key, under these modifiers.
    Strike { code: String, key: String },
    /// Type a text, under no modifier.
    Text { text: String },
    /// Press and release a combination.
    Special { combination: Special },
}

/// What the technician holds down now.
#[derive(Debug, Default)]
pub struct Held {
    modifiers: BTreeSet<Modifier>,
    buttons: BTreeSet<Button>,
    /// The keys that hold a modifier, by their codes.
    holders: BTreeMap<String, Modifier>,
    /// Keys that were struck and are still down at the technician's keyboard, and when they were last struck.
    struck: BTreeMap<String, Instant>,
    /// When the technician's page was last heard.
    sign: Option<Instant>,
}

impl Held {
    /// The actions for an input that arrived at `now`.
    pub fn take(&mut self, now: Instant, input: Input) -> Vec<Act> {
        let mut acts = self.expire(now);
        self.sign = Some(now);
        match input {
            Input::Move { x, y } => acts.push(Act::Move { x, y }),
            Input::Press { button, down, x, y } => {
                acts.push(Act::Move { x, y });
                let changed = if down { self.buttons.insert(button) } else { self.buttons.remove(&button) };
                acts.extend(changed.then_some(Act::Button { button, down }));
            }
            Input::Wheel { dx, dy, x, y } => acts.extend([Act::Move { x, y }, Act::Wheel { dx, dy }]),
            Input::Key { code, key, down: true } => acts.extend(self.key_down(now, code, key)),
            Input::Key { code, down: false, .. } => acts.extend(self.key_up(&code)),
            Input::Text { text } => {
                acts.extend((text.chars().count() <= MAX_TEXT_CHARS).then_some(Act::Text { text }));
            }
            Input::Held { modifiers, buttons } => acts.extend(self.follow(&modifiers, &buttons)),
            Input::ReleaseAll {} => acts.extend(self.release_all()),
            Input::Special { combination } => acts.push(Act::Special { combination }),
        }
        acts
    }

    /// Releases everything.
    pub fn release_all(&mut self) -> Vec<Act> {
        self.struck.clear();
        self.follow(&[], &[])
    }

    /// Releases what was held for too long without hearing from the page.
    pub fn expire(&mut self, now: Instant) -> Vec<Act> {
        let silent = self.sign.is_some_and(|sign| now.saturating_duration_since(sign) >= HELD_FOR);
        if silent { self.release_all() } else { vec![] }
    }

    /// Whether anything is held.
    pub fn is_any(&self) -> bool {
        !self.modifiers.is_empty() || !self.buttons.is_empty()
    }

    fn key_down(&mut self, now: Instant, code: String, key: String) -> Option<Act> {
        // The locks of both machines keep their state: a character tells what the technician's lock made of it.
        // Characters from AltGr and dead keys arrive as text.
        if matches!(key.as_str(), "CapsLock" | "NumLock" | "AltGraph" | "Dead" | "Process" | "Unidentified") {
            return None;
        }
        if let Some(modifier) = modifier(&code, &key) {
            if self.holders.len() < MOST_KEYS {
                self.holders.insert(code, modifier);
            }
            return self.modifiers.insert(modifier).then_some(Act::Modifier { modifier, down: true });
        }
        let repeats = self.struck.get(&code).is_some_and(|last| now.saturating_duration_since(*last) < REPEAT_GAP);
        if self.struck.len() < MOST_KEYS || self.struck.contains_key(&code) {
            self.struck.insert(code.clone(), now);
        }
        (!repeats).then_some(Act::Strike { code, key })
    }

    fn key_up(&mut self, code: &str) -> Option<Act> {
        self.struck.remove(code);
        let modifier = self.holders.remove(code)?;
        let still = self.holders.values().any(|held| *held == modifier);
        (!still && self.modifiers.remove(&modifier)).then_some(Act::Modifier { modifier, down: false })
    }

    /// Presses and releases until exactly the technician's modifiers are held. A released button stays released,
    /// because the pointer has moved on.
    fn follow(&mut self, modifiers: &[Modifier], buttons: &[Button]) -> Vec<Act> {
        let gone = |button: &Button| !buttons.contains(button);
        let mut acts: Vec<Act> =
            self.buttons.extract_if(.., gone).map(|button| Act::Button { button, down: false }).collect();
        self.holders.retain(|_, modifier| modifiers.contains(modifier));
        let gone = |modifier: &Modifier| !modifiers.contains(modifier);
        acts.extend(self.modifiers.extract_if(.., gone).map(|modifier| Act::Modifier { modifier, down: false }));
        for modifier in modifiers {
            if self.modifiers.insert(*modifier) {
                acts.push(Act::Modifier { modifier: *modifier, down: true });
            }
        }
        acts
    }
}

/// The modifier of a key, by what it produces: Caps Lock may be remapped to Control.
fn modifier(code: &str, key: &str) -> Option<Modifier> {
    use Modifier::{AltLeft, AltRight, ControlLeft, ControlRight, MetaLeft, MetaRight, ShiftLeft, ShiftRight};
    let right = code.ends_with("Right");
    match key {
        "Shift" => Some(if right { ShiftRight } else { ShiftLeft }),
        "Control" => Some(if right { ControlRight } else { ControlLeft }),
        "Alt" => Some(if right { AltRight } else { AltLeft }),
        // With Shift, X reports Alt as Meta.
        "Meta" if code.starts_with("Alt") => Some(if right { AltRight } else { AltLeft }),
        "Meta" | "OS" | "Super" => Some(if right { MetaRight } else { MetaLeft }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: &str, key: &str, down: bool) -> Input {
        Input::Key { code: code.into(), key: key.into(), down }
    }

    fn shift(down: bool) -> Act {
        Act::Modifier { modifier: Modifier::ShiftLeft, down }
    }

    fn strike(code: &str, key: &str) -> Act {
        Act::Strike { code: code.into(), key: key.into() }
    }

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn modifiers_and_buttons_are_held_and_other_keys_are_struck() {
        let (mut held, now) = (Held::default(), Instant::now());
        assert_eq!(held.take(now, key("ShiftLeft", "Shift", true)), [shift(true)]);
        assert_eq!(held.take(now, key("ShiftLeft", "Shift", true)), [], "it is already down");
        assert_eq!(held.take(now, key("KeyA", "A", true)), [strike("KeyA", "A")]);
        assert_eq!(held.take(now, key("KeyA", "A", false)), []);
        assert!(held.is_any());
        assert_eq!(held.take(now, key("ShiftLeft", "Shift", false)), [shift(false)]);
        let press = |down| Input::Press { button: Button::Left, down, x: 3, y: 4 };
        let (there, button) = (Act::Move { x: 3, y: 4 }, |down| Act::Button { button: Button::Left, down });
        assert_eq!(held.take(now, press(true)), [there.clone(), button(true)]);
        assert_eq!(held.take(now, press(false)), [there.clone(), button(false)]);
        assert_eq!(held.take(now, press(false)), [there], "releasing what is not held does nothing");
        assert!(!held.is_any());
    }

    #[test]
    fn what_is_not_renewed_is_released_and_buttons_stay_released() {
        let (mut held, start) = (Held::default(), Instant::now());
        let here = || Input::Held { modifiers: vec![Modifier::ShiftLeft], buttons: vec![Button::Left] };
        held.take(start, key("ShiftLeft", "Shift", true));
        held.take(start, Input::Press { button: Button::Left, down: true, x: 0, y: 0 });
        assert_eq!(held.take(start + MS(1_400), here()), []);
        assert_eq!(held.expire(start + MS(2_800)), [], "renewed");
        let gone = [Act::Button { button: Button::Left, down: false }, shift(false)];
        assert_eq!(held.expire(start + MS(2_900)), gone);
        assert_eq!(held.expire(start + MS(9_000)), []);
        assert_eq!(held.take(start + MS(9_000), here()), [shift(true)], "Shift is down, as the technician's is");
        assert_eq!(held.take(start + MS(9_100), Input::ReleaseAll {}), [shift(false)]);
    }

    #[test]
    fn a_missed_release_is_corrected_by_the_list_of_held_keys() {
        let (mut held, now) = (Held::default(), Instant::now());
        held.take(now, key("ControlLeft", "Control", true));
        held.take(now, key("ShiftLeft", "Shift", true));
        let up = Act::Modifier { modifier: Modifier::ControlLeft, down: false };
        assert_eq!(held.take(now, Input::Held { modifiers: vec![Modifier::ShiftLeft], buttons: vec![] }), [up]);
        assert_eq!(held.take(now, key("ControlLeft", "Control", false)), []);
    }

    #[test]
    fn repetitions_strike_again_unless_they_arrive_in_a_burst() {
        let (mut held, start) = (Held::default(), Instant::now());
        let down = || key("KeyA", "a", true);
        let mut strikes = |at| held.take(start + MS(at), down()).len();
        assert_eq!(strikes(0), 1);
        assert_eq!((0..10).map(|n| strikes(500 + 33 * n)).sum::<usize>(), 10, "a key held down");
        assert_eq!((0..90).map(|_| strikes(4_000)).sum::<usize>(), 1, "three seconds of repetitions at once");
        held.take(start + MS(4_001), key("KeyA", "a", false));
        assert_eq!(held.take(start + MS(4_002), down()).len(), 1, "pressed again, however quickly");
    }

    #[test]
    fn keys_are_modifiers_by_what_they_produce() {
        let table = [
            ("ControlLeft", "Control", Some(Modifier::ControlLeft)),
            ("CapsLock", "Control", Some(Modifier::ControlLeft)),
            ("AltRight", "Alt", Some(Modifier::AltRight)),
            ("AltLeft", "Meta", Some(Modifier::AltLeft)),
            ("MetaRight", "Meta", Some(Modifier::MetaRight)),
            ("OSLeft", "OS", Some(Modifier::MetaLeft)),
            ("AltRight", "AltGraph", None),
            ("KeyA", "a", None),
        ];
        for (code, key, expected) in table {
            assert_eq!(modifier(code, key), expected, "{code} {key}");
        }
    }

    #[test]
    fn locks_and_unfinished_compositions_do_nothing() {
        let (mut held, now) = (Held::default(), Instant::now());
        for name in ["CapsLock", "NumLock", "AltGraph", "Dead", "Process", "Unidentified"] {
            assert_eq!(held.take(now, key("KeyX", name, true)), [], "{name}");
        }
        let text = "x".repeat(MAX_TEXT_CHARS + 1);
        assert_eq!(held.take(now, Input::Text { text }), []);
    }

    /// After any inputs in any order: the keys and buttons that the system was told to press and not to release are
    /// those recorded as held, nothing is pressed twice, and everything can be released.
    #[test]
    fn held_keys_match_the_system_after_any_sequence() {
        let all = inputs();
        let mut seed = 7u64;
        for _ in 0..2_000 {
            let (mut held, mut down, mut now) = (Held::default(), BTreeSet::new(), Instant::now());
            for _ in 0..30 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pick = (seed >> 33) as usize;
                now += MS((pick % 7) as u64 * 300);
                account(&mut down, held.take(now, all[pick % all.len()].clone()));
                assert_eq!(held.is_any(), !down.is_empty());
            }
            account(&mut down, held.expire(now + HELD_FOR));
            assert!(down.is_empty() && !held.is_any(), "{down:?}");
        }
    }

    fn inputs() -> Vec<Input> {
        let mut all = vec![
            Input::ReleaseAll {},
            Input::Held { modifiers: vec![Modifier::ShiftLeft], buttons: vec![Button::Right] },
            Input::Held { modifiers: vec![], buttons: vec![] },
            Input::Text { text: "@".into() },
        ];
        let keys = [("ShiftLeft", "Shift"), ("CapsLock", "Control"), ("ControlLeft", "Control"), ("KeyA", "a")];
        for down in [true, false] {
            all.extend(keys.map(|(code, name)| key(code, name, down)));
            all.extend([Button::Left, Button::Right].map(|button| Input::Press { button, down, x: 0, y: 0 }));
        }
        all
    }

    fn account(down: &mut BTreeSet<String>, acts: Vec<Act>) {
        for act in acts {
            let (what, pressed) = match act {
                Act::Modifier { modifier, down } => (format!("{modifier:?}"), down),
                Act::Button { button, down } => (format!("{button:?}"), down),
                Act::Move { .. } | Act::Wheel { .. } | Act::Strike { .. } | Act::Text { .. } | Act::Special { .. } => {
                    continue;
                }
            };
            let changed = if pressed { down.insert(what.clone()) } else { down.remove(&what) };
            assert!(changed, "{what} twice {pressed}");
        }
    }
}
