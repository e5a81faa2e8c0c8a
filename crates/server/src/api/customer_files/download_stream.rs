//! The content of a download: opened, relayed chunk by chunk, reopened when the program is cut off, and verified at its
//! end.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use live_sessions::{Download, DownloadAction, DownloadState, JobError, LiveSession, Opened, TrailerBuffer};
use platform::{secret, tasks};
use protocol::{Answer, Direction, Event, Fault, ParticipantId};
use sha2::{Digest, Sha256};

use crate::api::error::sentence;

/// The result of a job.
pub(super) type JobResult<T> = std::result::Result<T, JobError>;

/// How long to try to reach the program again.
const RETRY_LIMIT: Duration = Duration::from_secs(10 * 60);
const FIRST_RETRY: Duration = Duration::from_millis(300);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Asks the program to open a file.
pub(super) async fn open_file(live: &Arc<LiveSession>, file: &Download, from: u64, since: u64) -> JobResult<Opened> {
    let mut pipe = live.fetch(file.by, (file.path.clone(), from, since)).await?;
    let Answer::File { size, version, sums } = pipe.answer().await? else {
        return Err(JobError::UnexpectedResponse);
    };
    // Without checksums a part in the middle cannot be verified, and the end of an archive is unknown.
    if !sums && (from > 0 || size.is_none()) {
        return Err(JobError::UnexpectedResponse);
    }
    if size.is_some_and(|size| size < from) {
        return Err(Fault::Changed.into());
    }
    pipe.on_its_way(live).await?;
    Ok(Opened { pipe, size, version, sums })
}

/// The same, retried within `limit` until the program can be reached.
pub(super) async fn open_with_retry(
    live: &Arc<LiveSession>,
    file: &Download,
    from: u64,
    since: u64,
    limit: Duration,
) -> JobResult<Opened> {
    let (started, mut wait) = (Instant::now(), FIRST_RETRY);
    loop {
        match open_file(live, file, from, since).await {
            Err(JobError::Unreachable) if started.elapsed() < limit => {
                file.goes(DownloadState::Waiting);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_RETRY);
                if *file.wish.borrow() == DownloadAction::Cancel {
                    return Err(cancelled());
                }
            }
            opened => return opened,
        }
    }
}

fn cancelled() -> JobError {
    Fault::Other { why: "it was cancelled".into() }.into()
}

/// A download while the browser reads it.
pub(super) struct DownloadStream {
    live: Arc<LiveSession>,
    by: ParticipantId,
    file: Arc<Download>,
    opened: Opened,
    /// The offset of the next byte for the browser.
    at: u64,
    /// The offset at which this response began, and the checksum of everything since.
    since: u64,
    sum: Sha256,
    tail: TrailerBuffer,
    /// The timeline has its end.
    recorded: bool,
}

impl DownloadStream {
    /// A download of what was opened at offset `from`.
    pub(super) fn new(
        live: Arc<LiveSession>,
        by: ParticipantId,
        file: Arc<Download>,
        opened: Opened,
        from: u64,
    ) -> Self {
        let (sum, tail) = (Sha256::new(), TrailerBuffer::default());
        Self { live, by, file, opened, at: from, since: from, sum, tail, recorded: false }
    }

    /// The bytes for the browser. The response breaks off if the download fails.
    pub(super) fn into_stream(self) -> impl futures::Stream<Item = io::Result<Bytes>> {
        futures::stream::unfold(Some(self), |stream| async {
            let mut stream = stream?;
            match stream.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(stream))),
                Ok(None) => None,
                Err(error) => {
                    stream.fail(&error).await;
                    Some((Err(io::Error::other(error)), None))
                }
            }
        })
    }

    /// The next bytes for the browser; `None` after the last.
    async fn next(&mut self) -> JobResult<Option<Bytes>> {
        if self.recorded {
            return Ok(None);
        }
        loop {
            self.wait_while_held().await?;
            let mut action_watch = self.file.wish.subscribe();
            let received = tokio::select! {
                chunk = self.opened.pipe.next() => chunk,
                _ = action_watch.wait_for(|action| *action == DownloadAction::Cancel) => continue,
            };
            match received {
                Ok(Some(chunk)) => {
                    let bytes = self.tail.pass(chunk);
                    if !bytes.is_empty() {
                        self.count(&bytes)?;
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) => return self.ended().await.map(Some),
                Err(JobError::Unreachable) if self.opened.size.is_some() => self.reopen().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits while the technician has paused it.
    async fn wait_while_held(&self) -> JobResult<()> {
        let mut action_watch = self.file.wish.subscribe();
        let held = *action_watch.borrow_and_update() == DownloadAction::Hold;
        if held {
            self.file.goes(DownloadState::Held);
            let _ = action_watch.wait_for(|action| *action != DownloadAction::Hold).await;
        }
        if *action_watch.borrow() == DownloadAction::Cancel {
            return Err(cancelled());
        }
        if held {
            self.file.goes(DownloadState::Going);
        }
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) -> JobResult<()> {
        self.sum.update(bytes);
        self.at += bytes.len() as u64;
        self.file.at(self.at, self.opened.size);
        if self.opened.size.is_some_and(|size| self.at > size) {
            return Err(JobError::UnexpectedResponse);
        }
        Ok(())
    }

    /// The program has sent everything. The last bytes are handed over only once the file is verified and the timeline
    /// has it.
    async fn ended(&mut self) -> JobResult<Bytes> {
        let too_early = || Fault::Other { why: "the file ended too early".into() };
        let (last, sums) = std::mem::take(&mut self.tail).end(self.opened.sums).ok_or_else(too_early)?;
        self.count(&last)?;
        if self.opened.size.is_some_and(|size| self.at != size) {
            return Err(too_early().into());
        }
        let passed = std::mem::take(&mut self.sum).finalize();
        let sha256 = match sums {
            Some([_, since]) if passed[..] != since[..] => return Err(Fault::WrongHash.into()),
            Some([whole, _]) => secret::hex(&whole),
            // The whole file passed through here.
            None => secret::hex(&passed),
        };
        let (way, path, bytes) = (Direction::FromCustomer, self.file.path.clone(), self.at);
        let event = Event::FileCarried { by: self.by, way, path, bytes, sha256 };
        self.live.record_event(event).await?;
        self.file.goes(DownloadState::Done);
        self.recorded = true;
        Ok(last)
    }

    /// The program was cut off: resumes at the browser's offset once it is back.
    async fn reopen(&mut self) -> JobResult<()> {
        self.file.goes(DownloadState::Waiting);
        self.tail = TrailerBuffer::default();
        let (live, file) = (&self.live, &self.file);
        let opened = open_with_retry(live, file, self.at, self.since, RETRY_LIMIT).await?;
        if opened.version != self.opened.version {
            return Err(Fault::Changed.into());
        }
        self.opened = opened;
        self.file.goes(DownloadState::Going);
        Ok(())
    }

    /// Records the failure. The browser notices because the response breaks off.
    async fn fail(&mut self, error: &JobError) {
        self.recorded = true;
        self.file.goes(DownloadState::Failed { why: sentence(&error.to_string()) });
        let reason = error.to_string();
        let event =
            Event::FileFailed { by: self.by, way: Direction::FromCustomer, path: self.file.path.clone(), reason };
        if let Err(error) = self.live.record_event(event).await {
            tracing::debug!(session = %self.live.id, %error, "file failure not recorded: the session has ended");
        }
    }
}

impl Drop for DownloadStream {
    /// The browser stopped reading: its connection is gone, or its user stopped the download. The timeline records that
    /// a part of the file has left the customer's machine.
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        self.file.goes(DownloadState::Stopped);
        let reason = format!("the download stopped after {}", session::size(self.at));
        let event =
            Event::FileFailed { by: self.by, way: Direction::FromCustomer, path: self.file.path.clone(), reason };
        let live = self.live.clone();
        tasks::spawn("download audit event", async move {
            if let Err(error) = live.record_event(event).await {
                tracing::debug!(session = %live.id, %error, "stopped download not recorded: the session has ended");
            }
        });
    }
}
