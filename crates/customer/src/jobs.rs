//! What the server asks of this machine beside the screen: files, clipboard, shell, system information. Each job has a
//! stream of its own, and is checked here once more against the customer's consent.

mod approval;
mod archive;
mod clipboard;
mod folders;
mod incoming;
mod outgoing;
mod shell;
mod side_channel;
mod system;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use protocol::{Answer, Fault, Framed, Job, MAX_CONTROL_BYTES, Right};
use session::{Consent, FileTransfer};
use tokio::task::JoinSet;
use web_transport_trait::{RecvStream, SendStream, Session};

use crate::{
    elevation::Elevation,
    http::Http,
    messages::Notify,
    restart_resume::SavedSession,
    streams::{next, stream_error},
    util::lock,
};

/// The most jobs that run at once; more wait.
const MOST_JOBS: usize = 24;
/// The most chunks of one file that wait for the network or the disk.
const CHUNKS: usize = 8;
/// How long a job waits for the server's confirmation of a right that the customer has just allowed. Job and
/// confirmation come on different streams.
const CONFIRMATION_TIME: Duration = Duration::from_secs(2);
/// How often the confirmation is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// What all jobs share, over every connection of the session.
#[derive(Clone)]
pub struct JobContext {
    pub consent: Arc<Mutex<Consent>>,
    notify: Notify,
    transfers: incoming::Transfers,
    clipboard: clipboard::Owner,
    /// Resumes this program after a restart of the computer.
    saved_session: Arc<SavedSession>,
    pub elevation: Elevation,
    /// The HTTPS client for side channels.
    http: Http,
}

impl JobContext {
    pub fn new(
        consent: Arc<Mutex<Consent>>,
        notify: Notify,
        saved_session: SavedSession,
        elevation: Elevation,
        http: Http,
    ) -> Self {
        let (transfers, clipboard) = (incoming::Transfers::default(), clipboard::Owner::default());
        Self { consent, notify, transfers, clipboard, saved_session: Arc::new(saved_session), elevation, http }
    }

    /// Whether the customer allows this now.
    pub fn may(&self, right: Right) -> bool {
        lock(&self.consent).may(right)
    }

    /// The same, after waiting for the server's confirmation.
    async fn may_by_now(&self, right: Right) -> bool {
        let confirmed = async {
            while lock(&self.consent).awaits_server(right) {
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(CONFIRMATION_TIME, confirmed).await;
        self.may(right)
    }
}

/// Executes jobs until the connection ends.
pub async fn serve<S: Session>(session: S, context: JobContext) -> anyhow::Result<()> {
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            stream = session.accept_bi(), if running.len() < MOST_JOBS => {
                let (sender, receiver) = stream.map_err(stream_error)?;
                let context = context.clone();
                running.spawn(async move {
                    if let Err(error) = execute(context, JobStream { sender, receiver, framed: Framed::new(MAX_CONTROL_BYTES) }).await {
                        tracing::info!(%error, "job failed");
                    }
                });
            }
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
}

/// The stream of a job.
struct JobStream<W, R> {
    sender: W,
    receiver: R,
    framed: Framed,
}

impl<W: SendStream, R: RecvStream> JobStream<W, R> {
    async fn answer(&mut self, answer: &Answer) -> anyhow::Result<()> {
        self.sender.write_chunk(protocol::encode(answer).into()).await.map_err(stream_error)
    }

    /// The next bytes; `None` at the end of the stream.
    async fn bytes(&mut self) -> anyhow::Result<Option<Bytes>> {
        let rest = std::mem::replace(&mut self.framed, Framed::new(MAX_CONTROL_BYTES)).rest();
        if !rest.is_empty() {
            return Ok(Some(rest.into()));
        }
        self.receiver.read_chunk(128 * 1024).await.map_err(stream_error)
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.sender.finish().map_err(stream_error)?;
        // The stream stays open until the server has read its end.
        let _ = tokio::time::timeout(Duration::from_secs(30), self.sender.closed()).await;
        Ok(())
    }
}

async fn execute<W: SendStream, R: RecvStream>(context: JobContext, mut stream: JobStream<W, R>) -> anyhow::Result<()> {
    let Some(job) = next::<_, Job>(&mut stream.receiver, &mut stream.framed).await? else { return Ok(()) };
    if !context.may_by_now(job.right()).await {
        stream.answer(&Answer::Fault { fault: Fault::NotAllowed }).await?;
        return stream.end().await;
    }
    stream.sender.set_priority(if matches!(job, Job::Shell { .. }) { 5 } else { 0 });
    let done = match job {
        Job::Fetch { path, from, since, lane } => {
            outgoing::download(&context, &mut stream, path, outgoing::ByteRange { from, since }, lane).await?
        }
        Job::Bring { transfer, folder, name, size, from, lane } => {
            incoming::upload(&context, &mut stream, incoming::Upload { transfer, folder, name, size, from }, lane)
                .await?
        }
        Job::ReadClipboard {} => clipboard::read(&context.clipboard, &mut stream).await?,
        Job::WriteClipboard { kind } => clipboard::write(&context.clipboard, &mut stream, kind).await?,
        Job::Shell { columns, rows } => shell::run(&context, &mut stream, columns, rows).await?,
        simple => answer_to(&context, simple).await,
    };
    if let Some(answer) = done.unwrap_or_else(|fault| Some(Answer::Fault { fault })) {
        stream.answer(&answer).await?;
    }
    stream.end().await
}

/// The result of a job: a final answer, unless it was sent already.
type JobResult = Result<Option<Answer>, Fault>;

/// The jobs with exactly one answer.
async fn answer_to(context: &JobContext, job: Job) -> JobResult {
    let question = context.question(&job);
    let replaces = question.is_some();
    if let Some(question) = question {
        context.approve(question).await?;
    }
    if let Job::Place { transfer, .. } | Job::Abandon { transfer } = job {
        context.finish_transfer(|act| matches!(act, FileTransfer::Bring { transfer: known, .. } if *known == transfer));
    }
    let allowed = context.clone();
    let (transfers, saved_session, elevation) =
        (context.transfers.clone(), context.saved_session.clone(), context.elevation.clone());
    let consent = lock(&context.consent).clone();
    let doing = tokio::task::spawn_blocking(move || match job {
        Job::List { path } => folders::list(&path).map(|folder| Answer::Folder { folder }),
        Job::MakeFolder { path } => folders::make(&path).map(|()| Answer::Done {}),
        Job::Rename { path, name } => folders::rename(&path, &name).map(|()| Answer::Done {}),
        Job::Delete { path } => folders::delete(&path, &|| allowed.may(Right::Files)).map(|()| Answer::Done {}),
        Job::Kept { transfer } => Ok(Answer::Kept { bytes: transfers.kept(transfer) }),
        // Only a file that existed when the question was asked may be replaced.
        Job::Place { transfer, sum, replace: _ } => transfers
            .place(transfer, &sum, replaces)
            .map(|(path, bytes, sha256)| Answer::Placed { path, bytes, sha256 }),
        Job::Abandon { transfer } => {
            transfers.abandon(transfer);
            Ok(Answer::Done {})
        }
        Job::SystemInfo {} => system::read().map(|info| Answer::SystemInfo { info: Box::new(info) }),
        Job::EndProcess { pid, name } => system::end_process(pid, &name).map(|()| Answer::Done {}),
        Job::Restart {} => saved_session.restart().map(|()| Answer::Done {}),
        Job::Elevate {} => elevation.start(&consent).map(|()| Answer::Done {}).map_err(|why| Fault::Other { why }),
        Job::Fetch { .. }
        | Job::Bring { .. }
        | Job::ReadClipboard {}
        | Job::WriteClipboard { .. }
        | Job::Shell { .. } => unreachable!("these have streams of bytes"),
    });
    doing.await.unwrap_or_else(|e| Err(Fault::Other { why: e.to_string() })).map(Some)
}

/// Writes a file to the customer's downloads folder, complete before it gets its name; returns its path.
pub fn save_download(name: &str, content: &mut dyn std::io::Read) -> std::io::Result<String> {
    let downloads = folders::home().join("Downloads");
    let folder = if downloads.is_dir() { downloads } else { folders::home() };
    incoming::save(&folder, name, content)
}

/// Maps a system error to a fault that the console explains.
fn fault(error: &std::io::Error) -> Fault {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => Fault::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::NoPermission,
        ErrorKind::AlreadyExists => Fault::Exists,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full,
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Fault::BadName,
        _ => Fault::Other { why: error.to_string() },
    }
}
