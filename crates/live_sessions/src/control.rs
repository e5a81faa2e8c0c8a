//! Whose hand reaches the customer's desktop. When it no longer may, or its page is gone, the program is told to let go of
//! whatever it holds, behind everything that it was told before.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use protocol::{Input, ParticipantId, RefusalReason};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::LiveSession;

/// Whose input went to the program last: what is held there is theirs.
#[derive(Default)]
pub(super) struct InputOwner(Mutex<Option<ParticipantId>>);

impl InputOwner {
    fn lock(&self) -> MutexGuard<'_, Option<ParticipantId>> {
        self.0.lock().expect("nobody panics while holding the owner of input")
    }
}

impl LiveSession {
    /// Passes input on to the customer's program, if this participant may control now.
    pub async fn input(&self, from: ParticipantId, input: Input) -> Result<(), RefusalReason> {
        let may = || self.known().session.may_control(from);
        if !may() {
            return Err(RefusalReason::NotGranted);
        }
        self.transfer_throttle.moved(Instant::now());
        let program = self.attachments.input().ok_or(RefusalReason::NoCustomer)?;
        // A full queue holds up this technician's stream, and nothing else.
        let room = program.reserve().await.map_err(|_| RefusalReason::NoCustomer)?;
        let mut owner = self.input_owner.lock();
        // Judged where nobody else can be let go of in between: nothing of theirs follows that.
        if !may() {
            return Err(RefusalReason::NotGranted);
        }
        *owner = Some(from);
        room.send(input);
        Ok(())
    }

    /// Whatever this participant holds is let go.
    pub fn let_go(&self, who: ParticipantId) {
        self.let_go_unless(|owner| owner != who);
    }

    /// Whatever is held is let go, unless its owner still may.
    pub(super) fn let_go_unless(&self, may: impl FnOnce(ParticipantId) -> bool) {
        let mut owner = self.input_owner.lock();
        if owner.is_some_and(|who| !may(who)) {
            *owner = None;
            if let Some(program) = self.attachments.input() {
                release(program);
            }
        }
    }
}

/// Tells the program, also when its queue is full.
fn release(program: mpsc::Sender<Input>) {
    let Err(TrySendError::Full(message)) = program.try_send(Input::ReleaseAll {}) else { return };
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { program.send(message).await });
    }
}
