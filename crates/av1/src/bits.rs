//! Writes bits, high ones first, and wraps them into OBUs.

/// f(n) of the specification (clause 4.10.2).
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter {
    /// f(n): the low `count` bits of a value.
    pub fn bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> shift & 1) as u8) << self.free;
        }
    }

    /// f(1).
    pub fn flag(&mut self, value: bool) {
        self.bits(value.into(), 1);
    }

    /// byte_alignment (clause 5.3.5): zeros to the end of the byte.
    pub fn into_aligned(self) -> Vec<u8> {
        self.bytes
    }

    /// trailing_bits (clause 5.3.4): a one, and zeros to the end of the byte.
    pub fn into_trailed(mut self) -> Vec<u8> {
        self.flag(true);
        self.bytes
    }
}

/// OBU types (clause 6.2.2).
#[derive(Clone, Copy)]
pub(crate) enum ObuType {
    /// OBU_SEQUENCE_HEADER.
    SequenceHeader = 1,
    /// OBU_TEMPORAL_DELIMITER.
    TemporalDelimiter = 2,
    /// OBU_FRAME.
    Frame = 6,
}

/// open_bitstream_unit (clause 5.3.1) with a size and without extension.
pub(crate) fn obu(out: &mut Vec<u8>, kind: ObuType, payload: &[u8]) {
    out.push((kind as u8) << 3 | 2);
    leb128(out, payload.len());
    out.extend_from_slice(payload);
}

/// leb128() (clause 4.10.5).
fn leb128(out: &mut Vec<u8>, mut value: usize) {
    while value > 127 {
        out.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_highest() {
        let mut writer = BitWriter::default();
        writer.bits(0b101, 3);
        writer.flag(true);
        writer.bits(0x123, 9);
        assert_eq!(writer.into_trailed(), [0b1011_1001, 0b0001_1100]);
    }

    #[test]
    fn an_obu_tells_its_size() {
        let mut out = Vec::new();
        obu(&mut out, ObuType::TemporalDelimiter, &[]);
        obu(&mut out, ObuType::Frame, &[7; 300]);
        assert_eq!(out[..5], [0x12, 0, 0x32, 0xAC, 2]);
    }
}
