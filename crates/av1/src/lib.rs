//! An AV1 encoder made for screens.
//!
//! A general encoder's cost follows the picture; this one's follows the change. What did not change is one skipped block
//! a superblock. What moved is found by hashes and copied. Text and user interface are coded without loss at once, with
//! palettes or a lossless residual; photographs and motion may be lossy in the same frame and are refined later. The
//! encoder knows of each cell of 8×8 pixels whether decoders have it exactly.
//!
//! The stream is AV1 profile 1: 8 bit, 4:4:4, identity matrix (GBR), full range; one reference, no filters. It is pure: no
//! clock, no threads but those that are handed in, unsafe code in `simd` alone. `docs/decisions/0020-av1-for-screens.md` says what was
//! taken of the specification and what was left. Names are the specification's; clauses are those of its version 1.0.0
//! with errata 1.
//!
//! ```
//! use av1::{Encoder, Fidelity, InTurn, Rect, Request};
//!
//! let mut encoder = Encoder::new(640, 360, 1)?;
//! encoder.write_bgrx(Rect { x: 8, y: 8, width: 2, height: 1 }, 8, &[255, 0, 0, 0, 0, 0, 255, 0])?;
//! let request = Request { fidelity: Fidelity::ExactText { quantizer: 144 }, ..Request::LOSSLESS };
//! let coded = encoder.encode(&request, &InTurn)?;
//! assert!(coded.key && encoder.stale().is_empty());
//! # Ok::<(), av1::Error>(())
//! ```
//!
//! From the bitstream up: `bits` and `symbol` write, by the figures of `tables`; `headers` and `syntax` are the
//! specification's syntax, with `contexts`, `modes` and `geometry` for what it remembers; `predict`, `interpolate`,
//! `transform` and `quantize` are its arithmetic; `motion` and `tile` decide; `encoder` has the pictures and puts frames together.
#![deny(unsafe_code)]

mod bits;
mod cells;
mod contexts;
mod encoder;
mod error;
mod frame;
mod geometry;
mod headers;
mod interpolate;
mod jobs;
mod modes;
mod motion;
pub mod oracle;
mod planes;
mod predict;
mod quantize;
mod screen;
mod simd;
mod symbol;
mod syntax;
mod tables;
mod tile;
mod transform;

pub use cells::Cells;
pub use encoder::{Coded, Encoder, MAX_SIDE, Request};
pub use error::Error;
pub use frame::Fidelity;
pub use geometry::Rect;
pub use jobs::{InTurn, Job, Jobs};
