//! What a viewer sees, how the path is used.

mod exact;
mod pace;
mod probe;
mod track;
