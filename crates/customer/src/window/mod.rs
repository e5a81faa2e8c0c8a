//! The border around what is shared, what technicians draw, and where windows go: one file a system.

#[cfg(target_os = "linux")]
mod marks_x11;
#[cfg(target_os = "linux")]
mod x11;

#[cfg(target_os = "linux")]
pub use marks_x11::Marks;
#[cfg(target_os = "linux")]
pub use x11::{Border, monitors, screen_size};
