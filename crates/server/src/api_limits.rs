//! Rate limits of BeyondTrust's API: the limits and headers of the original.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use platform::clock;
use protocol::Timestamp;
use serde_json::json;

/// Requests per hour.
const HOURLY: u32 = 15_000;
const HOUR_MS: u64 = 3_600_000;
/// Requests per second. As many may arrive at once, then one every [`INTERVAL_MS`].
const BURST: u64 = 20;
const INTERVAL_MS: u64 = 1_000 / BURST;
/// How long a request may be delayed before it is refused.
const LONGEST_WAIT_MS: u64 = 2_000;
/// Above this number of accounts, idle ones are forgotten.
const MANY: usize = 1_000;

/// The usage of each account.
#[derive(Default)]
pub struct ApiLimits(Mutex<HashMap<String, Usage>>);

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// When its current hour began.
    since: Timestamp,
    /// Requests in the current hour.
    requests: u32,
    /// When all admitted requests would be done, at one per [`INTERVAL_MS`].
    busy_until: u64,
}

/// How many requests an account has left in the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    remaining: u32,
}

/// An account has exceeded its limit, and may retry in `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    seconds: u64,
    remaining: u32,
}

impl Usage {
    /// Admits a request, and returns how long it must wait.
    fn admit(&mut self, now: Timestamp) -> Result<(Rate, u64), Exhausted> {
        if now.since(self.since) >= HOUR_MS {
            (self.since, self.requests) = (now, 0);
        }
        let remaining = HOURLY.saturating_sub(self.requests);
        if remaining == 0 {
            let seconds = self.since.plus(HOUR_MS).since(now).div_ceil(1_000);
            return Err(Exhausted { seconds, remaining });
        }
        let busy_until = self.busy_until.max(now.0);
        let wait = (busy_until - now.0).saturating_sub((BURST - 1) * INTERVAL_MS);
        if wait > LONGEST_WAIT_MS {
            return Err(Exhausted { seconds: wait.div_ceil(1_000), remaining });
        }
        self.busy_until = busy_until + INTERVAL_MS;
        self.requests += 1;
        Ok((Rate { remaining: remaining - 1 }, wait))
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now.since(self.since) >= HOUR_MS && self.busy_until <= now.0
    }
}

impl ApiLimits {
    fn admit(&self, who: &str, now: Timestamp) -> Result<(Rate, u64), Exhausted> {
        let mut all = self.0.lock().expect("lock is not poisoned");
        if all.len() > MANY {
            all.retain(|_, usage| !usage.is_idle(now));
        }
        all.entry(who.to_owned()).or_default().admit(now)
    }

    /// Admits a request of an account, after waiting if necessary.
    pub async fn turn(&self, who: &str) -> Result<Rate, Exhausted> {
        let (rate, wait) = self.admit(who, clock::now())?;
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        Ok(rate)
    }
}

fn set_headers(remaining: u32, headers: &mut HeaderMap) {
    headers.insert("x-ratelimit-limit", HOURLY.into());
    headers.insert("x-ratelimit-remaining", remaining.into());
}

impl Rate {
    /// Sets the rate limit headers of a response.
    pub fn tell(self, headers: &mut HeaderMap) {
        set_headers(self.remaining, headers);
    }
}

impl IntoResponse for Exhausted {
    fn into_response(self) -> Response {
        let body = Json(json!({ "message": "Too many requests. Please admit again later." }));
        let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
        set_headers(self.remaining, response.headers_mut());
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.seconds.max(1)));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(43_200_000);

    #[test]
    fn a_burst_is_admitted_and_further_requests_wait_or_are_refused() {
        let limits = ApiLimits::default();
        let waits: Vec<u64> = (0..62).map_while(|_| Some(limits.admit("a", NOON).ok()?.1)).collect();
        assert_eq!(waits[..20], [0; 20]);
        assert_eq!((waits[20], waits[21], waits.len()), (50, 100, 60), "{waits:?}");
        let refused = limits.admit("a", NOON).unwrap_err();
        assert_eq!((refused.seconds, refused.remaining), (3, HOURLY - 60));
        assert_eq!(limits.admit("b", NOON), Ok((Rate { remaining: HOURLY - 1 }, 0)), "accounts do not share");
        // A second later there is room for twenty more.
        assert_eq!(limits.admit("a", NOON.plus(1_000)).unwrap().1, 1_050);
        assert_eq!(limits.admit("a", NOON.plus(60_000)).unwrap().1, 0);
    }

    #[test]
    fn the_hourly_limit_resets_after_an_hour() {
        let mut usage = Usage::default();
        let mut at = NOON;
        for n in 1..=HOURLY {
            assert_eq!(usage.admit(at), Ok((Rate { remaining: HOURLY - n }, 0)));
            at = at.plus(INTERVAL_MS);
        }
        assert_eq!(usage.admit(at), Err(Exhausted { seconds: 2_850, remaining: 0 }));
        assert_eq!(usage.admit(NOON.plus(HOUR_MS)), Ok((Rate { remaining: HOURLY - 1 }, 0)));
    }

    #[test]
    fn idle_accounts_are_forgotten() {
        let limits = ApiLimits::default();
        (0..=MANY).for_each(|n| assert!(limits.admit(&n.to_string(), NOON).is_ok()));
        limits.admit("late", NOON.plus(HOUR_MS)).unwrap();
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }
}
