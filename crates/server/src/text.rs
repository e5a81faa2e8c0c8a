//! What comes from other systems, as lines for people.

pub mod address;
pub mod fold;

/// One line of at most so many characters: whatever is no text becomes a blank. For names and titles alone: what
/// identifies something is taken whole or refused.
pub fn line(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    plain.trim().to_owned()
}

/// One line of at most so many characters that keeps both ends: what tells two long names apart is mostly at the end.
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

/// An error with its causes, in words.
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
    fn a_line_is_one() {
        assert_eq!(line(" a\r\nb\u{7f}c ", 80), "a  b c");
        assert_eq!(line("Größe", 3), "Grö");
    }

    #[test]
    fn what_is_shortened_keeps_both_ends() {
        assert_eq!(shortened("as it is", 8), "as it is");
        assert_eq!(shortened("a very long name.pdf", 12), "a very ….pdf");
        assert_eq!(shortened("a very long name.pdf", 12).chars().count(), 12);
    }
}
