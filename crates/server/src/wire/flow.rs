//! Streams beside the control stream: screen and input, in both directions.

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

/// Takes in one customer's frames, from the stream and from redundant datagrams.
#[derive(Clone)]
pub(super) struct FrameIngress {
    pub live: Arc<LiveSession>,
    pub who: protocol::ParticipantId,
    /// The number of the last frame that was relayed: copies of it and of older ones are dropped.
    pub relayed: Arc<tokio::sync::Mutex<u32>>,
}

impl FrameIngress {
    /// Relays a frame of the stream, unless its copy was faster.
    async fn relay(&self, frame: Frame) -> Result<(), ActError> {
        let mut relayed = self.relayed.lock().await;
        if !frame.is_key() && frame.header.seq <= *relayed {
            return Ok(());
        }
        *relayed = frame.header.seq;
        self.live.frame(self.who, frame).await
    }

    /// Relays a copy if it is the next frame that the stream has not delivered yet.
    async fn relay_copy(&self, frame: Frame) -> Result<(), ActError> {
        let mut relayed = self.relayed.lock().await;
        if frame.is_key() || *relayed == 0 || frame.header.seq != *relayed + 1 {
            return Ok(());
        }
        *relayed = frame.header.seq;
        self.live.frame(self.who, frame).await
    }
}

/// Reads the copies of small frames that arrive as datagrams: after a lost packet they arrive sooner than the stream.
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
            // Frames that were in transit when the customer withdrew or paused are dropped silently.
            Err(ActError::Refused(why)) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::info!(session = %ingress.live.id, %why, "frames outside the grant are dropped");
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Releases the keys and buttons that a technician holds, however their input stream ends.
struct ReleaseInput(Arc<LiveSession>, protocol::ParticipantId);

impl Drop for ReleaseInput {
    fn drop(&mut self) {
        self.0.release_input(self.1);
    }
}

/// Reads a technician's input. Input outside the grant is dropped, and logged once.
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

/// Sends the technician's input to the customer's program. Over QUIC each message is sent once more, a little later, as
/// a numbered datagram: a key press whose packet was lost does not wait for loss detection.
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
                // Without input the connection stays open until something else ends it.
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
                    // A copy that cannot be sent is not needed.
                    let _ = connection.send_datagram(copy);
                }
            }
        }
    }
}

/// Sends the screen to a viewer, on a new stream for each keyframe. Frames that waited because the viewer is slow are
/// checked against the grant again before they are sent.
pub(super) async fn write_screen<S: Session>(
    connection: S,
    live: Arc<LiveSession>,
    (connection_id, who): (u64, ParticipantId),
) -> Result<(), ConnectionError> {
    let mut stream: Option<S::SendStream> = None;
    loop {
        let mut subscription = live.screen.subscribe(connection_id, who, || live.now());
        if subscription.key_needed {
            live.to_program(ServerMessage::NeedKeyframe {});
        }
        for frame in subscription.backlog {
            show(&connection, &mut stream, (&live, who), &frame).await?;
        }
        while let Some(frame) = subscription.frames.recv().await {
            show(&connection, &mut stream, (&live, who), &frame).await?;
            live.screen.measure_relay_time(&frame);
        }
        // The relay dropped this viewer because its queue was full: it starts again with a keyframe.
        live.to_program(ServerMessage::NeedKeyframe {});
    }
}

/// Sends a frame if this viewer may still see it.
async fn show<S: Session>(
    connection: &S,
    stream: &mut Option<S::SendStream>,
    (live, who): (&LiveSession, ParticipantId),
    frame: &Frame,
) -> Result<(), ConnectionError> {
    if live.may(who, Right::View).await {
        return send_frame(connection, stream, frame).await;
    }
    // The following frames build on the omitted one, so the viewer waits for a keyframe.
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
        // A delta frame without its keyframe cannot be decoded.
        None => Ok(()),
    }
}
