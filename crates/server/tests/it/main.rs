//! The real server, as a hostile or broken peer meets it.

mod http;
mod stage;
mod wire;
