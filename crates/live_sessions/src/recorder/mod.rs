//! One more viewer, with its own bounded queue and thread: the disk is never inside the forwarding path.

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

/// How much may wait for the disk: some seconds of motion. More means that the disk cannot keep up.
const QUEUE: usize = 512;
const QUEUE_BYTES: usize = 48 * 1024 * 1024;
/// How often what was recorded is put on the disk.
const SYNC: Duration = Duration::from_millis(1_000);
/// How often what is on the disk goes into the timeline as a segment.
const SEGMENT: Duration = Duration::from_secs(10);

enum Job {
    Frame(Timestamp, Frame),
    /// A card, and what it covers.
    PlaceholderFrame(Timestamp, PlaceholderFrame, Sequence),
    Stop,
}

/// What a recorder has to say.
pub enum Told {
    /// This is on the disk.
    Segment(Segment),
    /// It cannot go on, for this reason.
    Failed(String),
}

/// All raw recordings of a session, in the order in which they were written.
pub fn reels(data: &Path, id: &SessionId) -> Vec<PathBuf> {
    (1..).map(|n| paths::reel(data, id, n)).take_while(|path| path.exists()).collect()
}

/// How many bytes they have.
pub fn bytes_of(reels: &[PathBuf]) -> io::Result<u64> {
    reels.iter().map(|reel| Ok(std::fs::metadata(reel)?.len())).sum()
}

/// Where recordings are written.
pub struct RecordingPlace {
    /// The data folder.
    pub data: PathBuf,
    pub disk: Arc<Disk>,
    pub vault: Arc<Vault>,
}

/// A recording in progress.
pub struct Recorder {
    /// The number of its reel.
    pub number: u32,
    /// What the next frame may build on.
    pub base: Base,
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    /// Why it stopped by itself.
    stopped: Arc<OnceLock<String>>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts a reel of the session; what it has to say goes to `told`, and `video` grows with what is recorded.
    pub fn start(
        place: &RecordingPlace,
        session: &SessionId,
        video: Arc<Mutex<Promise>>,
        told: mpsc::Sender<Told>,
    ) -> Result<Self, String> {
        let data = &place.data;
        place.disk.look().map_err(|full| full.to_string())?;
        std::fs::create_dir_all(paths::recordings(data)).map_err(|e| e.to_string())?;
        let number = (1..).find(|n| !paths::reel(data, session, *n).exists()).unwrap_or(1);
        let path = paths::reel(data, session, number);
        let file = File::create_new(&path).map_err(|e| e.to_string())?;
        let out = place.vault.file(&path).create(file).map_err(|e| e.to_string())?;
        let (jobs, queue) = sync_channel(QUEUE);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (open, done) = (Segments::default(), Instant::now());
        let reel = Reel { out, video, told: told.clone(), open, written: 0, done };
        let stopped = Arc::new(OnceLock::new());
        let (left, why) = (waiting.clone(), stopped.clone());
        let work = move || {
            if let Err(error) = write(&queue, &left, reel) {
                tracing::error!(%error, "a recording stopped");
                let _ = why.set(error.to_string());
                // The queue falls only now: whoever notices that finds the reason.
                drop(queue);
                let _ = told.blocking_send(Told::Failed(error.to_string()));
            }
        };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(work).map_err(|e| e.to_string())?;
        Ok(Self { number, base: Base::default(), jobs, waiting, stopped, thread })
    }

    /// Records a frame that came at `at`, and that was judged to fit.
    pub fn record(&mut self, at: Timestamp, frame: &Frame) -> Result<(), String> {
        self.base.take(frame);
        if self.waiting.fetch_add(frame.bytes.len(), Relaxed) > QUEUE_BYTES {
            return Err("the server's disk cannot keep up".into());
        }
        self.hand(Job::Frame(at, frame.clone()))
    }

    /// From here on nothing is shown.
    pub fn card(&mut self, at: Timestamp, card: PlaceholderFrame) {
        let Some(covered) = self.base.cover() else { return };
        // Whoever cannot record says so at the next frame.
        let _ = self.hand(Job::PlaceholderFrame(at, card, covered));
    }

    fn hand(&self, job: Job) -> Result<(), String> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => "the server's disk cannot keep up".into(),
            TrySendError::Disconnected(_) => {
                self.stopped.get().cloned().unwrap_or_else(|| "the server cannot write the recording".into())
            }
        })
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

fn write(queue: &Receiver<Job>, waiting: &AtomicUsize, mut reel: Reel) -> anyhow::Result<()> {
    let mut synced = Instant::now();
    loop {
        match queue.recv_timeout(SYNC) {
            Ok(Job::Frame(at, frame)) => {
                waiting.fetch_sub(frame.bytes.len(), Relaxed);
                reel.frame(at, &frame)?;
            }
            Ok(Job::PlaceholderFrame(at, card, covered)) => reel.card(at, card, &covered)?,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return reel.end(),
        }
        if synced.elapsed() >= SYNC {
            synced = Instant::now();
            reel.sync()?;
        }
    }
}

/// A reel on its way to the disk.
struct Reel {
    out: vault::Writer<File>,
    /// Room for the video that is made of it: what is recorded can also be stored.
    video: Arc<Mutex<Promise>>,
    told: mpsc::Sender<Told>,
    open: Segments,
    /// So many bytes since it was put on the disk.
    written: u64,
    /// When the last segment was done.
    done: Instant,
}

impl Reel {
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

    fn card(&mut self, at: Timestamp, card: PlaceholderFrame, covered: &Sequence) -> anyhow::Result<()> {
        let Coded { width, height, data } = card.coded([covered.width, covered.height], covered.is_gbr())?;
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
            self.video.lock().expect("nobody panics while holding a promise").more(written)?;
        }
        if self.done.elapsed() >= SEGMENT {
            self.segment();
        }
        Ok(())
    }

    /// What is on the disk goes into the timeline.
    fn segment(&mut self) {
        self.done = Instant::now();
        if let Some(segment) = self.open.end() {
            // What nobody takes is found in the reel when the evidence is completed.
            let _ = self.told.blocking_send(Told::Segment(segment));
        }
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.sync()?;
        self.segment();
        self.out.finish()?.sync_data()?;
        Ok(())
    }
}
