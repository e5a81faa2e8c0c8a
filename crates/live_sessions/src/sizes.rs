//! The size of the picture, as the timeline tells it.

use std::{sync::Arc, time::Duration};

use protocol::ParticipantId;
use session::{Actor, Command};

use super::{ActError, LiveSession};

use crate::recorder::Frame;

/// How often another size of the picture is told: whoever draws at a window's edge makes a hundred of them.
const SIZES_EVERY: Duration = Duration::from_secs(1);

impl LiveSession {
    /// What is shown is in the timeline before anybody sees it; another size of it is told without holding it up.
    pub(super) async fn tell_picture(self: &Arc<Self>, from: ParticipantId, frame: &Frame) -> Result<(), ActError> {
        let size = (frame.header.width, frame.header.height);
        let told = self.known().session.screen();
        match told {
            Some(told) if told == size => Ok(()),
            Some(_) => {
                self.tell_size(from, size);
                Ok(())
            }
            None => self.act(&Actor::Participant(from), picture(size)).await.map(drop),
        }
    }

    /// Tells that the picture has another size now, without holding it up: the newest size, once in a while.
    fn tell_size(self: &Arc<Self>, from: ParticipantId, size: (u16, u16)) {
        if self.size().replace(size).is_some() {
            return;
        }
        let live = self.clone();
        tokio::spawn(async move {
            loop {
                let newest = live.size().unwrap_or(size);
                if let Err(ActError::Refused(_)) = live.act(&Actor::Participant(from), picture(newest)).await {
                    return *live.size() = None;
                }
                tokio::time::sleep(SIZES_EVERY).await;
                let told = live.known().session.screen();
                let mut waiting = live.size();
                if told.is_none() || told == *waiting {
                    return *waiting = None;
                }
            }
        });
    }

    fn size(&self) -> std::sync::MutexGuard<'_, Option<(u16, u16)>> {
        self.size.lock().expect("nobody panics while holding the size")
    }
}

fn picture((width, height): (u16, u16)) -> Command {
    Command::Picture { width, height }
}
