//! What comes from other systems, as lines for people.

/// One line of at most so many characters: whatever is no text becomes a blank.
pub fn line(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    plain.trim().to_owned()
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
}
