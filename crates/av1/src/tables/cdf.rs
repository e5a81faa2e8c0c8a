//! The adaptive distributions of a frame (clauses 8.3.1 and 9.4), as far as this encoder codes their symbols.

use super::{coeff_base::*, coeff_br::*, coefficients::*, modes::*, palette::*};

/// A distribution of N values keeps N - 1 cumulated frequencies, of 32768, and a counter of its symbols at the end.
trait ClearCounters {
    /// Sets all counters to zero.
    fn clear_counters(&mut self);
}

impl<const N: usize> ClearCounters for [u16; N] {
    fn clear_counters(&mut self) {
        self[N - 1] = 0;
    }
}

impl<T: ClearCounters, const N: usize> ClearCounters for [T; N] {
    fn clear_counters(&mut self) {
        self.iter_mut().for_each(T::clear_counters);
    }
}

macro_rules! cdfs {
    (modes { $($mode:ident: $mode_shape:ty = $mode_default:expr;)* }
     coefficients { $($coeff:ident: $coeff_shape:ty = $coeff_default:expr;)* }) => {
        /// All distributions. Fields are named after the syntax elements.
        #[derive(Clone)]
        pub(crate) struct Cdfs {
            $(pub $mode: $mode_shape,)*
            $(pub $coeff: $coeff_shape,)*
        }

        impl Cdfs {
            /// The defaults of a frame with that `base_q_idx` (init_non_coeff_cdfs and init_coeff_cdfs, 7.20 and 8.3.1).
            pub fn new(base_q_idx: u8) -> Self {
                let index = match base_q_idx {
                    0..=20 => 0,
                    21..=60 => 1,
                    61..=120 => 2,
                    121..=255 => 3,
                };
                Self {
                    $($mode: $mode_default,)*
                    $($coeff: $coeff_default[index],)*
                }
            }

            /// Sets all counters of symbols to zero, as load_cdfs does (clause 7.20).
            pub fn clear_counters(&mut self) {
                $(self.$mode.clear_counters();)*
                $(self.$coeff.clear_counters();)*
            }
        }
    };
}

cdfs! {
    modes {
        intra_frame_y_mode: [[[u16; 13]; 5]; 5] = INTRA_FRAME_Y_MODE;
        y_mode: [[u16; 13]; 4] = Y_MODE;
        uv_mode_cfl_not_allowed: [[u16; 13]; 13] = UV_MODE_CFL_NOT_ALLOWED;
        uv_mode_cfl_allowed: [[u16; 14]; 13] = UV_MODE_CFL_ALLOWED;
        angle_delta: [[u16; 7]; 8] = ANGLE_DELTA;
        partition_w8: [[u16; 4]; 4] = PARTITION_W8;
        partition_w16: [[u16; 10]; 4] = PARTITION_W16;
        partition_w32: [[u16; 10]; 4] = PARTITION_W32;
        partition_w64: [[u16; 10]; 4] = PARTITION_W64;
        segment_id: [[u16; 8]; 3] = SEGMENT_ID;
        new_mv: [[u16; 2]; 6] = NEW_MV;
        zero_mv: [[u16; 2]; 2] = ZERO_MV;
        ref_mv: [[u16; 2]; 6] = REF_MV;
        drl_mode: [[u16; 2]; 3] = DRL_MODE;
        is_inter: [[u16; 2]; 4] = IS_INTER;
        skip: [[u16; 2]; 3] = SKIP;
        single_ref: [[[u16; 2]; 6]; 3] = SINGLE_REF;
        mv_joint: [u16; 4] = MV_JOINT;
        mv_class: [[u16; 11]; 2] = MV_CLASS;
        mv_sign: [[u16; 2]; 2] = [MV_SIGN; 2];
        mv_bit: [[[u16; 2]; 10]; 2] = [MV_BIT; 2];
        mv_class0_bit: [[u16; 2]; 2] = [MV_CLASS0_BIT; 2];
        mv_class0_fr: [[[u16; 4]; 2]; 2] = MV_CLASS0_FR;
        mv_fr: [[u16; 4]; 2] = MV_FR;
        palette_y_size: [[u16; 7]; 7] = PALETTE_Y_SIZE;
        palette_uv_size: [[u16; 7]; 7] = PALETTE_UV_SIZE;
        palette_y_mode: [[[u16; 2]; 3]; 7] = PALETTE_Y_MODE;
        palette_uv_mode: [[u16; 2]; 2] = PALETTE_UV_MODE;
        palette_size_2_color: [[[u16; 2]; 5]; 2] = [PALETTE_SIZE_2_Y_COLOR, PALETTE_SIZE_2_UV_COLOR];
        palette_size_3_color: [[[u16; 3]; 5]; 2] = [PALETTE_SIZE_3_Y_COLOR, PALETTE_SIZE_3_UV_COLOR];
        palette_size_4_color: [[[u16; 4]; 5]; 2] = [PALETTE_SIZE_4_Y_COLOR, PALETTE_SIZE_4_UV_COLOR];
        palette_size_5_color: [[[u16; 5]; 5]; 2] = [PALETTE_SIZE_5_Y_COLOR, PALETTE_SIZE_5_UV_COLOR];
        palette_size_6_color: [[[u16; 6]; 5]; 2] = [PALETTE_SIZE_6_Y_COLOR, PALETTE_SIZE_6_UV_COLOR];
        palette_size_7_color: [[[u16; 7]; 5]; 2] = [PALETTE_SIZE_7_Y_COLOR, PALETTE_SIZE_7_UV_COLOR];
        palette_size_8_color: [[[u16; 8]; 5]; 2] = [PALETTE_SIZE_8_Y_COLOR, PALETTE_SIZE_8_UV_COLOR];
        intra_tx_type_set2: [[[u16; 5]; 13]; 3] = INTRA_TX_TYPE_SET2;
        inter_tx_type_set3: [[u16; 2]; 4] = INTER_TX_TYPE_SET3;
        cfl_sign: [u16; 8] = CFL_SIGN;
        cfl_alpha: [[u16; 16]; 6] = CFL_ALPHA;
    }
    coefficients {
        txb_skip: [[[u16; 2]; 13]; 4] = TXB_SKIP;
        eob_pt_16: [[u16; 5]; 2] = EOB_PT_16;
        eob_pt_64: [[u16; 7]; 2] = EOB_PT_64;
        eob_pt_256: [[u16; 9]; 2] = EOB_PT_256;
        eob_pt_1024: [[u16; 11]; 2] = EOB_PT_1024;
        eob_extra: [[[[u16; 2]; 9]; 2]; 4] = EOB_EXTRA;
        dc_sign: [[[u16; 2]; 3]; 2] = DC_SIGN;
        coeff_base_eob: [[[[u16; 3]; 4]; 2]; 4] = COEFF_BASE_EOB;
        coeff_base: [[[[u16; 4]; 26]; 2]; 4] = COEFF_BASE;
        coeff_br: [[[[u16; 4]; 21]; 2]; 4] = COEFF_BR;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_the_last_values() {
        let mut cdfs = Cdfs::new(0);
        cdfs.skip[1][1] = 7;
        cdfs.mv_joint[3] = 9;
        cdfs.clear_counters();
        assert_eq!(cdfs.skip[1], [SKIP[1][0], 0]);
        assert_eq!(cdfs.mv_joint[3], 0);
    }

    #[test]
    fn coefficients_start_by_the_quantiser() {
        for (base_q_idx, index) in [(0, 0), (20, 0), (21, 1), (60, 1), (61, 2), (120, 2), (121, 3), (255, 3)] {
            assert_eq!(Cdfs::new(base_q_idx).dc_sign, DC_SIGN[index]);
        }
    }
}
