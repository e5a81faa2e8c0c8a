//! Side channels: a file's bytes in an HTTPS request of their own, from the support program or to it. See
//! `live_sessions::side_channel`.

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

/// Bytes are passed on in chunks of about this size: with the network's own of 16 kB, every task up to the browser
/// would wake for each.
const CHUNK: usize = 256 * 1024;

/// The token is not valid. A client that tries many is refused.
fn unknown_token(clients: &Clients, from: IpAddr) -> StatusCode {
    clients.record_failure(from).map_or(StatusCode::TOO_MANY_REQUESTS, |()| StatusCode::NOT_FOUND)
}

/// Receives a file's bytes from the support program.
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
        // Without a proper end the body is not complete.
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

/// Sends a file's bytes to the support program.
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
