//! Scripted people on a virtual clock and a virtual network.
//!
//! A [`World`] holds the server's session, a technician's console and a customer's program. Messages take time, arrive
//! late or are lost with their connection. A seed determines everything. The oracles compare what leaves the customer's
//! machine with what the person really allowed, which is recorded independently of the product's code.

mod chance;
pub mod path;
mod world;

pub use chance::Chance;
pub use world::{Ledger, World};
