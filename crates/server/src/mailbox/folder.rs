//! Folder names in IMAP: modified UTF-7 (RFC 3501, 5.1.3).

use base64::{Engine, alphabet::IMAP_MUTF7, engine};

const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &IMAP_MUTF7,
    engine::GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(engine::DecodePaddingMode::RequireNone),
);

/// Encodes a folder's name. One that is already encoded stays as it is.
pub fn encoded(name: &str) -> String {
    let name = name.trim();
    if name.is_ascii() && (!name.contains('&') || decoded(name).is_some()) {
        return name.to_owned();
    }
    let mut out = String::new();
    let mut shifted: Vec<u16> = Vec::new();
    let flush = |shifted: &mut Vec<u16>, out: &mut String| {
        if !shifted.is_empty() {
            let bytes: Vec<u8> = shifted.drain(..).flat_map(u16::to_be_bytes).collect();
            out.push_str(&format!("&{}-", BASE64.encode(bytes)));
        }
    };
    for c in name.chars() {
        match c {
            '\x20'..='\x7e' => {
                flush(&mut shifted, &mut out);
                out.push(c);
                if c == '&' {
                    out.push('-');
                }
            }
            c => shifted.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    flush(&mut shifted, &mut out);
    out
}

/// Decodes a name; `None` if it is not a valid encoding.
fn decoded(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (shifted, behind) = after.split_once('-')?;
        rest = behind;
        if shifted.is_empty() {
            out.push('&');
            continue;
        }
        let bytes = BASE64.decode(shifted).ok()?;
        let (pairs, []) = bytes.as_chunks::<2>() else { return None };
        let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
        // Printable ASCII is never encoded, so this is a plain name with an `&`.
        if text.contains(|c: char| matches!(c, '\x20'..='\x7e')) {
            return None;
        }
        out.push_str(&text);
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_encoded_for_imap() {
        for (name, imap) in [
            ("INBOX", "INBOX"),
            ("Störungen", "St&APY-rungen"),
            ("Support/Störungen", "Support/St&APY-rungen"),
            ("R&D", "R&-D"),
            ("Tom & Jürgen", "Tom &- J&APw-rgen"),
            ("台北", "&U,BTFw-"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("打印机😀", "&YlNTcGc62D3eAA-"),
            // Older settings contain encoded names.
            ("St&APY-rungen", "St&APY-rungen"),
            ("R&-D", "R&-D"),
        ] {
            assert_eq!(encoded(name), imap, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_can_be_decoded(name in "[a-zA-Z &/äöü打😀-]{0,20}") {
            let name = name.trim();
            let imap = encoded(name);
            proptest::prop_assert!(imap.is_ascii());
            if imap != name {
                proptest::prop_assert_eq!(decoded(&imap), Some(name.to_owned()));
            }
        }
    }
}
