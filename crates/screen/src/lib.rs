//! Pictures to bytes: damage, refinement, pacing.
//!
//! No network and no clock: time is an argument, in milliseconds. `docs/decisions/0002-screen.md` says why the stream is
//! AV1 4:4:4 in GBR with lossless refinement; `docs/decisions/0020-av1-for-screens.md`, why the encoder (`av1`) is our own.

mod coder;
mod pace;
mod rect;
mod regions;
mod threads;
mod track;

pub use av1::{Cells, Error, Fidelity};
pub use coder::{Coded, Coder};
pub use pace::Pacer;
pub use rect::Rect;
pub use track::{Plan, Tracker};
