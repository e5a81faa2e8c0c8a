//! The same arithmetic compiled for newer processors, chosen at run time. The crate's only unsafe code.
//!
//! Only what measured a gain is here: the transforms and the filter of vectors of parts of a pixel. Results are those of the
//! plain code, bit for bit, so that every processor writes the same stream.
#![expect(unsafe_code, reason = "calls functions that need a feature of the processor, after asking for it")]

use crate::{interpolate, modes::Mv, planes::Planes, transform};

/// Defines a function that runs another one, compiled for AVX2 where the processor has it.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $plain:path) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name<const N: usize>($($argument: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn on_avx2<const N: usize>($($argument: $type),*) -> $result {
                    $plain($($argument),*)
                }
                // SAFETY: the processor has AVX2.
                return unsafe { on_avx2($($argument),*) };
            }
            $plain($($argument),*)
        }
    };
}

dispatch! {
    /// [`transform::forward`].
    forward(dct: &transform::Dct<N>, residual: &[[i16; N]; N]) -> [[f32; N]; N] = transform::forward
}
dispatch! {
    /// [`transform::inverse`].
    inverse(coefficients: &[[i32; N]; N]) -> [[i32; N]; N] = transform::inverse
}
dispatch! {
    /// [`interpolate::predict`].
    predict(reference: &Planes, plane: usize, x: usize, y: usize, mv: Mv) -> [[u8; N]; N] = interpolate::predict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_processor_gets_the_same() {
        fn check<const N: usize>(dct: &transform::Dct<N>) {
            let mut x = 7u32;
            let mut residual = [[0i16; N]; N];
            for value in residual.iter_mut().flatten() {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = (x >> 23) as i16 - 256;
            }
            let coefficients = transform::forward(dct, &residual);
            assert_eq!(forward(dct, &residual), coefficients);
            let levels = coefficients.map(|row| row.map(|v| v as i32));
            assert_eq!(inverse(&levels), transform::inverse(&levels));
        }
        check(&transform::Dct::<8>::TABLE);
        check(&transform::Dct::<16>::TABLE);
        check(&transform::Dct::<32>::TABLE);
    }
}
