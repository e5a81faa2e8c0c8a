//! Writes raw recordings. A recorder has its own bounded queue and thread, so that relaying frames never waits for the
//! disk.

mod frame;
mod placeholder;
mod recordable;

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use evidence::{
    Segment, Segments,
    raw_recording::{self, Record},
    webm::Sequence,
};
use platform::{
    disk::{Disk, Promise},
    paths,
    vault::{self, Vault},
};
use protocol::{FrameKind, SessionId, Timestamp};
use tokio::sync::mpsc;

use placeholder::Coded;

pub use frame::Frame;
pub use placeholder::PlaceholderFrame;
pub use recordable::{Base, Fit};

/// How many frames may wait for the disk: some seconds of motion. More means that the disk cannot keep up.
const QUEUE: usize = 512;
/// How many bytes may wait for the disk.
const QUEUE_BYTES: usize = 48 * 1024 * 1024;
/// How often the file is synced to the disk.
const SYNC: Duration = Duration::from_millis(1_000);
/// How often what is on the disk becomes a segment in the timeline.
const SEGMENT: Duration = Duration::from_secs(10);

enum Job {
    Frame(Timestamp, Frame),
    /// A placeholder frame, and the sequence header of the screen that it covers.
    Placeholder(Timestamp, PlaceholderFrame, Sequence),
    Stop,
}

/// What a recorder reports.
pub enum RecorderEvent {
    /// A segment is on the disk.
    Segment(Segment),
    /// The recording failed for this reason.
    Failed(String),
}

/// The files of a session's raw recordings, in the order in which they were written.
pub fn raw_recordings(data: &Path, id: &SessionId) -> Vec<PathBuf> {
    (1..).map(|n| paths::raw_recording_part(data, id, n)).take_while(|path| path.exists()).collect()
}

/// The total size of these files.
pub fn bytes_of(files: &[PathBuf]) -> io::Result<u64> {
    files.iter().map(|file| Ok(std::fs::metadata(file)?.len())).sum()
}

/// Where recordings and the other files of sessions are written.
pub struct RecordingPlace {
    /// The data folder.
    pub data: PathBuf,
    pub disk: Arc<Disk>,
    pub vault: Arc<Vault>,
}

/// A recording in progress.
pub struct Recorder {
    /// The number of its raw recording.
    pub number: u32,
    /// What the next picture may build on.
    pub base: Base,
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    /// Why it failed.
    failure: Arc<OnceLock<String>>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts a raw recording of the session. It reports to `events`, and `video` reserves disk space for what is
    /// recorded.
    pub fn start(
        place: &RecordingPlace,
        session: &SessionId,
        video: Arc<Mutex<Promise>>,
        events: mpsc::Sender<RecorderEvent>,
    ) -> Result<Self, String> {
        let data = &place.data;
        place.disk.look().map_err(|full| full.to_string())?;
        std::fs::create_dir_all(paths::recordings(data)).map_err(|e| e.to_string())?;
        let number = (1..).find(|n| !paths::raw_recording_part(data, session, *n).exists()).unwrap_or(1);
        let path = paths::raw_recording_part(data, session, number);
        let file = File::create_new(&path).map_err(|e| e.to_string())?;
        let out = place.vault.file(&path).create(file).map_err(|e| e.to_string())?;
        let (jobs, queue) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (open, done) = (Segments::default(), Instant::now());
        let raw = RawRecording { out, video, events: events.clone(), open, written: 0, done };
        let failure = Arc::new(OnceLock::new());
        let (left, why) = (waiting.clone(), failure.clone());
        let work = move || {
            if let Err(error) = write(&queue, &left, raw) {
                tracing::error!(%error, "recording not written");
                let _ = why.set(error.to_string());
                // Dropped after the reason is set, so that whoever finds the queue closed also finds the reason.
                drop(queue);
                let _ = events.blocking_send(RecorderEvent::Failed(error.to_string()));
            }
        };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(work).map_err(|e| e.to_string())?;
        Ok(Self { number, base: Base::default(), jobs, waiting, failure, thread })
    }

    /// Records a frame that arrived at `at` and [fits](Base::fit).
    pub fn record(&mut self, at: Timestamp, frame: &Frame) -> Result<(), String> {
        self.base.advance(frame);
        if self.waiting.fetch_add(frame.bytes.len(), Relaxed) > QUEUE_BYTES {
            return Err("the server's disk cannot keep up".into());
        }
        self.queue(Job::Frame(at, frame.clone()))
    }

    /// Records that nothing is shown from here on.
    pub fn record_placeholder(&mut self, at: Timestamp, placeholder: PlaceholderFrame) {
        let Some(covered) = self.base.cover() else { return };
        // A failure is reported at the next frame.
        let _ = self.queue(Job::Placeholder(at, placeholder, covered));
    }

    fn queue(&self, job: Job) -> Result<(), String> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => "the server's disk cannot keep up".into(),
            TrySendError::Disconnected(_) => {
                self.failure.get().cloned().unwrap_or_else(|| "the server cannot write the recording".into())
            }
        })
    }

    /// Ends the recording, and returns when everything is on the disk.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || {
            let _ = self.jobs.send(Job::Stop);
            let _ = self.thread.join();
        })
        .await;
    }
}

fn write(queue: &Receiver<Job>, waiting: &AtomicUsize, mut raw: RawRecording) -> anyhow::Result<()> {
    let mut synced = Instant::now();
    loop {
        match queue.recv_timeout(SYNC) {
            Ok(Job::Frame(at, frame)) => {
                waiting.fetch_sub(frame.bytes.len(), Relaxed);
                raw.frame(at, &frame)?;
            }
            Ok(Job::Placeholder(at, placeholder, covered)) => raw.placeholder(at, placeholder, &covered)?,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return raw.end(),
        }
        if synced.elapsed() >= SYNC {
            synced = Instant::now();
            raw.sync()?;
        }
    }
}

/// A raw recording that is being written.
struct RawRecording {
    out: vault::Writer<File>,
    /// Disk space reserved for the video that is made of it.
    video: Arc<Mutex<Promise>>,
    events: mpsc::Sender<RecorderEvent>,
    open: Segments,
    /// The bytes written since the last sync.
    written: u64,
    /// When the last segment ended.
    done: Instant,
}

impl RawRecording {
    fn frame(&mut self, at: Timestamp, frame: &Frame) -> anyhow::Result<()> {
        let payload = frame.payload();
        let (width, height) = (frame.header.width, frame.header.height);
        match (frame.header.kind, payload) {
            (FrameKind::Picture { key, .. }, data) => {
                self.picture(Record::Picture { at, width, height, key, data: data.to_vec() })
            }
            (FrameKind::PointerAt, &[a, b, c, d]) => {
                self.put(&Record::Pointer { at, x: u16::from_be_bytes([a, b]), y: u16::from_be_bytes([c, d]) })
            }
            (FrameKind::PointerAt | FrameKind::PointerShape, _) => Ok(()),
        }
    }

    fn placeholder(&mut self, at: Timestamp, frame: PlaceholderFrame, covered: &Sequence) -> anyhow::Result<()> {
        let Coded { width, height, data } = frame.coded([covered.width, covered.height], covered.is_gbr())?;
        self.picture(Record::Picture { at, width, height, key: true, data: data.to_vec() })
    }

    fn picture(&mut self, record: Record) -> anyhow::Result<()> {
        if let Record::Picture { data, .. } = &record {
            self.open.add(data);
        }
        self.put(&record)
    }

    fn put(&mut self, record: &Record) -> anyhow::Result<()> {
        let bytes = raw_recording::encode(record);
        self.out.write_all(&bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        let written = std::mem::take(&mut self.written);
        if written > 0 {
            self.out.flush()?;
            self.out.inner().sync_data()?;
            self.video.lock().expect("lock is not poisoned").more(written)?;
        }
        if self.done.elapsed() >= SEGMENT {
            self.segment();
        }
        Ok(())
    }

    /// Reports what is on the disk as a segment.
    fn segment(&mut self) {
        self.done = Instant::now();
        if let Some(segment) = self.open.end() {
            // A lost segment is found in the raw recording when the evidence is completed.
            let _ = self.events.blocking_send(RecorderEvent::Segment(segment));
        }
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.sync()?;
        self.segment();
        self.out.finish()?.sync_data()?;
        Ok(())
    }
}
