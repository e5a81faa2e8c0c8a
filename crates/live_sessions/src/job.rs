//! Jobs for the customer's program: judged, handed to its connection, and carried in pieces of bounded number.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use platform::clock;
use protocol::{
    Answer, Entry, Event, Fault, Framed, Job, MAX_ANSWER_BYTES, Mark, ParticipantId, Presence, RefusalReason, Right,
    ServerMessage,
};
use session::{Actor, Command};
use tokio::sync::{mpsc, oneshot};

use super::{ActError, LiveSession, answers};

/// How many jobs may wait for the program's connection.
pub(super) const WAITING: usize = 32;

/// A job on its way to the program's connection.
pub struct JobRequest {
    pub job: Job,
    pub pipe: oneshot::Sender<JobStream>,
}

/// A piece of what the program says; the stream's proper end is a piece of its own, so that a broken connection is not
/// taken for it.
pub enum Chunk {
    Bytes(Bytes),
    End,
}

/// A job's stream, seen from the server. Dropping it ends the job.
pub struct JobStream {
    pub to: Option<mpsc::Sender<Bytes>>,
    pub from: mpsc::Receiver<Chunk>,
    pub rest: Bytes,
    /// A lane that the program has not taken yet.
    pub lane: Option<oneshot::Receiver<()>>,
    /// What comes by a lane instead of by the stream.
    pub bytes: Option<mpsc::Receiver<Chunk>>,
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Refused(#[from] RefusalReason),
    /// The program says why.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection to the program broke: it may come back.
    #[error("the customer's program cannot be reached just now")]
    Unreachable,
    /// The program said something else than the job expects.
    #[error("the customer's program gave an answer that makes no sense")]
    UnexpectedResponse,
    #[error(transparent)]
    Act(#[from] ActError),
    #[error("{0}")]
    Store(#[from] std::io::Error),
}

impl JobStream {
    /// A job's stream, by these ends.
    pub fn new(to: mpsc::Sender<Bytes>, from: mpsc::Receiver<Chunk>) -> Self {
        Self { to: Some(to), from, rest: Bytes::new(), lane: None, bytes: None }
    }

    /// The next bytes after the answers, by the lane if there is one; `None` at their end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, JobError> {
        match &mut self.bytes {
            Some(lane) => Self::of(lane).await,
            None => self.next_of_stream().await,
        }
    }

    async fn next_of_stream(&mut self) -> Result<Option<Bytes>, JobError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        Self::of(&mut self.from).await
    }

    async fn of(pieces: &mut mpsc::Receiver<Chunk>) -> Result<Option<Bytes>, JobError> {
        match pieces.recv().await {
            Some(Chunk::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Chunk::End) => Ok(None),
            None => Err(JobError::Unreachable),
        }
    }

    /// The next answer, as far as it makes sense. What follows it stays for [`JobStream::next`].
    pub async fn answer(&mut self) -> Result<Answer, JobError> {
        let mut framed = Framed::new(MAX_ANSWER_BYTES);
        loop {
            match framed.next_message().map_err(|_| JobError::UnexpectedResponse)? {
                Some(Answer::Fault { fault }) => return Err(fault.in_short().into()),
                Some(answer) => {
                    self.rest = framed.rest().into();
                    return answers::judged(answer).ok_or(JobError::UnexpectedResponse);
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

    /// Says that nothing more follows.
    pub fn finish(&mut self) {
        self.to = None;
    }
}

impl LiveSession {
    /// Opens a job for this participant, if the customer's grants allow it now.
    pub async fn job(&self, who: ParticipantId, job: Job) -> Result<JobStream, JobError> {
        self.may_now(who, job.right())?;
        let program = self.attachments.jobs().ok_or(JobError::Unreachable)?;
        let (sender, pipe) = oneshot::channel();
        program.send(JobRequest { job, pipe: sender }).await.map_err(|_| JobError::Unreachable)?;
        pipe.await.map_err(|_| JobError::Unreachable)
    }

    /// Whether this participant may use this right now, and what stands against it.
    fn may_now(&self, who: ParticipantId, right: Right) -> Result<(), JobError> {
        let known = self.known();
        let presence = known.session.participant(who).map(|p| p.presence);
        match () {
            // Whoever asks while their own connection is being mended asks again.
            () if matches!(presence, Some(Presence::Reconnecting { .. })) => Err(JobError::Unreachable),
            () if !known.session.may(who, right) => Err(RefusalReason::NotGranted.into()),
            // What is done is written down: without room for that it is not done.
            () => Ok(known.session.has_room(clock::now(), who)?),
        }
    }

    /// Does a job that has one answer.
    pub async fn ask_program(&self, who: ParticipantId, job: Job) -> Result<Answer, JobError> {
        self.job(who, job).await?.answer().await
    }

    /// Whether a right is in effect for this participant.
    pub async fn may(&self, who: ParticipantId, right: Right) -> bool {
        self.known().session.may(who, right)
    }

    /// Writes into the timeline what was done.
    pub async fn record_deed(self: &Arc<Self>, deed: Event) -> Result<(), ActError> {
        self.act(&Actor::Server, Command::Record { deed }).await.map(|_| ())
    }

    /// A number for something that is kept beside the timeline; each is given once.
    pub fn next_number(&self) -> u32 {
        self.next_number.fetch_add(1, Relaxed)
    }

    /// Passes a drawing on to the customer's program, from whoever may see the screen and does not only watch.
    pub async fn annotate(&self, from: ParticipantId, mark: Mark) {
        let helps = |s: &session::Session| s.participant(from).is_some_and(|p| p.role != protocol::Role::Supervisor);
        if mark.fits() && self.may(from, Right::View).await && self.read(helps).await {
            self.to_program(ServerMessage::Annotate { from, mark });
        }
    }
}

/// The highest number that this timeline has given out.
pub(super) fn highest_number(entries: &[Entry]) -> u32 {
    let number = |e: &Entry| match e.event {
        Event::FilePosted { number, .. }
        | Event::ShellStarted { number, .. }
        | Event::SystemInfoRead { number, .. }
        | Event::ScreenshotTaken { number, .. } => Some(number),
        _ => None,
    };
    entries.iter().filter_map(number).max().unwrap_or(0)
}
