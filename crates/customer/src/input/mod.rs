//! The technician's input on this machine: held keys and buttons ([`held`]), one small trait, one file for each system.

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

/// How often held keys and buttons are checked while no input arrives.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Moves the pointer and presses keys.
pub trait InputInjector: Send {
    /// Executes one action while `may` allows it. Actions that this system does not support are skipped.
    fn act(&mut self, act: &Act, may: &dyn Fn() -> bool);
    /// Whether the system keeps this action from its target window; `None` if it has no target.
    fn is_blocked(&mut self, _: &Act) -> Option<bool> {
        None
    }
}

/// A thread that executes input while the customer's consent allows it. Dropping this releases everything that is held.
pub struct InputThread {
    queue: Option<mpsc::Sender<(Instant, Input)>>,
    thread: Option<JoinHandle<()>>,
}

impl InputThread {
    /// Starts the thread; the system's input is opened with the first action. `blocked` learns when
    /// [`InputInjector::is_blocked`] changes.
    pub fn start(consent: Arc<Mutex<Consent>>, blocked: mpsc::Sender<bool>) -> Self {
        let (sender, queue) = mpsc::channel(256);
        let thread = Thread { consent, blocked, said: false, held: Held::default(), inject: None };
        let thread = std::thread::Builder::new().name("input".into()).spawn(move || thread.run(queue));
        let thread = thread.inspect_err(|error| tracing::error!(%error, "input thread cannot be started")).ok();
        Self { queue: Some(sender), thread }
    }

    /// Queues an input; waits while the system is busy with earlier ones.
    pub async fn act(&self, input: Input) {
        if let Some(queue) = &self.queue {
            let _ = queue.send((Instant::now(), input)).await;
        }
    }
}

impl Drop for InputThread {
    fn drop(&mut self) {
        self.queue = None;
        // The program may end next, and keys must not stay down.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("input thread panicked");
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
            Err(error) => return tracing::error!(%error, "input timer failed"),
        };
        loop {
            let next = if self.held.is_any() {
                runtime.block_on(async { tokio::time::timeout(CHECK_INTERVAL, queue.recv()).await })
            } else {
                Ok(queue.blocking_recv())
            };
            // The last check: before every action, whatever the server believes, and while anything is held.
            let may = lock(&self.consent).may_control();
            let acts = match next {
                Ok(Some((at, input))) if may => self.held.take(at, input),
                Err(_) if may => self.held.expire(Instant::now()),
                Ok(Some(_)) | Err(_) => self.held.release_all(),
                Ok(None) => break,
            };
            self.act(&acts);
        }
        // The connection ended: release everything.
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
            tracing::error!(%error, "input injection not available");
            None
        }
    }
}
