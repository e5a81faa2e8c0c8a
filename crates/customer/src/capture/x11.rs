//! X11: damage by XDamage, pixels by MIT-SHM, the pointer by XFixes and XInput 2, sizes by RandR.

mod pixels;

use std::{io::Read, os::fd::AsFd, os::unix::net::UnixStream, time::Duration};

use memmap2::MmapMut;
use protocol::{MAX_POINTER_SIDE, PointerShape, ShareTrouble};
use rustix::event::{PollFd, PollFlags, Timespec};
use screen::Rect;
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        ErrorKind, Event,
        damage::{self, ConnectionExt as _},
        randr::{self, ConnectionExt as _},
        shm::{self, ConnectionExt as _},
        xfixes::{self, ConnectionExt as _},
        xinput::{self, ConnectionExt as _},
        xproto::{ChangeWindowAttributesAux, Colormap, ConnectionExt as _, EventMask, ImageFormat, Window},
    },
    rust_connection::RustConnection,
};

use super::{Capture, CaptureUpdate};
use pixels::{Layout, Table};

/// More rectangles than this are read as their bounding box: one request instead of many.
const MOST_RECTANGLES: usize = 24;

/// Why a request to the X server failed.
#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the X server has no more ids")]
    Ids(#[from] x11rb::errors::ReplyOrIdError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("a pixel of this screen is not a whole number of bytes")]
    Layout,
}

impl CaptureError {
    /// The request did not fit the window: its size has changed in the meantime.
    fn is_mismatch(&self) -> bool {
        matches!(self, Self::Reply(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Match)
    }
}

impl From<CaptureError> for ShareTrouble {
    fn from(error: CaptureError) -> Self {
        tracing::error!(%error, "the screen cannot be captured");
        match error {
            CaptureError::Reply(ReplyError::X11Error(_)) => Self::NoPermission,
            CaptureError::Reply(ReplyError::ConnectionError(_))
            | CaptureError::Connection(_)
            | CaptureError::Ids(_)
            | CaptureError::Io(_)
            | CaptureError::Layout => Self::NoScreen,
        }
    }
}

/// Pixels in memory that X server and program share.
struct SharedMemory {
    segment: shm::Seg,
    map: MmapMut,
}

/// What events have reported.
#[derive(Default)]
struct Events {
    damaged: bool,
    moved: bool,
    shaped: bool,
    resized: bool,
}

pub struct X11 {
    x: RustConnection,
    root: Window,
    colormap: Colormap,
    layout: Layout,
    /// The colour table, if the layout has one.
    table: Table,
    size: (u16, u16),
    /// The size that was last reported: nothing is read before the current one is.
    reported: (u16, u16),
    damage: damage::Damage,
    region: xfixes::Region,
    memory: Option<SharedMemory>,
    wake: UnixStream,
    damaged: bool,
    all: bool,
}

impl X11 {
    pub fn open(wake: UnixStream) -> Result<Self, ShareTrouble> {
        Self::open_display(None, wake)
    }

    fn open_display(display: Option<&str>, wake: UnixStream) -> Result<Self, ShareTrouble> {
        let (x, number) = RustConnection::connect(display).map_err(|error| {
            tracing::error!(%error, "X display cannot be opened");
            ShareTrouble::NoScreen
        })?;
        Ok(Self::prepare(x, number, wake)?)
    }

    fn prepare(x: RustConnection, number: usize, wake: UnixStream) -> Result<Self, CaptureError> {
        let screen = &x.setup().roots[number];
        let (root, size) = (screen.root, (screen.width_in_pixels, screen.height_in_pixels));
        let layout = Layout::of(x.setup(), screen).ok_or(CaptureError::Layout)?;
        let colormap = screen.default_colormap;
        x.damage_query_version(1, 1)?.reply()?;
        x.xfixes_query_version(5, 0)?.reply()?;
        x.randr_query_version(1, 5)?.reply()?;
        x.xinput_xi_query_version(2, 2)?.reply()?;
        let (damage, region) = (x.generate_id()?, x.generate_id()?);
        x.damage_create(damage, root, damage::ReportLevel::NON_EMPTY)?.check()?;
        x.xfixes_create_region(region, &[])?.check()?;
        x.xfixes_select_cursor_input(root, xfixes::CursorNotifyMask::DISPLAY_CURSOR)?.check()?;
        x.randr_select_input(root, randr::NotifyMask::SCREEN_CHANGE)?.check()?;
        let structure = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        x.change_window_attributes(root, &structure)?.check()?;
        // Raw motion comes from every device, wherever the pointer is, so that its position need not be polled.
        let motion = xinput::EventMask { deviceid: 1, mask: vec![xinput::XIEventMask::RAW_MOTION] };
        x.xinput_xi_select_events(root, &[motion])?.check()?;
        let mut capture = Self {
            x,
            root,
            colormap,
            layout,
            table: Table::new(),
            size,
            reported: size,
            damage,
            region,
            memory: None,
            wake,
            damaged: true,
            all: true,
        };
        // The setup has the size at the time when the display was opened, which may have changed.
        capture.check_size()?;
        capture.reported = capture.size;
        capture.memory = capture.share_memory();
        Ok(capture)
    }

    /// A segment for the whole screen, by MIT-SHM 1.2; without it pixels come over the socket.
    fn share_memory(&self) -> Option<SharedMemory> {
        self.x.extension_information(shm::X11_EXTENSION_NAME).ok()??;
        let length = self.layout.length(self.size.0, self.size.1);
        let segment = self.x.generate_id().ok()?;
        let reply = self.x.shm_create_segment(segment, u32::try_from(length).ok()?, false).ok()?.reply().ok()?;
        let file = std::fs::File::from(reply.shm_fd);
        // SAFETY: the segment is private to this program and the X server, which writes only while it answers a request
        // of ours; the bytes are read only after that answer. Its length is the one that was asked for.
        let map = unsafe { memmap2::MmapOptions::new().len(length).map_mut(&file) }.ok()?;
        Some(SharedMemory { segment, map })
    }

    /// Reads the current size. Events report it as it was, and RandR as it was before a rotation.
    fn check_size(&mut self) -> Result<(), CaptureError> {
        let root = self.x.get_geometry(self.root)?.reply()?;
        if (root.width, root.height) != self.size {
            self.size = (root.width, root.height);
            if let Some(old) = self.memory.take() {
                let _ = self.x.shm_detach(old.segment);
            }
            self.memory = self.share_memory();
            (self.all, self.damaged) = (true, true);
        }
        Ok(())
    }

    fn changed_rectangles(&mut self) -> Result<Vec<Rect>, CaptureError> {
        let whole = Rect { x: 0, y: 0, width: self.size.0, height: self.size.1 };
        self.x.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region = self.x.xfixes_fetch_region(self.region)?.reply()?;
        self.damaged = false;
        if std::mem::take(&mut self.all) {
            return Ok(vec![whole]);
        }
        let rect = |r: &x11rb::protocol::xproto::Rectangle| {
            let (x, y) = (r.x.max(0).cast_unsigned(), r.y.max(0).cast_unsigned());
            Rect { x, y, width: r.width, height: r.height }.clipped(self.size.0, self.size.1)
        };
        if region.rectangles.len() > MOST_RECTANGLES {
            return Ok(rect(&region.extents).into_iter().collect());
        }
        Ok(region.rectangles.iter().filter_map(rect).collect())
    }

    fn read(&self, rect: Rect, take: &mut dyn FnMut(Rect, &[u8])) -> Result<(), CaptureError> {
        let (x, y) = (rect.x.cast_signed(), rect.y.cast_signed());
        let length = self.layout.length(rect.width, rect.height);
        let mut give = |pixels: &[u8]| {
            if self.layout.is_bgrx() {
                take(rect, pixels);
            } else {
                take(rect, &self.layout.to_bgrx(rect.width, pixels, &self.table));
            }
        };
        match &self.memory {
            Some(memory) => {
                let format = u8::from(ImageFormat::Z_PIXMAP);
                let asked =
                    self.x.shm_get_image(self.root, x, y, rect.width, rect.height, !0, format, memory.segment, 0)?;
                asked.reply()?;
                give(&memory.map[..length]);
            }
            None => {
                let asked = self.x.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, rect.width, rect.height, !0)?;
                let image = asked.reply()?;
                if image.data.len() >= length {
                    give(&image.data[..length]);
                }
            }
        }
        Ok(())
    }

    /// The current colours of pixel values.
    fn read_table(&self, entries: u16) -> Result<Table, CaptureError> {
        let all: Vec<u32> = (0..entries.into()).collect();
        let colours = self.x.query_colors(self.colormap, &all)?.reply()?.colors;
        let high = |part: u16| (part >> 8) as u8;
        Ok(colours.iter().map(|c| [high(c.red), high(c.green), high(c.blue)]).collect())
    }

    fn read_changes(&mut self, take: &mut dyn FnMut(Rect, &[u8])) -> Result<(), CaptureError> {
        if let Some(entries) = self.layout.table_entries() {
            self.table = self.read_table(entries)?;
        }
        for rect in self.changed_rectangles()? {
            self.read(rect, take)?;
        }
        Ok(())
    }

    fn note_event(&self, event: &Event, events: &mut Events) {
        match event {
            Event::DamageNotify(_) => events.damaged = true,
            Event::XfixesCursorNotify(_) => events.shaped = true,
            Event::XinputRawMotion(_) => events.moved = true,
            Event::RandrScreenChangeNotify(_) => events.resized = true,
            Event::ConfigureNotify(e) if e.window == self.root => events.resized = true,
            _ => {}
        }
    }

    fn pointer_at(&self) -> Result<(u16, u16), CaptureError> {
        let reply = self.x.query_pointer(self.root)?.reply()?;
        Ok((reply.root_x.max(0).cast_unsigned(), reply.root_y.max(0).cast_unsigned()))
    }

    fn pointer_shape(&self) -> Result<Option<PointerShape>, CaptureError> {
        let image = self.x.xfixes_get_cursor_image()?.reply()?;
        let sides = 1..=MAX_POINTER_SIDE;
        if !sides.contains(&image.width) || !sides.contains(&image.height) {
            return Ok(None);
        }
        // XFixes gives ARGB, premultiplied; a page expects RGBA, not premultiplied.
        let straight = |colour: u32, alpha: u32| (colour * 255).checked_div(alpha).unwrap_or(0).min(255) as u8;
        let pixel = |p: &u32| {
            let alpha = p >> 24;
            [straight(p >> 16 & 255, alpha), straight(p >> 8 & 255, alpha), straight(p & 255, alpha), alpha as u8]
        };
        let rgba = image.cursor_image.iter().flat_map(pixel).collect();
        let (hot_x, hot_y, width, height) = (image.xhot, image.yhot, image.width, image.height);
        Ok(Some(PointerShape { hot_x, hot_y, width, height, rgba }))
    }

    fn gather(&mut self, most: Duration) -> Result<CaptureUpdate, CaptureError> {
        let mut events = Events::default();
        self.x.flush()?;
        let mut event = self.x.poll_for_event()?;
        if event.is_none() && !most.is_zero() && self.size == self.reported {
            let mut fds = [
                PollFd::from_borrowed_fd(self.x.stream().as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN),
            ];
            let limit = Timespec::try_from(most).ok();
            if let Err(error) = rustix::event::poll(&mut fds, limit.as_ref())
                && error != rustix::io::Errno::INTR
            {
                return Err(CaptureError::Io(error.into()));
            }
            let mut bytes = [0; 64];
            while matches!((&self.wake).read(&mut bytes), Ok(n) if n == bytes.len()) {}
            event = self.x.poll_for_event()?;
        }
        while let Some(e) = event {
            self.note_event(&e, &mut events);
            event = self.x.poll_for_event()?;
        }
        if events.resized {
            self.check_size()?;
        }
        self.damaged |= events.damaged;
        let mut update = CaptureUpdate { damaged: events.damaged, ..CaptureUpdate::default() };
        if self.size != self.reported {
            self.reported = self.size;
            update.size = Some(self.size);
            update.damaged = true;
        }
        if events.moved {
            update.pointer_at = Some(self.pointer_at()?);
        }
        if events.shaped {
            update.pointer_shape = self.pointer_shape()?;
        }
        Ok(update)
    }
}

impl Capture for X11 {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn wait(&mut self, most: Duration) -> Result<CaptureUpdate, ShareTrouble> {
        Ok(self.gather(most)?)
    }

    fn changes(&mut self, take: &mut dyn FnMut(Rect, &[u8])) -> Result<(), ShareTrouble> {
        if self.size != self.reported || !(self.damaged || self.all) {
            return Ok(());
        }
        match self.read_changes(take) {
            Err(error) if error.is_mismatch() => {
                // The screen may have become smaller between its damage and the request for its pixels.
                self.check_size()?;
                if self.size == self.reported { Err(error.into()) } else { Ok(()) }
            }
            read => Ok(read?),
        }
    }

    fn pointer(&mut self) -> Result<CaptureUpdate, ShareTrouble> {
        let (at, shape) = (self.pointer_at()?, self.pointer_shape()?);
        Ok(CaptureUpdate { pointer_at: Some(at), pointer_shape: shape, ..CaptureUpdate::default() })
    }
}

#[cfg(test)]
#[path = "x11/tests.rs"]
mod tests;
