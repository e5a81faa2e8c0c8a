//! Files make way for hands: whoever types into a customer's desktop feels nothing of the files that go beside it.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// So long after the last key or movement somebody counts as at work.
const AT_WORK: Duration = Duration::from_millis(1_500);
/// How quickly all files of the session together go meanwhile, in bytes a second: a fraction of what one machine could do,
/// and more than most lines.
const BESIDE: u64 = 12_000_000;

/// What a technician's hands do, and the files beside them.
#[derive(Default)]
pub struct TransferThrottle(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// When they last did something.
    moved: Option<Instant>,
    /// When the bytes that were let go while they worked are through.
    through: Option<Instant>,
}

impl TransferThrottle {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics while holding the hands")
    }

    /// They did something now.
    pub fn moved(&self, now: Instant) {
        self.inner().moved = Some(now);
    }

    /// How long whoever carries files waits before so many bytes: behind everything that others were let go before.
    pub fn pause(&self, now: Instant, bytes: usize) -> Duration {
        let mut inner = self.inner();
        if inner.moved.is_none_or(|moved| now.saturating_duration_since(moved) >= AT_WORK) {
            inner.through = None;
            return Duration::ZERO;
        }
        let takes = Duration::from_micros(bytes as u64 * 1_000_000 / BESIDE);
        let through = inner.through.map_or(now, |through| through.max(now)) + takes;
        inner.through = Some(through);
        through - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_make_way_only_while_somebody_is_at_work_and_share_what_is_left() {
        let (hands, start) = (TransferThrottle::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(hands.pause(start, 1_200_000), ms(0));
        hands.moved(start);
        assert_eq!(hands.pause(start, 1_200_000), ms(100));
        assert_eq!(hands.pause(start + ms(40), 1_200_000), ms(160), "the second file waits for the first");
        assert_eq!(hands.pause(start + ms(1_000), 1_200_000), ms(100), "what was not used is not saved up");
        assert_eq!(hands.pause(start + AT_WORK, 1_200_000), ms(0));
    }
}
