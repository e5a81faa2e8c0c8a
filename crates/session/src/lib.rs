//! What a session is: a timeline of events, judged by [`Session::decide`] and taken in by [`Session::apply`].
//!
//! This crate is pure and synchronous. Time is an argument, chance is not needed, nothing is stored here. The server
//! stores what `decide` returns and then applies it; a restart applies the stored events again. The customer's program
//! uses [`Consent`] to judge once more what may leave its machine.

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
pub use consent::{Consent, FileAct};
pub use decide::people::attribute_fits;
pub use meter::{Footage, TooMuch, fitting};
pub use permission::{WhyNot, denial};
pub use playback_timeline::{Break, GAP_MS, PlaybackTimeline, Span};
pub use policy::{Policy, RecordingDuty};
pub use project::{History, TranscriptLine, Voice, ending_words, history, size, transcript, wish};
pub use protocol::Unrecorded;
pub use state::Session;
