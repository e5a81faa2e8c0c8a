//! What decoders show is what the encoder says they show.

mod decoders;
mod drawing;
mod input;
mod stress;
