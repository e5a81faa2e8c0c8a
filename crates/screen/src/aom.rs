//! libaom in real-time mode: AV1 profile 1, 8 bit, 4:4:4, identity matrix (GBR), full range.
//!
//! The settings are the measured ones of `docs/decisions/0002-screen.md`. Three of them are necessary for exactness: no
//! in-loop filters (they leak across the edge of the active map), superblocks of 64, and staleness counted in these.

use std::ffi::{CStr, CString, c_int};
use std::{mem, ptr};

use libaom_sys as ffi;

use crate::{CodecError, Encoder, Picture, Request};

const OPTIONS: [(&CStr, &CStr); 20] = [
    (c"cpu-used", c"10"),
    (c"tune-content", c"screen"),
    (c"enable-palette", c"1"),
    (c"enable-intrabc", c"1"),
    (c"loopfilter-control", c"0"),
    (c"enable-cdef", c"0"),
    (c"enable-restoration", c"0"),
    (c"sb-size", c"64"),
    (c"aq-mode", c"0"),
    (c"deltaq-mode", c"0"),
    (c"enable-order-hint", c"0"),
    (c"enable-obmc", c"0"),
    (c"enable-warped-motion", c"0"),
    (c"enable-global-motion", c"0"),
    (c"enable-ref-frame-mvs", c"0"),
    (c"coeff-cost-upd-freq", c"3"),
    (c"mode-cost-upd-freq", c"3"),
    (c"mv-cost-upd-freq", c"3"),
    (c"dv-cost-upd-freq", c"3"),
    (c"row-mt", c"1"),
];

/// The encoder.
pub struct Aom {
    context: Box<ffi::aom_codec_ctx_t>,
    config: ffi::aom_codec_enc_cfg_t,
}

// SAFETY: a libaom context has no ties to the thread that made it; `&mut self` keeps callers one at a time.
unsafe impl Send for Aom {}

impl Aom {
    /// An encoder for pictures of that size. Two threads bring two tile columns.
    pub fn new(width: u16, height: u16, threads: u32) -> Result<Self, CodecError> {
        // SAFETY: the interface is a static of libaom; `config` is plain data, filled in before it is read; the context
        // is zeroed, which is what `aom_codec_enc_init_ver` asks for, and boxed, so that it never moves.
        let mut aom = unsafe {
            let interface = ffi::aom_codec_av1_cx();
            let mut config: ffi::aom_codec_enc_cfg_t = mem::zeroed();
            check(ffi::aom_codec_enc_config_default(interface, &mut config, ffi::AOM_USAGE_REALTIME))?;
            config.g_w = width.into();
            config.g_h = height.into();
            config.g_profile = 1;
            config.g_bit_depth = 8;
            config.g_input_bit_depth = 8;
            config.g_threads = threads;
            config.g_lag_in_frames = 0;
            config.g_error_resilient = 0;
            config.g_timebase.num = 1;
            config.g_timebase.den = 1_000;
            config.kf_mode = ffi::AOM_KF_DISABLED;
            config.rc_end_usage = ffi::AOM_CBR;
            config.rc_dropframe_thresh = 0;
            config.rc_target_bitrate = 20_000;
            config.rc_min_quantizer = 24;
            config.rc_max_quantizer = 24;
            let mut context: Box<ffi::aom_codec_ctx_t> = Box::new(mem::zeroed());
            let version = ffi::AOM_ENCODER_ABI_VERSION as c_int;
            check(ffi::aom_codec_enc_init_ver(&mut *context, interface, &config, 0, version))?;
            Self { context, config }
        };
        for (name, value) in OPTIONS {
            aom.option(name, value)?;
        }
        if threads > 1 {
            aom.option(c"tile-columns", c"1")?;
        }
        let colours = [
            (ffi::AV1E_SET_COLOR_PRIMARIES, ffi::AOM_CICP_CP_BT_709),
            (ffi::AV1E_SET_TRANSFER_CHARACTERISTICS, ffi::AOM_CICP_TC_SRGB),
            (ffi::AV1E_SET_MATRIX_COEFFICIENTS, ffi::AOM_CICP_MC_IDENTITY),
            (ffi::AV1E_SET_COLOR_RANGE, ffi::AOM_CR_FULL_RANGE),
        ];
        for (control, value) in colours {
            // SAFETY: the context is initialised, and each of these controls takes one int.
            let result = unsafe { ffi::aom_codec_control(&mut *aom.context, control as c_int, value as c_int) };
            aom.checked(result)?;
        }
        Ok(aom)
    }

    fn option(&mut self, name: &CStr, value: &CStr) -> Result<(), CodecError> {
        // SAFETY: the context is initialised and both strings end in zero.
        let result = unsafe { ffi::aom_codec_set_option(&mut *self.context, name.as_ptr(), value.as_ptr()) };
        self.checked(result).map_err(|e| CodecError(format!("option {name:?}: {e}")))
    }

    fn checked(&self, result: ffi::aom_codec_err_t) -> Result<(), CodecError> {
        if result == ffi::AOM_CODEC_OK {
            return Ok(());
        }
        // SAFETY: the context is initialised; libaom returns null or a string that ends in zero and outlives the call.
        let detail = unsafe {
            let text = ffi::aom_codec_error_detail(&*self.context);
            if text.is_null() { CString::default() } else { CStr::from_ptr(text).to_owned() }
        };
        Err(CodecError(format!("{} {}", words(result), detail.to_string_lossy())))
    }
}

impl Encoder for Aom {
    fn encode(&mut self, picture: &Picture, time: u64, request: &Request) -> Result<Vec<u8>, CodecError> {
        if u32::from(picture.width()) != self.config.g_w || u32::from(picture.height()) != self.config.g_h {
            return Err(CodecError("the picture has another size than the encoder".into()));
        }
        if self.config.rc_min_quantizer != request.quantiser {
            self.config.rc_min_quantizer = request.quantiser;
            self.config.rc_max_quantizer = request.quantiser;
            // SAFETY: context and configuration are initialised; libaom copies the configuration.
            let result = unsafe { ffi::aom_codec_enc_config_set(&mut *self.context, &self.config) };
            self.checked(result)?;
        }
        if !request.key {
            let mut cells = request.active.cells().to_vec();
            let mut map = ffi::aom_active_map {
                active_map: cells.as_mut_ptr(),
                rows: request.active.rows() as u32,
                cols: request.active.columns() as u32,
            };
            // SAFETY: the map has rows × cols bytes, which libaom copies during the call.
            let result =
                unsafe { ffi::aom_codec_control(&mut *self.context, ffi::AOME_SET_ACTIVEMAP as c_int, &raw mut map) };
            self.checked(result)?;
        }
        let image = image(picture);
        let flags = if request.key { ffi::AOM_EFLAG_FORCE_KF } else { 0 };
        // SAFETY: the image's planes belong to `picture`, which outlives the call; with no lag libaom keeps no pointer.
        let result = unsafe { ffi::aom_codec_encode(&mut *self.context, &image, time.cast_signed(), 1, flags.into()) };
        self.checked(result)?;
        let mut data = Vec::new();
        let mut iterator = ptr::null();
        loop {
            // SAFETY: the iterator starts null and is only passed back; a packet's buffer lives until the next call.
            unsafe {
                let packet = ffi::aom_codec_get_cx_data(&mut *self.context, &mut iterator);
                if packet.is_null() {
                    break;
                }
                if (*packet).kind == ffi::AOM_CODEC_CX_FRAME_PKT {
                    let frame = (*packet).data.frame;
                    data.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast(), frame.sz));
                }
            }
        }
        if data.is_empty() { Err(CodecError("no frame came out".into())) } else { Ok(data) }
    }
}

impl Drop for Aom {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `new` and is destroyed once.
        unsafe { ffi::aom_codec_destroy(&mut *self.context) };
    }
}

/// A view of the picture as libaom's image. libaom only reads it.
fn image(picture: &Picture) -> ffi::aom_image_t {
    // SAFETY: all-zero bytes are a valid value of this plain C struct.
    let mut image: ffi::aom_image_t = unsafe { mem::zeroed() };
    let (width, height) = (u32::from(picture.width()), u32::from(picture.height()));
    image.fmt = ffi::AOM_IMG_FMT_I444;
    image.mc = ffi::AOM_CICP_MC_IDENTITY;
    image.cp = ffi::AOM_CICP_CP_BT_709;
    image.tc = ffi::AOM_CICP_TC_SRGB;
    image.range = ffi::AOM_CR_FULL_RANGE;
    (image.w, image.d_w, image.h, image.d_h) = (width, width, height, height);
    image.bit_depth = 8;
    image.bps = 24;
    for (i, plane) in picture.planes().iter().enumerate() {
        image.planes[i] = plane.as_ptr().cast_mut();
        image.stride[i] = width as c_int;
    }
    image
}

/// The decoder, to check in tests what a viewer would see.
pub struct Decoder {
    context: Box<ffi::aom_codec_ctx_t>,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Result<Self, CodecError> {
        // SAFETY: as in `Aom::new`; a null configuration means the defaults.
        unsafe {
            let mut context: Box<ffi::aom_codec_ctx_t> = Box::new(mem::zeroed());
            let version = ffi::AOM_DECODER_ABI_VERSION as c_int;
            check(ffi::aom_codec_dec_init_ver(&mut *context, ffi::aom_codec_av1_dx(), ptr::null(), 0, version))?;
            Ok(Self { context })
        }
    }

    /// Decodes one temporal unit.
    pub fn decode(&mut self, data: &[u8]) -> Result<Picture, CodecError> {
        // SAFETY: the data outlives the call; the frame belongs to the context and is copied before the next call; its
        // planes have `stride` × height bytes.
        unsafe {
            check(ffi::aom_codec_decode(&mut *self.context, data.as_ptr(), data.len(), ptr::null_mut()))?;
            let mut iterator = ptr::null();
            let frame = ffi::aom_codec_get_frame(&mut *self.context, &mut iterator).as_ref();
            let frame = frame.ok_or_else(|| CodecError("no picture came out".into()))?;
            let side = |n: u32| u16::try_from(n).map_err(|_| CodecError("a picture beyond all bounds".into()));
            let mut picture = Picture::new(side(frame.d_w)?, side(frame.d_h)?);
            let (width, height) = (frame.d_w as usize, frame.d_h as usize);
            for plane in 0..3 {
                for row in 0..height {
                    let from = frame.planes[plane].add(row * frame.stride[plane] as usize);
                    let row = &mut picture.plane_mut(plane)[row * width..][..width];
                    row.copy_from_slice(std::slice::from_raw_parts(from, width));
                }
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

fn check(result: ffi::aom_codec_err_t) -> Result<(), CodecError> {
    if result == ffi::AOM_CODEC_OK { Ok(()) } else { Err(CodecError(words(result))) }
}

fn words(result: ffi::aom_codec_err_t) -> String {
    // SAFETY: libaom returns a static string for every value.
    unsafe { CStr::from_ptr(ffi::aom_codec_err_to_string(result)) }.to_string_lossy().into_owned()
}
