//! The technician's hand on this machine: what is held ([`held`]), one small trait, one file a system.

mod held;
#[cfg(target_os = "linux")]
mod keymap;
mod keys;
#[cfg(target_os = "linux")]
mod spare;
#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
mod x11;

use std::{
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use protocol::Input;
use session::Consent;
use tokio::sync::mpsc;

use crate::util::lock;
use held::{Act, Held};

/// How often it is looked whether what is held may still be, while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Something that can move the pointer and press keys.
pub trait InputInjector: Send {
    /// Does one act, for as long as `may` says that it may go on. What this system cannot do is left undone.
    fn act(&mut self, act: &Act, may: &dyn Fn() -> bool);
    /// Whether the system keeps this act from the window that it is meant for; `None` where the act is meant for none.
    fn is_blocked(&mut self, _: &Act) -> Option<bool> {
        None
    }
}

/// A thread that acts, as long as the customer's consent lets it. When this is dropped, nothing is held any more.
pub struct InputThread {
    queue: Option<mpsc::Sender<(Instant, Input)>>,
    thread: Option<JoinHandle<()>>,
}

impl InputThread {
    /// Starts the thread; the system's input is opened with the first act. `blocked` is told what [`InputInjector::is_blocked`] says,
    /// when that changes.
    pub fn start(consent: Arc<Mutex<Consent>>, blocked: mpsc::Sender<bool>) -> Self {
        let (sender, queue) = mpsc::channel(256);
        let thread = Thread { consent, blocked, said: false, held: Held::default(), inject: None };
        let thread = std::thread::Builder::new().name("input".into()).spawn(move || thread.run(queue));
        let thread = thread.inspect_err(|error| tracing::error!(%error, "no thread for input")).ok();
        Self { queue: Some(sender), thread }
    }

    /// Hands an act over, waiting while the system is busy with those before.
    pub async fn act(&self, input: Input) {
        if let Some(queue) = &self.queue {
            let _ = queue.send((Instant::now(), input)).await;
        }
    }
}

impl Drop for InputThread {
    fn drop(&mut self) {
        self.queue = None;
        // The program may end next: keys that are down then would stay so.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for input failed");
        }
    }
}

struct Thread {
    consent: Arc<Mutex<Consent>>,
    blocked: mpsc::Sender<bool>,
    said: bool,
    held: Held,
    inject: Option<Box<dyn InputInjector>>,
}

impl Thread {
    fn run(mut self, mut queue: mpsc::Receiver<(Instant, Input)>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "no clock for input"),
        };
        loop {
            let next = if self.held.is_any() {
                runtime.block_on(async { tokio::time::timeout(LOOK_EVERY, queue.recv()).await })
            } else {
                Ok(queue.blocking_recv())
            };
            // The last judge: asked before every act, whatever the server believes, and while anything is held.
            let may = lock(&self.consent).may_control();
            let acts = match next {
                Ok(Some((at, input))) if may => self.held.take(at, input),
                Err(_) if may => self.held.expire(Instant::now()),
                Ok(Some(_)) | Err(_) => self.held.release_all(),
                Ok(None) => break,
            };
            self.act(&acts);
        }
        // The connection ended: nothing stays pressed.
        let acts = self.held.release_all();
        self.act(&acts);
    }

    fn act(&mut self, acts: &[Act]) {
        if self.inject.is_none() && !acts.is_empty() {
            self.inject = open();
        }
        let Some(inject) = &mut self.inject else { return };
        let consent = self.consent.clone();
        let may = move || lock(&consent).may_control();
        for act in acts {
            inject.act(act, &may);
            if let Some(now) = inject.is_blocked(act)
                && now != self.said
                && self.blocked.try_send(now).is_ok()
            {
                self.said = now;
            }
        }
    }
}

#[cfg(windows)]
fn open() -> Option<Box<dyn InputInjector>> {
    Some(Box::new(win32::Win32::default()))
}

#[cfg(target_os = "linux")]
fn open() -> Option<Box<dyn InputInjector>> {
    match x11::X11::open(None) {
        Ok(x11) => Some(Box::new(x11)),
        Err(error) => {
            tracing::error!(%error, "input is not possible");
            None
        }
    }
}
