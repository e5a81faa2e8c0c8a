//! Jobs for the customer's program: checks them, hands them to its connection, and carries their bytes through bounded
//! queues.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use platform::clock;
use protocol::{
    Answer, Entry, Event, Fault, Framed, Job, MAX_ANSWER_BYTES, Mark, ParticipantId, Presence, RefusalReason, Right,
    ServerMessage,
};
use session::{Actor, Command};
use tokio::sync::{mpsc, oneshot};

use super::{ActError, LiveSession, StoredFile, answers};

/// How many jobs may wait for the program's connection.
pub(super) const WAITING: usize = 32;

/// A job for the program's connection, and where to send the stream that it opens for it.
pub struct JobRequest {
    pub job: Job,
    pub pipe: oneshot::Sender<JobStream>,
}

/// A chunk of a job's stream. The regular end is a chunk of its own, so that a broken connection is not mistaken for
/// it.
pub enum Chunk {
    Bytes(Bytes),
    End,
}

/// A job's stream as the server sees it. Dropping it ends the job.
pub struct JobStream {
    pub to: Option<mpsc::Sender<Bytes>>,
    pub from: mpsc::Receiver<Chunk>,
    pub rest: Bytes,
    /// Resolves when the program opens the side channel that the job names.
    pub side_channel: Option<oneshot::Receiver<()>>,
    /// The bytes that arrive over the side channel instead of the stream.
    pub bytes: Option<mpsc::Receiver<Chunk>>,
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Refused(#[from] RefusalReason),
    /// The program reports this fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection to the program is broken. It may reconnect.
    #[error("the customer's program cannot be reached at the moment")]
    Unreachable,
    /// The program's response does not fit the job.
    #[error("the customer's program sent an invalid answer")]
    UnexpectedResponse,
    #[error(transparent)]
    Act(#[from] ActError),
    #[error("{0}")]
    Store(#[from] std::io::Error),
}

impl JobStream {
    /// A stream made of these queues.
    pub fn new(to: mpsc::Sender<Bytes>, from: mpsc::Receiver<Chunk>) -> Self {
        Self { to: Some(to), from, rest: Bytes::new(), side_channel: None, bytes: None }
    }

    /// The next bytes after the answer, from the side channel if there is one; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, JobError> {
        match &mut self.bytes {
            Some(side_channel) => Self::receive(side_channel).await,
            None => self.next_of_stream().await,
        }
    }

    async fn next_of_stream(&mut self) -> Result<Option<Bytes>, JobError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        Self::receive(&mut self.from).await
    }

    async fn receive(chunks: &mut mpsc::Receiver<Chunk>) -> Result<Option<Bytes>, JobError> {
        match chunks.recv().await {
            Some(Chunk::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Chunk::End) => Ok(None),
            None => Err(JobError::Unreachable),
        }
    }

    /// The next answer, checked. The bytes after it are left for [`JobStream::next`].
    pub async fn answer(&mut self) -> Result<Answer, JobError> {
        let mut framed = Framed::new(MAX_ANSWER_BYTES);
        loop {
            match framed.next_message().map_err(|_| JobError::UnexpectedResponse)? {
                Some(Answer::Fault { fault }) => return Err(fault.in_short().into()),
                Some(answer) => {
                    self.rest = framed.rest().into();
                    return answers::validated(answer).ok_or(JobError::UnexpectedResponse);
                }
                None => framed.push(&self.next_of_stream().await?.ok_or(JobError::UnexpectedResponse)?),
            }
        }
    }

    /// Sends bytes to the program.
    pub async fn send(&self, bytes: Bytes) -> Result<(), JobError> {
        let Some(to) = &self.to else { return Err(JobError::Unreachable) };
        to.send(bytes).await.map_err(|_| JobError::Unreachable)
    }

    /// Closes the sending direction.
    pub fn finish(&mut self) {
        self.to = None;
    }
}

impl LiveSession {
    /// Starts a job for this participant, if the customer's grants allow it now.
    pub async fn job(&self, who: ParticipantId, job: Job) -> Result<JobStream, JobError> {
        self.check_right(who, job.right())?;
        let program = self.attachments.jobs().ok_or(JobError::Unreachable)?;
        let (sender, pipe) = oneshot::channel();
        program.send(JobRequest { job, pipe: sender }).await.map_err(|_| JobError::Unreachable)?;
        pipe.await.map_err(|_| JobError::Unreachable)
    }

    /// Checks that this participant may use a right now.
    fn check_right(&self, who: ParticipantId, right: Right) -> Result<(), JobError> {
        let committed = self.committed();
        let presence = committed.session.participant(who).map(|p| p.presence);
        match () {
            // A participant whose own connection is broken tries again when they have reconnected.
            () if matches!(presence, Some(Presence::Reconnecting { .. })) => Err(JobError::Unreachable),
            () if !committed.session.may(who, right) => Err(RefusalReason::NotGranted.into()),
            // A job is recorded in the timeline, so it needs space there.
            () => Ok(committed.session.has_room(clock::now(), who)?),
        }
    }

    /// Runs a job that has a single answer.
    pub async fn ask_program(&self, who: ParticipantId, job: Job) -> Result<Answer, JobError> {
        self.job(who, job).await?.answer().await
    }

    /// Whether a right is in effect for this participant.
    pub async fn may(&self, who: ParticipantId, right: Right) -> bool {
        self.committed().session.may(who, right)
    }

    /// Records an audit event in the timeline.
    pub async fn record_event(self: &Arc<Self>, event: Event) -> Result<(), ActError> {
        self.act(&Actor::Server, Command::Record { event }).await.map(|_| ())
    }

    /// A number for a file that is stored beside the timeline; each is used once.
    pub fn next_number(&self) -> u32 {
        self.next_number.fetch_add(1, Relaxed)
    }

    /// Forwards an annotation to the customer's program, if its sender may see the screen and is no supervisor.
    pub async fn annotate(&self, from: ParticipantId, mark: Mark) {
        let helps = |s: &session::Session| s.participant(from).is_some_and(|p| p.role != protocol::Role::Supervisor);
        if mark.fits() && self.may(from, Right::View).await && self.read(helps).await {
            self.to_program(ServerMessage::Annotate { from, mark });
        }
    }
}

/// The highest number that a file of this timeline has.
pub(super) fn highest_number(entries: &[Entry]) -> u32 {
    let number = |entry: &Entry| StoredFile::of(&entry.event).map(|file| file.number);
    entries.iter().filter_map(number).max().unwrap_or(0)
}
