//! What a viewer sees, and how the path is used.

mod exact;
mod pace;
mod track;
