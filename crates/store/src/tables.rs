//! The tables. Times are milliseconds since 1970 UTC.
#![allow(missing_docs, reason = "a column is named after what it holds; where that is not enough, a line says more")]

mod desk;
mod incident_source;
mod people;
mod sessions;
mod systems;

pub use desk::*;
pub use incident_source::IncidentSource;
pub use people::*;
pub use sessions::*;
pub use systems::*;
