//! The streams beside the control stream: the screen out, the technician's input in.
//!
//! Over QUIC, small messages are sent twice: on their stream, and a little later as a datagram. A lost packet of a key
//! press, or of the picture that answers it, then costs some milliseconds instead of a round trip and more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use protocol::{Framed, Input, MAX_INPUT_BYTES, REDUNDANCY_DELAY};
use session::Consent;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use web_transport_trait::{RecvStream, SendStream, Session, Stats};

use crate::streams::{next, stream_error};
use crate::{input::InputThread, share::OutFrame};

/// How long after a lost packet the path counts as lossy.
const LOSS_MEMORY: Duration = Duration::from_secs(30);

/// Whether the path loses packets: only then pictures are copied.
#[derive(Default)]
struct LossMonitor {
    lost: u64,
    until: Option<Instant>,
}

impl LossMonitor {
    /// Packets lost since the connection began.
    fn loses(&mut self, lost: u64) -> bool {
        let now = Instant::now();
        if lost > self.lost {
            (self.lost, self.until) = (lost, Some(now + LOSS_MEMORY));
        }
        self.until.is_some_and(|until| now < until)
    }
}

/// Sends frames; each keyframe starts a new stream.
pub async fn write_screen<S: Session>(
    session: S,
    mut frames: mpsc::Receiver<OutFrame>,
    quic: bool,
) -> anyhow::Result<()> {
    let mut stream: Option<S::SendStream> = None;
    let mut copies: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut losses = LossMonitor::default();
    loop {
        let due = copies.front().map(|(at, _)| *at);
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if let Some((_, copy)) = copies.pop_front() {
                    // A copy that cannot be sent is not needed.
                    let _ = session.send_datagram(copy);
                }
                continue;
            }
        };
        let Some(frame) = frame else { return Ok(()) };
        if frame.key {
            if let Some(mut old) = stream.take() {
                old.finish().map_err(stream_error)?;
            }
            let mut new = session.open_uni().await.map_err(stream_error)?;
            new.set_priority(1);
            new.write_all(b"S").await.map_err(stream_error)?;
            stream = Some(new);
        }
        if let Some(stream) = &mut stream {
            if quic && !frame.key && losses.loses(session.stats().packets_lost().unwrap_or(0)) {
                let at = Instant::now() + REDUNDANCY_DELAY;
                copies.extend(protocol::pieces(frame.seq, &frame.bytes).into_iter().map(|piece| (at, piece)));
            }
            stream.write_chunk(frame.bytes).await.map_err(stream_error)?;
        }
    }
}

/// Receives the technician's input and checks it once more before executing it. `blocked` learns when the system starts
/// or stops keeping input from a window.
pub async fn read_input<S: Session>(
    session: S,
    consent: Arc<Mutex<Consent>>,
    blocked: mpsc::Sender<bool>,
    quic: bool,
) -> anyhow::Result<()> {
    let input_thread = InputThread::start(consent, blocked);
    loop {
        let mut stream = session.accept_uni().await.map_err(stream_error)?;
        let mut kind = [0];
        if stream.read(&mut kind).await.map_err(stream_error)? != Some(1) || kind[0] != b'I' {
            continue;
        }
        let (mut framed, mut from_stream, mut executed) = (Framed::new(MAX_INPUT_BYTES), 0u32, 0u32);
        loop {
            tokio::select! {
                message = next::<_, Input>(&mut stream, &mut framed) => {
                    let Some(input) = message? else { break };
                    // Input that arrived as a copy is not executed again.
                    if from_stream == executed {
                        input_thread.act(input).await;
                        executed += 1;
                    }
                    from_stream += 1;
                }
                copy = session.recv_datagram(), if quic => {
                    if let Some(input) = next_input(&copy.map_err(stream_error)?, executed) {
                        input_thread.act(input).await;
                        executed += 1;
                    }
                }
            }
        }
    }
}

/// The input in a copy, if it is the next one to execute.
fn next_input(copy: &[u8], executed: u32) -> Option<Input> {
    let (number, message) = copy.split_first_chunk()?;
    let mut framed = Framed::new(MAX_INPUT_BYTES);
    framed.push(message);
    (u32::from_be_bytes(*number) == executed).then(|| framed.next_message().ok().flatten()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_executed_only_if_it_is_the_next_input() {
        let copy = [&3u32.to_be_bytes()[..], &protocol::encode(&Input::ReleaseAll {})].concat();
        assert_eq!(next_input(&copy, 3), Some(Input::ReleaseAll {}));
        assert_eq!(next_input(&copy, 2), None, "an earlier one is missing");
        assert_eq!(next_input(&copy, 4), None, "executed already");
        assert_eq!(next_input(&copy[..9], 3), None, "truncated");
        assert_eq!(next_input(b"", 0), None);
    }
}
