//! Accepts TCP connections, and counts each request.

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
    Activity, Admissions, Clients, Exchange, PeerClass,
    body::{RequestBody, ResponseBody},
    stream::MonitoredStream,
};

/// The response to a client with too many requests at once.
pub type Refusal = fn() -> Response<Body>;

/// Accepts connections.
#[derive(Clone)]
pub struct Acceptor {
    clients: Arc<Clients>,
    admissions: Arc<Admissions>,
    refusal: Refusal,
}

impl Acceptor {
    /// Admits what `admissions` has room for; answers excess requests by `refusal`.
    pub fn new(clients: Arc<Clients>, admissions: Arc<Admissions>, refusal: Refusal) -> Self {
        Self { clients, admissions, refusal }
    }

    fn enter<S>(&self, stream: TcpStream, service: S) -> io::Result<(MonitoredStream<TcpStream>, CountedService<S>)> {
        // No Nagle's algorithm: small messages, like the release of a key, would wait for an acknowledgement.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?.ip();
        let class = self.clients.class_of(peer);
        let entered = self.admissions.connections.admit(class);
        let (activity, slot) = entered.ok_or_else(|| io::Error::other("too many connections"))?;
        let evicted_with = match class {
            PeerClass::Stranger(_) | PeerClass::Known(_) => Some(activity.clone()),
            PeerClass::Proxy(_) => None,
        };
        let counted =
            CountedService { inner: service, acceptor: self.clone(), activity: activity.clone(), evicted_with, peer };
        Ok((MonitoredStream::new(stream, activity, slot), counted))
    }
}

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = MonitoredStream<TcpStream>;
    type Service = CountedService<S>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.enter(stream, service))
    }
}

/// Counts a connection's requests.
#[derive(Clone)]
pub struct CountedService<S> {
    inner: S,
    acceptor: Acceptor,
    activity: Arc<Activity>,
    /// The same, if evicting a request ends its connection: there is no other way to give up what a peer does not take.
    /// Behind a proxy others use the connection as well, so there it does not.
    evicted_with: Option<Arc<Activity>>,
    peer: IpAddr,
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for CountedService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let client = self.acceptor.clients.client_address(self.peer, request.headers());
        let class = PeerClass::from(client, self.acceptor.clients.is_known(client));
        let Some(slot) = self.acceptor.admissions.requests.admit_at(Instant::now(), class, self.evicted_with.clone())
        else {
            let refused = (self.acceptor.refusal)();
            let exchange = Exchange::on(&self.activity);
            return Box::pin(ready(Ok(refused.map(|body| Body::new(ResponseBody::new(body, exchange))))));
        };
        let exchange = Exchange::nested(&self.activity, slot);
        let later = self.activity.timeouts().later;
        let mut request = request.map(|body| Body::new(RequestBody::new(Body::new(body), later, exchange.clone())));
        request.extensions_mut().insert(exchange.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // A protocol that takes the connection over has limits of its own, and keeps the exchange.
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(ResponseBody::new(body, exchange))))
        })
    }
}
