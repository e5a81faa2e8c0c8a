//! X11: four windows that no window manager touches and no pointer can hit.

use protocol::{MAX_MONITORS, Monitor};
use x11rb::{
    COPY_DEPTH_FROM_PARENT,
    connection::Connection,
    protocol::{
        shape::{self, ConnectionExt as _},
        xproto::{ClipOrdering, ConnectionExt as _, CreateWindowAux, WindowClass},
    },
    rust_connection::RustConnection,
};

/// Width and height of the screen, in pixels.
pub fn screen_size() -> anyhow::Result<(u16, u16)> {
    let (x, number) = RustConnection::connect(None)?;
    let geometry = x.get_geometry(x.setup().roots[number].root)?.reply()?;
    Ok((geometry.width, geometry.height))
}

/// The monitors that the screen consists of, the primary one first. (RandR 1.5, `RRGetMonitors`.)
pub fn monitors() -> anyhow::Result<Vec<Monitor>> {
    use x11rb::protocol::randr::ConnectionExt as _;
    let (x, number) = RustConnection::connect(None)?;
    let mut all = x.randr_get_monitors(x.setup().roots[number].root, true)?.reply()?.monitors;
    all.sort_by_key(|m| !m.primary);
    let mut monitors = Vec::new();
    for m in all.into_iter().take(MAX_MONITORS) {
        let name = x.get_atom_name(m.name)?.reply()?.name;
        let (x, y) = (u16::try_from(m.x).unwrap_or(0), u16::try_from(m.y).unwrap_or(0));
        let name = String::from_utf8_lossy(&name).into_owned();
        monitors.push(Monitor { name, x, y, width: m.width, height: m.height });
    }
    Ok(monitors)
}

/// How thick the border is, in pixels.
const THICK: u16 = 4;

/// A border that shows as long as this value lives.
pub struct Border {
    _x: RustConnection,
}

impl Border {
    /// Shows the border around the whole screen, in this colour (0xRRGGBB).
    pub fn show(colour: u32) -> anyhow::Result<Self> {
        let (x, number) = RustConnection::connect(None)?;
        let screen = &x.setup().roots[number];
        let geometry = x.get_geometry(screen.root)?.reply()?;
        let (width, height) = (geometry.width, geometry.height);
        let sides = [
            (0, 0, width, THICK),
            (0, height.saturating_sub(THICK), width, THICK),
            (0, 0, THICK, height),
            (width.saturating_sub(THICK), 0, THICK, height),
        ];
        for (left, top, w, h) in sides {
            let window = x.generate_id()?;
            let look = CreateWindowAux::new().override_redirect(1).background_pixel(colour).border_pixel(0);
            x.create_window(
                COPY_DEPTH_FROM_PARENT,
                window,
                screen.root,
                left.cast_signed(),
                top.cast_signed(),
                w,
                h,
                0,
                WindowClass::INPUT_OUTPUT,
                screen.root_visual,
                &look,
            )?;
            // No rectangle takes input: clicks go through.
            x.shape_rectangles(shape::SO::SET, shape::SK::INPUT, ClipOrdering::UNSORTED, window, 0, 0, &[])?;
            x.map_window(window)?;
        }
        x.flush()?;
        Ok(Self { _x: x })
    }
}
