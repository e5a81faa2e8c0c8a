//! Who asks, from where, and how often they may guess.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use platform::{
    network::{self, Network},
    throttle::{Attempt, Guess, Throttle, TooMany},
};

use super::PeerClass;

/// The addresses that requests come from.
pub struct Clients {
    trusted_proxies: Vec<Network>,
    /// Guesses at keys, passwords, codes, links and tokens.
    pub throttle: Throttle,
}

impl Clients {
    /// Believes these proxies whom they name.
    pub fn new(trusted_proxies: Vec<Network>) -> Self {
        Self { trusted_proxies, throttle: Throttle::default() }
    }

    /// Who really asks: the peer, or whom trusted proxies name.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        network::client(peer, lines, |address| self.is_proxy(address))
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Who connects from an address.
    pub fn class_of(&self, peer: IpAddr) -> PeerClass {
        match self.is_proxy(peer) {
            true => PeerClass::proxy(peer),
            false => PeerClass::from(peer, self.is_known(peer)),
        }
    }

    /// Whether somebody was let in from this address lately.
    pub fn is_known(&self, address: IpAddr) -> bool {
        self.throttle.is_known(self.throttle.now(), address)
    }

    /// Counts a guess before it is judged.
    pub fn guess(&self, attempt: Attempt<'_>) -> Result<Guess, TooMany> {
        self.throttle.guess(self.throttle.now(), attempt)
    }

    /// Counts a link or a token that is none.
    pub fn record_failure(&self, from: IpAddr) -> Result<(), TooMany> {
        self.guess(Attempt::Long { from }).map(drop)
    }

    /// Somebody was let in, by a guess that was right; by signing in under a name, where it is given.
    pub fn record_success(&self, from: IpAddr, name: Option<&str>) {
        self.throttle.came_in(self.throttle.now(), from, name);
    }
}
