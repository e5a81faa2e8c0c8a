//! The picture with which a page tests its browser's decoders.

use aom::{Bitmap, Decoder, Encoder, Format, Picture, Request};

/// Sixteen squares of different colours: wrong matrices, ranges and subsampling all show.
fn pattern() -> Picture {
    let pixel = |i: u32| {
        let (x, y) = (i % 64 / 16, i / 64 / 16);
        [(x * 85) as u8, (y * 85) as u8, ((x + y) % 4 * 85) as u8, 0]
    };
    let bgrx: Vec<u8> = (0..64 * 64).flat_map(pixel).collect();
    Picture::from_bgrx(64, 64, &bgrx)
}

#[test]
fn the_console_tests_decoders_with_this_picture() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/src/lib/viewer/probe.ts");
    let page = std::fs::read_to_string(page).unwrap();
    let hex = page.split("const PICTURE = '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let bytes: Vec<u8> =
        hex.as_bytes().chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect();
    if std::env::var_os("DESKSIDE_PRINT").is_some() {
        let active = Bitmap::over(64, 64, 16);
        let request = Request { key: true, quantiser: 0, active };
        let made = Encoder::new(64, 64, 1, Format::Gbr).unwrap().encode(&pattern(), 0, &request).unwrap();
        println!("{}", made.iter().map(|b| format!("{b:02x}")).collect::<String>());
    }
    assert!(Decoder::new().unwrap().decode(&bytes).unwrap() == pattern());
}
