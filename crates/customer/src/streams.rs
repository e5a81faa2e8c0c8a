//! Reading messages from a stream.

use protocol::Framed;
use web_transport_trait::RecvStream;

/// The next message; `None` at the end of the stream.
pub async fn next<R: RecvStream, T: serde::de::DeserializeOwned>(
    stream: &mut R,
    framed: &mut Framed,
) -> anyhow::Result<Option<T>> {
    loop {
        if let Some(message) = framed.next_message()? {
            return Ok(Some(message));
        }
        match stream.read_chunk(64 * 1024).await.map_err(stream_error)? {
            Some(bytes) => framed.push(&bytes),
            None => return Ok(None),
        }
    }
}

/// The transports have error types of their own, and some of these cannot be stored.
pub fn stream_error(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
