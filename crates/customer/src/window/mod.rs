//! The border around what is shared, and where windows go: one file a system.

#[cfg(target_os = "linux")]
mod x11;

#[cfg(target_os = "linux")]
pub use x11::{Border, screen_size};
