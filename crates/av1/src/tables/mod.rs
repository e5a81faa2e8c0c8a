//! Figures of the specification: default distributions, scan orders and quantiser steps.

mod cdf;
#[rustfmt::skip]
mod coeff_base;
#[rustfmt::skip]
mod coeff_br;
#[rustfmt::skip]
mod coefficients;
#[rustfmt::skip]
mod modes;
#[rustfmt::skip]
mod palette;
#[rustfmt::skip]
mod quantizer;
mod scan;

pub(crate) use cdf::Cdfs;
pub(crate) use quantizer::{AC_QLOOKUP, DC_QLOOKUP};
pub(crate) use scan::{SCAN_4X4, SCAN_8X8, SCAN_16X16, SCAN_32X32};
