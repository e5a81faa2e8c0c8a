//! Jobs on the support program's connection, each on a bidirectional stream of its own, and technicians' shells, which
//! join a stream of the page to a stream of the program.

use std::{io::Write, sync::Arc, time::Instant};

use bytes::Bytes;
use live_sessions::{Chunk, JobError, JobRequest, JobStream, LiveSession, PendingFile};
use platform::{clock, paths, secret, tasks};
use protocol::{Answer, Event, Framed, Job, MAX_INPUT_BYTES, ParticipantId, Right, ShellInput};
use tokio::{sync::mpsc, task::JoinSet};
use web_transport_trait::{RecvStream, SendStream, Session};

use super::{ConnectionError, broken, flow::FrameIngress, next};

use sha2::{Digest, Sha256};

/// How many chunks may be in flight in either direction of a job.
const CHUNKS_IN_FLIGHT: usize = 8;
/// Largest chunk, in bytes.
const CHUNK_BYTES: usize = 128 * 1024;
/// Largest recording of a shell, in bytes.
const MAX_CAST_BYTES: u64 = 64 * 1024 * 1024;
/// How often the server checks that a shell is still allowed.
const PERMISSION_CHECK: std::time::Duration = std::time::Duration::from_millis(500);

/// Opens a stream for each job, and relays its bytes.
pub(super) async fn serve<S: Session>(
    connection: S,
    live: Arc<LiveSession>,
    mut jobs: mpsc::Receiver<JobRequest>,
) -> Result<(), ConnectionError> {
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            request = jobs.recv() => {
                // Without jobs the connection stays open until something else ends it.
                let Some(JobRequest { job, pipe }) = request else { return std::future::pending().await };
                let (mut sender, receiver) = connection.open_bi().await.map_err(broken)?;
                // Pictures and keys take precedence over files.
                let urgent = matches!(job, Job::Shell { .. });
                sender.set_priority(if urgent { 5 } else { 0 });
                sender.write_all(&protocol::encode(&job)).await.map_err(broken)?;
                let (to, outgoing) = mpsc::channel(CHUNKS_IN_FLIGHT);
                let (incoming, from) = mpsc::channel(CHUNKS_IN_FLIGHT);
                if pipe.send(JobStream::new(to, from)).is_ok() {
                    let bulk = (!urgent).then(|| live.clone());
                    running.spawn(write(sender, outgoing, bulk.clone()));
                    running.spawn(read(receiver, incoming, bulk));
                }
            }
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
}

async fn write<W: SendStream>(mut stream: W, mut outgoing: mpsc::Receiver<Bytes>, bulk: Option<Arc<LiveSession>>) {
    while let Some(bytes) = outgoing.recv().await {
        if let Some(live) = &bulk {
            live.yield_to_input(bytes.len()).await;
        }
        if stream.write_chunk(bytes).await.is_err() {
            return;
        }
    }
    let _ = stream.finish();
    // The stream ends in order: it stays open until the program has read its end.
    let _ = stream.closed().await;
}

async fn read<R: RecvStream>(mut stream: R, incoming: mpsc::Sender<Chunk>, bulk: Option<Arc<LiveSession>>) {
    loop {
        let chunk = match stream.read_chunk(CHUNK_BYTES).await {
            Ok(Some(bytes)) => {
                if let Some(live) = &bulk {
                    live.yield_to_input(bytes.len()).await;
                }
                Chunk::Bytes(bytes)
            }
            Ok(None) => Chunk::End,
            Err(_) => return,
        };
        let ended = matches!(chunk, Chunk::End);
        if incoming.send(chunk).await.is_err() || ended {
            return;
        }
    }
}

/// A technician's command shell: keys in, terminal output out, and a recording of the output.
pub(super) async fn shell<W: SendStream, R: RecvStream>(
    ingress: FrameIngress,
    mut page: W,
    mut keys: R,
) -> Result<(), ConnectionError> {
    let mut framed = Framed::new(MAX_INPUT_BYTES);
    let first = next::<_, ShellInput>(&mut keys, &mut framed).await?;
    let Some(ShellInput::Size { columns, rows }) = first else { return Err(ConnectionError::Stream) };
    let (live, who) = (ingress.live.clone(), ingress.who);
    let number = live.next_number();
    let opened = async {
        let pending = live.keep(who, paths::shell(live.folder(), &live.id, number));
        let pending = pending.map_err(|why| why.to_string())?;
        // Nothing is shown unrecorded, so the recording starts before the program is asked.
        let cast = Cast::create(pending, columns, rows).map_err(|why| why.to_string())?;
        let mut pipe = live.job(who, Job::Shell { columns, rows }).await.map_err(|why| why.to_string())?;
        let Answer::Done {} = pipe.answer().await.map_err(|why| why.to_string())? else {
            return Err(JobError::UnexpectedResponse.to_string());
        };
        Ok((cast, pipe))
    };
    let (cast, pipe) = match opened.await {
        Ok(opened) => opened,
        Err(why) => {
            page.write_all(error_line("cannot be opened", &why).as_bytes()).await.map_err(broken)?;
            page.finish().map_err(broken)?;
            let _ = page.closed().await;
            return Ok(());
        }
    };
    live.record_event(Event::ShellStarted { by: who, number }).await?;
    let mut shell = Shell { live, number, cast: Some(cast) };
    let relayed = relay(&ingress, who, pipe, (&mut page, &mut keys), framed, &mut shell).await;
    drop(shell);
    let _ = page.finish();
    relayed
}

/// An error as the technician reads it in the terminal.
fn error_line(what: &str, why: &str) -> String {
    format!("\r\n\x1b[31mThe shell {what}: {why}.\x1b[0m\r\n")
}

/// An open shell. However it ends, its end is recorded in the timeline and its recording is complete.
struct Shell {
    live: Arc<LiveSession>,
    number: u32,
    cast: Option<Cast>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let (live, number, cast) = (self.live.clone(), self.number, self.cast.take());
        tasks::spawn("shell recording", async move {
            let ended = tokio::task::spawn_blocking(move || cast.map(Cast::end).transpose()).await;
            let sha256 = ended.ok().and_then(Result::ok).flatten().unwrap_or_default();
            // If the session has ended meanwhile, its end already implies the shell's.
            let _ = live.record_event(Event::ShellEnded { number, sha256 }).await;
        });
    }
}

async fn relay<W: SendStream, R: RecvStream>(
    ingress: &FrameIngress,
    who: ParticipantId,
    mut pipe: JobStream,
    (page, keys): (&mut W, &mut R),
    mut framed: Framed,
    shell: &mut Shell,
) -> Result<(), ConnectionError> {
    let mut check = tokio::time::interval(PERMISSION_CHECK);
    loop {
        tokio::select! {
            input = next::<_, ShellInput>(keys, &mut framed) => {
                let Some(input) = input? else { return Ok(()) };
                if let (ShellInput::Size { columns, rows }, Some(cast)) = (&input, &mut shell.cast)
                    && let Err(why) = cast.write("r", &format!("{columns}x{rows}"))
                {
                    return page.write_all(error_line("ends", &why.to_string()).as_bytes()).await.map_err(broken);
                }
                if pipe.send(protocol::encode(&input).into()).await.is_err() {
                    return Ok(());
                }
            }
            output = pipe.next() => {
                let Ok(Some(bytes)) = output else { return Ok(()) };
                // Nothing is shown unrecorded.
                if let Some(cast) = &mut shell.cast
                    && let Err(why) = cast.output(&bytes)
                {
                    return page.write_all(error_line("ends", &why.to_string()).as_bytes()).await.map_err(broken);
                }
                page.write_chunk(bytes).await.map_err(broken)?;
            }
            _ = check.tick() => {
                if !ingress.live.may(who, Right::Shell).await {
                    return Ok(());
                }
            }
        }
    }
}

/// A recording of a terminal as an asciicast, version 2: <https://docs.asciinema.org/manual/asciicast/v2/>. It holds
/// the output alone, not what was typed.
struct Cast {
    file: platform::vault::Writer<std::fs::File>,
    pending: PendingFile,
    bytes: u64,
    sum: Sha256,
    started: Instant,
    /// The first bytes of a character that is not complete yet.
    partial: Vec<u8>,
}

impl Cast {
    fn create(pending: PendingFile, columns: u16, rows: u16) -> std::io::Result<Self> {
        std::fs::create_dir_all(pending.path().parent().expect("paths in the data folder have a parent"))?;
        let file = pending.create()?;
        let at = clock::now().0 / 1_000;
        let mut cast =
            Self { file, pending, bytes: 0, sum: Sha256::new(), started: Instant::now(), partial: Vec::new() };
        cast.line(&format!(r#"{{"version": 2, "width": {columns}, "height": {rows}, "timestamp": {at}}}"#))?;
        Ok(cast)
    }

    fn line(&mut self, text: &str) -> std::io::Result<()> {
        let text = format!("{text}\n");
        self.bytes += text.len() as u64;
        if self.bytes > MAX_CAST_BYTES {
            return Err(std::io::Error::other(
                "the recording of a shell is limited to 64 MB; please open another shell",
            ));
        }
        self.pending.write(text.len() as u64).map_err(std::io::Error::other)?;
        self.sum.update(&text);
        self.file.write_all(text.as_bytes())?;
        self.file.flush()
    }

    /// Ends the recording and returns its SHA-256.
    fn end(self) -> std::io::Result<String> {
        let ended = self.file.finish().and_then(|file| file.sync_all());
        // What was shown is kept even if the end cannot be written.
        self.pending.done();
        ended.map(|()| secret::hex(&self.sum.finalize()))
    }

    fn output(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.partial.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.partial) {
            Ok(_) => self.partial.len(),
            // An incomplete character may become complete with the next bytes.
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => self.partial.len(),
        };
        let text: Vec<u8> = self.partial.drain(..whole).collect();
        self.write("o", &String::from_utf8_lossy(&text))
    }

    fn write(&mut self, kind: &str, text: &str) -> std::io::Result<()> {
        let at = self.started.elapsed().as_secs_f64();
        let text = serde_json::to_string(text).unwrap_or_default();
        self.line(&format!(r#"[{at:.3}, "{kind}", {text}]"#))
    }
}
