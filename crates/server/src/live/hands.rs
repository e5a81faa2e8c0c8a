//! Files make way for hands: whoever types into a customer's desktop feels nothing of the files that go beside it.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// So long after the last key or movement somebody counts as at work.
const AT_WORK: Duration = Duration::from_millis(1_500);
/// How quickly files go meanwhile, in bytes a second: a fraction of what one machine could do, and more than most lines.
const BESIDE: u64 = 4_000_000;

/// When a technician's hands last did something.
#[derive(Default)]
pub struct Hands(Mutex<Option<Instant>>);

impl Hands {
    /// They did something now.
    pub fn moved(&self, now: Instant) {
        *self.0.lock().expect("nobody panics while holding the hands") = Some(now);
    }

    /// How long whoever carries files waits after so many bytes.
    pub fn pause(&self, now: Instant, bytes: usize) -> Duration {
        let last = *self.0.lock().expect("nobody panics while holding the hands");
        match last {
            Some(last) if now.saturating_duration_since(last) < AT_WORK => {
                Duration::from_micros(bytes as u64 * 1_000_000 / BESIDE)
            }
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_make_way_only_while_somebody_is_at_work() {
        let (hands, start) = (Hands::default(), Instant::now());
        assert_eq!(hands.pause(start, 400_000), Duration::ZERO);
        hands.moved(start);
        assert_eq!(hands.pause(start + Duration::from_millis(1_499), 400_000), Duration::from_millis(100));
        assert_eq!(hands.pause(start + AT_WORK, 400_000), Duration::ZERO);
    }
}
