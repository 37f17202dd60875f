//! Serves HTTP/1.1 and HTTP/2, in the clear or over TLS, such that a slow, huge or hostile client harms nobody else.
//!
//! What a client can occupy is bounded by [`Limits`]: connections, the time it may take over each part of a request, the
//! bytes of head and body, and the memory of all requests together. A [`Handler`] sees whole requests only.
//!
//! When all connections are taken, the one that has been without a request for the longest time gives way to a new one;
//! so a client that merely holds connections does not keep others out. [`Server::run`] says how serving ends.

mod activity;
mod body;
mod connection;
mod finished;
mod forwarded;
mod limits;
pub mod proxy_header;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod tls;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;

use crate::wire::{RequestId, WireError};

pub(crate) use connection::caught;
pub use forwarded::{Client, ForwardedHeaders, Proxies, Unintelligible};
pub use limits::Limits;
pub use server::Server;
pub use tls::{TlsError, TlsReloader};

/// Answers requests. One handler serves all connections at once.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request. A panic ends this request alone, with an `InternalFailure`. A client that goes away does not end
    /// it: what was begun is done.
    fn call(&self, request: Incoming) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Is told of a request that is refused before it has arrived whole; may have it refused with another error.
    fn refused(&self, request: Refused<'_>) -> impl Future<Output = Result<(), WireError>> + Send {
        let _ = request;
        std::future::ready(Ok(()))
    }

    /// Whether there is a line in the log for a request from there that proved nobody, and how many others before it had none.
    fn line(&self, source: IpAddr) -> Option<u64> {
        let _ = source;
        Some(0)
    }
}

/// A request that is refused before it has arrived whole.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Method, URI, version and headers.
    pub parts: &'a Parts,
    /// Where it comes from, as far as that can be told.
    pub source: IpAddr,
    /// Names the request in the answer and in the log.
    pub request_id: RequestId,
    /// Why.
    pub error: &'a WireError,
}

/// A request that has arrived whole, within the [`Limits`].
#[derive(Debug)]
pub struct Incoming {
    /// Method, URI, version and headers; `host` as the client sent it to the first trusted proxy, if that says so.
    pub parts: Parts,
    /// The body; empty if there is none.
    pub body: Bytes,
    /// Where it comes from: the connection's peer or, behind trusted [`Proxies`], the client, whose port may not be known and
    /// then is 0.
    pub peer: SocketAddr,
    /// Whether that one sent it over TLS.
    pub tls: bool,
}
