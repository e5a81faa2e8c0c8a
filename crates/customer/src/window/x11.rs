//! X11: the screen from its root window, monitors from RandR, overlays with the Shape extension.

use protocol::{MAX_MONITORS, Monitor};
use x11rb::{
    COPY_DEPTH_FROM_PARENT,
    connection::Connection,
    protocol::{
        shape::{self, ConnectionExt as _},
        xproto::{ClipOrdering, ConnectionExt as _, CreateWindowAux, Rectangle, WindowClass},
    },
    rust_connection::RustConnection,
};

use super::Area;

/// Width and height of the screen, in pixels.
pub fn screen_size() -> anyhow::Result<(u16, u16)> {
    let (x, number) = RustConnection::connect(None)?;
    let geometry = x.get_geometry(x.setup().roots[number].root)?.reply()?;
    Ok((geometry.width, geometry.height))
}

/// The monitors of the screen, the primary one first. (RandR 1.5, `RRGetMonitors`.)
pub fn monitors() -> anyhow::Result<Vec<Monitor>> {
    use x11rb::protocol::randr::ConnectionExt as _;
    let (x, number) = RustConnection::connect(None)?;
    let mut all = x.randr_get_monitors(x.setup().roots[number].root, true)?.reply()?.monitors;
    all.sort_by_key(|m| !m.primary);
    let mut monitors = Vec::new();
    for m in all {
        let name = x.get_atom_name(m.name)?.reply()?.name;
        let (x, y) = (u16::try_from(m.x).unwrap_or(0), u16::try_from(m.y).unwrap_or(0));
        let name = String::from_utf8_lossy(&name).into_owned();
        monitors.push(Monitor { name, x, y, width: m.width, height: m.height });
    }
    monitors.retain(Monitor::fits);
    monitors.truncate(MAX_MONITORS);
    Ok(monitors)
}

/// Areas of the screen in one colour, until this value is dropped: one window in their shape, which no window manager
/// manages and which ignores the pointer. It closes with its connection.
pub struct Overlay {
    _x: RustConnection,
}

impl Overlay {
    /// Shows these areas in this colour (0xRRGGBB).
    pub fn show(areas: &[Area], colour: u32) -> anyhow::Result<Self> {
        let (x, number) = RustConnection::connect(None)?;
        let screen = &x.setup().roots[number];
        let geometry = x.get_geometry(screen.root)?.reply()?;
        let (width, height, kind) = (geometry.width, geometry.height, WindowClass::INPUT_OUTPUT);
        let (root, visual, window) = (screen.root, screen.root_visual, x.generate_id()?);
        let look = CreateWindowAux::new().override_redirect(1).background_pixel(colour).border_pixel(0);
        x.create_window(COPY_DEPTH_FROM_PARENT, window, root, 0, 0, width, height, 0, kind, visual, &look)?;
        let rectangle = |a: &Area| Rectangle { x: a.x, y: a.y, width: a.width, height: a.height };
        let shape: Vec<_> = areas.iter().map(rectangle).collect();
        x.shape_rectangles(shape::SO::SET, shape::SK::BOUNDING, ClipOrdering::UNSORTED, window, 0, 0, &shape)?;
        // No rectangle takes input: clicks pass through.
        x.shape_rectangles(shape::SO::SET, shape::SK::INPUT, ClipOrdering::UNSORTED, window, 0, 0, &[])?;
        x.map_window(window)?;
        x.flush()?;
        Ok(Self { _x: x })
    }
}
