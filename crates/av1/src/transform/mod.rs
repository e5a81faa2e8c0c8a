//! Transforms (clause 7.13): Walsh-Hadamard of lossless blocks, DCT of lossy ones.

mod dct;
mod wht;

pub(crate) use dct::{Dct, forward, inverse, inverse_of_mean};
pub(crate) use wht::forward as forward_wht;
