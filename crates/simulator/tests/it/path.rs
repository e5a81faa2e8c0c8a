//! The picture over paths that lose packets, slow down and fail: delayed by what the path takes, never by a queue.

use simulator::path::{Drawn, Path, Period};

/// The percentile: the value below which this share of the list lies.
fn at(part: f64, list: &[u64]) -> u64 {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn latencies(drawn: &[Drawn]) -> Vec<u64> {
    drawn.iter().map(|d| d.at - d.read).collect()
}

fn steady(seed: u64, rtt: u64, loss: u64, megabit: u64, size: u64) -> (f64, u64) {
    let period = Period { from: 0, rate: megabit * 125_000, delay: rtt / 2, loss };
    let mut path = Path::new(seed, size, vec![period]);
    path.run(20_000);
    let late: Vec<Drawn> = path.drawn.into_iter().filter(|d| d.read > 2_000).collect();
    (late.len() as f64 / 18.0, at(0.95, &latencies(&late)))
}

#[test]
fn a_good_path_is_used_and_a_lossy_one_stays_quick() {
    for seed in 0..100 {
        let (rate, late) = steady(seed, 40, 0, 20, 22_000);
        assert!(rate >= 24.0 && late <= 140, "20 Mbit/s, 40 ms: {rate:.1} pictures a second, p95 {late} ms");
        let (rate, late) = steady(seed, 40, 20, 20, 22_000);
        assert!(rate >= 12.0 && late <= 240, "and 2 % loss, seed {seed}: {rate:.1} pictures a second, p95 {late} ms");
    }
}

#[test]
fn latency_is_bounded_and_recovers_whatever_the_path_does() {
    for seed in 0..3_000 {
        let mut path = Path::random(seed);
        path.run(70_000);
        let end = path.drawn.last().expect("something was drawn").at;
        assert!(end > 69_000, "seed {seed}: the picture stopped at {end} ms");
        // The last period is good: after two seconds the earlier periods have no effect.
        let calm: Vec<Drawn> = path.drawn.iter().copied().filter(|d| d.read > 60_000).collect();
        let largest = calm.iter().map(|d| d.bytes).max().expect("the last period lets pictures through");
        let own = 8 + 20 + 6 + largest / 1_000;
        let late = at(0.95, &latencies(&calm));
        assert!(late <= 3 * own + 60, "seed {seed}: {late} ms where the path needs {own}");
    }
}

#[test]
fn the_newest_picture_comes_first_after_a_blackout() {
    for seed in 0..1_000 {
        let good = |from| Period { from, rate: 1_250_000, delay: 20, loss: 10 };
        let dark = Period { from: 5_000, rate: 0, delay: 20, loss: 0 };
        let mut path = Path::new(seed, 15_000, vec![good(0), dark, good(8_000)]);
        path.run(12_000);
        let old = path.drawn.iter().filter(|d| d.at > 8_000 && d.read < 7_900).count();
        assert!(old <= 9, "seed {seed}: {old} old pictures were still shown");
        let back = path.drawn.iter().find(|d| d.read >= 8_000).expect("the picture comes back");
        assert!(back.at < 8_600, "seed {seed}: the first new picture came at {} ms", back.at);
    }
}
