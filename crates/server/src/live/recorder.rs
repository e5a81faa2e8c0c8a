//! One more viewer, with its own bounded queue and thread: the disk is never inside the forwarding path.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};

use protocol::{FrameKind, SessionId, Timestamp};
use screen::webm;

use super::Frame;
use crate::{config::Config, paths};

/// How many frames may wait for the disk: some seconds of motion. More means that the disk cannot keep up.
const QUEUE: usize = 512;
/// How often what was written is handed to the disk's care, in milliseconds.
const SYNC_MS: u64 = 2_000;

enum Job {
    Frame(Timestamp, Frame),
    Stop,
}

/// A recording in progress.
pub struct Recorder {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts or goes on with a session's file; `base` is its time zero.
    pub fn start(config: &Config, session: &SessionId, base: Timestamp) -> Result<Self, String> {
        if crate::app::free_bytes(&config.data) < config.disk_floor_bytes {
            return Err("the server's disk is nearly full".into());
        }
        std::fs::create_dir_all(paths::recordings(&config.data)).map_err(|e| e.to_string())?;
        let (video, pointer) = (paths::recording(&config.data, session), paths::pointer(&config.data, session));
        let (jobs, queue) = sync_channel(QUEUE);
        let work = move || {
            if let Err(error) = write(&queue, &video, &pointer, base) {
                // Dropping the queue is how the relay notices.
                tracing::error!(%error, "a recording stopped");
            }
        };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(work).map_err(|e| e.to_string())?;
        Ok(Self { jobs, thread })
    }

    /// Records a frame that came at `at`.
    pub fn record(&self, at: Timestamp, frame: &Frame) -> Result<(), String> {
        match self.jobs.try_send(Job::Frame(at, frame.clone())) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err("the server's disk cannot keep up".into()),
            Err(TrySendError::Disconnected(_)) => Err("the server cannot write the recording".into()),
        }
    }

    /// Ends the recording; returns when everything is on the disk.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || {
            let _ = self.jobs.send(Job::Stop);
            let _ = self.thread.join();
        })
        .await;
    }
}

fn write(queue: &Receiver<Job>, video: &PathBuf, pointer: &Path, base: Timestamp) -> anyhow::Result<()> {
    let open = |path: &Path| File::options().read(true).write(true).create(true).truncate(false).open(path);
    let mut writer = match std::fs::metadata(video) {
        Ok(found) if found.len() > 0 => Some(webm::recover(open(video)?)?.0),
        _ => None,
    };
    let mut pointers = BufWriter::new(File::options().append(true).create(true).open(pointer)?);
    let mut synced = base;
    while let Ok(Job::Frame(at, frame)) = queue.recv() {
        let time = at.since(base);
        let payload = &frame.bytes[frame.header.payload_at()..];
        match frame.header.kind {
            FrameKind::Picture { key, .. } => match &mut writer {
                Some(writer) => writer.frame(time, key, payload)?,
                // Decoding starts at a keyframe, and so does the file.
                None if key => {
                    writer = Some(webm::Writer::start(open(video)?, frame.header.width, frame.header.height, payload)?);
                }
                None => {}
            },
            FrameKind::PointerAt => {
                pointers.write_all(&u32::try_from(time).unwrap_or(u32::MAX).to_be_bytes())?;
                pointers.write_all(payload)?;
            }
            FrameKind::PointerShape => {}
        }
        if at.since(synced) >= SYNC_MS {
            synced = at;
            pointers.flush()?;
            if let Some(writer) = &writer {
                writer.file().sync_data()?;
            }
        }
    }
    pointers.flush()?;
    if let Some(writer) = &writer {
        writer.file().sync_data()?;
    }
    Ok(())
}
