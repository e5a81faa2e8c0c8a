//! A session: a timeline of events, judged by [`Session::decide`] and applied by [`Session::apply`].
//!
//! This crate is pure and synchronous: time is an argument, and there is no randomness and no storage. The server
//! stores what `decide` returns and then applies it; after a restart it applies the stored events again. The customer's
//! program uses [`Consent`] to check once more what leaves its machine.

mod chain;
mod command;
mod consent;
mod decide;
mod due;
mod guests;
mod meter;
pub mod oracle;
pub mod permission;
mod playback_timeline;
mod policy;
mod project;
mod state;

pub use chain::{Broken, GENESIS, Link, Stored, link, verify};
pub use command::{Actor, Command};
pub use consent::{Consent, FileTransfer};
pub use decide::people::attribute_fits;
pub use meter::{Footage, TooMuch, fitting};
pub use permission::{WhyNot, denial};
pub use playback_timeline::{Break, GAP_MS, PlaybackTimeline, Span};
pub use policy::{Policy, RecordingDuty};
pub use project::{History, TranscriptLine, Voice, ending_words, history, rights_text, size, transcript};
pub use protocol::Unrecorded;
pub use state::Session;
