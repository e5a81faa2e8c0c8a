//! The technician's hand on this machine: one small trait, one file a system.

mod keys;
#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
mod x11;

use std::sync::{Arc, Mutex};

use protocol::{Input, MAX_TEXT_CHARS};
use session::Consent;
use tokio::sync::mpsc;

use crate::link::lock;

/// Something that can move the pointer and press keys.
pub trait Inject: Send {
    /// Does one act. What this system cannot do is left undone.
    fn act(&mut self, input: &Input);
    /// Lets go of every key and button that was pressed.
    fn release_all(&mut self);
    /// Whether the system keeps this act from the window that it is meant for; `None` where the act is meant for none.
    fn is_blocked(&mut self, _: &Input) -> Option<bool> {
        None
    }
}

/// A thread that acts, as long as the customer's consent lets it.
pub struct Hands(mpsc::Sender<Input>);

impl Hands {
    /// Starts the thread; the system's input is opened with the first act. `blocked` is told what [`Inject::is_blocked`] says,
    /// when that changes.
    pub fn start(consent: Arc<Mutex<Consent>>, blocked: mpsc::Sender<bool>) -> Self {
        let (sender, queue) = mpsc::channel(256);
        let spawned = std::thread::Builder::new().name("input".into()).spawn(move || run(&consent, queue, &blocked));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for input");
        }
        Self(sender)
    }

    /// Hands an act over, waiting while the system is busy with those before.
    pub async fn act(&self, input: Input) {
        let _ = self.0.send(input).await;
    }
}

fn run(consent: &Mutex<Consent>, mut queue: mpsc::Receiver<Input>, blocked: &mpsc::Sender<bool>) {
    let mut inject: Option<Box<dyn Inject>> = None;
    let mut said = false;
    while let Some(input) = queue.blocking_recv() {
        // The last judge: asked before every act, whatever the server believes.
        if !lock(consent).may_control() {
            if let Some(inject) = &mut inject {
                inject.release_all();
            }
            continue;
        }
        if matches!(&input, Input::Text { text } if text.chars().count() > MAX_TEXT_CHARS) {
            continue;
        }
        if inject.is_none() {
            inject = open();
        }
        if let Some(inject) = &mut inject {
            inject.act(&input);
            if let Some(now) = inject.is_blocked(&input)
                && now != said
                && blocked.try_send(now).is_ok()
            {
                said = now;
            }
        }
    }
    // The connection ended: nothing stays pressed.
    if let Some(inject) = &mut inject {
        inject.release_all();
    }
}

#[cfg(windows)]
fn open() -> Option<Box<dyn Inject>> {
    Some(Box::new(win32::Win32::default()))
}

#[cfg(target_os = "linux")]
fn open() -> Option<Box<dyn Inject>> {
    match x11::X11::open() {
        Ok(x11) => Some(Box::new(x11)),
        Err(error) => {
            tracing::error!(%error, "input is not possible");
            None
        }
    }
}
