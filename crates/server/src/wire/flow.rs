//! What flows beside the conversation: screens in and out, input in and out.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use live_sessions::{ActError, LiveSession, recorder::Frame};
use protocol::{
    FrameKind, Framed, HEADER_BYTES, Header, Input, MAX_INPUT_BYTES, ParticipantId, RedundantDatagrams, Right,
    ServerMessage,
};
use tokio::sync::mpsc;
use web_transport_trait::{RecvStream, SendStream, Session};

use super::{ConnectionError, broken, next};

/// The way of one customer's frames through the relay.
#[derive(Clone)]
pub(super) struct FrameIngress {
    pub live: Arc<LiveSession>,
    pub who: protocol::ParticipantId,
    /// The number of the last frame that was passed on: copies of it, and of older ones, are not.
    pub relayed: Arc<tokio::sync::Mutex<u32>>,
}

impl FrameIngress {
    /// Passes a frame of the stream on, unless its copy was quicker.
    async fn relay(&self, frame: Frame) -> Result<(), ActError> {
        let mut relayed = self.relayed.lock().await;
        if !frame.is_key() && frame.header.seq <= *relayed {
            return Ok(());
        }
        *relayed = frame.header.seq;
        self.live.frame(self.who, frame).await
    }

    /// Passes a copy on when it is the next frame, which the stream still owes.
    async fn relay_copy(&self, frame: Frame) -> Result<(), ActError> {
        let mut relayed = self.relayed.lock().await;
        if frame.is_key() || *relayed == 0 || frame.header.seq != *relayed + 1 {
            return Ok(());
        }
        *relayed = frame.header.seq;
        self.live.frame(self.who, frame).await
    }
}

/// Takes in the copies of small frames that come as datagrams: where a packet was lost, they are there sooner.
pub(super) async fn read_redundant_datagrams<S: Session>(
    ingress: FrameIngress,
    connection: S,
) -> Result<(), ConnectionError> {
    let mut copies = RedundantDatagrams::default();
    loop {
        let datagram = connection.recv_datagram().await.map_err(broken)?;
        let Some((header, bytes)) = copies.take(&datagram) else { continue };
        match ingress.relay_copy(Frame::read(header, bytes)?).await {
            Ok(()) | Err(ActError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a screen stream frame by frame.
pub(super) async fn read_screen<R: RecvStream>(ingress: FrameIngress, mut stream: R) -> Result<(), ConnectionError> {
    let mut buffer = BytesMut::new();
    let mut refused = false;
    loop {
        while buffer.len() < HEADER_BYTES {
            match stream.read_chunk(256 * 1024).await.map_err(broken)? {
                Some(bytes) => buffer.extend_from_slice(&bytes),
                None => return Ok(()),
            }
        }
        let head: &[u8; HEADER_BYTES] = buffer.first_chunk().expect("the length was just checked");
        let header = Header::from_bytes(head)?;
        let whole = header.frame_bytes();
        while buffer.len() < whole {
            match stream.read_chunk(256 * 1024).await.map_err(broken)? {
                Some(bytes) => buffer.extend_from_slice(&bytes),
                None => return Ok(()),
            }
        }
        let frame = Frame::read(header, buffer.split_to(whole).freeze())?;
        match ingress.relay(frame).await {
            Ok(()) => refused = false,
            // Frames that were under way when the customer withdrew or paused end here, without a word.
            Err(ActError::Refused(why)) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::info!(session = %ingress.live.id, %why, "frames outside the grant are dropped");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whoever has no stream for input any more holds nothing, however it ended.
struct ReleaseInput(Arc<LiveSession>, protocol::ParticipantId);

impl Drop for ReleaseInput {
    fn drop(&mut self) {
        self.0.let_go(self.1);
    }
}

/// Reads a technician's input; what is outside the grant is dropped, and logged once.
pub(super) async fn read_input<R: RecvStream>(
    live: Arc<LiveSession>,
    who: protocol::ParticipantId,
    mut stream: R,
) -> Result<(), ConnectionError> {
    let _release = ReleaseInput(live.clone(), who);
    let mut framed = Framed::new(MAX_INPUT_BYTES);
    let mut refused = false;
    while let Some(input) = next::<_, Input>(&mut stream, &mut framed).await? {
        match live.input(who, input).await {
            Ok(()) => refused = false,
            Err(why) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(session = %live.id, who = who.0, %why, "input outside the grant is dropped");
                }
            }
        }
    }
    Ok(())
}

/// Sends the technician's input to the customer's program. Over QUIC every message goes once more, a little later, as a
/// datagram with its number: a key press whose packet was lost does not wait until that is noticed.
pub(super) async fn write_input<S: Session>(
    connection: S,
    mut input: mpsc::Receiver<Input>,
    quic: bool,
) -> Result<(), ConnectionError> {
    let mut stream = connection.open_uni().await.map_err(broken)?;
    stream.set_priority(10);
    stream.write_all(b"I").await.map_err(broken)?;
    let mut number = 0u32;
    let mut copies: VecDeque<(tokio::time::Instant, Bytes)> = VecDeque::new();
    loop {
        let due = copies.front().map(|(at, _)| *at);
        tokio::select! {
            message = input.recv() => {
                // The connection goes on without input until something else ends it.
                let Some(message) = message else { return std::future::pending().await };
                let bytes = protocol::encode(&message);
                stream.write_all(&bytes).await.map_err(broken)?;
                if quic {
                    let copy = [&number.to_be_bytes()[..], &bytes].concat();
                    copies.push_back((tokio::time::Instant::now() + protocol::REDUNDANCY_DELAY, copy.into()));
                }
                number = number.wrapping_add(1);
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                if let Some((_, copy)) = copies.pop_front() {
                    // A copy that does not go is none that is needed.
                    let _ = connection.send_datagram(copy);
                }
            }
        }
    }
}

/// Sends the screen to a viewer: a stream from each keyframe on. What waits while the viewer's connection is slow is judged
/// again when it goes.
pub(super) async fn write_screen<S: Session>(
    connection: S,
    live: Arc<LiveSession>,
    (connection_id, who): (u64, ParticipantId),
) -> Result<(), ConnectionError> {
    let mut stream: Option<S::SendStream> = None;
    loop {
        let mut subscription = live.screen.watch(connection_id, who, || live.now());
        if subscription.key_needed {
            live.to_program(ServerMessage::NeedKeyframe {});
        }
        for frame in subscription.backlog {
            show(&connection, &mut stream, (&live, who), &frame).await?;
        }
        while let Some(frame) = subscription.frames.recv().await {
            show(&connection, &mut stream, (&live, who), &frame).await?;
            live.screen.passed(&frame);
        }
        // The relay dropped a viewer that let its queue fill: it starts anew.
        live.to_program(ServerMessage::NeedKeyframe {});
    }
}

/// Sends a frame, if this viewer may see it still.
async fn show<S: Session>(
    connection: &S,
    stream: &mut Option<S::SendStream>,
    (live, who): (&LiveSession, ParticipantId),
    frame: &Frame,
) -> Result<(), ConnectionError> {
    if live.may(who, Right::View).await {
        return send_frame(connection, stream, frame).await;
    }
    // What follows builds on what is left out: it waits for a keyframe.
    match stream.take() {
        Some(mut left) => left.finish().map_err(broken),
        None => Ok(()),
    }
}

async fn send_frame<S: Session>(
    connection: &S,
    stream: &mut Option<S::SendStream>,
    frame: &Frame,
) -> Result<(), ConnectionError> {
    let pointer = !matches!(frame.header.kind, FrameKind::Picture { .. });
    if frame.is_key() || (pointer && stream.is_none()) {
        if let Some(mut old) = stream.take() {
            old.finish().map_err(broken)?;
        }
        let mut new = connection.open_uni().await.map_err(broken)?;
        new.set_priority(1);
        new.write_all(b"S").await.map_err(broken)?;
        *stream = Some(new);
    }
    match stream {
        Some(stream) => stream.write_chunk(Bytes::clone(&frame.bytes)).await.map_err(broken),
        // A delta without its keyframe is of no use to anybody.
        None => Ok(()),
    }
}
