//! A command shell for the technician: a pseudo-terminal on this machine, as the customer's user.

use std::{
    io::{Read, Write},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use portable_pty::{PtySize, native_pty_system};
use protocol::{Answer, Fault, Right, ShellInput};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream};

use super::{JobContext, JobResult, JobStream, folders};
use crate::{
    machine,
    streams::{next, stream_error},
};

/// How often the customer's consent is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// The smallest and the largest size of a terminal.
const SIDES: std::ops::RangeInclusive<u16> = 1..=1_000;

fn size(columns: u16, rows: u16) -> PtySize {
    let side = |n: u16| n.clamp(*SIDES.start(), *SIDES.end());
    PtySize { rows: side(rows), cols: side(columns), pixel_width: 0, pixel_height: 0 }
}

/// Runs a shell until it ends, the technician closes it, or the customer withdraws the right.
pub async fn run<W: SendStream, R: RecvStream>(
    context: &JobContext,
    stream: &mut JobStream<W, R>,
    columns: u16,
    rows: u16,
) -> anyhow::Result<JobResult> {
    let mut terminal = match Terminal::open(size(columns, rows)) {
        Ok(terminal) => terminal,
        Err(error) => return Ok(Err(Fault::Other { why: format!("{error:#}") })),
    };
    stream.answer(&Answer::Done {}).await?;
    let mut look = tokio::time::interval(CHECK_INTERVAL);
    loop {
        tokio::select! {
            output = terminal.output.recv() => match output {
                Some(bytes) => stream.sender.write_chunk(bytes).await.map_err(stream_error)?,
                None => break,
            },
            input = next::<_, ShellInput>(&mut stream.receiver, &mut stream.framed) => match input? {
                Some(ShellInput::Keys { text }) => {
                    if terminal.keys.send(text.into_bytes()).await.is_err() {
                        break;
                    }
                }
                Some(ShellInput::Size { columns, rows }) => {
                    let _ = terminal.master.resize(size(columns, rows));
                }
                None => break,
            },
            _ = look.tick() => if !context.may(Right::Shell) { break },
        }
    }
    Ok(Ok(None))
}

/// A shell on a pseudo-terminal. Dropping it ends the shell.
struct Terminal {
    master: Box<dyn portable_pty::MasterPty + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    output: mpsc::Receiver<Bytes>,
    keys: mpsc::Sender<Vec<u8>>,
}

impl Terminal {
    fn open(size: PtySize) -> anyhow::Result<Self> {
        let pair = native_pty_system().openpty(size).context("terminal cannot be opened")?;
        let mut shell = machine::shell();
        shell.cwd(folders::home());
        let child = pair.slave.spawn_command(shell).context("shell cannot be started")?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader()?;
        let mut writer = pair.master.take_writer()?;
        let (sender, output) = mpsc::channel(16);
        let (keys, mut typed) = mpsc::channel::<Vec<u8>>(256);
        std::thread::Builder::new().name("shell-out".into()).spawn(move || {
            let mut buffer = vec![0; 32 * 1024];
            while let Ok(got @ 1..) = reader.read(&mut buffer) {
                if sender.blocking_send(Bytes::copy_from_slice(&buffer[..got])).is_err() {
                    return;
                }
            }
        })?;
        std::thread::Builder::new().name("shell-in".into()).spawn(move || {
            while let Some(text) = typed.blocking_recv() {
                if writer.write_all(&text).and_then(|()| writer.flush()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { master: pair.master, child, output, keys })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Closing the terminal hangs up on its programs; killing the shell makes sure that it ends.
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}
