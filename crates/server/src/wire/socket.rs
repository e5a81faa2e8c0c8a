//! Adapts axum's WebSocket to the interface that QMux expects.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::extract::ws;
use futures::{Sink, Stream, task::AtomicWaker};
use tokio_tungstenite::tungstenite::{self, Message};

/// Each message holds one record, of about 16 kB.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;
/// How many bytes are read from a peer whose hello is not accepted yet.
const UNADMITTED_BYTES: usize = 64 * 1024;

/// Whether the peer's hello was accepted. From then on reading is not limited.
#[derive(Default)]
pub(super) struct Accepted {
    admitted: AtomicBool,
    waker: AtomicWaker,
}

impl Accepted {
    pub(super) fn set(&self) {
        self.admitted.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.admitted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// An upgraded WebSocket with tungstenite's messages and errors. It may be polled again after an error.
pub(super) struct Socket {
    socket: ws::WebSocket,
    received: usize,
    accepted: Arc<Accepted>,
}

impl Socket {
    pub(super) fn new(socket: ws::WebSocket, accepted: Arc<Accepted>) -> Self {
        Self { socket, received: 0, accepted }
    }
}

fn io_error(error: axum::Error) -> tungstenite::Error {
    tungstenite::Error::Io(std::io::Error::other(error))
}

impl Stream for Socket {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.received >= UNADMITTED_BYTES {
            ready!(self.accepted.poll(context));
            self.received = 0;
        }
        let next = ready!(Pin::new(&mut self.socket).poll_next(context));
        if let Some(Ok(ws::Message::Binary(bytes))) = &next {
            self.received += bytes.len();
        }
        Poll::Ready(next.map(|message| message.map(to_tungstenite).map_err(io_error)))
    }
}

impl Sink<Message> for Socket {
    type Error = tungstenite::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_ready(context).map_err(io_error)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        Pin::new(&mut self.socket).start_send(from_tungstenite(message)).map_err(io_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.socket).poll_close(context).map_err(io_error)
    }
}

fn to_tungstenite(message: ws::Message) -> Message {
    match message {
        ws::Message::Text(text) => Message::text(text.as_str()),
        ws::Message::Binary(bytes) => Message::Binary(bytes),
        ws::Message::Ping(bytes) => Message::Ping(bytes),
        ws::Message::Pong(bytes) => Message::Pong(bytes),
        ws::Message::Close(_) => Message::Close(None),
    }
}

fn from_tungstenite(message: Message) -> ws::Message {
    match message {
        Message::Text(text) => ws::Message::text(text.as_str()),
        Message::Binary(bytes) => ws::Message::Binary(bytes),
        Message::Ping(bytes) => ws::Message::Ping(bytes),
        Message::Pong(bytes) => ws::Message::Pong(bytes),
        Message::Close(_) | Message::Frame(_) => ws::Message::Close(None),
    }
}
