//! What a viewer sees, how the path is used, and files that survive.

mod exact;
mod pace;
mod probe;
mod webm;
