use proptest::prelude::*;

use super::*;

/// The decoder, as clause 8.2 words it.
struct SymbolDecoder<'a> {
    data: &'a [u8],
    position: usize,
    value: u32,
    range: u32,
    max_bits: i64,
}

impl<'a> SymbolDecoder<'a> {
    fn new(data: &'a [u8]) -> Self {
        let size = data.len() as i64;
        let mut decoder = Self { data, position: 0, value: 0, range: 1 << 15, max_bits: 8 * size - 15 };
        let count = (8 * size).min(15) as u32;
        decoder.value = ((1 << 15) - 1) ^ (decoder.bits(count) << (15 - count));
        decoder
    }

    fn bits(&mut self, count: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.data[self.position / 8] >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        value
    }

    fn symbol<const N: usize>(&mut self, cdf: &mut [u16; N]) -> usize {
        let (mut current, mut previous, mut symbol) = (self.range, self.range, 0);
        loop {
            let frequency = if symbol < N - 1 { 32768 - u32::from(cdf[symbol]) } else { 0 };
            let next = (((self.range >> 8) * (frequency >> 6)) >> 1) + 4 * (N - 1 - symbol) as u32;
            (previous, current) = (current.min(previous), next);
            if self.value >= current {
                break;
            }
            symbol += 1;
        }
        self.range = previous - current;
        self.value -= current;
        let bits = 15 - self.range.ilog2();
        self.range <<= bits;
        let count = i64::from(bits).min(self.max_bits.max(0)) as u32;
        let new = self.bits(count) << (bits - count);
        self.value = new ^ (((self.value + 1) << bits) - 1);
        self.max_bits -= i64::from(bits);
        adapt(cdf, symbol);
        symbol
    }

    fn literal(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| value << 1 | self.symbol(&mut [1 << 14, 0]) as u32)
    }
}

#[derive(Clone, Debug)]
enum Written {
    Of2(usize),
    Of5(usize),
    Of16(usize),
    Fixed(u16, bool),
    Literal(u32, u32),
}

fn written() -> impl Strategy<Value = Written> {
    prop_oneof![
        (0..2usize).prop_map(Written::Of2),
        prop_oneof![4 => Just(0), 1 => 0..5usize].prop_map(Written::Of5),
        (0..16usize).prop_map(Written::Of16),
        (1..32767u16, any::<bool>()).prop_map(|(cdf, value)| Written::Fixed(cdf, value)),
        (0..20u32).prop_flat_map(|count| (0..1u32 << count, Just(count)).prop_map(|(v, n)| Written::Literal(v, n))),
    ]
}

const OF_16: [u16; 16] = [9, 30, 90, 2000, 2100, 2200, 9000, 12000, 20000, 21000, 22000, 30000, 32000, 32700, 32760, 0];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_decoder_of_the_specification_reads_what_was_written(symbols in prop::collection::vec(written(), 0..2000)) {
        let (mut of_2, mut of_5, mut of_16) = ([31000, 0], [20, 32000, 32500, 32740, 0], OF_16);
        let mut encoder = SymbolEncoder::new();
        for symbol in &symbols {
            match *symbol {
                Written::Of2(s) => encoder.symbol(&mut of_2, s),
                Written::Of5(s) => encoder.symbol(&mut of_5, s),
                Written::Of16(s) => encoder.symbol(&mut of_16, s),
                Written::Fixed(cdf, value) => encoder.boolean(cdf, value),
                Written::Literal(value, count) => encoder.literal(value, count),
            }
        }
        let bytes = encoder.finish();
        let (mut of_2, mut of_5, mut of_16) = ([31000, 0], [20, 32000, 32500, 32740, 0], OF_16);
        let mut decoder = SymbolDecoder::new(&bytes);
        for symbol in &symbols {
            match *symbol {
                Written::Of2(s) => prop_assert_eq!(decoder.symbol(&mut of_2), s),
                Written::Of5(s) => prop_assert_eq!(decoder.symbol(&mut of_5), s),
                Written::Of16(s) => prop_assert_eq!(decoder.symbol(&mut of_16), s),
                Written::Fixed(cdf, value) => prop_assert_eq!(decoder.symbol(&mut [cdf, 0]), usize::from(value)),
                Written::Literal(value, count) => prop_assert_eq!(decoder.literal(count), value),
            }
        }
        // exit_symbol: the padding is a one and zeros.
        prop_assert!(decoder.max_bits >= -14, "{}", decoder.max_bits);
    }
}
