//! What is coded next: keyframes that nobody notices, and refinement that does not delay motion.

use screen::{Cells, Pacer, Plan, Rect, Tracker};

const SCREEN: (u16, u16) = (1920, 1080);
const LARGE: Rect = Rect { x: 0, y: 0, width: 1400, height: 900 };

/// Everything is stale.
fn stale() -> Cells {
    let mut cells = Cells::over(SCREEN.0.into(), SCREEN.1.into());
    cells.set_rect(Rect { x: 0, y: 0, width: SCREEN.0, height: SCREEN.1 }.into());
    cells
}

/// A screen of which the viewers have everything, coarsely.
fn shown() -> Tracker {
    let mut tracker = Tracker::new(SCREEN.0, SCREEN.1);
    let plan = tracker.plan(0, &Pacer::new(), &stale()).unwrap();
    assert!(matches!(plan, Plan::Key { .. }));
    tracker.done(0, &plan, 100_000);
    tracker
}

/// From then on it moves every 50 ms until this many bytes are sent; returns when a keyframe was sent, and the end.
fn moving(tracker: &mut Tracker, from: u64, bytes: u64) -> (Option<u64>, u64) {
    let (mut now, mut sent) = (from, 0);
    while sent < bytes {
        tracker.damage(now, LARGE);
        let plan = tracker.plan(now, &Pacer::new(), &stale()).unwrap();
        if matches!(plan, Plan::Key { .. }) {
            return (Some(now), now);
        }
        tracker.done(now, &plan, 20_000);
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

/// The cells that are refined now.
fn refined(tracker: &Tracker, now: u64, pacer: &Pacer) -> Cells {
    match tracker.plan(now, pacer, &stale()) {
        Some(Plan::Refine { cells }) => cells,
        plan => panic!("{plan:?}"),
    }
}

#[test]
fn a_refinement_fits_the_path() {
    let mut pacer = Pacer::new();
    pacer.sent(0, 1, 10_000);
    pacer.drawn(50, 1);
    assert_eq!(pacer.rate(), Some(200_000));
    let mut tracker = shown();
    let cells = refined(&tracker, 5_000, &pacer);
    assert_eq!(cells.count(), 312, "10 kB, at 32 bytes a cell");
    tracker.done(5_000, &Plan::Refine { cells }, 312 * 96);
    assert_eq!(tracker.plan(5_010, &pacer, &stale()), None, "another one at once would delay a change");
    assert_eq!(refined(&tracker, 5_020, &pacer).count(), 156, "they were larger than assumed");
}

#[test]
fn what_has_just_changed_is_not_refined_and_what_stands_still_is_although_other_parts_move() {
    let (mut tracker, pacer) = (shown(), Pacer::new());
    let corner = Rect { x: 0, y: 0, width: 64, height: 64 };
    for now in (5_000..5_500).step_by(33) {
        tracker.damage(now, corner);
        let plan = tracker.plan(now, &pacer, &stale()).unwrap();
        assert!(matches!(plan, Plan::Change { .. }), "a change comes first");
        tracker.done(now, &plan, 500);
        assert!(!refined(&tracker, now + 1, &pacer).get(0, 0));
    }
    assert!(refined(&tracker, 5_495 + 150, &pacer).get(0, 0), "it has settled");
}
