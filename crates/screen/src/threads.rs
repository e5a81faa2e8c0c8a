//! The tiles of a large change on several threads. They end with it: starting one takes some 50 µs, a tile that is worth
//! it several milliseconds.

use av1::{Job, Jobs};

/// One thread for each job but the first.
pub(crate) struct Threads;

impl Jobs for Threads {
    fn run(&self, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter();
        let Some(first) = jobs.next() else { return };
        std::thread::scope(|scope| {
            jobs.for_each(|job| drop(scope.spawn(job)));
            first();
        });
    }
}
