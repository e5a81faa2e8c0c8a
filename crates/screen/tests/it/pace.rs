//! A slow path gets fewer and the newest frames, never a backlog.

use proptest::prelude::*;
use screen::Pacer;

/// A link with a rate in bytes a second and a one-way delay in milliseconds, and a viewer that draws at once. Returns
/// the time from coding to drawing for each frame of `size` bytes, when there is always damage.
fn drive(rate: u64, delay: u64, size: u64) -> Vec<u64> {
    let mut pacer = Pacer::new();
    let mut free_at = 0;
    let mut arrivals: Vec<(u64, u32)> = Vec::new();
    let mut latencies = Vec::new();
    let mut seq = 0;
    for now in 0..20_000 {
        for (at, seq) in arrivals.extract_if(.., |(at, _)| *at <= now) {
            pacer.drawn(at, seq);
        }
        if pacer.may_send() {
            seq += 1;
            pacer.sent(now, seq, size);
            free_at = free_at.max(now) + (size * 1_000).div_ceil(rate);
            latencies.push(free_at + delay - now);
            arrivals.push((free_at + 2 * delay, seq));
        }
    }
    latencies
}

proptest! {
    #[test]
    fn latency_is_bounded_by_the_path_and_not_by_a_queue(
        rate in 100_000u64..20_000_000, delay in 1u64..150, size in 1_000u64..60_000,
    ) {
        let latencies = drive(rate, delay, size);
        // The minimum window of 16 kB may always be in flight.
        let one = (size + 16_384) * 1_000 / rate + delay;
        let late = latencies[latencies.len() / 2..].iter().max().copied().unwrap();
        prop_assert!(latencies.len() > 10, "the path is used: {} frames", latencies.len());
        prop_assert!(late <= 3 * one + 100, "a frame took {late} ms where the path needs {one}");
    }
}

#[test]
fn a_thin_path_gets_coarser_frames() {
    let mut pacer = Pacer::new();
    let mut now = 0;
    for (rate, finest) in [(100_000u64, false), (50_000_000, true)] {
        for seq in 0..200 {
            let took = 10_000 * 1_000 / rate + 10;
            pacer.moved(now, 10_000);
            pacer.sent(now, seq, 10_000);
            pacer.drawn(now + took, seq);
            now += took.max(50);
        }
        assert_eq!((pacer.coarseness(now) == 0), finest, "at {rate} bytes/s");
    }
}

#[test]
fn sustained_motion_becomes_coarser_and_a_change_after_a_rest_is_fine() {
    let mut pacer = Pacer::new();
    for now in (0..3_000).step_by(33) {
        pacer.moved(now, 30_000);
    }
    assert!(pacer.coarseness(3_000) > 1, "900 kB a second exceed the limit for motion");
    assert_eq!(pacer.coarseness(4_000), 0, "a key press after a rest");
    for now in (5_000..8_000).step_by(66) {
        pacer.moved(now, 12_000);
    }
    assert_eq!(pacer.coarseness(8_000), 0, "a scrolling terminal stays within the limit with 180 kB a second");
}

#[test]
fn a_second_frame_is_sent_before_the_first_is_drawn_if_nothing_queues() {
    for (took, another) in [(62, true), (160, false)] {
        let mut pacer = Pacer::new();
        // A small frame measures the round trip.
        pacer.sent(0, 1, 300);
        pacer.drawn(42, 1);
        for seq in 2..6 {
            let now = u64::from(seq) * 200;
            pacer.sent(now, seq, 18_000);
            pacer.drawn(now + took, seq);
        }
        pacer.sent(1_400, 6, 18_000);
        assert_eq!(pacer.may_send(), another, "18 kB took {took} ms");
    }
}
