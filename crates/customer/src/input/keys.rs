//! Key names: `KeyboardEvent.code` and `.key` (W3C UI Events), mapped to the numbers of each system.

#[cfg(target_os = "linux")]
use protocol::Modifier;

/// The evdev code of a physical key (linux/input-event-codes.h).
pub fn evdev(code: &str) -> Option<u8> {
    const ROWS: [(u8, &[&str]); 4] = [
        (
            1,
            &[
                "Escape",
                "Digit1",
                "Digit2",
                "Digit3",
                "Digit4",
                "Digit5",
                "Digit6",
                "Digit7",
                "Digit8",
                "Digit9",
                "Digit0",
                "Minus",
                "Equal",
                "Backspace",
                "Tab",
                "KeyQ",
                "KeyW",
                "KeyE",
                "KeyR",
                "KeyT",
                "KeyY",
                "KeyU",
                "KeyI",
                "KeyO",
                "KeyP",
                "BracketLeft",
                "BracketRight",
                "Enter",
                "ControlLeft",
                "KeyA",
                "KeyS",
                "KeyD",
                "KeyF",
                "KeyG",
                "KeyH",
                "KeyJ",
                "KeyK",
                "KeyL",
                "Semicolon",
                "Quote",
                "Backquote",
                "ShiftLeft",
                "Backslash",
                "KeyZ",
                "KeyX",
                "KeyC",
                "KeyV",
                "KeyB",
                "KeyN",
                "KeyM",
                "Comma",
                "Period",
                "Slash",
                "ShiftRight",
                "NumpadMultiply",
                "AltLeft",
                "Space",
                "CapsLock",
                "F1",
                "F2",
                "F3",
                "F4",
                "F5",
                "F6",
                "F7",
                "F8",
                "F9",
                "F10",
                "NumLock",
                "ScrollLock",
                "Numpad7",
                "Numpad8",
                "Numpad9",
                "NumpadSubtract",
                "Numpad4",
                "Numpad5",
                "Numpad6",
                "NumpadAdd",
                "Numpad1",
                "Numpad2",
                "Numpad3",
                "Numpad0",
                "NumpadDecimal",
            ],
        ),
        (86, &["IntlBackslash", "F11", "F12", "IntlRo"]),
        (96, &["NumpadEnter", "ControlRight", "NumpadDivide", "PrintScreen", "AltRight"]),
        (
            102,
            &[
                "Home",
                "ArrowUp",
                "PageUp",
                "ArrowLeft",
                "ArrowRight",
                "End",
                "ArrowDown",
                "PageDown",
                "Insert",
                "Delete",
            ],
        ),
    ];
    let single = match code {
        "Pause" => Some(119),
        "MetaLeft" => Some(125),
        "MetaRight" => Some(126),
        "ContextMenu" => Some(127),
        _ => None,
    };
    let in_row = |(first, names): &(u8, &[&str])| {
        names.iter().position(|n| *n == code).and_then(|i| first.checked_add(u8::try_from(i).ok()?))
    };
    single.or_else(|| ROWS.iter().find_map(in_row))
}

/// The X keycode of a physical key: the evdev code plus 8.
#[cfg(target_os = "linux")]
pub fn keycode(code: &str) -> Option<u8> {
    evdev(code).map(|evdev| evdev + 8)
}

/// The scan code of a physical key, and whether it has the prefix E0. (Set 1 of the PC keyboard, as Windows uses it.)
/// evdev uses the same numbers, except for keys with a prefix.
#[cfg(any(windows, test))]
pub fn scancode(code: &str) -> Option<(u16, bool)> {
    const PREFIXED: [(u8, u16); 18] = [
        (96, 0x1C),
        (97, 0x1D),
        (98, 0x35),
        (99, 0x37),
        (100, 0x38),
        (102, 0x47),
        (103, 0x48),
        (104, 0x49),
        (105, 0x4B),
        (106, 0x4D),
        (107, 0x4F),
        (108, 0x50),
        (109, 0x51),
        (110, 0x52),
        (111, 0x53),
        (125, 0x5B),
        (126, 0x5C),
        (127, 0x5D),
    ];
    let evdev = evdev(code)?;
    let prefixed = PREFIXED.iter().find(|(number, _)| *number == evdev);
    match (evdev, prefixed) {
        (_, Some((_, scan))) => Some((*scan, true)),
        (89, _) => Some((0x73, false)),
        (69, _) => Some((0x45, true)),
        (119, _) => Some((0x45, false)),
        (1..=88, _) => Some((u16::from(evdev), false)),
        _ => None,
    }
}

/// The keysym of a character.
#[cfg(target_os = "linux")]
pub fn keysym(c: char) -> u32 {
    xkeysym::Keysym::from_char(c).raw()
}

/// The usual key code of a modifier, and its keysyms, best first.
#[cfg(target_os = "linux")]
pub fn modifier(modifier: Modifier) -> (&'static str, &'static [u32]) {
    match modifier {
        Modifier::ShiftLeft => ("ShiftLeft", &[0xFFE1, 0xFFE2]),
        Modifier::ShiftRight => ("ShiftRight", &[0xFFE2, 0xFFE1]),
        Modifier::ControlLeft => ("ControlLeft", &[0xFFE3, 0xFFE4]),
        Modifier::ControlRight => ("ControlRight", &[0xFFE4, 0xFFE3]),
        Modifier::AltLeft => ("AltLeft", &[0xFFE9, 0xFFEA]),
        Modifier::AltRight => ("AltRight", &[0xFFEA, 0xFFE9]),
        Modifier::MetaLeft => ("MetaLeft", &[0xFFEB, 0xFFEC]),
        Modifier::MetaRight => ("MetaRight", &[0xFFEC, 0xFFEB]),
    }
}

/// The keysyms of a key that has a name instead of a character, best first.
#[cfg(target_os = "linux")]
pub fn named(code: &str, key: &str) -> Vec<u32> {
    const ROW: [(&str, u32); 20] = [
        ("Enter", 0xFF0D),
        ("Tab", 0xFF09),
        ("Backspace", 0xFF08),
        ("Escape", 0xFF1B),
        ("Delete", 0xFFFF),
        ("Insert", 0xFF63),
        ("Home", 0xFF50),
        ("ArrowLeft", 0xFF51),
        ("ArrowUp", 0xFF52),
        ("ArrowRight", 0xFF53),
        ("ArrowDown", 0xFF54),
        ("PageUp", 0xFF55),
        ("PageDown", 0xFF56),
        ("End", 0xFF57),
        ("Clear", 0xFF9D),
        ("ContextMenu", 0xFF67),
        ("PrintScreen", 0xFF61),
        ("Pause", 0xFF13),
        ("ScrollLock", 0xFF14),
        ("Help", 0xFF6A),
    ];
    let function = key.strip_prefix('F').and_then(|n| n.parse::<u32>().ok()).filter(|n| (1..=24).contains(n));
    let listed = ROW.iter().find(|(name, _)| *name == key).map(|(_, keysym)| *keysym);
    let pad = (code == "NumpadEnter").then_some(0xFF8D);
    pad.into_iter().chain(listed).chain(function.map(|n| 0xFFBD + n)).collect()
}

/// The key to strike for a named key: the functions of the numeric pad without Num Lock have keys of their own, which
/// Num Lock does not affect.
pub fn place<'a>(code: &'a str, key: &'a str) -> &'a str {
    let moves = ["Home", "End", "PageUp", "PageDown", "Insert", "Delete"].contains(&key) || key.starts_with("Arrow");
    if code.starts_with("Numpad") && moves { key } else { code }
}

/// The characters of a text that keys can produce: line ends of any system become one Enter each.
pub fn typeable(text: &str) -> Vec<char> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The one character that a key produced; `None` for keys that have a name instead.
pub fn character(key: &str) -> Option<char> {
    let mut letters = key.chars();
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_keys_have_scan_codes() {
        let table = [
            ("Escape", (0x01, false)),
            ("KeyA", (0x1E, false)),
            ("F12", (0x58, false)),
            ("NumLock", (0x45, true)),
            ("Pause", (0x45, false)),
            ("ArrowLeft", (0x4B, true)),
            ("Numpad4", (0x4B, false)),
            ("Delete", (0x53, true)),
            ("AltRight", (0x38, true)),
            ("MetaLeft", (0x5B, true)),
            ("IntlRo", (0x73, false)),
        ];
        for (code, expected) in table {
            assert_eq!(scancode(code), Some(expected), "{code}");
        }
        assert_eq!(scancode("LaunchMissiles"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn physical_keys_have_the_codes_of_evdev_plus_8() {
        let table = [
            ("Escape", 9),
            ("KeyA", 38),
            ("Enter", 36),
            ("ShiftLeft", 50),
            ("Space", 65),
            ("F10", 76),
            ("F11", 95),
            ("ArrowUp", 111),
            ("Delete", 119),
            ("MetaLeft", 133),
            ("ControlRight", 105),
            ("NumpadDecimal", 91),
        ];
        for (code, expected) in table {
            assert_eq!(keycode(code), Some(expected), "{code}");
        }
        assert_eq!(keycode("LaunchMissiles"), None);
    }

    #[test]
    fn any_line_end_is_one_enter_and_other_control_characters_are_dropped() {
        let table = [("a\r\nb", "a\nb"), ("a\rb\n\r\n", "a\nb\n\n"), ("a\tb\u{7}\u{1b}", "a\tb")];
        for (text, expected) in table {
            assert_eq!(typeable(text).into_iter().collect::<String>(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_numeric_pads_movement_keys_become_the_separate_ones() {
        let table = [
            ("Numpad7", "Home", "Home"),
            ("Numpad4", "ArrowLeft", "ArrowLeft"),
            ("NumpadDecimal", "Delete", "Delete"),
            ("NumpadEnter", "Enter", "NumpadEnter"),
            ("Numpad7", "7", "Numpad7"),
            ("KeyA", "a", "KeyA"),
        ];
        for (code, key, expected) in table {
            assert_eq!(place(code, key), expected, "{code} {key}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn keys_with_names_have_keysyms() {
        let table: [(&str, &str, &[u32]); 6] = [
            ("Enter", "Enter", &[0xFF0D]),
            ("NumpadEnter", "Enter", &[0xFF8D, 0xFF0D]),
            ("Numpad1", "End", &[0xFF57]),
            ("F1", "F1", &[0xFFBE]),
            ("F24", "F24", &[0xFFD5]),
            ("KeyF", "F", &[]),
        ];
        for (code, key, expected) in table {
            assert_eq!(named(code, key), expected, "{code} {key}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn characters_become_keysyms() {
        let table = [('a', 0x61), ('ü', 0xFC), ('š', 0x1B9), ('€', 0x20AC), ('你', 0x0100_4F60)];
        for (c, expected) in table {
            assert_eq!(keysym(c), expected, "{c}");
        }
        assert_eq!((character("a"), character("Enter"), character("")), (Some('a'), None, None));
    }
}
