//! Capture of the screen: one small trait, one file for each system.

#[cfg(windows)]
mod win32;
#[cfg(target_os = "linux")]
mod x11;

use std::time::Duration;

use protocol::{PointerShape, ShareTrouble};
use screen::Rect;

/// Changes of the screen since the last call. Empty when nothing changed.
#[derive(Debug, Default)]
pub struct CaptureUpdate {
    /// Pixels changed somewhere.
    pub damaged: bool,
    /// The new size of the screen.
    pub size: Option<(u16, u16)>,
    /// The new position of the pointer.
    pub pointer_at: Option<(u16, u16)>,
    /// The new shape of the pointer.
    pub pointer_shape: Option<PointerShape>,
    /// Whether the system shows something that no other program may see.
    pub hidden: bool,
}

/// A screen that reports changes without polling.
pub trait Capture: Send {
    /// Width and height in pixels.
    fn size(&self) -> (u16, u16);

    /// Sleeps until something changes, the waker is called, or the time is over. Returns what changed.
    fn wait(&mut self, most: Duration) -> Result<CaptureUpdate, ShareTrouble>;

    /// Passes every rectangle that changed since the last call to `take`, as BGRX bytes.
    fn changes(&mut self, take: &mut dyn FnMut(Rect, &[u8])) -> Result<(), ShareTrouble>;

    /// The position and shape of the pointer, for a viewer that has neither.
    fn pointer(&mut self) -> Result<CaptureUpdate, ShareTrouble>;
}

/// Ends a [`Capture::wait`] from another thread. Without its capture, a waker does nothing.
pub struct Waker(Box<dyn Fn() + Send>);

impl Waker {
    /// Wakes.
    pub fn wake(&self) {
        (self.0)();
    }
}

/// The screen of this machine.
#[cfg(target_os = "linux")]
pub fn open() -> Result<(Box<dyn Capture>, Waker), ShareTrouble> {
    use std::{io::Write, os::unix::net::UnixStream};

    let (near, far) = UnixStream::pair().map_err(|_| ShareTrouble::NoScreen)?;
    near.set_nonblocking(true).map_err(|_| ShareTrouble::NoScreen)?;
    far.set_nonblocking(true).map_err(|_| ShareTrouble::NoScreen)?;
    let wake = move || {
        let _ = (&far).write(&[1]);
    };
    Ok((Box::new(x11::X11::open(near)?), Waker(Box::new(wake))))
}

/// The screen of this machine.
#[cfg(windows)]
pub fn open() -> Result<(Box<dyn Capture>, Waker), ShareTrouble> {
    let screen = win32::Watched::open()?;
    let wake = screen.waker();
    Ok((Box::new(screen), Waker(Box::new(wake))))
}
