//! The real server, as a hostile or broken peer meets it.

mod access;
mod api;
mod at_rest;
mod beyondtrust;
mod bounds;
mod capacity;
mod changed_program;
mod confirm;
mod doors;
mod guesses;
mod http;
mod input;
mod leavers;
mod leaving;
mod mail;
mod names;
mod outbound;
mod quic;
mod races;
mod recording;
mod rules;
mod search;
mod slow_disk;
mod stage;
mod tools;
mod wire;
