//! The encoder in real-time mode, 8 bit: 4:4:4 with the identity matrix (GBR) in full range, or 4:2:0.
//!
//! No in-loop filters: they leak across the edge of the active map.

use std::{
    ffi::{CStr, CString, c_int},
    mem, ptr,
};

use libaom_sys as ffi;

use crate::{Bitmap, Error, Format, Picture, check, words, yuv::Yuv};

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

/// How to code a picture.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whether it is decodable without any other. If so, the map is ignored.
    pub key: bool,
    /// AV1's quantiser index as libaom counts it, 0 (lossless) to 63.
    pub quantiser: u32,
    /// The 16×16 blocks that may change; all others stay as the viewer has them.
    pub active: Bitmap,
}

/// The encoder.
pub struct Encoder {
    context: Box<ffi::aom_codec_ctx_t>,
    config: ffi::aom_codec_enc_cfg_t,
    /// The picture in 4:2:0, when that is what is coded.
    yuv: Option<Yuv>,
}

// SAFETY: a libaom context has no ties to the thread that made it; `&mut self` keeps callers one at a time.
unsafe impl Send for Encoder {}

impl Encoder {
    /// An encoder for pictures of this size. Two threads make two tile columns.
    pub fn new(width: u16, height: u16, threads: u32, format: Format) -> Result<Self, Error> {
        // SAFETY: the interface is a static of libaom; `config` is plain data, filled in before it is read; the context
        // is zeroed, which is what `aom_codec_enc_init_ver` asks for, and boxed, so that it never moves.
        let mut aom = unsafe {
            let interface = ffi::aom_codec_av1_cx();
            let mut config: ffi::aom_codec_enc_cfg_t = mem::zeroed();
            check(ffi::aom_codec_enc_config_default(interface, &mut config, ffi::AOM_USAGE_REALTIME))?;
            config.g_w = width.into();
            config.g_h = height.into();
            config.g_profile = if format == Format::Gbr { 1 } else { 0 };
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
            let yuv = (format == Format::Yuv420).then(|| Yuv::new(width, height));
            Self { context, config, yuv }
        };
        for (name, value) in OPTIONS {
            aom.option(name, value)?;
        }
        if threads > 1 {
            aom.option(c"tile-columns", c"1")?;
        }
        let (transfer, matrix, range) = match format {
            Format::Gbr => (ffi::AOM_CICP_TC_SRGB, ffi::AOM_CICP_MC_IDENTITY, ffi::AOM_CR_FULL_RANGE),
            Format::Yuv420 => (ffi::AOM_CICP_TC_BT_709, ffi::AOM_CICP_MC_BT_709, ffi::AOM_CR_STUDIO_RANGE),
        };
        let colours = [
            (ffi::AV1E_SET_COLOR_PRIMARIES, ffi::AOM_CICP_CP_BT_709),
            (ffi::AV1E_SET_TRANSFER_CHARACTERISTICS, transfer),
            (ffi::AV1E_SET_MATRIX_COEFFICIENTS, matrix),
            (ffi::AV1E_SET_COLOR_RANGE, range),
        ];
        for (control, value) in colours {
            // SAFETY: the context is initialised, and each of these controls takes one int.
            let result = unsafe { ffi::aom_codec_control(&mut *aom.context, control as c_int, value as c_int) };
            aom.checked(result)?;
        }
        aom.refer_to_last_only()?;
        Ok(aom)
    }

    /// Every picture refers to the previous one and to none before it: the seven buffers of 9 MB (at 1080p) that libaom
    /// rotates otherwise shrink to three.
    fn refer_to_last_only(&mut self) -> Result<(), Error> {
        let mut references = ffi::aom_svc_ref_frame_config {
            reference: [1, 0, 0, 0, 0, 0, 0],
            ref_idx: [0, 1, 2, 3, 4, 5, 6],
            refresh: [1, 1, 1, 1, 1, 1, 1, 0],
        };
        let control = ffi::AV1E_SET_SVC_REF_FRAME_CONFIG as c_int;
        // SAFETY: the context is initialised; libaom copies the configuration during the call.
        let result = unsafe { ffi::aom_codec_control(&mut *self.context, control, &raw mut references) };
        self.checked(result)
    }

    fn option(&mut self, name: &CStr, value: &CStr) -> Result<(), Error> {
        // SAFETY: the context is initialised and both strings end in zero.
        let result = unsafe { ffi::aom_codec_set_option(&mut *self.context, name.as_ptr(), value.as_ptr()) };
        self.checked(result).map_err(|e| Error(format!("option {name:?}: {e}")))
    }

    fn checked(&self, result: ffi::aom_codec_err_t) -> Result<(), Error> {
        if result == ffi::AOM_CODEC_OK {
            return Ok(());
        }
        // SAFETY: the context is initialised; libaom returns null or a string that ends in zero and outlives the call.
        let detail = unsafe {
            let text = ffi::aom_codec_error_detail(&*self.context);
            if text.is_null() { CString::default() } else { CStr::from_ptr(text).to_owned() }
        };
        Err(Error(format!("{} {}", words(result), detail.to_string_lossy())))
    }
}

impl Encoder {
    /// Codes one picture, shown at `time` milliseconds. Times are strictly increasing.
    pub fn encode(&mut self, picture: &Picture, time: u64, request: &Request) -> Result<Vec<u8>, Error> {
        if u32::from(picture.width()) != self.config.g_w || u32::from(picture.height()) != self.config.g_h {
            return Err(Error("the picture has another size than the encoder".into()));
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
        if let Some(yuv) = &mut self.yuv {
            yuv.convert(picture, (!request.key).then_some(&request.active));
        }
        let image = image(picture, self.yuv.as_ref());
        // A C `long` is narrower on Windows.
        const KEY: std::ffi::c_long = ffi::AOM_EFLAG_FORCE_KF as std::ffi::c_long;
        let flags = if request.key { KEY } else { 0 };
        // SAFETY: the image's planes belong to `picture` or `self.yuv`, which outlive the call; with no lag libaom keeps no pointer.
        let result = unsafe { ffi::aom_codec_encode(&mut *self.context, &image, time.cast_signed(), 1, flags) };
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
        if data.is_empty() { Err(Error("no frame came out".into())) } else { Ok(data) }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `new` and is destroyed once.
        unsafe { ffi::aom_codec_destroy(&mut *self.context) };
    }
}

/// What is coded, as libaom's image. libaom only reads it.
fn image(picture: &Picture, yuv: Option<&Yuv>) -> ffi::aom_image_t {
    // SAFETY: all-zero bytes are a valid value of this plain C struct.
    let mut image: ffi::aom_image_t = unsafe { mem::zeroed() };
    let (width, height) = (u32::from(picture.width()), u32::from(picture.height()));
    (image.w, image.d_w, image.h, image.d_h) = (width, width, height, height);
    image.bit_depth = 8;
    image.cp = ffi::AOM_CICP_CP_BT_709;
    match yuv {
        None => {
            (image.fmt, image.bps) = (ffi::AOM_IMG_FMT_I444, 24);
            (image.mc, image.tc) = (ffi::AOM_CICP_MC_IDENTITY, ffi::AOM_CICP_TC_SRGB);
            image.range = ffi::AOM_CR_FULL_RANGE;
        }
        Some(_) => {
            (image.fmt, image.bps) = (ffi::AOM_IMG_FMT_I420, 12);
            (image.mc, image.tc) = (ffi::AOM_CICP_MC_BT_709, ffi::AOM_CICP_TC_BT_709);
            image.range = ffi::AOM_CR_STUDIO_RANGE;
            (image.x_chroma_shift, image.y_chroma_shift) = (1, 1);
        }
    }
    for i in 0..3 {
        let (plane, stride) = match yuv {
            None => (&picture.planes()[i][..], usize::from(picture.width())),
            Some(yuv) => yuv.plane(i),
        };
        image.planes[i] = plane.as_ptr().cast_mut();
        image.stride[i] = stride as c_int;
    }
    image
}
