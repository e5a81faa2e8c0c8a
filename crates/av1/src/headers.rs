//! Sequence and frame headers (clauses 5.5 and 5.9).

use crate::{
    bits::BitWriter,
    geometry::{Geometry, tile_log2},
};

/// The segment of what is coded with loss.
pub(crate) const LOSSY: u8 = 0;
/// The segment of what is coded without loss.
pub(crate) const LOSSLESS: u8 = 1;

/// What a frame's header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    /// A keyframe: intra, and all references start anew.
    pub key: bool,
    /// The quantiser index of lossy blocks; 0 where the frame has none and no segments.
    pub base_q_idx: u8,
    /// Whether vectors are whole pixels.
    pub force_integer_mv: bool,
    /// Whether the frame before had the same segments.
    pub segments_as_before: bool,
    /// TileColsLog2.
    pub tile_cols_log2: u32,
    /// The tile whose distributions the next frame starts with.
    pub context_update_tile_id: u32,
}

/// sequence_header_obu (clause 5.5.1): profile 1, 8 bit, 4:4:4, identity matrix, full range.
pub(crate) fn sequence_header(geometry: &Geometry) -> Vec<u8> {
    let mut b = BitWriter::default();
    b.bits(1, 3); // seq_profile
    b.flag(false); // still_picture
    b.flag(false); // reduced_still_picture_header
    b.flag(false); // timing_info_present_flag
    b.flag(false); // initial_display_delay_present_flag
    b.bits(0, 5); // operating_points_cnt_minus_1
    b.bits(0, 12); // operating_point_idc
    let level = seq_level_idx(geometry.width, geometry.height);
    b.bits(level, 5); // seq_level_idx
    if level > 7 {
        b.flag(false); // seq_tier
    }
    b.bits(15, 4); // frame_width_bits_minus_1
    b.bits(15, 4); // frame_height_bits_minus_1
    b.bits(geometry.width as u32 - 1, 16); // max_frame_width_minus_1
    b.bits(geometry.height as u32 - 1, 16); // max_frame_height_minus_1
    b.flag(false); // frame_id_numbers_present_flag
    b.flag(false); // use_128x128_superblock
    b.flag(false); // enable_filter_intra
    b.flag(false); // enable_intra_edge_filter
    b.flag(false); // enable_interintra_compound
    b.flag(false); // enable_masked_compound
    b.flag(false); // enable_warped_motion
    b.flag(false); // enable_dual_filter
    b.flag(false); // enable_order_hint
    b.flag(false); // seq_choose_screen_content_tools
    b.flag(true); // seq_force_screen_content_tools
    b.flag(true); // seq_choose_integer_mv
    b.flag(false); // enable_superres
    b.flag(false); // enable_cdef
    b.flag(false); // enable_restoration
    color_config(&mut b);
    b.flag(false); // film_grain_params_present
    b.into_trailed()
}

/// color_config (clause 5.5.2).
fn color_config(b: &mut BitWriter) {
    b.flag(false); // high_bitdepth
    b.flag(true); // color_description_present_flag
    b.bits(1, 8); // color_primaries: CP_BT_709
    b.bits(13, 8); // transfer_characteristics: TC_SRGB
    b.bits(0, 8); // matrix_coefficients: MC_IDENTITY, which implies full range and 4:4:4
    b.flag(false); // separate_uv_delta_q
}

/// The lowest level, from 4.0 up, that allows pictures of the size (annex A.3); 31 has no limits.
fn seq_level_idx(width: usize, height: usize) -> u32 {
    const LEVELS: [(u32, usize, usize, usize); 3] =
        [(8, 2_359_296, 6144, 3456), (12, 8_912_896, 8192, 4352), (16, 35_651_584, 16384, 8704)];
    let fits = |(_, area, w, h): &(u32, usize, usize, usize)| width * height <= *area && width <= *w && height <= *h;
    LEVELS.iter().find(|level| fits(level)).map_or(31, |level| level.0)
}

/// uncompressed_header (clause 5.9.2) and the byte alignment of frame_obu (clause 5.10).
pub(crate) fn frame_header(geometry: &Geometry, header: &FrameHeader) -> Vec<u8> {
    let mut b = BitWriter::default();
    b.flag(false); // show_existing_frame
    b.bits(if header.key { 0 } else { 1 }, 2); // frame_type: KEY_FRAME, INTER_FRAME
    b.flag(true); // show_frame
    if !header.key {
        b.flag(false); // error_resilient_mode
    }
    b.flag(false); // disable_cdf_update
    b.flag(header.key || header.force_integer_mv); // force_integer_mv
    b.flag(false); // frame_size_override_flag
    if !header.key {
        b.bits(0, 3); // primary_ref_frame
        b.bits(0xff, 8); // refresh_frame_flags
        (0..7).for_each(|_| b.bits(0, 3)); // ref_frame_idx
    }
    b.flag(false); // render_and_frame_size_different
    if header.key {
        b.flag(false); // allow_intrabc
    } else {
        if !header.force_integer_mv {
            b.flag(false); // allow_high_precision_mv
        }
        b.flag(false); // is_filter_switchable
        b.bits(0, 2); // interpolation_filter: EIGHTTAP
        b.flag(false); // is_motion_mode_switchable
    }
    b.flag(false); // disable_frame_end_update_cdf
    tile_info(&mut b, geometry, header);
    b.bits(header.base_q_idx.into(), 8); // base_q_idx
    b.flag(false); // delta_coded of DeltaQYDc
    b.flag(false); // delta_coded of DeltaQUDc
    b.flag(false); // delta_coded of DeltaQUAc
    b.flag(false); // using_qmatrix
    segmentation_params(&mut b, header);
    if header.base_q_idx > 0 {
        b.flag(false); // delta_q_present
        b.bits(0, 6); // loop_filter_level[ 0 ]
        b.bits(0, 6); // loop_filter_level[ 1 ]
        b.bits(0, 3); // loop_filter_sharpness
        b.flag(false); // loop_filter_delta_enabled
        b.flag(false); // tx_mode_select: TX_MODE_LARGEST
    }
    if !header.key {
        b.flag(false); // reference_select
    }
    b.flag(true); // reduced_tx_set
    if !header.key {
        b.bits(0, 7); // is_global
    }
    b.into_aligned()
}

/// tile_info (clause 5.9.15): columns of one width, no rows.
fn tile_info(b: &mut BitWriter, geometry: &Geometry, header: &FrameHeader) {
    b.flag(true); // uniform_tile_spacing_flag
    let (least, most) = tile_cols_log2_range(geometry);
    let columns = header.tile_cols_log2;
    for log2 in least..most {
        b.flag(log2 < columns); // increment_tile_cols_log2
        if log2 >= columns {
            break;
        }
    }
    if tile_log2(1, geometry.sb_rows.min(MAX_TILE_ROWS)) > 0 {
        b.flag(false); // increment_tile_rows_log2
    }
    if columns > 0 {
        b.bits(header.context_update_tile_id, columns); // context_update_tile_id
        b.bits(3, 2); // tile_size_bytes_minus_1
    }
}

const MAX_TILE_COLS: usize = 64;
const MAX_TILE_ROWS: usize = 64;
/// MAX_TILE_WIDTH in superblocks.
const MAX_TILE_WIDTH: usize = 4096 / 64;
/// MAX_TILE_AREA in superblocks.
const MAX_TILE_AREA: usize = 4096 * 2304 / 64 / 64;

/// minLog2TileCols and maxLog2TileCols (clause 5.9.15).
fn tile_cols_log2_range(geometry: &Geometry) -> (u32, u32) {
    (tile_log2(MAX_TILE_WIDTH, geometry.sb_cols), tile_log2(1, geometry.sb_cols.min(MAX_TILE_COLS)))
}

/// TileColsLog2 nearest to the one that is asked for.
///
/// Columns alone suffice: a picture of at most 8192×8192 whose area asks for more tiles is wide enough for them.
pub(crate) fn tile_cols_log2(geometry: &Geometry, wanted: u32) -> u32 {
    let (least, most) = tile_cols_log2_range(geometry);
    let by_area = tile_log2(MAX_TILE_AREA, geometry.sb_cols * geometry.sb_rows);
    wanted.min(6).max(least).max(by_area).min(most)
}

/// segmentation_params (clause 5.9.14): segment 1 lowers the quantiser to zero.
fn segmentation_params(b: &mut BitWriter, header: &FrameHeader) {
    let enabled = header.base_q_idx > 0;
    b.flag(enabled); // segmentation_enabled
    if !enabled {
        return;
    }
    if !header.key {
        b.flag(true); // segmentation_update_map
        b.flag(false); // segmentation_temporal_update
        b.flag(!header.segments_as_before); // segmentation_update_data
        if header.segments_as_before {
            return;
        }
    }
    for segment in 0..8 {
        // feature_enabled of SEG_LVL_ALT_Q; the seven others are off.
        b.flag(segment == LOSSLESS);
        if segment == LOSSLESS {
            b.bits((512 - u32::from(header.base_q_idx)) & 511, 9); // feature_value, su(1+8)
        }
        b.bits(0, 7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_obey_the_limits_of_the_specification() {
        for (width, height, wanted, columns) in [
            (1, 1, 3, 0),
            (1920, 1080, 0, 0),
            (1920, 1080, 1, 1),
            (128, 64, 6, 1),
            (4096, 2304, 0, 0),
            (4097, 64, 0, 1),
            (4096, 2305, 0, 1),
            (8192, 8192, 0, 3),
            (64, 8192, 0, 0),
            (1, 8192, 9, 0),
        ] {
            let geometry = Geometry::new(width, height);
            let log2 = tile_cols_log2(&geometry, wanted);
            assert_eq!(log2, columns, "{width}×{height}");
            let tile_width = geometry.sb_cols.div_ceil(1 << log2);
            assert!(tile_width <= MAX_TILE_WIDTH && tile_width * geometry.sb_rows <= MAX_TILE_AREA);
        }
    }

    #[test]
    fn levels_follow_the_size() {
        for (width, height, level) in [
            (1, 1, 8),
            (1920, 1080, 8),
            (1080, 1920, 8),
            (2560, 1440, 12),
            (3840, 2160, 12),
            (7680, 4320, 16),
            (8192, 8192, 31),
            (64, 8192, 16),
        ] {
            assert_eq!(seq_level_idx(width, height), level, "{width}×{height}");
        }
    }
}
