//! Clients by their address, and the limit on their guesses.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use platform::{
    network::{self, Network},
    throttle::{Attempt, Guess, Throttle, TooMany},
};

use super::PeerClass;

/// Finds the address that a request comes from, and counts guesses by it.
pub struct Clients {
    trusted_proxies: Vec<Network>,
    /// Limits guesses at keys, passwords, codes, links and tokens.
    pub throttle: Throttle,
}

impl Clients {
    /// Trusts the addresses that these proxies forward.
    pub fn new(trusted_proxies: Vec<Network>) -> Self {
        Self { trusted_proxies, throttle: Throttle::default() }
    }

    /// The client's address: the peer's, or the one that trusted proxies forward.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        network::client(peer, lines, |address| self.is_proxy(address))
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The class of a peer.
    pub fn class_of(&self, peer: IpAddr) -> PeerClass {
        match self.is_proxy(peer) {
            true => PeerClass::proxy(peer),
            false => PeerClass::from(peer, self.is_known(peer)),
        }
    }

    /// Whether somebody was recently admitted from this address.
    pub fn is_known(&self, address: IpAddr) -> bool {
        self.throttle.is_known(self.throttle.now(), address)
    }

    /// Counts a guess before it is checked.
    pub fn guess(&self, attempt: Attempt<'_>) -> Result<Guess, TooMany> {
        self.throttle.guess(self.throttle.now(), attempt)
    }

    /// Counts a link or token that is not valid.
    pub fn record_failure(&self, from: IpAddr) -> Result<(), TooMany> {
        self.guess(Attempt::Long { from }).map(drop)
    }

    /// Notes that somebody was admitted from this address; with a name if they signed in under it.
    pub fn record_success(&self, from: IpAddr, name: Option<&str>) {
        self.throttle.came_in(self.throttle.now(), from, name);
    }
}
