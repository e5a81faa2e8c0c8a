//! Guesses are limited: per address, per account and over all.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// The limits of one kind of guess.
pub struct Throttle {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_name: DefaultKeyedRateLimiter<String>,
    overall: DefaultDirectRateLimiter,
}

/// Too many tries; a person is told to wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Throttle {
    /// So many guesses a minute from one address, on one name, and over all. An office behind one address signs in at
    /// the same time in the morning: what protects a person is the limit on the name.
    pub fn per_minute(address: u32, name: u32, all: u32) -> Self {
        let quota = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self {
            by_address: RateLimiter::keyed(quota(address)),
            by_name: RateLimiter::keyed(quota(name)),
            overall: RateLimiter::direct(quota(all)),
        }
    }

    /// Counts a guess from an address.
    pub fn guess(&self, from: IpAddr) -> Result<(), TooMany> {
        if self.by_address.len() > 100_000 {
            self.by_address.retain_recent();
        }
        self.by_address.check_key(&from).map_err(|_| TooMany)?;
        self.overall.check().map_err(|_| TooMany)
    }

    /// Counts a guess on a name.
    pub fn guess_at(&self, name: &str) -> Result<(), TooMany> {
        if self.by_name.len() > 100_000 {
            self.by_name.retain_recent();
        }
        self.by_name.check_key(&name.to_lowercase()).map_err(|_| TooMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_runs_out_before_all_do_and_all_run_out_too() {
        let throttle = Throttle::per_minute(3, 2, 5);
        let from = |n| IpAddr::from([127, 0, 0, n]);
        let tries: Vec<bool> = [1, 1, 1, 1, 2, 2, 2].map(|n| throttle.guess(from(n)).is_ok()).to_vec();
        assert_eq!(tries, [true, true, true, false, true, true, false]);
        let names = ["tom", "Tom", "TOM", "eva"].map(|name| throttle.guess_at(name).is_ok());
        assert_eq!(names, [true, true, false, true], "a name is one however it is written");
    }
}
