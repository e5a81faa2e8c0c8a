//! Running the tiles of a frame, on threads or not.

/// A part of a frame's work.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Something that runs jobs. The encoder has no threads of its own.
pub trait Jobs {
    /// Runs all jobs, in any order or at once; returns when all are done.
    fn run(&self, jobs: Vec<Job>);
}

/// Runs jobs one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn;

impl Jobs for InTurn {
    fn run(&self, jobs: Vec<Job>) {
        jobs.into_iter().for_each(|job| job());
    }
}
