//! Properties that hold for every input, as functions that tests and fuzz targets share.

use crate::{
    Answer, ClientMessage, Framed, HEADER_BYTES, Header, Hello, Input, Job, MAX_CONTROL_BYTES, PointerShape, ShellInput,
};

/// For any bytes, the frame reader neither panics nor holds more than its limit, and a message that it reads survives
/// encoding and decoding.
pub fn control_stream(bytes: &[u8]) {
    let mut framed = Framed::new(MAX_CONTROL_BYTES);
    for piece in bytes.chunks(7) {
        framed.push(piece);
        loop {
            match framed.next_body() {
                Ok(Some(body)) => message_body(&body),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// The property for the body of one message, for each type that either end reads.
pub fn message_body(body: &[u8]) {
    if let Ok(message) = crate::decode::<ClientMessage>(body) {
        assert_eq!(crate::decode::<ClientMessage>(&crate::encode(&message)[4..]).expect("own output"), message);
    }
    if let Ok(hello) = crate::decode::<Hello>(body) {
        assert_eq!(crate::decode::<Hello>(&crate::encode(&hello)[4..]).expect("own output"), hello);
    }
    if let Ok(job) = crate::decode::<Job>(body) {
        assert_eq!(crate::decode::<Job>(&crate::encode(&job)[4..]).expect("own output"), job);
    }
    if let Ok(keys) = crate::decode::<ShellInput>(body) {
        assert_eq!(crate::decode::<ShellInput>(&crate::encode(&keys)[4..]).expect("own output"), keys);
    }
    // An answer of the customer's program may hold NaN as a share, which is not equal to itself.
    let _ = crate::decode::<Answer>(body);
    if let Ok(input) = crate::decode::<Input>(body) {
        assert_eq!(crate::decode::<Input>(&crate::encode(&input)[4..]).expect("own output"), input);
    }
}

/// An accepted header encodes to the same bytes; so does a pointer's shape.
pub fn screen_stream(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk::<HEADER_BYTES>()
        && let Ok(header) = Header::from_bytes(head)
    {
        assert_eq!(&header.to_bytes(), head);
    }
    let mut copies = crate::RedundantDatagrams::default();
    for datagram in bytes.chunks(64) {
        let _ = copies.take(&datagram.to_vec().into());
    }
    if let Some(shape) = PointerShape::from_bytes(bytes) {
        assert_eq!(shape.to_bytes(), bytes);
    }
}
