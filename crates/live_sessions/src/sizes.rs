//! The size of the screen in the timeline.

use std::{sync::Arc, time::Duration};

use platform::tasks;
use protocol::ParticipantId;
use session::{Actor, Command};

use super::{ActError, LiveSession};

use crate::recorder::Frame;

/// Shortest interval between two size changes in the timeline: dragging a window's edge makes a hundred of them.
const SIZE_INTERVAL: Duration = Duration::from_secs(1);

impl LiveSession {
    /// Records that a screen is shared before anybody sees it. A later change of size is recorded without delaying the
    /// frame.
    pub(super) async fn record_screen_size(
        self: &Arc<Self>,
        from: ParticipantId,
        frame: &Frame,
    ) -> Result<(), ActError> {
        let size = (frame.header.width, frame.header.height);
        let recorded = self.committed().session.screen();
        match recorded {
            Some(recorded) if recorded == size => Ok(()),
            Some(_) => {
                self.record_new_size(from, size);
                Ok(())
            }
            None => self.act(&Actor::Participant(from), picture(size)).await.map(drop),
        }
    }

    /// Records the newest size in the background, at most once in each interval.
    fn record_new_size(self: &Arc<Self>, from: ParticipantId, size: (u16, u16)) {
        if self.size().replace(size).is_some() {
            return;
        }
        let live = self.clone();
        tasks::spawn("picture size", async move {
            loop {
                let newest = live.size().unwrap_or(size);
                if let Err(ActError::Refused(_)) = live.act(&Actor::Participant(from), picture(newest)).await {
                    return *live.size() = None;
                }
                tokio::time::sleep(SIZE_INTERVAL).await;
                let recorded = live.committed().session.screen();
                let mut waiting = live.size();
                if recorded.is_none() || recorded == *waiting {
                    return *waiting = None;
                }
            }
        });
    }

    fn size(&self) -> std::sync::MutexGuard<'_, Option<(u16, u16)>> {
        self.size.lock().expect("lock is not poisoned")
    }
}

fn picture((width, height): (u16, u16)) -> Command {
    Command::Picture { width, height }
}
