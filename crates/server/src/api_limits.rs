//! How often an account may ask: as often as the original lets it, and said in the same headers.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use platform::clock;
use protocol::Timestamp;
use serde_json::json;

/// Requests in an hour.
const HOURLY: u32 = 15_000;
const HOUR_MS: u64 = 3_600_000;
/// Requests at once; then one every [`PAUSE_MS`], which makes as many a second.
const BURST: u64 = 20;
const PAUSE_MS: u64 = 1_000 / BURST;
/// A request that comes too early waits so long for its turn at most.
const LONGEST_WAIT_MS: u64 = 2_000;
/// With more accounts than this, those that are quiet are forgotten.
const MANY: usize = 1_000;

/// What each account has asked.
#[derive(Default)]
pub struct ApiLimits(Mutex<HashMap<String, Usage>>);

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// When its hour began.
    since: Timestamp,
    asked: u32,
    /// When everything that was let in would be through, at one each [`PAUSE_MS`].
    through: u64,
}

/// What an account has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    remaining: u32,
}

/// An account has asked too much; in so many seconds it may again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    seconds: u64,
    remaining: u32,
}

impl Usage {
    /// Lets a request in, and says how long it must wait for its turn.
    fn ask(&mut self, now: Timestamp) -> Result<(Rate, u64), Exhausted> {
        if now.since(self.since) >= HOUR_MS {
            (self.since, self.asked) = (now, 0);
        }
        let remaining = HOURLY.saturating_sub(self.asked);
        if remaining == 0 {
            let seconds = self.since.plus(HOUR_MS).since(now).div_ceil(1_000);
            return Err(Exhausted { seconds, remaining });
        }
        let through = self.through.max(now.0);
        let wait = (through - now.0).saturating_sub((BURST - 1) * PAUSE_MS);
        if wait > LONGEST_WAIT_MS {
            return Err(Exhausted { seconds: wait.div_ceil(1_000), remaining });
        }
        self.through = through + PAUSE_MS;
        self.asked += 1;
        Ok((Rate { remaining: remaining - 1 }, wait))
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        now.since(self.since) >= HOUR_MS && self.through <= now.0
    }
}

impl ApiLimits {
    fn ask(&self, who: &str, now: Timestamp) -> Result<(Rate, u64), Exhausted> {
        let mut all = self.0.lock().expect("nobody panics while holding the limits");
        if all.len() > MANY {
            all.retain(|_, usage| !usage.is_quiet(now));
        }
        all.entry(who.to_owned()).or_default().ask(now)
    }

    /// Waits until it is an account's turn.
    pub async fn turn(&self, who: &str) -> Result<Rate, Exhausted> {
        let (rate, wait) = self.ask(who, clock::now())?;
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        Ok(rate)
    }
}

fn tell(remaining: u32, headers: &mut HeaderMap) {
    headers.insert("x-ratelimit-limit", HOURLY.into());
    headers.insert("x-ratelimit-remaining", remaining.into());
}

impl Rate {
    /// Says in an answer what is left.
    pub fn tell(self, headers: &mut HeaderMap) {
        tell(self.remaining, headers);
    }
}

impl IntoResponse for Exhausted {
    fn into_response(self) -> Response {
        let body = Json(json!({ "message": "Too many requests. Please ask again later." }));
        let mut response = (StatusCode::TOO_MANY_REQUESTS, body).into_response();
        tell(self.remaining, response.headers_mut());
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.seconds.max(1)));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(43_200_000);

    #[test]
    fn twenty_come_through_at_once_and_the_rest_one_after_the_other_or_not_at_all() {
        let limits = ApiLimits::default();
        let waits: Vec<u64> = (0..62).map_while(|_| Some(limits.ask("a", NOON).ok()?.1)).collect();
        assert_eq!(waits[..20], [0; 20]);
        assert_eq!((waits[20], waits[21], waits.len()), (50, 100, 60), "{waits:?}");
        let refused = limits.ask("a", NOON).unwrap_err();
        assert_eq!((refused.seconds, refused.remaining), (3, HOURLY - 60));
        assert_eq!(limits.ask("b", NOON), Ok((Rate { remaining: HOURLY - 1 }, 0)), "accounts do not share");
        // A second later twenty more fit.
        assert_eq!(limits.ask("a", NOON.plus(1_000)).unwrap().1, 1_050);
        assert_eq!(limits.ask("a", NOON.plus(60_000)).unwrap().1, 0);
    }

    #[test]
    fn an_hour_has_its_number_and_the_next_one_begins_anew() {
        let mut usage = Usage::default();
        let mut at = NOON;
        for n in 1..=HOURLY {
            assert_eq!(usage.ask(at), Ok((Rate { remaining: HOURLY - n }, 0)));
            at = at.plus(PAUSE_MS);
        }
        assert_eq!(usage.ask(at), Err(Exhausted { seconds: 2_850, remaining: 0 }));
        assert_eq!(usage.ask(NOON.plus(HOUR_MS)), Ok((Rate { remaining: HOURLY - 1 }, 0)));
    }

    #[test]
    fn quiet_accounts_are_forgotten() {
        let limits = ApiLimits::default();
        (0..=MANY).for_each(|n| assert!(limits.ask(&n.to_string(), NOON).is_ok()));
        limits.ask("late", NOON.plus(HOUR_MS)).unwrap();
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }
}
