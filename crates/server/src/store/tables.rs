//! The tables. Times are milliseconds since 1970 UTC.

mod desk;
mod people;
mod sessions;
mod systems;

pub use desk::*;
pub use people::*;
pub use sessions::*;
pub use systems::*;
