//! Lanes: the bytes of files by HTTPS requests of their own. Where the way to the program is short, the system's TCP and
//! its large buffers take a fraction of the work of QUIC; where it is long, a lane would know nothing of priorities, and
//! a file would hold up the screen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use platform::{clock, expiring::Expiring, secret};
use protocol::{Job, ParticipantId, SessionId, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{Chunk, JobError, JobStream, LiveSession};

/// In this time the program takes the lane that it was named.
const TAKEN_IN: Duration = Duration::from_secs(10);
/// So many lanes wait at most.
const MOST: usize = 1_000;
/// How many pieces may be on their way.
const PIECES: usize = 4;

/// The server's end of a lane.
pub enum Endpoint {
    /// The program sends.
    In(mpsc::Sender<Chunk>),
    /// The program gets.
    Out(mpsc::Receiver<Bytes>),
}

/// A lane that waits for the program.
pub struct SideChannel {
    pub live: Arc<LiveSession>,
    pub end: Endpoint,
    taken: oneshot::Sender<()>,
}

/// The lanes that wait, by the hashes of their tokens.
pub struct SideChannels(Expiring<String, SideChannel, SessionId>);

impl Default for SideChannels {
    fn default() -> Self {
        Self(Expiring::new(TAKEN_IN.as_millis() as u64, MOST))
    }
}

impl SideChannels {
    /// The program is here for its lane.
    pub fn take(&self, now: Timestamp, token: &str) -> Option<(Arc<LiveSession>, Endpoint)> {
        let SideChannel { live, end, taken } = self.0.take(now, &secret::hash(token))?;
        let _ = taken.send(());
        Some((live, end))
    }
}

impl LiveSession {
    /// Reads a file of the customer's machine from an offset on, by a lane where that is better; see [`Job::Fetch`].
    pub async fn fetch(
        self: &Arc<Self>,
        who: ParticipantId,
        (path, from, since): (String, u64, u64),
    ) -> Result<JobStream, JobError> {
        if !self.has_side_channels() {
            return self.job(who, Job::Fetch { path, from, since, lane: None }).await;
        }
        let (to, bytes) = mpsc::channel(PIECES);
        let (token, taken) = self.open_lane(Endpoint::In(to));
        let mut pipe = self.job(who, Job::Fetch { path, from, since, lane: Some(token) }).await?;
        pipe.lane = Some(taken);
        pipe.bytes = Some(bytes);
        Ok(pipe)
    }

    /// Writes a file on the customer's machine, by a lane where that is better. `job` is [`Job::Bring`] with this lane.
    pub async fn bring(
        self: &Arc<Self>,
        who: ParticipantId,
        job: impl FnOnce(Option<String>) -> Job,
    ) -> Result<JobStream, JobError> {
        if !self.has_side_channels() {
            return self.job(who, job(None)).await;
        }
        let (to, bytes) = mpsc::channel(PIECES);
        let (token, taken) = self.open_lane(Endpoint::Out(bytes));
        let mut pipe = self.job(who, job(Some(token))).await?;
        pipe.lane = Some(taken);
        pipe.to = Some(to);
        Ok(pipe)
    }

    /// Whether the way to the program is short, with nobody between who might gather whole files before passing them on.
    fn has_side_channels(&self) -> bool {
        self.path_stats.has_side_channels() && !self.services().behind_proxy
    }

    fn open_lane(self: &Arc<Self>, end: Endpoint) -> (String, oneshot::Receiver<()>) {
        let (sender, taken) = oneshot::channel();
        let token = secret::token();
        let lane = SideChannel { live: self.clone(), end, taken: sender };
        self.registry.side_channels.0.put(clock::now(), self.id.clone(), secret::hash(&token), lane);
        (token, taken)
    }

    /// Lets hands go first, where these are bytes of a file.
    pub async fn yield_to_input(&self, bytes: usize) {
        let pause = self.transfer_throttle.pause(Instant::now(), bytes);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

impl JobStream {
    /// Waits until the program has taken the lane that it was named, if it was. One that does not come gets no other:
    /// what is tried again goes by the job's stream.
    pub async fn on_its_way(&mut self, live: &LiveSession) -> Result<(), JobError> {
        let Some(taken) = self.lane.take() else { return Ok(()) };
        match tokio::time::timeout(TAKEN_IN, taken).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                tracing::warn!(session = %live.id, "the program does not take the lane for a file");
                live.path_stats.refuse_side_channels();
                Err(JobError::Unreachable)
            }
        }
    }
}
