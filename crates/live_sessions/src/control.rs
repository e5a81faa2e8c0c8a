//! Input for the customer's desktop. When its sender may no longer control or their page disconnects, the program is
//! told to release all keys and buttons, after everything that was sent to it before.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use protocol::{Input, ParticipantId, RefusalReason};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::LiveSession;

/// The participant whose input reached the program last: keys and buttons that are down are theirs.
#[derive(Default)]
pub(super) struct InputOwner(Mutex<Option<ParticipantId>>);

impl InputOwner {
    fn lock(&self) -> MutexGuard<'_, Option<ParticipantId>> {
        self.0.lock().expect("lock is not poisoned")
    }
}

impl LiveSession {
    /// Forwards input to the customer's program, if this participant may control it now.
    pub async fn input(&self, from: ParticipantId, input: Input) -> Result<(), RefusalReason> {
        let may = || self.committed().session.may_control(from);
        if !may() {
            return Err(RefusalReason::NotGranted);
        }
        self.transfer_throttle.note_input(Instant::now());
        let program = self.attachments.input().ok_or(RefusalReason::NoCustomer)?;
        // A full queue delays this technician's stream and nothing else.
        let permit = program.reserve().await.map_err(|_| RefusalReason::NoCustomer)?;
        let mut owner = self.input_owner.lock();
        // Checked again under the lock: after a release for this participant, none of their input may follow.
        if !may() {
            return Err(RefusalReason::NotGranted);
        }
        *owner = Some(from);
        permit.send(input);
        Ok(())
    }

    /// Releases the keys and buttons that this participant holds down.
    pub fn release_input(&self, who: ParticipantId) {
        self.release_input_unless(|owner| owner != who);
    }

    /// Releases keys and buttons unless `may` says that their owner still controls the desktop.
    pub(super) fn release_input_unless(&self, may: impl FnOnce(ParticipantId) -> bool) {
        let mut owner = self.input_owner.lock();
        if owner.is_some_and(|who| !may(who)) {
            *owner = None;
            if let Some(program) = self.attachments.input() {
                release(program);
            }
        }
    }
}

/// Sends the release, in a task of its own if the queue is full.
fn release(program: mpsc::Sender<Input>) {
    let Err(TrySendError::Full(message)) = program.try_send(Input::ReleaseAll {}) else { return };
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { program.send(message).await });
    }
}
