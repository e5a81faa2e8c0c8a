//! Delays file transfers while a technician controls the customer's desktop, so that input is not slowed down.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long after the last input transfers stay throttled.
const ACTIVE: Duration = Duration::from_millis(1_500);
/// The limit for all files of a session together while it is throttled, in bytes per second: a fraction of what a
/// server can relay, and more than most internet connections carry.
const BYTES_PER_SECOND: u64 = 12_000_000;

/// The last input, and the bytes that were sent since.
#[derive(Default)]
pub struct TransferThrottle(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last_input: Option<Instant>,
    /// When the bytes that were admitted so far are sent, at the limit.
    sent_at: Option<Instant>,
}

impl TransferThrottle {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("lock is not poisoned")
    }

    /// Notes that there is input.
    pub fn note_input(&self, now: Instant) {
        self.inner().last_input = Some(now);
    }

    /// How long to wait before sending these bytes, after everything that was admitted before.
    pub fn delay_for(&self, now: Instant, bytes: usize) -> Duration {
        let mut inner = self.inner();
        if inner.last_input.is_none_or(|input| now.saturating_duration_since(input) >= ACTIVE) {
            inner.sent_at = None;
            return Duration::ZERO;
        }
        let takes = Duration::from_micros(bytes as u64 * 1_000_000 / BYTES_PER_SECOND);
        let sent_at = inner.sent_at.map_or(now, |at| at.max(now)) + takes;
        inner.sent_at = Some(sent_at);
        sent_at - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_are_delayed_during_input_and_share_the_limit() {
        let (throttle, start) = (TransferThrottle::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(throttle.delay_for(start, 1_200_000), ms(0));
        throttle.note_input(start);
        assert_eq!(throttle.delay_for(start, 1_200_000), ms(100));
        assert_eq!(throttle.delay_for(start + ms(40), 1_200_000), ms(160), "the second file waits for the first");
        assert_eq!(throttle.delay_for(start + ms(1_000), 1_200_000), ms(100), "unused bandwidth is not saved up");
        assert_eq!(throttle.delay_for(start + ACTIVE, 1_200_000), ms(0));
    }
}
