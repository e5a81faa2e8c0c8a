//! How connections come in, and what each request is counted as.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    http::{Request, Response, StatusCode},
};
use axum_server::accept::Accept;
use tokio::{net::TcpStream, time::Instant};
use tower::Service;

use super::{
    Admissions, Clients, Exchange, Gate, Visitor,
    body::{Coming, Going},
    stream::Watched,
};

/// The answer for whoever asks too much at once.
pub type Refusal = fn() -> Response<Body>;

/// Where connections come in.
#[derive(Clone)]
pub struct Entrance {
    clients: Arc<Clients>,
    admissions: Arc<Admissions>,
    refusal: Refusal,
}

impl Entrance {
    /// Lets in whom these say; whoever asks too much at once is answered by `refusal`.
    pub fn new(clients: Arc<Clients>, admissions: Arc<Admissions>, refusal: Refusal) -> Self {
        Self { clients, admissions, refusal }
    }

    fn enter<S>(&self, stream: TcpStream, service: S) -> io::Result<(Watched<TcpStream>, Counted<S>)> {
        // Without Nagle's algorithm: small messages, like the release of a key, would wait for an acknowledgement.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?.ip();
        let visitor = self.clients.visitor(peer);
        let entered = self.admissions.connections.admit(visitor);
        let (gate, place) = entered.ok_or_else(|| io::Error::other("there are too many connections"))?;
        let ends_with_one = match visitor {
            Visitor::Stranger(_) | Visitor::Known(_) => Some(gate.clone()),
            Visitor::Proxy(_) => None,
        };
        let counted = Counted { inner: service, entrance: self.clone(), gate: gate.clone(), ends_with_one, peer };
        Ok((Watched::new(stream, gate, place), counted))
    }
}

impl<S> Accept<TcpStream, S> for Entrance {
    type Stream = Watched<TcpStream>;
    type Service = Counted<S>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.enter(stream, service))
    }
}

/// A connection's requests.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    entrance: Entrance,
    gate: Arc<Gate>,
    /// The same, where it ends with a request that others need the place of: what a peer does not take can be given up in no
    /// other way. By a proxy others come as well.
    ends_with_one: Option<Arc<Gate>>,
    peer: IpAddr,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let client = self.entrance.clients.client_address(self.peer, request.headers());
        let visitor = Visitor::from(client, self.entrance.clients.is_known(client));
        let Some(place) =
            self.entrance.admissions.requests.admit_at(Instant::now(), visitor, self.ends_with_one.clone())
        else {
            let refused = (self.entrance.refusal)();
            let exchange = Exchange::on(&self.gate);
            return Box::pin(ready(Ok(refused.map(|body| Body::new(Going::new(body, exchange))))));
        };
        let exchange = Exchange::among(&self.gate, place);
        let later = self.gate.times().later;
        let mut request = request.map(|body| Body::new(Coming::new(Body::new(body), later, exchange.clone())));
        request.extensions_mut().insert(exchange.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // Whoever takes the connection over has rules of their own, and keeps the exchange.
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(Going::new(body, exchange))))
        })
    }
}
