//! axum's WebSocket as the kind of WebSocket that QMux takes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::extract::ws;
use futures::{Sink, Stream};
use tokio_tungstenite::tungstenite::{self, Message};

/// An upgraded WebSocket, with the messages and errors of tungstenite. It may be asked again after an error.
pub(super) struct Socket(pub ws::WebSocket);

fn io_error(error: axum::Error) -> tungstenite::Error {
    tungstenite::Error::Io(std::io::Error::other(error))
}

impl Stream for Socket {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context).map(|next| next.map(|m| m.map(to_tungstenite).map_err(io_error)))
    }
}

impl Sink<Message> for Socket {
    type Error = tungstenite::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.0).poll_ready(context).map_err(io_error)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        Pin::new(&mut self.0).start_send(from_tungstenite(message)).map_err(io_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.0).poll_flush(context).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.0).poll_close(context).map_err(io_error)
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
