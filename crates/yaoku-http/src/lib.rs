//! Serves HTTP/1.1 and HTTP/2, in the clear or over TLS, such that a slow, huge or hostile client harms nobody else.
//!
//! What a client can occupy is bounded by [`Limits`]: connections, the time it may take over each part of a request, the
//! bytes of head and body, and the memory of all requests together, unfinished heads included. A [`Handler`] sees whole requests only.
//!
//! When all connections are taken, the one that has been without a request for the longest time gives way to a new one;
//! so a client that merely holds connections does not keep others out. [`Server::run`] says how serving ends.
//!
//! A [`Server`] has any number of [`Listener`]s, each with a TLS identity and a handler of its own; they share the limits.
//!
//! The crate knows HTTP and no protocol above it: a [`Handler`] says in its own words why a request is [refused](Refusal). Messages of a
//! protocol that is not HTTP, whose beginning tells their length, come within the same limits: a [`MessageHandler`] answers them.

mod activity;
mod body;
mod budget;
mod connection;
mod finished;
mod forwarded;
pub mod frames;
mod limits;
mod messages;
mod metrics;
pub mod proxy_header;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod watched;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;

pub use connection::catch_panic;
pub use forwarded::{Client, ForwardedHeaders, Proxies, Unintelligible};
pub use limits::Limits;
pub use messages::{IncomingMessage, MessageHandler, RefusedMessage};
pub use metrics::ConnectionMetrics;
pub use refusal::Refusal;
pub use server::{Listener, Server};
pub use tls::{ClientCertificate, TlsError, TlsReloader};

/// Answers requests. One handler serves all connections at once.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request. A panic ends this request alone, with [`Refusal::Panicked`]. A client that goes away does not end
    /// it: what was begun is done.
    fn call(&self, request: &Incoming) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Answers a request that is refused. By default in plain text.
    fn refuse(&self, request: Refused<'_>) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        std::future::ready(request.refusal.plain())
    }
}

/// A request that is refused: it did not arrive whole, or its handler panicked.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Method, URI, version and headers.
    pub parts: &'a Parts,
    /// The connection's peer.
    pub peer: SocketAddr,
    /// Where the request comes from, as far as that can be told: the client behind trusted [`Proxies`], or else the peer.
    pub source: IpAddr,
    /// Why.
    pub refusal: Refusal,
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
    /// The certificate that the client proved to be its own, where the listener [asks](TlsReloader::with_client_ca) for one and
    /// the client has one. Behind a trusted proxy that ends TLS, none.
    pub client_certificate: Option<ClientCertificate>,
    /// Set when the client has gone: what has not begun by then need not.
    pub abandoned: Arc<AtomicBool>,
}
