//! Background tasks: one token that stops them all, and one place that sees one fail.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long after a failure a task is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// The tasks that run for as long as the process does.
#[derive(Clone)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    restart_after: Duration,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { stop: CancellationToken::new(), tracker: TaskTracker::new(), restart_after: RESTART_AFTER }
    }
}

impl Tasks {
    /// The token that is cancelled when everything is to stop.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task until it is done or everything stops. One that panics is reported and started again.
    pub fn supervise<F>(&self, name: &'static str, task: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, restart_after) = (self.stop.clone(), self.restart_after);
        let supervised = async move {
            while AssertUnwindSafe(task()).catch_unwind().await.map_err(|panic| report(name, &*panic)).is_err() {
                tokio::time::sleep(restart_after).await;
            }
        };
        self.tracker.spawn(async move { stop.run_until_cancelled(supervised).await });
    }

    /// Runs a task that ends by itself when everything stops. When it panics, everything stops: it cannot be started again.
    pub fn essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                report(name, &*panic);
                stop.cancel();
            }
        });
    }

    /// Stops everything, and waits so long for what is under way. Returns whether all of it has ended.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }
}

/// Runs something short beside whoever asks for it. A panic is reported.
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
            report(name, &*panic);
        }
    });
}

fn report(task: &'static str, panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(task, panic = text.unwrap_or("unknown"), "a task failed");
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    };

    use super::*;

    fn at_once() -> Tasks {
        Tasks { restart_after: Duration::ZERO, ..Tasks::default() }
    }

    #[tokio::test]
    async fn a_task_that_fails_is_started_again_and_ends_with_all_others() {
        let (tasks, started, (failed, mut told)) =
            (at_once(), Arc::new(AtomicU32::new(0)), tokio::sync::mpsc::channel(8));
        let count = started.clone();
        tasks.supervise("flaky", move || {
            let (count, failed) = (count.clone(), failed.clone());
            async move {
                let times = count.fetch_add(1, SeqCst);
                failed.send(times).await.unwrap();
                assert!(times >= 2, "not yet");
                std::future::pending().await
            }
        });
        for times in 0..3 {
            assert_eq!(told.recv().await, Some(times));
        }
        assert!(tasks.stop(Duration::from_secs(1)).await);
        assert_eq!(started.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn what_cannot_be_started_again_stops_everything() {
        let tasks = Tasks::default();
        tasks.essential("store", async { panic!("no more") });
        tasks.token().cancelled().await;
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_waited_for_no_longer_than_there_is_patience() {
        let tasks = Tasks::default();
        tasks.essential("stuck", std::future::pending());
        assert!(!tasks.stop(Duration::ZERO).await);
    }
}
