//! EBML (RFC 8794): an id, a length, a body.

/// A sequence of elements.
#[derive(Debug, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// Appends an element.
    pub fn push(&mut self, id: u32, body: &[u8]) {
        self.0.extend(element(id, body));
    }

    /// The bytes so far.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// One element.
pub fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = opening(id, body.len() as u64);
    bytes.extend(body);
    bytes
}

/// The id and the length before an element's body.
pub fn opening(id: u32, length: u64) -> Vec<u8> {
    let id = id.to_be_bytes();
    let skip = id.iter().take_while(|b| **b == 0).count();
    let mut bytes = id[skip..].to_vec();
    match length {
        0..127 => bytes.push(0x80 | length as u8),
        127..16_383 => bytes.extend((0x4000 | length as u16).to_be_bytes()),
        _ => bytes.extend((1 << 56 | length).to_be_bytes()),
    }
    bytes
}

/// An unsigned integer in as few bytes as it needs.
pub fn unsigned(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count().min(7);
    bytes[skip..].to_vec()
}

/// Reads an element's header; returns its length and the body's length, or `None` for unknown.
pub fn header(bytes: &[u8]) -> Option<(usize, Option<u64>)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    if id_length > 4 {
        return None;
    }
    let first = *bytes.get(id_length)?;
    let size_length = first.leading_zeros() as usize + 1;
    if size_length > 8 {
        return None;
    }
    let size = bytes.get(id_length..id_length + size_length)?;
    let mask = (1u64 << (7 * size_length)) - 1;
    let value = size.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) & mask;
    Some((id_length + size_length, (value != mask).then_some(value)))
}

/// The element's id in the form that [`element`] takes.
pub fn id(bytes: &[u8]) -> Option<u32> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    (length <= 4).then_some(())?;
    Some(bytes.get(..length)?.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
}
