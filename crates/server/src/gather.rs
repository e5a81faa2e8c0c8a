//! Bodies of requests in large pieces: what is there already is taken together, so that whoever passes it on is woken a few
//! thousand times for a large file, and not for every 16 kB.

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt};

/// So much is taken together.
const MOST: usize = 256 * 1024;

/// The bytes of a body.
pub struct Gather {
    body: BodyDataStream,
    /// What came after a piece and is none: the end, or an error.
    last: Option<Option<axum::Error>>,
}

impl Gather {
    pub fn new(body: axum::body::Body) -> Self {
        Self { body: body.into_data_stream(), last: None }
    }

    /// The next bytes; `None` at the proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, axum::Error> {
        if let Some(last) = self.last.take() {
            return last.map_or(Ok(None), Err);
        }
        let Some(first) = self.body.next().await.transpose()? else { return Ok(None) };
        if first.len() >= MOST {
            return Ok(Some(first));
        }
        let mut more = BytesMut::new();
        while more.len() < MOST {
            match self.body.next().now_or_never() {
                Some(Some(Ok(bytes))) => {
                    if more.is_empty() {
                        more.reserve(MOST);
                        more.extend_from_slice(&first);
                    }
                    more.extend_from_slice(&bytes);
                }
                Some(Some(Err(error))) => {
                    self.last = Some(Some(error));
                    break;
                }
                Some(None) => {
                    self.last = Some(None);
                    break;
                }
                None => break,
            }
        }
        Ok(Some(if more.is_empty() { first } else { more.freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    async fn all(pieces: Vec<Result<Bytes, std::io::Error>>) -> (Vec<usize>, bool) {
        let mut gather = Gather::new(Body::from_stream(stream::iter(pieces)));
        let mut lengths = Vec::new();
        loop {
            match gather.next().await {
                Ok(Some(bytes)) => lengths.push(bytes.len()),
                Ok(None) => return (lengths, true),
                Err(_) => return (lengths, false),
            }
        }
    }

    #[tokio::test]
    async fn pieces_come_together_and_ends_stay_apart() {
        let piece = |length: usize| Ok(Bytes::from(vec![7; length]));
        assert_eq!(all(vec![]).await, (vec![], true));
        assert_eq!(all(vec![piece(1), piece(2), piece(3)]).await, (vec![6], true));
        assert_eq!(all(vec![piece(MOST), piece(1)]).await, (vec![MOST, 1], true));
        assert_eq!(all(vec![piece(1), Err(std::io::Error::other("cut"))]).await, (vec![1], false));
        let (lengths, whole) = all((0..100).map(|_| piece(10_000)).collect()).await;
        assert_eq!((lengths.iter().sum::<usize>(), whole), (1_000_000, true));
        assert!(lengths.len() < 6, "{lengths:?}");
    }
}
