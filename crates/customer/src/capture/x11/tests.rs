//! Capture on displays of every depth, and on one that changes its size.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use x11rb::protocol::xproto::{CreateGCAux, EventMask, Rectangle};

use super::*;

/// An X server for this test alone.
struct Display {
    server: Child,
    name: String,
    x: RustConnection,
    root: Window,
}

impl Display {
    fn start(width: u16, height: u16, depth: u8) -> Self {
        let screen = format!("{width}x{height}x{depth}");
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &screen])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let name = format!(":{}", number.trim());
        let (x, _) = RustConnection::connect(Some(&name)).unwrap();
        let root = x.setup().roots[0].root;
        Self { server, name, x, root }
    }

    fn capture(&self) -> X11 {
        let (near, _) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        X11::open_display(Some(&self.name), near).unwrap()
    }

    /// Makes the screen smaller. The old mode must be disabled first, because it would not fit.
    fn resize(&self, width: u16, height: u16) {
        let all = self.x.randr_get_screen_resources_current(self.root).unwrap().reply().unwrap();
        for crtc in all.crtcs {
            let normal = randr::Rotation::ROTATE0;
            let off = self.x.randr_set_crtc_config(crtc, 0, all.config_timestamp, 0, 0, 0, normal, &[]).unwrap();
            off.reply().unwrap();
        }
        self.x.randr_set_screen_size(self.root, width, height, 42, 32).unwrap().check().unwrap();
    }

    /// Fills a rectangle with a colour, as close as the display can show it.
    fn fill(&self, rect: Rectangle, [red, green, blue]: [u16; 3]) {
        let map = self.x.setup().roots[0].default_colormap;
        let pixel = self.x.alloc_color(map, red << 8, green << 8, blue << 8).unwrap().reply().unwrap().pixel;
        let gc = self.x.generate_id().unwrap();
        self.x.create_gc(gc, self.root, &CreateGCAux::new().foreground(pixel)).unwrap();
        self.x.poly_fill_rectangle(self.root, gc, &[rect]).unwrap().check().unwrap();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The whole picture as it was captured, BGRX.
fn picture(capture: &mut X11) -> Vec<u8> {
    let (width, height) = capture.size();
    let mut all = vec![0; usize::from(width) * usize::from(height) * 4];
    capture
        .changes(&mut |rect, bgrx| {
            assert_eq!(bgrx.len(), usize::from(rect.width) * usize::from(rect.height) * 4);
            for (row, line) in bgrx.chunks_exact(usize::from(rect.width) * 4).enumerate() {
                let at = ((usize::from(rect.y) + row) * usize::from(width) + usize::from(rect.x)) * 4;
                all[at..at + line.len()].copy_from_slice(line);
            }
        })
        .unwrap();
    all
}

#[test]
fn a_display_of_any_depth_is_captured_correctly() {
    // An odd width, so that rows are padded.
    const WIDTH: u16 = 101;
    for (depth, error) in [(8, 0), (15, 8), (16, 8), (24, 0), (30, 1)] {
        let display = Display::start(WIDTH, 40, depth);
        let colours = [[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [120, 60, 200]];
        for (place, colour) in (0..).zip(colours) {
            display.fill(Rectangle { x: 20 * place, y: 0, width: 20, height: 40 }, colour);
        }
        let mut capture = display.capture();
        for (memory, place) in [(true, 0), (true, 39), (false, 39)] {
            if !memory {
                capture.memory = None;
            }
            capture.all = true;
            let all = picture(&mut capture);
            for (column, [red, green, blue]) in (0..).zip(colours) {
                let at = (place * usize::from(WIDTH) + column * 20 + 10) * 4;
                for (seen, drawn) in all[at..at + 3].iter().zip([blue, green, red]) {
                    let off = u16::from(*seen).abs_diff(drawn);
                    assert!(off <= error, "depth {depth}, colour {column}: {:?}", &all[at..at + 3]);
                }
            }
        }
    }
}

#[test]
fn a_new_size_is_reported_before_its_pixels_are_read() {
    let display = Display::start(320, 200, 24);
    let mut capture = display.capture();
    assert_eq!(capture.size(), (320, 200));
    display.fill(Rectangle { x: 0, y: 0, width: 320, height: 200 }, [0, 0, 255]);
    // The screen shrinks after its damage was noticed, so the requested area no longer fits.
    assert!(capture.wait(Duration::from_secs(10)).unwrap().damaged);
    display.resize(160, 120);
    let mut read = 0;
    capture.changes(&mut |_, _| read += 1).unwrap();
    assert_eq!(read, 0);
    let update = capture.wait(Duration::from_secs(10)).unwrap();
    assert_eq!((update.size, update.damaged), (Some((160, 120)), true));
    assert_eq!(picture(&mut capture).len(), 160 * 120 * 4);
    // The event of a rotated screen has the sides from before the rotation.
    let turned = randr::ScreenChangeNotifyEvent {
        response_type: capture.x.extension_information(randr::X11_EXTENSION_NAME).unwrap().unwrap().first_event,
        rotation: randr::Rotation::ROTATE90,
        sequence: 0,
        timestamp: 0,
        config_timestamp: 0,
        root: display.root,
        request_window: display.root,
        size_id: 0,
        subpixel_order: x11rb::protocol::render::SubPixel::UNKNOWN,
        width: 120,
        height: 160,
        mwidth: 32,
        mheight: 42,
    };
    display.x.send_event(false, display.root, EventMask::STRUCTURE_NOTIFY, turned).unwrap().check().unwrap();
    display.fill(Rectangle { x: 0, y: 0, width: 10, height: 10 }, [255, 0, 0]);
    let update = capture.wait(Duration::from_secs(10)).unwrap();
    assert_eq!((update.size, capture.size()), (None, (160, 120)), "the screen's own size counts");
}
