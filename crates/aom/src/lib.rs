//! libaom, for what the project's own encoder (`av1`) is not made for: decoding, and coding 4:2:0.
//!
//! The server draws the pointer into videos with it and codes what a recording shows while no screen is shared. Tests
//! decode with it what viewers would see. The support program does without.
#![deny(unsafe_op_in_unsafe_fn)]

mod bitmap;
mod decoder;
mod encoder;
mod picture;
mod yuv;

use std::ffi::CStr;

use libaom_sys as ffi;

pub use bitmap::Bitmap;
pub use decoder::Decoder;
pub use encoder::{Encoder, Request};
pub use picture::Picture;

/// Why a picture could not be coded.
#[derive(Debug, thiserror::Error)]
#[error("libaom: {0}")]
pub struct Error(pub String);

/// The format of coded pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// AV1 profile 1, 4:4:4, identity matrix, full range.
    #[default]
    Gbr,
    /// AV1 profile 0, 4:2:0, BT.709, limited range: what browsers code. Coloured text is blurred.
    Yuv420,
}

pub(crate) fn check(result: ffi::aom_codec_err_t) -> Result<(), Error> {
    if result == ffi::AOM_CODEC_OK { Ok(()) } else { Err(Error(words(result))) }
}

pub(crate) fn words(result: ffi::aom_codec_err_t) -> String {
    // SAFETY: libaom returns a static string for every value.
    unsafe { CStr::from_ptr(ffi::aom_codec_err_to_string(result)) }.to_string_lossy().into_owned()
}
