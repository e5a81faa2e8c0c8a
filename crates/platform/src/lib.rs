//! The base of the server: time, secrets, keys, limits, file names, TLS and text. Nothing here knows a table or a
//! route.

pub mod clock;
pub mod disk;
pub mod expiring;
pub mod http_client;
pub mod identity;
pub mod network;
pub mod outbound;
pub mod passwords;
pub mod paths;
pub mod pictures;
pub mod secret;
pub mod tasks;
pub mod text;
pub mod throttle;
pub mod trust;
pub mod vault;
