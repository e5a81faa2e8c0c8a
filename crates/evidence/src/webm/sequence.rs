//! The AV1 sequence header (AV1 specification, clause 5.5) as far as a container needs it.

/// A sequence header OBU and the numbers that `av1C` repeats.
#[derive(Debug)]
pub struct Header {
    obu: Vec<u8>,
    profile: u8,
    level: u8,
}

impl Header {
    /// Whether it is 4:4:4 (profile 1), which this project codes only as GBR.
    pub fn is_gbr(&self) -> bool {
        self.profile == 1
    }

    /// The codec configuration record ("AV1 in ISO-BMFF", 2.3): 8 bit, 4:4:4 or 4:2:0.
    pub fn av1c(&self) -> Vec<u8> {
        // chroma_subsampling_x and _y of 4:2:0.
        let subsampling = if self.is_gbr() { 0 } else { 0x0C };
        let mut bytes = vec![0x81, self.profile << 5 | self.level, subsampling, 0];
        bytes.extend(&self.obu);
        bytes
    }
}

/// Finds the sequence header in a temporal unit of the low-overhead format.
pub fn header(unit: &[u8]) -> Option<Header> {
    let mut rest = unit;
    while let Some(first) = rest.first() {
        let (kind, extension, has_size) = (first >> 3 & 15, first >> 2 & 1, first >> 1 & 1);
        if has_size == 0 {
            return None;
        }
        let start = 1 + usize::from(extension);
        let (size, used) = leb128(rest.get(start..)?)?;
        let end = start + used + size;
        let obu = rest.get(..end)?;
        if kind == 1 {
            return parse(obu, obu.get(start + used..)?);
        }
        rest = &rest[end..];
    }
    None
}

fn parse(obu: &[u8], body: &[u8]) -> Option<Header> {
    let bits = |from: usize, count: usize| {
        (from..from + count).try_fold(0u8, |n, i| Some(n << 1 | (body.get(i / 8)? >> (7 - i % 8) & 1)))
    };
    let profile = bits(0, 3)?;
    // still_picture, reduced_still_picture_header, timing_info_present_flag: none of ours has any of them.
    if bits(3, 3)? != 0 {
        return None;
    }
    // initial_display_delay_present_flag (1), operating_points_cnt_minus_1 (5), operating_point_idc (12), then the level.
    let level = bits(6 + 1 + 5 + 12, 5)?;
    Some(Header { obu: obu.to_vec(), profile, level })
}

/// AV1's little-endian base 128: (value, bytes used).
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}
