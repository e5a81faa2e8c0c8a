//! Checks pictures from outside before they are stored.

use std::io::Cursor;

use png::{BitDepth, Decoder, Limits};
use protocol::MAX_SIDE;

/// Most memory for decoding a picture, besides the picture itself: some of its rows.
const MEMORY: usize = 8 * 1024 * 1024;

/// Whether the bytes are exactly one PNG, no larger than a screen, of which every row can be decoded. It is decoded row
/// by row, so that a small file that expands to a huge picture takes no memory.
pub fn is_png(bytes: &[u8]) -> bool {
    let mut rest = Cursor::new(bytes);
    let whole = read_through(&mut rest).is_ok();
    whole && rest.position() == bytes.len() as u64
}

fn read_through(bytes: &mut Cursor<&[u8]>) -> Result<(), png::DecodingError> {
    let mut picture = Decoder::new_with_limits(bytes, Limits { bytes: MEMORY }).read_info()?;
    let info = picture.info();
    let side = 1..=u32::from(MAX_SIDE);
    let fits = side.contains(&info.width) && side.contains(&info.height);
    if !fits || info.bit_depth == BitDepth::Sixteen || info.animation_control.is_some() {
        return Err(png::DecodingError::LimitsExceeded);
    }
    while picture.next_row()?.is_some() {}
    picture.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![200; (width * height * 4) as usize]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    /// A chunk with its checksum (PNG, 5.3).
    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut crc = !0u32;
        for byte in kind.iter().chain(body) {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        [&(body.len() as u32).to_be_bytes()[..], kind, body, &(!crc).to_be_bytes()].concat()
    }

    const START: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn header(width: u32, height: u32) -> Vec<u8> {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        [START, &chunk(b"IHDR", &[&sizes[..], &[8, 6, 0, 0, 0]].concat())].concat()
    }

    #[test]
    fn exactly_one_png_is_accepted() {
        let whole = picture(300, 200);
        assert!(is_png(&whole) && is_png(&picture(1, 1)));
        let changed = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            bytes
        };
        let table: [(&str, Vec<u8>); 10] = [
            ("nothing", vec![]),
            ("the first bytes of one", START.to_vec()),
            ("the first bytes, and a page", [START, b"<script>alert(1)</script>"].concat()),
            ("a header alone", header(300, 200)),
            ("no rows", [header(300, 200), chunk(b"IEND", &[])].concat()),
            ("rows that are none", [header(300, 200), chunk(b"IDAT", b"not deflated"), chunk(b"IEND", &[])].concat()),
            ("cut off", whole[..whole.len() - 5].to_vec()),
            ("a checksum that is wrong", changed(whole.len() / 2)),
            ("something behind it", [&whole[..], b"<script>"].concat()),
            ("larger than any screen", [header(100_000, 100_000), chunk(b"IEND", &[])].concat()),
        ];
        for (what, bytes) in table {
            assert!(!is_png(&bytes), "{what}");
        }
    }
}
