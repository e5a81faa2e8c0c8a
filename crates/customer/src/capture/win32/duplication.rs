//! Desktop Duplication (DXGI 1.2): one thread for each monitor, which sleeps until the system has drawn something
//! there. Written from Microsoft's documentation of `IDXGIOutputDuplication`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyhow::Context;
use protocol::ShareTrouble;
use screen::Rect;
use windows::{
    Win32::{
        Foundation::{HMODULE, RECT},
        Graphics::{
            Direct3D::D3D_DRIVER_TYPE_UNKNOWN,
            Direct3D11::{
                D3D11_CPU_ACCESS_READ, D3D11_CREATE_DEVICE_FLAG, D3D11_MAP_READ, D3D11_MAPPED_SUBRESOURCE,
                D3D11_SDK_VERSION, D3D11_TEXTURE2D_DESC, D3D11_USAGE_STAGING, D3D11CreateDevice, ID3D11Device,
                ID3D11DeviceContext, ID3D11Texture2D,
            },
            Dxgi::{
                Common::{DXGI_MODE_ROTATION_IDENTITY, DXGI_MODE_ROTATION_UNSPECIFIED},
                CreateDXGIFactory1, DXGI_ERROR_WAIT_TIMEOUT, DXGI_OUTDUPL_FRAME_INFO, DXGI_OUTDUPL_MOVE_RECT,
                IDXGIAdapter1, IDXGIFactory1, IDXGIOutput1, IDXGIOutputDuplication, IDXGIResource,
            },
        },
    },
    core::Interface,
};

use super::{Watch, pointer};
use crate::window::{screen_size, virtual_screen};

/// How long to wait for a frame before checking whether sharing has ended, in milliseconds.
const PATIENCE: u32 = 250;
/// How long to wait before a lost monitor is opened again: the secure desktop and mode changes take it away.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// After this many failures in a row the monitor counts as lost: no picture is better than a frozen one.
const MOST_FAILURES: u32 = 40;

/// Starts a thread for each monitor; an error if one of them cannot be duplicated.
pub fn start(watch: &Arc<Watch>) -> anyhow::Result<()> {
    let count = outputs()?.len();
    anyhow::ensure!(count > 0, "no monitor is attached to the desktop");
    let given_up = Arc::new(AtomicBool::new(false));
    let (opened, results) = mpsc::channel();
    for number in 0..count {
        let (watch, given_up, opened) = (watch.clone(), given_up.clone(), opened.clone());
        // DXGI objects stay on the thread that created them.
        std::thread::Builder::new().name("duplication".into()).spawn(move || {
            let duplicated = Duplicated::open(number);
            let _ = opened.send(duplicated.as_ref().map(|_| ()).map_err(|e| format!("{e:#}")));
            if let Ok(duplicated) = duplicated {
                run(&watch, number, duplicated, &given_up);
            }
        })?;
    }
    let failed = results.iter().take(count).find_map(Result::err);
    if let Some(error) = failed {
        given_up.store(true, Ordering::Relaxed);
        anyhow::bail!(error);
    }
    Ok(())
}

fn run(watch: &Watch, number: usize, first: Duplicated, given_up: &AtomicBool) {
    let mut pointer = pointer::Follower::default();
    let mut duplicated = Some(first);
    let mut failures = 0;
    while !watch.is_over() && !given_up.load(Ordering::Relaxed) {
        let Some(monitor) = &mut duplicated else {
            if watch.check_desktop() {
                failures = 0;
            } else {
                duplicated = Duplicated::open(number).ok();
                failures += 1;
            }
            match duplicated {
                Some(_) => failures = 0,
                None if failures > MOST_FAILURES => return watch.fail(ShareTrouble::NoScreen),
                None => std::thread::sleep(RETRY_INTERVAL),
            }
            continue;
        };
        if let Err(error) = monitor.next(watch) {
            tracing::info!(%error, "monitor not available, retrying");
            watch.check_desktop();
            duplicated = None;
        }
        pointer.follow(watch);
    }
}

/// The monitors of the desktop, with their adapters.
fn outputs() -> anyhow::Result<Vec<(IDXGIAdapter1, IDXGIOutput1)>> {
    // SAFETY: COM calls whose interfaces are counted by the values that hold them; an error ends each list.
    unsafe {
        let factory: IDXGIFactory1 = CreateDXGIFactory1()?;
        let mut found = Vec::new();
        for a in 0.. {
            let Ok(adapter) = factory.EnumAdapters1(a) else { break };
            for o in 0.. {
                let Ok(output) = adapter.EnumOutputs(o) else { break };
                if output.GetDesc()?.AttachedToDesktop.as_bool() {
                    found.push((adapter.clone(), output.cast()?));
                }
            }
        }
        Ok(found)
    }
}

/// A duplicated monitor.
struct Duplicated {
    device: ID3D11Device,
    context: ID3D11DeviceContext,
    duplication: IDXGIOutputDuplication,
    /// In Windows coordinates.
    place: RECT,
    /// A texture that the CPU can read, as large as the monitor.
    readable: Option<ID3D11Texture2D>,
    /// Whether no frame was read yet: then a frame counts as a whole.
    whole: bool,
}

impl Duplicated {
    fn open(number: usize) -> anyhow::Result<Self> {
        let (adapter, output) = outputs()?.into_iter().nth(number).context("the monitor is gone")?;
        // SAFETY: as above; the device's driver type is the one that a given adapter demands.
        unsafe {
            let about = output.GetDesc()?;
            let upright = [DXGI_MODE_ROTATION_IDENTITY, DXGI_MODE_ROTATION_UNSPECIFIED].contains(&about.Rotation);
            anyhow::ensure!(upright, "the monitor is rotated");
            let (mut device, mut context) = (None, None);
            D3D11CreateDevice(
                &adapter,
                D3D_DRIVER_TYPE_UNKNOWN,
                HMODULE::default(),
                D3D11_CREATE_DEVICE_FLAG(0),
                None,
                D3D11_SDK_VERSION,
                Some(&mut device),
                None,
                Some(&mut context),
            )?;
            let (device, context) = (device.context("no device")?, context.context("no context")?);
            let duplication = output.DuplicateOutput(&device)?;
            Ok(Self { device, context, duplication, place: about.DesktopCoordinates, readable: None, whole: true })
        }
    }

    /// Waits for the next frame and copies it.
    fn next(&mut self, watch: &Watch) -> anyhow::Result<()> {
        let mut about = DXGI_OUTDUPL_FRAME_INFO::default();
        let mut resource: Option<IDXGIResource> = None;
        // SAFETY: both places live until the call returns.
        match unsafe { self.duplication.AcquireNextFrame(PATIENCE, &mut about, &mut resource) } {
            Err(error) if error.code() == DXGI_ERROR_WAIT_TIMEOUT => return Ok(()),
            other => other?,
        }
        // A frame without a present changes the pointer alone; the first frame shows the whole screen.
        let presented = about.LastPresentTime != 0;
        let taken = match resource {
            Some(resource) if presented || self.whole => self.take(watch, &about, &resource),
            _ => Ok(()),
        };
        self.whole &= !presented;
        // SAFETY: a frame was acquired above and is released once.
        unsafe { self.duplication.ReleaseFrame() }?;
        taken
    }

    fn take(&mut self, watch: &Watch, about: &DXGI_OUTDUPL_FRAME_INFO, frame: &IDXGIResource) -> anyhow::Result<()> {
        let frame: ID3D11Texture2D = frame.cast()?;
        let changed = if self.whole { None } else { self.changed(about)? };
        let readable = self.readable(&frame)?;
        // SAFETY: both textures have the same size and format; the mapped bytes are read before they are unmapped.
        unsafe {
            self.context.CopyResource(&readable, &frame);
            let mut mapped = D3D11_MAPPED_SUBRESOURCE::default();
            self.context.Map(&readable, 0, D3D11_MAP_READ, 0, Some(&mut mapped))?;
            self.copy(watch, &mapped, changed);
            self.context.Unmap(&readable, 0);
        }
        watch.wake.notify_all();
        Ok(())
    }

    /// Copies the changes into the shared picture.
    ///
    /// # Safety
    /// `mapped` must be a texture of this monitor's size, mapped for reading.
    unsafe fn copy(&self, watch: &Watch, mapped: &D3D11_MAPPED_SUBRESOURCE, changed: Option<Vec<RECT>>) {
        let (left, top, ..) = virtual_screen();
        let (width, height) = (self.place.right - self.place.left, self.place.bottom - self.place.top);
        let whole = RECT { left: 0, top: 0, right: width, bottom: height };
        let mut seen = watch.seen();
        match screen_size() {
            Ok(size) if size != seen.size => seen.resize(size),
            Ok(_) => {}
            Err(_) => {
                seen.trouble = Some(ShareTrouble::NoScreen);
                return;
            }
        }
        for part in changed.unwrap_or_else(|| vec![whole]) {
            let side = |n: i32, most: i32| u16::try_from(n.clamp(0, most)).unwrap_or(0);
            let (x, y) = (side(part.left, width), side(part.top, height));
            let (right, bottom) = (side(part.right, width), side(part.bottom, height));
            let (across, down) = (side(self.place.left - left, i32::MAX), side(self.place.top - top, i32::MAX));
            let rect =
                Rect { x: across + x, y: down + y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) };
            let Some(rect) = rect.clipped(seen.size.0, seen.size.1) else { continue };
            for row in 0..rect.height {
                let from = (usize::from(y + row) * mapped.RowPitch as usize) + usize::from(x) * 4;
                let length = usize::from(rect.width) * 4;
                // SAFETY: the rectangle lies within the monitor, and so within the mapped texture.
                let bytes = unsafe { std::slice::from_raw_parts(mapped.pData.cast::<u8>().add(from), length) };
                let to = seen.row(rect.x, rect.y + row, rect.width);
                seen.pixels[to].copy_from_slice(bytes);
            }
            seen.change(rect);
        }
    }

    /// What was moved and drawn since the previous frame, in the monitor's pixels; `None` for everything.
    fn changed(&self, about: &DXGI_OUTDUPL_FRAME_INFO) -> anyhow::Result<Option<Vec<RECT>>> {
        let room = about.TotalMetadataBufferSize as usize;
        if room == 0 {
            return Ok(None);
        }
        let mut moved = vec![DXGI_OUTDUPL_MOVE_RECT::default(); room / size_of::<DXGI_OUTDUPL_MOVE_RECT>() + 1];
        let mut drawn = vec![RECT::default(); room / size_of::<RECT>() + 1];
        let bytes = |length: usize| u32::try_from(length).unwrap_or(0);
        let (mut moved_bytes, mut drawn_bytes) = (0, 0);
        // SAFETY: each buffer has at least the stated length.
        unsafe {
            let space = bytes(moved.len() * size_of::<DXGI_OUTDUPL_MOVE_RECT>());
            self.duplication.GetFrameMoveRects(space, moved.as_mut_ptr(), &mut moved_bytes)?;
            let space = bytes(drawn.len() * size_of::<RECT>());
            self.duplication.GetFrameDirtyRects(space, drawn.as_mut_ptr(), &mut drawn_bytes)?;
        }
        moved.truncate(moved_bytes as usize / size_of::<DXGI_OUTDUPL_MOVE_RECT>());
        drawn.truncate(drawn_bytes as usize / size_of::<RECT>());
        drawn.extend(moved.iter().map(|m| m.DestinationRect));
        Ok(Some(drawn))
    }

    fn readable(&mut self, frame: &ID3D11Texture2D) -> anyhow::Result<ID3D11Texture2D> {
        if let Some(readable) = &self.readable {
            return Ok(readable.clone());
        }
        let mut about = D3D11_TEXTURE2D_DESC::default();
        // SAFETY: the description is a plain structure; the texture that is made is counted by its value.
        let readable = unsafe {
            frame.GetDesc(&mut about);
            about.Usage = D3D11_USAGE_STAGING;
            about.BindFlags = 0;
            about.MiscFlags = 0;
            about.CPUAccessFlags = D3D11_CPU_ACCESS_READ.0 as u32;
            let mut made = None;
            self.device.CreateTexture2D(&about, None, Some(&mut made))?;
            made.context("no texture")?
        };
        self.readable = Some(readable.clone());
        Ok(readable)
    }
}
