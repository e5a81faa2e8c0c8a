//! The bytes of files by requests of their own, from the program and to it: see `live/lane.rs`.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::{Body, BodyDataStream},
    extract::{Path, State},
    http::StatusCode,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use live_sessions::{Chunk, Endpoint, SessionRegistry};
use platform::clock;

use super::ClientAddress;

use crate::connections::Clients;

/// Bytes go on in pieces of about this size: for each of the network's own, of 16 kB, everybody on the way to the browser
/// would be woken.
const CHUNK: usize = 256 * 1024;

/// There is no such lane; and who asks for many such is not heard any more.
fn unknown_token(clients: &Clients, from: IpAddr) -> StatusCode {
    clients.record_failure(from).map_or(StatusCode::TOO_MANY_REQUESTS, |()| StatusCode::NOT_FOUND)
}

/// Takes what the program sends.
pub async fn receive(
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(from): ClientAddress,
    Path(token): Path<String>,
    body: Body,
) -> StatusCode {
    let Some((live, Endpoint::In(to))) = sessions.side_channels.take(clock::now(), &token) else {
        return unknown_token(&clients, from);
    };
    let mut body = body.into_data_stream();
    while let Some(bytes) = next_chunk(&mut body).await {
        // Without its proper end it is not whole.
        let Ok(bytes) = bytes else { return StatusCode::BAD_REQUEST };
        live.yield_to_input(bytes.len()).await;
        if to.send(Chunk::Bytes(bytes)).await.is_err() {
            return StatusCode::GONE;
        }
    }
    let _ = to.send(Chunk::End).await;
    StatusCode::NO_CONTENT
}

async fn next_chunk(body: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
    let mut next_chunk = BytesMut::with_capacity(CHUNK);
    while next_chunk.len() < CHUNK {
        match body.next().await {
            Some(Ok(bytes)) => next_chunk.extend_from_slice(&bytes),
            Some(Err(error)) => return Some(Err(error)),
            None => break,
        }
    }
    (!next_chunk.is_empty()).then(|| Ok(next_chunk.freeze()))
}

/// Gives the program what it is to write.
pub async fn send(
    State(clients): State<Arc<Clients>>,
    State(sessions): State<Arc<SessionRegistry>>,
    ClientAddress(address): ClientAddress,
    Path(token): Path<String>,
) -> Result<Body, StatusCode> {
    let Some((live, Endpoint::Out(from))) = sessions.side_channels.take(clock::now(), &token) else {
        return Err(unknown_token(&clients, address));
    };
    Ok(Body::from_stream(futures::stream::unfold((live, from), |(live, mut from)| async {
        let bytes = from.recv().await?;
        live.yield_to_input(bytes.len()).await;
        Some((Ok::<_, std::io::Error>(bytes), (live, from)))
    })))
}
