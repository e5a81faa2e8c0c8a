//! The decoder: what a viewer sees.

use std::{ffi::c_int, mem, ptr};

use libaom_sys as ffi;

use crate::{Error, Picture, check, yuv};

/// The decoder: what a viewer sees.
pub struct Decoder {
    context: Box<ffi::aom_codec_ctx_t>,
}

impl Decoder {
    /// A decoder in its initial state.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: as in `Encoder::new`; a null configuration means the defaults.
        unsafe {
            let mut context: Box<ffi::aom_codec_ctx_t> = Box::new(mem::zeroed());
            let version = ffi::AOM_DECODER_ABI_VERSION as c_int;
            check(ffi::aom_codec_dec_init_ver(&mut *context, ffi::aom_codec_av1_dx(), ptr::null(), 0, version))?;
            Ok(Self { context })
        }
    }

    /// Decodes one temporal unit.
    pub fn decode(&mut self, data: &[u8]) -> Result<Picture, Error> {
        // SAFETY: the data outlives the call; the frame belongs to the context and is copied before the next call; its
        // planes have `stride` × height bytes, the second and third half as many each way where the format says 4:2:0.
        unsafe {
            check(ffi::aom_codec_decode(&mut *self.context, data.as_ptr(), data.len(), ptr::null_mut()))?;
            let mut iterator = ptr::null();
            let frame = ffi::aom_codec_get_frame(&mut *self.context, &mut iterator).as_ref();
            let frame = frame.ok_or_else(|| Error("no picture came out".into()))?;
            let side = |n: u32| u16::try_from(n).map_err(|_| Error("a picture beyond all bounds".into()));
            let mut picture = Picture::new(side(frame.d_w)?, side(frame.d_h)?);
            let (width, height) = (frame.d_w as usize, frame.d_h as usize);
            let row = |plane: usize, row: usize, length: usize| {
                let from = frame.planes[plane].add(row * frame.stride[plane] as usize);
                std::slice::from_raw_parts(from, length)
            };
            match frame.fmt {
                ffi::AOM_IMG_FMT_I444 => {
                    for (plane, y) in (0..3).flat_map(|plane| (0..height).map(move |y| (plane, y))) {
                        picture.plane_mut(plane)[y * width..][..width].copy_from_slice(row(plane, y, width));
                    }
                }
                ffi::AOM_IMG_FMT_I420 => {
                    let half = width.div_ceil(2);
                    for y in 0..height {
                        yuv::into_row(&mut picture, y, [row(0, y, width), row(1, y / 2, half), row(2, y / 2, half)]);
                    }
                }
                _ => return Err(Error("a picture in an unsupported format".into())),
            }
            Ok(picture)
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `new` and is destroyed once.
        unsafe { ffi::aom_codec_destroy(&mut *self.context) };
    }
}
