//! Thousands of seeds: disconnections, delays, late answers, a server that lies. A failure names its seed.

mod path;

use std::panic::{AssertUnwindSafe, catch_unwind};

use simulator::World;

fn run(seeds: std::ops::Range<u64>, server_lies: bool) -> (u64, u64) {
    let (mut pictures, mut acts) = (0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        world.server_lies = server_lies;
        let played = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..120 {
                world.step();
            }
            world.settle();
        }));
        assert!(played.is_ok(), "seed {seed}, server_lies {server_lies}");
        pictures += world.pictures;
        acts += world.acts;
    }
    (pictures, acts)
}

#[test]
fn only_what_the_customer_allowed_leaves_the_machine() {
    let (pictures, acts) = run(0..3_000, false);
    assert!(pictures > 10_000 && acts > 300, "the worlds are alive: {pictures} pictures, {acts} acts");
}

#[test]
fn a_lying_server_gets_no_more() {
    let (pictures, acts) = run(0..2_000, true);
    assert!(pictures > 5_000 && acts > 200, "the worlds are alive: {pictures} pictures, {acts} acts");
}
