//! What is coded next: keyframes that nobody notices, and refinement that does not delay motion.

use screen::{Pacer, Plan, Rect, Tracker};

const SCREEN: (u16, u16) = (1920, 1080);
const LARGE: Rect = Rect { x: 0, y: 0, width: 1400, height: 900 };

/// A screen of which the viewers have everything, coarsely.
fn shown() -> Tracker {
    let mut tracker = Tracker::new(SCREEN.0, SCREEN.1);
    let plan = tracker.plan(0, &Pacer::new()).unwrap();
    assert!(matches!(plan, Plan::Key { .. }));
    tracker.done(&plan, 100_000, |_| true);
    tracker
}

/// From then on it moves every 50 ms until this many bytes are sent; returns when a keyframe was sent, and the end.
fn moving(tracker: &mut Tracker, from: u64, bytes: u64) -> (Option<u64>, u64) {
    let (mut now, mut sent) = (from, 0);
    while sent < bytes {
        tracker.damage(now, LARGE);
        let plan = tracker.plan(now, &Pacer::new()).unwrap();
        if matches!(plan, Plan::Key { .. }) {
            return (Some(now), now);
        }
        tracker.done(&plan, 20_000, |_| true);
        sent += 20_000;
        now += 50;
    }
    (None, now)
}

#[test]
fn a_keyframe_for_seeking_waits_for_a_rest_within_a_limit() {
    let mut tracker = shown();
    let (key, over) = moving(&mut tracker, 1_000, 8_000_000);
    assert_eq!(key, None, "nothing stutters in the middle of motion");
    let (key, _) = moving(&mut tracker, over + 1_000, 8_000_000);
    assert_eq!(key, Some(over + 1_000), "the first change after a rest");
    let mut tracker = shown();
    let (key, _) = moving(&mut tracker, 1_000, 20_000_000);
    assert!(key.is_some(), "a recording without rests stays seekable");
}

#[test]
fn a_refinement_during_motion_fits_the_path() {
    let mut pacer = Pacer::new();
    pacer.sent(0, 1, 10_000);
    pacer.drawn(50, 1);
    assert_eq!(pacer.rate(), Some(200_000));
    let blocks = |tracker: &Tracker, now| match tracker.plan(now, &pacer) {
        Some(Plan::Refine { active }) => active.count() / 16,
        plan => panic!("{plan:?}"),
    };
    let mut tracker = shown();
    // A corner moves; the rest has been still for long.
    tracker.damage(5_000, Rect { x: 1_900, y: 1_060, width: 20, height: 20 });
    let plan = tracker.plan(5_000, &pacer).unwrap();
    tracker.done(&plan, 500, |_| true);
    assert_eq!(blocks(&tracker, 5_020), 5, "10 kB, at 2 kB a block");
    let plan = tracker.plan(5_020, &pacer).unwrap();
    tracker.done(&plan, 5 * 6_000, |_| true);
    assert_eq!(blocks(&tracker, 5_040), 2, "they were larger than assumed");
    assert!(blocks(&tracker, 6_000) > 50, "nothing moves");
}
