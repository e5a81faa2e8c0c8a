//! File names on the wire: as text, and without loss.
//!
//! A system may hold names that are not Unicode: Linux takes any bytes, Windows unpaired surrogates. Each unit that is
//! no character is sent as a private-use character and decoded to the same unit, so that such a file can be listed,
//! downloaded, renamed and deleted:
//!
//! | in the name | on the wire |
//! |---|---|
//! | a byte 0x80 to 0xFF that is not part of a UTF-8 character | U+EF80 to U+EFFF |
//! | a surrogate 0xD800 to 0xDFFF without its other half | U+FD800 to U+FDFFF |
//!
//! A character of these ranges in a real name is sent as its own bytes or halves, so that the encoding is unambiguous.

use crate::MAX_FILE_NAME_BYTES;

/// Whether this can be the name of a file on some system. What only one system forbids is left to that system.
pub fn name_fits(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_FILE_NAME_BYTES
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\', '\0'])
}

/// The character for a byte that is not part of any character (0x80 to 0xFF); `None` for other bytes, which always are.
pub fn raw_byte(byte: u8) -> Option<char> {
    (byte >= 0x80).then(|| char::from_u32(0xEF00 + u32::from(byte))).flatten()
}

/// The byte that this character stands for.
pub fn as_raw_byte(c: char) -> Option<u8> {
    matches!(c, '\u{EF80}'..='\u{EFFF}').then_some((u32::from(c) & 0xFF) as u8)
}

/// The character for half of a surrogate pair (0xD800 to 0xDFFF).
pub fn raw_half(unit: u16) -> Option<char> {
    (0xD800..=0xDFFF).contains(&unit).then(|| char::from_u32(0xF_0000 + u32::from(unit))).flatten()
}

/// The half of a surrogate pair that this character stands for.
pub fn as_raw_half(c: char) -> Option<u16> {
    matches!(c, '\u{FD800}'..='\u{FDFFF}').then_some((u32::from(c) & 0xFFFF) as u16)
}

/// A name, a path or another line as people may read it. A character that is invalid, invisible, or changes the
/// direction of the text around it becomes U+FFFD, because `annexe[U+202E]fdp.exe` would look like a document.
pub fn shown(line: &str) -> String {
    seen(line, |_| false)
}

/// The same for a text of several lines. Line breaks stay, and so do the direction marks of right-to-left scripts,
/// which do not reverse the text around them.
pub fn shown_text(text: &str) -> String {
    seen(text, |c| matches!(c, '\n' | '\t' | '\u{200E}' | '\u{200F}' | '\u{61C}'))
}

fn seen(text: &str, stays: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if misleads(c) && !stays(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn misleads(c: char) -> bool {
    c.is_control()
        || as_raw_byte(c).is_some()
        || as_raw_half(c).is_some()
        // The joiners U+200C and U+200D stay: Persian words and emoji need them.
        || matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{61C}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_unit_survives_the_round_trip() {
        for byte in 0..=u8::MAX {
            assert_eq!(raw_byte(byte).and_then(as_raw_byte), (byte >= 0x80).then_some(byte));
        }
        for unit in 0..=u16::MAX {
            let half = (0xD800..=0xDFFF).contains(&unit).then_some(unit);
            assert_eq!(raw_half(unit).and_then(as_raw_half), half);
        }
        assert_eq!((as_raw_byte('ü'), as_raw_half('ü')), (None, None));
    }

    #[test]
    fn misleading_characters_are_made_visible() {
        let table = [
            ("Grüße 你好 📎.txt", "Grüße 你好 📎.txt"),
            ("annexe\u{202E}fdp.exe", "annexe\u{FFFD}fdp.exe"),
            ("two\nlines\t", "two\u{FFFD}lines\u{FFFD}"),
            ("gr\u{EFFC}n", "gr\u{FFFD}n"),
            ("zero\u{200B}width\u{FEFF}", "zero\u{FFFD}width\u{FFFD}"),
            ("half \u{FD83D}", "half \u{FFFD}"),
            ("مرحبا 👩‍💻", "مرحبا 👩‍💻"),
        ];
        for (name, seen) in table {
            assert_eq!(shown(name), seen);
        }
    }

    #[test]
    fn a_text_keeps_its_lines_and_direction_marks() {
        let table = [
            ("two\nlines\tof text", "two\nlines\tof text"),
            ("שלום\u{200F}! مرحبا\u{61C}", "שלום\u{200F}! مرحبا\u{61C}"),
            ("pay\u{202E}lap", "pay\u{FFFD}lap"),
            ("a\r\u{2028}b\u{85}c\u{1b}[2J", "a\u{FFFD}\u{FFFD}b\u{FFFD}c\u{FFFD}[2J"),
            ("exam\u{200B}ple.org", "exam\u{FFFD}ple.org"),
        ];
        for (text, seen) in table {
            assert_eq!(shown_text(text), seen);
        }
    }
}
