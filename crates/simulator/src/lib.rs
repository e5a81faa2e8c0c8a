//! Scripted people on a virtual clock and network.
