//! Thousands of seeds: cuts, delays, late answers, a server that lies. A failure names its seed.

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
fn nothing_leaves_the_machine_that_the_customer_did_not_allow() {
    let (pictures, acts) = run(0..3_000, false);
    assert!(pictures > 10_000 && acts > 300, "the worlds are alive: {pictures} pictures, {acts} acts");
}

#[test]
fn not_even_when_the_server_lies() {
    let (pictures, acts) = run(0..2_000, true);
    assert!(pictures > 5_000 && acts > 200, "the worlds are alive: {pictures} pictures, {acts} acts");
}
