//! Side channels: HTTPS requests that carry the bytes of one file. On a short path, the system's TCP with its large
//! buffers takes a fraction of QUIC's CPU time. On a long path, a side channel would ignore stream priorities, and a
//! file would delay the screen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use platform::{clock, expiring::Expiring, secret};
use protocol::{Job, ParticipantId, SessionId, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{Chunk, JobError, JobStream, LiveSession};

/// How long the program may take to open a side channel that a job names.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Most side channels that wait for the program.
const MOST: usize = 1_000;
/// How many chunks may be queued.
const CHUNKS: usize = 4;

/// The server's end of a side channel.
pub enum Endpoint {
    /// The program sends.
    In(mpsc::Sender<Chunk>),
    /// The program receives.
    Out(mpsc::Receiver<Bytes>),
}

/// A side channel that waits for the program.
pub struct SideChannel {
    pub live: Arc<LiveSession>,
    pub end: Endpoint,
    opened: oneshot::Sender<()>,
}

/// The side channels that wait for the program, by the hashes of their tokens.
pub struct SideChannels(Expiring<String, SideChannel, SessionId>);

impl Default for SideChannels {
    fn default() -> Self {
        Self(Expiring::new(OPEN_TIMEOUT.as_millis() as u64, MOST))
    }
}

impl SideChannels {
    /// Opens a side channel for the program that has its token.
    pub fn take(&self, now: Timestamp, token: &str) -> Option<(Arc<LiveSession>, Endpoint)> {
        let SideChannel { live, end, opened } = self.0.take(now, &secret::hash(token))?;
        let _ = opened.send(());
        Some((live, end))
    }
}

impl LiveSession {
    /// Reads a file of the customer's computer from an offset on, over a side channel if the path is short; see
    /// [`Job::Fetch`].
    pub async fn fetch(
        self: &Arc<Self>,
        who: ParticipantId,
        (path, from, since): (String, u64, u64),
    ) -> Result<JobStream, JobError> {
        if !self.has_side_channels() {
            return self.job(who, Job::Fetch { path, from, since, lane: None }).await;
        }
        let (to, bytes) = mpsc::channel(CHUNKS);
        let (token, opened) = self.offer_side_channel(Endpoint::In(to));
        let mut stream = self.job(who, Job::Fetch { path, from, since, lane: Some(token) }).await?;
        stream.side_channel = Some(opened);
        stream.bytes = Some(bytes);
        Ok(stream)
    }

    /// Writes a file on the customer's computer, over a side channel if the path is short. `job` makes the
    /// [`Job::Bring`] from the side channel's token.
    pub async fn bring(
        self: &Arc<Self>,
        who: ParticipantId,
        job: impl FnOnce(Option<String>) -> Job,
    ) -> Result<JobStream, JobError> {
        if !self.has_side_channels() {
            return self.job(who, job(None)).await;
        }
        let (to, bytes) = mpsc::channel(CHUNKS);
        let (token, opened) = self.offer_side_channel(Endpoint::Out(bytes));
        let mut stream = self.job(who, job(Some(token))).await?;
        stream.side_channel = Some(opened);
        stream.to = Some(to);
        Ok(stream)
    }

    /// Whether the path to the program is short, without a reverse proxy that may buffer whole files.
    fn has_side_channels(&self) -> bool {
        self.path_stats.has_side_channels() && !self.services().behind_proxy
    }

    fn offer_side_channel(self: &Arc<Self>, end: Endpoint) -> (String, oneshot::Receiver<()>) {
        let (sender, opened) = oneshot::channel();
        let token = secret::token();
        let side_channel = SideChannel { live: self.clone(), end, opened: sender };
        self.registry.side_channels.0.put(clock::now(), self.id.clone(), secret::hash(&token), side_channel);
        (token, opened)
    }

    /// Waits before sending bytes of a file, while a technician controls the desktop.
    pub async fn yield_to_input(&self, bytes: usize) {
        let delay = self.transfer_throttle.delay_for(Instant::now(), bytes);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

impl JobStream {
    /// Waits until the program has opened the side channel, if the job names one. If it does not, later transfers use
    /// the job's stream.
    pub async fn on_its_way(&mut self, live: &LiveSession) -> Result<(), JobError> {
        let Some(opened) = self.side_channel.take() else { return Ok(()) };
        match tokio::time::timeout(OPEN_TIMEOUT, opened).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(session = %live.id, "side channel not opened by the support program");
                live.path_stats.refuse_side_channels();
                Err(JobError::Unreachable)
            }
        }
    }
}
