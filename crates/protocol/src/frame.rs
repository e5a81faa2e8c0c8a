//! Messages on a stream: four bytes of length, big endian, then that many bytes of JSON.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are not a message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The announced length is above the limit.
    #[error("a message of {got} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// The announced length.
        got: usize,
        /// The limit of this stream.
        limit: usize,
    },
    /// The bytes are not the JSON of a message.
    #[error("not a message: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The bytes of one message.
///
/// # Panics
/// Never for the messages of this crate, which all have a JSON form.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).expect("messages have a JSON form");
    let length = u32::try_from(bytes.len() - 4).expect("messages are far below 4 GiB");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Decodes the bytes after the length.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(body)?)
}

/// Collects the bytes of a stream and returns whole messages. Holds at most `limit` + 4 bytes plus the last push.
#[derive(Debug)]
pub struct Framed {
    buffer: Vec<u8>,
    limit: usize,
}

impl Framed {
    /// A reader that refuses messages above `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit }
    }

    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next whole message; `None` when more bytes are needed.
    pub fn next_body(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > self.limit {
            return Err(FrameError::TooLarge { got: length, limit: self.limit });
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        let body = self.buffer[4..4 + length].to_vec();
        self.buffer.drain(..4 + length);
        Ok(Some(body))
    }

    /// The bytes after the last message that was returned.
    pub fn rest(self) -> Vec<u8> {
        self.buffer
    }

    /// The next whole message.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        self.next_body()?.map(|body| decode(&body)).transpose()
    }
}
