//! The symbol encoder: the inverse of the decoder of clause 8.2.

/// Codes symbols by distributions that adapt to them.
pub(crate) struct SymbolEncoder {
    /// Lower end of the interval. The decoder's window are its low 15 bits; what lies above is settled but for a carry.
    low: u64,
    /// SymbolRange: 16 bits, the highest set.
    range: u32,
    /// Settled bits in `low` that are not in `bytes`.
    settled: u32,
    bytes: Vec<u8>,
}

impl SymbolEncoder {
    /// init_symbol (clause 8.2.2).
    pub fn new() -> Self {
        Self { low: 0, range: 1 << 15, settled: 0, bytes: Vec::new() }
    }

    /// Codes `symbol` and adapts the distribution (clause 8.2.6), whose last value is the counter.
    #[inline(always)]
    pub fn symbol<const N: usize>(&mut self, cdf: &mut [u16; N], symbol: usize) {
        debug_assert!(symbol < N);
        // Frequencies count from the top: the last symbol ends at zero.
        let above = |i: usize| if i < N - 1 { self.scaled(cdf[i]) + 4 * (N - 1 - i) as u32 } else { 0 };
        let end = above(symbol);
        if symbol > 0 {
            let start = above(symbol - 1);
            self.low += u64::from(self.range - start);
            self.range = start - end;
        } else {
            self.range -= end;
        }
        self.renormalize();
        adapt(cdf, symbol);
    }

    /// A symbol of two values with a distribution that does not adapt: `split_or_horz` and `split_or_vert`, whose
    /// distributions are derived.
    pub fn boolean(&mut self, cdf: u16, value: bool) {
        self.split(self.scaled(cdf) + 4, value);
    }

    /// One bit of L(n) (clause 8.2.5).
    #[inline(always)]
    pub fn bit(&mut self, value: bool) {
        self.split(((self.range >> 8) << 7) + 4, value);
    }

    /// L(n): the low `count` bits of a value (clause 8.2.5).
    pub fn literal(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.bit(value >> shift & 1 != 0);
        }
    }

    /// NS(n): a value below `n` (clause 4.10.10).
    pub fn non_symmetric(&mut self, value: u32, n: u32) {
        let width = n.ilog2() + 1;
        let short = (1 << width) - n;
        if value < short {
            self.literal(value, width - 1);
        } else {
            self.literal((value + short) >> 1, width - 1);
            self.bit((value + short) & 1 != 0);
        }
    }

    /// exit_symbol (clause 8.2.4): ends with a one and zeros, and gives the bytes.
    pub fn finish(mut self) -> Vec<u8> {
        // The least value of the interval whose low 14 bits are the padding: a one, then zeros.
        let value = ((self.low + 0x3fff) & !0x3fff) | 0x4000;
        let bits = self.settled + 1;
        let bytes = bits.div_ceil(8);
        self.emit((value >> 14) << (8 * bytes - bits), bytes);
        self.bytes
    }

    #[inline(always)]
    fn scaled(&self, cdf: u16) -> u32 {
        ((self.range >> 8) * ((32768 - u32::from(cdf)) >> 6)) >> 1
    }

    #[inline(always)]
    fn split(&mut self, start_of_one: u32, value: bool) {
        if value {
            self.low += u64::from(self.range - start_of_one);
            self.range = start_of_one;
        } else {
            self.range -= start_of_one;
        }
        self.renormalize();
    }

    #[inline(always)]
    fn renormalize(&mut self) {
        let shift = self.range.leading_zeros() - 16;
        self.range <<= shift;
        self.low <<= shift;
        self.settled += shift;
        if self.settled >= 32 {
            self.flush();
        }
    }

    #[inline(never)]
    fn flush(&mut self) {
        let bytes = self.settled / 8;
        let shift = 15 + self.settled - 8 * bytes;
        let value = self.low >> shift;
        self.low &= (1 << shift) - 1;
        self.settled -= 8 * bytes;
        self.emit(value, bytes);
    }

    /// Appends `bytes` bytes of a value whose bits above these are a carry.
    fn emit(&mut self, value: u64, bytes: u32) {
        // INVARIANT: the range has 16 bits and the window 15, so the carry can be 2.
        let mut carry = (value >> (8 * bytes)) as u32;
        for byte in self.bytes.iter_mut().rev() {
            if carry == 0 {
                break;
            }
            carry += u32::from(*byte);
            *byte = carry as u8;
            carry >>= 8;
        }
        self.bytes.extend((0..bytes).rev().map(|i| (value >> (8 * i)) as u8));
    }
}

/// The distribution moves towards the symbol, the slower the more symbols it has seen (clause 8.2.6).
#[inline(always)]
fn adapt<const N: usize>(cdf: &mut [u16; N], symbol: usize) {
    let count = cdf[N - 1];
    let rate = 3 + u16::from(count > 15) + u16::from(count > 31) + N.ilog2().min(2) as u16;
    for (i, value) in cdf[..N - 1].iter_mut().enumerate() {
        if i >= symbol {
            *value += (32768 - *value) >> rate;
        } else {
            *value -= *value >> rate;
        }
    }
    cdf[N - 1] = count + u16::from(count < 32);
}

#[cfg(test)]
mod tests;
