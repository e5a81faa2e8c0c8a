//! The AV1 sequence header (AV1 specification, clause 5.5), as far as a container and a recorder need it.

/// A sequence header OBU and the values that are read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    obu: Vec<u8>,
    profile: u8,
    level: u8,
    /// The width of the largest picture, in pixels.
    pub width: u32,
    /// The height of the largest picture, in pixels.
    pub height: u32,
}

impl Sequence {
    /// Reads an OBU: all of it, and its body. `None` for features that our encoders do not use.
    pub(super) fn read(obu: &[u8], body: &[u8]) -> Option<Self> {
        let mut bits = Bits { body, at: 0 };
        let profile = bits.take(3)? as u8;
        // still_picture, reduced_still_picture_header, timing_info_present_flag: our encoders set none of them.
        if bits.take(3)? != 0 {
            return None;
        }
        let delays = bits.take(1)? == 1;
        let points = bits.take(5)? + 1;
        let mut level = None;
        for _ in 0..points {
            // operating_point_idc, seq_level_idx, seq_tier, initial_display_delay_minus_1
            bits.take(12)?;
            let of_point = bits.take(5)?;
            if of_point > 7 {
                bits.take(1)?;
            }
            if delays && bits.take(1)? == 1 {
                bits.take(4)?;
            }
            level.get_or_insert(of_point as u8);
        }
        let (wide, high) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let (width, height) = (bits.take(wide)? + 1, bits.take(high)? + 1);
        Some(Self { obu: obu.to_vec(), profile, level: level?, width, height })
    }

    /// Whether it is 4:4:4 (profile 1), which this project uses for GBR alone.
    pub fn is_gbr(&self) -> bool {
        self.profile == 1
    }

    /// The codec configuration record ("AV1 in ISO-BMFF", 2.3): 8 bit, 4:4:4 or 4:2:0.
    pub(super) fn av1c(&self) -> Vec<u8> {
        // chroma_subsampling_x and _y of 4:2:0.
        let subsampling = if self.is_gbr() { 0 } else { 0x0C };
        let mut bytes = vec![0x81, self.profile << 5 | self.level, subsampling, 0];
        bytes.extend(&self.obu);
        bytes
    }
}

/// Reads bits, most significant first.
struct Bits<'a> {
    body: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next bits, at most 32.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.body.get(self.at / 8)? >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
}
