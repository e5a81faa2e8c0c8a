//! Jobs on the program's connection: a bidirectional stream each, and the technician's shells, which are streams of the
//! page joined to streams of the program.

use std::{io::Write, sync::Arc, time::Instant};

use bytes::Bytes;
use protocol::{Answer, Event, Framed, Job, MAX_INPUT_BYTES, ParticipantId, Right, ShellInput};
use tokio::{sync::mpsc, task::JoinSet};
use web_transport_trait::{RecvStream, SendStream, Session};

use super::{Fault, broken, flow::Passage, next};
use crate::{
    live::{JobError, Live, Piece, Pipe, Wanted},
    paths, secret,
};
use sha2::{Digest, Sha256};

/// How many pieces may be on their way in either direction of a job.
const PIECES: usize = 8;
/// How large a piece may be.
const PIECE_BYTES: usize = 128 * 1024;
/// How often it is looked whether a shell is still allowed.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// Opens a stream for each job, and carries its bytes.
pub(super) async fn serve<S: Session>(
    connection: S,
    live: Arc<Live>,
    mut jobs: mpsc::Receiver<Wanted>,
) -> Result<(), Fault> {
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            wanted = jobs.recv() => {
                // The connection goes on without jobs until something else ends it.
                let Some(Wanted { job, pipe }) = wanted else { return std::future::pending().await };
                let (mut sender, receiver) = connection.open_bi().await.map_err(broken)?;
                // A slow file never holds up a picture or a key.
                let urgent = matches!(job, Job::Shell { .. });
                sender.set_priority(if urgent { 5 } else { 0 });
                sender.write_all(&protocol::encode(&job)).await.map_err(broken)?;
                let (to, outgoing) = mpsc::channel(PIECES);
                let (incoming, from) = mpsc::channel(PIECES);
                if pipe.send(Pipe::new(to, from)).is_ok() {
                    let bulk = (!urgent).then(|| live.clone());
                    running.spawn(write(sender, outgoing, bulk.clone()));
                    running.spawn(read(receiver, incoming, bulk));
                }
            }
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
}

async fn write<W: SendStream>(mut stream: W, mut outgoing: mpsc::Receiver<Bytes>, bulk: Option<Arc<Live>>) {
    while let Some(bytes) = outgoing.recv().await {
        if let Some(live) = &bulk {
            live.make_way(bytes.len()).await;
        }
        if stream.write_chunk(bytes).await.is_err() {
            return;
        }
    }
    let _ = stream.finish();
    // Ended, not torn down: the stream lives until the program has read its end.
    let _ = stream.closed().await;
}

async fn read<R: RecvStream>(mut stream: R, incoming: mpsc::Sender<Piece>, bulk: Option<Arc<Live>>) {
    loop {
        let piece = match stream.read_chunk(PIECE_BYTES).await {
            Ok(Some(bytes)) => {
                if let Some(live) = &bulk {
                    live.make_way(bytes.len()).await;
                }
                Piece::Bytes(bytes)
            }
            Ok(None) => Piece::End,
            Err(_) => return,
        };
        let ended = matches!(piece, Piece::End);
        if incoming.send(piece).await.is_err() || ended {
            return;
        }
    }
}

/// A technician's command shell: keys in, the terminal's output out, and a recording of what it showed.
pub(super) async fn shell<W: SendStream, R: RecvStream>(
    passage: Passage,
    mut page: W,
    mut keys: R,
) -> Result<(), Fault> {
    let mut framed = Framed::new(MAX_INPUT_BYTES);
    let first = next::<_, ShellInput>(&mut keys, &mut framed).await?;
    let Some(ShellInput::Size { columns, rows }) = first else { return Err(Fault::Stream) };
    let (live, who) = (passage.live.clone(), passage.who);
    let opened = async {
        let mut pipe = live.job(who, Job::Shell { columns, rows }).await?;
        match pipe.answer().await? {
            Answer::Done {} => Ok(pipe),
            _ => Err(JobError::Nonsense),
        }
    };
    let pipe = match opened.await {
        Ok(pipe) => pipe,
        Err(error) => {
            let text = format!("\x1b[31mThe shell cannot be opened: {error}.\x1b[0m\r\n");
            page.write_all(text.as_bytes()).await.map_err(broken)?;
            page.finish().map_err(broken)?;
            let _ = page.closed().await;
            return Ok(());
        }
    };
    let number = live.next_number();
    live.record_deed(&passage.app, Event::ShellStarted { by: who, number }).await?;
    let mut cast = Cast::create(&passage, number, columns, rows).inspect_err(|error| {
        tracing::error!(session = %live.id, %error, "a shell is not recorded");
    });
    let carried = carry(&passage, who, pipe, (&mut page, &mut keys), framed, &mut cast).await;
    let sha256 = cast.and_then(Cast::end).unwrap_or_default();
    // The session may have ended meanwhile; then its end says enough.
    let _ = live.record_deed(&passage.app, Event::ShellEnded { number, sha256 }).await;
    let _ = page.finish();
    carried
}

async fn carry<W: SendStream, R: RecvStream>(
    passage: &Passage,
    who: ParticipantId,
    mut pipe: Pipe,
    (page, keys): (&mut W, &mut R),
    mut framed: Framed,
    cast: &mut std::io::Result<Cast>,
) -> Result<(), Fault> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            input = next::<_, ShellInput>(keys, &mut framed) => {
                let Some(input) = input? else { return Ok(()) };
                if let (ShellInput::Size { columns, rows }, Ok(cast)) = (&input, cast.as_mut()) {
                    cast.write("r", &format!("{columns}x{rows}"));
                }
                if pipe.send(protocol::encode(&input).into()).await.is_err() {
                    return Ok(());
                }
            }
            output = pipe.next() => {
                let Ok(Some(bytes)) = output else { return Ok(()) };
                if let Ok(cast) = cast {
                    cast.output(&bytes);
                }
                page.write_chunk(bytes).await.map_err(broken)?;
            }
            _ = look.tick() => {
                if !passage.live.may(who, Right::Shell).await {
                    return Ok(());
                }
            }
        }
    }
}

/// A recording of a terminal as an asciicast, version 2: <https://docs.asciinema.org/manual/asciicast/v2/>. What was
/// typed is not in it, only what was shown.
struct Cast {
    file: crate::vault::Writer<std::fs::File>,
    sum: Sha256,
    started: Instant,
    /// The beginning of a character whose end has not come yet.
    half: Vec<u8>,
}

impl Cast {
    fn create(passage: &Passage, number: u32, columns: u16, rows: u16) -> std::io::Result<Self> {
        let path = paths::shell(&passage.app.config.data, &passage.live.id, number);
        std::fs::create_dir_all(path.parent().expect("a path of ours has a folder"))?;
        let file = passage.app.vault.file(&path).create(std::fs::File::create_new(&path)?)?;
        let at = crate::app::now().0 / 1_000;
        let mut cast = Self { file, sum: Sha256::new(), started: Instant::now(), half: Vec::new() };
        cast.line(&format!(r#"{{"version": 2, "width": {columns}, "height": {rows}, "timestamp": {at}}}"#))?;
        Ok(cast)
    }

    fn line(&mut self, text: &str) -> std::io::Result<()> {
        let text = format!("{text}\n");
        self.sum.update(&text);
        self.file.write_all(text.as_bytes())?;
        self.file.flush()
    }

    /// Ends the recording; says its SHA-256.
    fn end(self) -> std::io::Result<String> {
        self.file.finish()?.sync_all()?;
        Ok(secret::hex(&self.sum.finalize()))
    }

    fn output(&mut self, bytes: &[u8]) {
        self.half.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.half) {
            Ok(_) => self.half.len(),
            // A character of which less than its four bytes are there may still become whole.
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            Err(_) => self.half.len(),
        };
        let text: Vec<u8> = self.half.drain(..whole).collect();
        self.write("o", &String::from_utf8_lossy(&text));
    }

    fn write(&mut self, kind: &str, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        let text = serde_json::to_string(text).unwrap_or_default();
        if let Err(error) = self.line(&format!(r#"[{at:.3}, "{kind}", {text}]"#)) {
            tracing::error!(%error, "a shell's recording cannot be written");
        }
    }
}
