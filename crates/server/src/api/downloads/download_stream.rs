//! A file of the customer's machine while a browser takes it: opened, carried piece by piece, opened again where the
//! program was cut off, and judged at its end.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use live_sessions::{Download, DownloadAction, DownloadState, JobError, LiveSession, Opened, TrailerBuffer};
use platform::secret;
use protocol::{Answer, Direction, Event, Fault, ParticipantId};
use sha2::{Digest, Sha256};

use crate::api::error::sentence;

/// What a job comes to.
pub(super) type JobResult<T> = std::result::Result<T, JobError>;

/// So long it is tried to reach the program again.
const RETRY_LIMIT: Duration = Duration::from_secs(10 * 60);
const FIRST_RETRY: Duration = Duration::from_millis(300);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Has the program open a file.
pub(super) async fn open_file(live: &Arc<LiveSession>, file: &Download, from: u64, since: u64) -> JobResult<Opened> {
    let mut pipe = live.fetch(file.by, (file.path.clone(), from, since)).await?;
    let (size, version, sums) = match pipe.answer().await? {
        // Without them nothing says that what goes on in the middle fits, nor where an archive ends.
        Answer::File { size, version, sums } if sums || (from == 0 && size.is_some()) => (size, version, sums),
        _ => return Err(JobError::UnexpectedResponse),
    };
    if size.is_some_and(|size| size < from) {
        return Err(Fault::Changed.into());
    }
    pipe.on_its_way(live).await?;
    Ok(Opened { pipe, size, version, sums })
}

/// The same, once the program can be reached, in a while.
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

/// A file while a browser takes it.
pub(super) struct DownloadStream {
    live: Arc<LiveSession>,
    by: ParticipantId,
    file: Arc<Download>,
    opened: Opened,
    /// The next byte that the browser gets.
    at: u64,
    /// The first that it got by this answer, and the sum of all since.
    since: u64,
    sum: Sha256,
    tail: TrailerBuffer,
    /// Its end is known to the timeline.
    recorded: bool,
}

impl DownloadStream {
    /// What was opened from that byte on.
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

    /// Its bytes for the browser; an answer that breaks off where it comes to no good end.
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
            let mut actions = self.file.wish.subscribe();
            let received = tokio::select! {
                chunk = self.opened.pipe.next() => chunk,
                _ = actions.wait_for(|wish| *wish == DownloadAction::Cancel) => continue,
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

    /// Waits until its technician wants it to go on.
    async fn wait_while_held(&self) -> JobResult<()> {
        let mut actions = self.file.wish.subscribe();
        let held = *actions.borrow_and_update() == DownloadAction::Hold;
        if held {
            self.file.goes(DownloadState::Held);
            let _ = actions.wait_for(|wish| *wish != DownloadAction::Hold).await;
        }
        if *actions.borrow() == DownloadAction::Cancel {
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

    /// All has come. The last bytes are handed over only when everything is right and the timeline knows of it.
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
            // All of it has passed.
            None => secret::hex(&passed),
        };
        let (way, path, bytes) = (Direction::FromCustomer, self.file.path.clone(), self.at);
        let event = Event::FileCarried { by: self.by, way, path, bytes, sha256 };
        self.live.record_deed(event).await?;
        self.file.goes(DownloadState::Done);
        self.recorded = true;
        Ok(last)
    }

    /// The program was cut off: goes on where the browser is, once it is back.
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

    /// It came to no good end: the browser is told by an answer that breaks off.
    async fn fail(&mut self, error: &JobError) {
        self.recorded = true;
        self.file.goes(DownloadState::Failed { why: sentence(&error.to_string()) });
        let reason = error.to_string();
        let event =
            Event::FileFailed { by: self.by, way: Direction::FromCustomer, path: self.file.path.clone(), reason };
        if let Err(error) = self.live.record_deed(event).await {
            tracing::debug!(session = %self.live.id, %error, "a file failed after the session's end");
        }
    }
}

impl Drop for DownloadStream {
    /// The browser takes no more: its connection is gone, or its user has stopped the download. That a part of the file
    /// has left the customer's machine is a fact of the session.
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        self.file.goes(DownloadState::Stopped);
        let reason = format!("the download stopped after {}", session::size(self.at));
        let event =
            Event::FileFailed { by: self.by, way: Direction::FromCustomer, path: self.file.path.clone(), reason };
        let live = self.live.clone();
        tokio::spawn(async move {
            if let Err(error) = live.record_deed(event).await {
                tracing::debug!(session = %live.id, %error, "a download stopped after the session's end");
            }
        });
    }
}
