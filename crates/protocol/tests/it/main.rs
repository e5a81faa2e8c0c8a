//! The wire format, as another implementation would test it.

use proptest::prelude::*;
use protocol::*;

#[test]
fn a_message_on_the_wire() {
    let bytes = encode(&ClientMessage::Chat { text: "Grüße".into(), nonce: 7 });
    assert_eq!(&bytes[..4], [0, 0, 0, 42], "the length counts bytes, not characters");
    expect_test::expect![[r#"{"type":"chat","text":"Grüße","nonce":7}"#]]
        .assert_eq(std::str::from_utf8(&bytes[4..]).unwrap());
}

#[test]
fn a_screen_header_with_each_byte_named() {
    #[rustfmt::skip]
    let bytes = [
        1,             // picture
        0b01,          // keyframe, no refinement
        0x07, 0x80,    // 1920 wide
        0x04, 0x38,    // 1080 high
        0, 0, 0, 9,    // frame 9
        0, 0, 1, 0,    // 256 ms after the start
        0, 0, 0x10, 0, // 4096 bytes follow
        0, 5,          // read in half a millisecond
        0, 42,         // encoded in 4.2 ms
        2,             // two regions
    ];
    let header = Header::from_bytes(&bytes).unwrap();
    let kind = FrameKind::Picture { key: true, refines: false };
    let (read, encoded) = (5, 42);
    let expected =
        Header { kind, width: 1920, height: 1080, seq: 9, time: 256, length: 4096, read, encoded, regions: 2 };
    assert_eq!(header, expected);
    assert_eq!(header.to_bytes(), bytes);
    assert_eq!((header.payload_at(), header.frame_bytes()), (23 + 16, 23 + 16 + 4096));
}

#[test]
fn a_pointer_header_has_the_length_of_a_pointer() {
    let head = |kind: FrameKind, length: u32| {
        let header = Header { kind, width: 64, height: 64, seq: 1, time: 0, length, read: 0, encoded: 0, regions: 0 };
        Header::from_bytes(&header.to_bytes()).is_ok()
    };
    assert!(head(FrameKind::PointerAt, 4) && !head(FrameKind::PointerAt, 3) && !head(FrameKind::PointerAt, 5));
    assert!(head(FrameKind::PointerShape, 12) && !head(FrameKind::PointerShape, 11));
}

#[test]
fn a_malformed_header_is_refused_with_the_reason() {
    let table: [(&[u8], &str); 5] = [
        (br#"{"type":"chat"}"#, "missing field `text`"),
        (br#"{"type":"sudo"}"#, "unknown variant `sudo`"),
        (br#"{"type":"pause","also":1}"#, "unknown field `also`"),
        (br#"{"type":"withdraw","right":"everything"}"#, "unknown variant `everything`"),
        (b"\xff", "expected value"),
    ];
    for (body, reason) in table {
        let error = decode::<ClientMessage>(body).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let mut framed = Framed::new(MAX_CONTROL_BYTES);
    framed.push(&[0, 2, 0, 0]);
    assert!(matches!(framed.next_body(), Err(FrameError::TooLarge { got: 131_072, .. })));
}

fn frame(seq: u32, length: usize) -> Vec<u8> {
    let kind = FrameKind::Picture { key: false, refines: false };
    let header =
        Header { kind, width: 64, height: 64, seq, time: 0, length: length as u32, read: 0, encoded: 0, regions: 0 };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend((0..length).map(|i| i as u8));
    bytes
}

#[test]
fn a_frame_is_reassembled_from_its_pieces_in_any_order() {
    let bytes = frame(7, 2_400);
    let parts = pieces(7, &bytes);
    assert_eq!(parts.len(), 3);
    let mut copies = RedundantDatagrams::default();
    assert!(copies.take(&parts[2]).is_none() && copies.take(&parts[0]).is_none());
    let (header, whole) = copies.take(&parts[1]).unwrap();
    assert_eq!((header.seq, &whole[..]), (7, &bytes[..]));
    assert!(copies.take(&pieces(6, &frame(6, 10))[0]).is_none(), "older than the last frame");
    assert!(pieces(8, &frame(8, 9_000)).is_empty(), "too large to copy");
}

proptest! {
    #[test]
    fn no_datagram_breaks_the_copies(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let mut copies = RedundantDatagrams::default();
        for bytes in list { copies.take(&bytes.into()); }
    }

    #[test]
    fn a_stream_may_be_split_anywhere(texts in prop::collection::vec(".{0,40}", 1..8), cut in 1usize..30) {
        let bytes: Vec<u8> = texts.iter().enumerate()
            .flat_map(|(i, text)| encode(&ClientMessage::Chat { text: text.clone(), nonce: i as u32 })).collect();
        let mut framed = Framed::new(MAX_CONTROL_BYTES);
        let mut got = Vec::new();
        for piece in bytes.chunks(cut) {
            framed.push(piece);
            while let Some(ClientMessage::Chat { text, .. }) = framed.next_message().unwrap() { got.push(text); }
        }
        prop_assert_eq!(got, texts);
    }

    #[test]
    fn no_bytes_break_the_control_stream(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        oracle::control_stream(&bytes);
        oracle::screen_stream(&bytes);
    }

    #[test]
    fn no_json_breaks_a_message(kind in "(chat|ask|answer|withdraw|drawn|key|move|press|text)", value in "[a-z0-9\"\\[\\]{},:]{0,40}") {
        oracle::message_body(format!(r#"{{"type":"{kind}","text":"{value}","nonce":1}}"#).as_bytes());
        oracle::message_body(format!(r#"{{"type":"{kind}",{value}}}"#).as_bytes());
    }
}
