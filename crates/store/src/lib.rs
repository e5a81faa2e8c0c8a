//! The database: opens and upgrades it, and has its tables and the queries that several parts of the server share.

mod folded;
mod migrations;
mod open;
pub mod people;
pub mod secrets;
pub mod setting;
pub mod settings;
pub mod tables;
pub mod teams;
pub mod transcript_fts;
pub mod upgrade_copy;

pub use folded::holds;
pub use migrations::SCHEMA_VERSION;
pub use open::{OpenError, open, open_in_memory};

use protocol::Timestamp;

/// A time as the database stores it: milliseconds since 1970 UTC.
pub fn stored_time(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
