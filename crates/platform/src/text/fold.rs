//! How searches compare texts: without case, accents and width variants.

use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

/// The folded form of a text.
pub fn fold(text: &str) -> String {
    let mut into = String::with_capacity(text.len());
    composed(text).chars().for_each(|c| fold_into(c, &mut into));
    into
}

/// The words of a search, folded. All of them must be found.
pub fn words(typed: &str) -> Vec<String> {
    let folded = fold(typed);
    let mut words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
    words.truncate(MOST_WORDS);
    words
}

/// The most words of a search; further ones are ignored.
pub const MOST_WORDS: usize = 12;

/// A text in which each letter is one character, however it was typed.
pub fn composed(text: &str) -> String {
    ComposingNormalizer::new_nfc().normalize(text).into_owned()
}

/// Appends a composed character in folded form: none, one or several characters.
pub fn fold_into(c: char, into: &mut String) {
    if c.is_ascii() {
        return into.push(c.to_ascii_lowercase());
    }
    if is_hangul(c) || is_kana(c) {
        // Hangul and kana stay composed: a decomposed letter would be found in others.
        return into.push(c);
    }
    let mut buffer = [0; 4];
    let apart = DecomposingNormalizer::new_nfkd().normalize(c.encode_utf8(&mut buffer)).into_owned();
    for c in apart.chars().flat_map(char::to_lowercase) {
        match c {
            'ß' => into.push_str("ss"),
            'æ' => into.push_str("ae"),
            'œ' => into.push_str("oe"),
            'þ' => into.push_str("th"),
            'ø' => into.push('o'),
            'ł' => into.push('l'),
            'đ' | 'ð' => into.push('d'),
            'ħ' => into.push('h'),
            'ı' => into.push('i'),
            'ς' => into.push('σ'),
            '’' | '‘' => into.push('\''),
            // Accents and zero-width characters.
            '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {}
            c => into.push(c),
        }
    }
}

/// Whether a letter is searched as a word of its own: its script separates words without spaces.
pub fn stands_alone(c: char) -> bool {
    let thai_and_alike = matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}');
    thai_and_alike || is_han(c) || is_kana(c) || is_hangul(c)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_width_are_ignored() {
        for (written, same) in [
            ("ÖZGÜR Müller", "ozgur muller"),
            ("O\u{308}ZGU\u{308}R", "özgür"),
            ("İstanbul ısı", "istanbul isi"),
            ("Émile & Fils 50%", "emile & fils 50%"),
            ("STRASSE", "Straße"),
            ("STRAẞE", "strasse"),
            ("ΟΔΥΣΣΕΎΣ", "οδυσσευς"),
            ("Łódź Ærø", "lodz aero"),
            ("ＰＣ－４７１１", "pc-4711"),
            ("ﬁle", "FILE"),
            ("가", "\u{1100}\u{1161}"),
            ("Ёлка", "елка"),
        ] {
            assert_eq!(fold(written), fold(same), "{written}");
        }
        for (one, other) in [("a%", "ab"), ("a_", "ab"), ("が", "か"), ("가", "각"), ("\\", "/")] {
            assert_ne!(fold(one), fold(other), "{one}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_part_of_a_text_is_found(a in "[a-zA-ZäÖüÉßŁ%_请重打가が ]{0,20}", part in "[a-zA-ZäÖüÉßŁ%_请重打가が]{1,8}", b in ".{0,20}") {
            let whole = fold(&format!("{a}{part} {b}"));
            proptest::prop_assert!(words(&part).iter().all(|w| whole.contains(w.as_str())));
            proptest::prop_assert!(words(&part.to_uppercase()).iter().all(|w| whole.contains(w.as_str())));
        }
    }
}
