//! Texts from other systems, as safe lines for people.

pub mod address;
pub mod fold;

use protocol::file_name::shown;

/// One line of limited length, with misleading characters made visible. For names and titles alone: an identifier is
/// taken whole or refused.
pub fn line(text: &str, most: usize) -> String {
    let one: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    shown(one.trim())
}

/// Whether a text is one line without misleading characters, as names of people must be.
pub fn is_plain(text: &str) -> bool {
    shown(text) == text
}

/// One line of limited length that keeps both ends: long names mostly differ at the end.
pub fn shortened(text: &str, most: usize) -> String {
    let whole = line(text, usize::MAX);
    let length = whole.chars().count();
    if length <= most {
        return whole;
    }
    let end = most / 3;
    let start = most.saturating_sub(end + 1);
    let tail: String = whole.chars().skip(length - end).collect();
    format!("{}…{tail}", whole.chars().take(start).collect::<String>())
}

/// An error with its causes, as text.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        words = format!("{words}: {deeper}");
        cause = deeper.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_breaks_and_is_limited() {
        assert_eq!(line(" a\r\nb\u{7f}c ", 80), "a  b c");
        assert_eq!(line("Größe", 3), "Grö");
        assert_eq!(line("exe.\u{202e}txt", 80), "exe.\u{fffd}txt");
        assert!(is_plain("Ada Lovelace") && !is_plain("Ada\u{202e}") && !is_plain("Ada\n"));
    }

    #[test]
    fn a_shortened_text_keeps_both_ends() {
        assert_eq!(shortened("as it is", 8), "as it is");
        assert_eq!(shortened("a very long name.pdf", 12), "a very ….pdf");
        assert_eq!(shortened("a very long name.pdf", 12).chars().count(), 12);
    }
}
