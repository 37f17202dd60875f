//! One connection: handshake, requests, end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming as IncomingBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::activity::{Activity, Entry, Registry};
use crate::body;
use crate::budget::{Budget, Claim, FREE, Heads, Inflow, Untaken};
use crate::finished::Finished;
use crate::server::slots;
use crate::tls::Shown;
use crate::watched::{Handshaking, Watched};
use crate::{
    Client, ConnectionMetrics, Handler, Incoming, Limits, Proxies, Refusal, Refused, TlsReloader, Unintelligible,
    proxy_header,
};

/// What the connections of one listener share.
pub(crate) struct Shared<C> {
    pub(crate) common: Arc<Common>,
    pub(crate) conversation: C,
    pub(crate) tls: Option<Arc<TlsReloader>>,
}

/// What is spoken on the connections of a listener.
pub(crate) trait Conversation: Send + Sync + 'static {
    /// Speaks it on a connection until that ends or must end.
    fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        shared: Arc<Shared<Self>>,
        stream: S,
        origin: Origin,
        activity: &Arc<Activity>,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send
    where
        Self: Sized;
}

/// HTTP, answered by a handler.
pub(crate) struct Http<H>(pub(crate) Arc<H>);

/// What all connections share.
pub(crate) struct Common {
    pub(crate) limits: Limits,
    pub(crate) proxies: Proxies,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) protocol: auto::Builder<TokioExecutor>,
}

impl Common {
    pub(crate) fn new(limits: Limits, proxies: Proxies, metrics: ConnectionMetrics) -> Self {
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        let head = usize::try_from(limits.head_bytes).unwrap_or(usize::MAX);
        // The sweeper times heads: hyper's own timer runs between requests as well.
        protocol
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(head)
            .max_headers(limits.headers);
        protocol
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.head_bytes)
            .initial_stream_window_size(64 << 10)
            .initial_connection_window_size(1 << 20)
            // Streams that a client opens and resets at once, and errors that it provokes, end the connection.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(64);
        let registry = Registry::new();
        let budget = Budget::new(limits.all_requests_bytes, registry.clone(), metrics.clone());
        Self { limits, proxies, slots: slots(&limits), registry, budget, metrics, protocol }
    }
}

/// Serves a connection until it ends or must end.
pub(crate) async fn serve<C: Conversation>(
    shared: Arc<Shared<C>>,
    mut stream: TcpStream,
    peer: SocketAddr,
    entry: Entry,
    stopping: watch::Receiver<bool>,
) {
    // Answers are small and written at once: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let activity = &entry.activity;
    let common = &*shared.common;
    let mut origin = Origin { peer, tls: shared.tls.is_some(), named: true, shown: None };
    if common.proxies.proxy_protocol {
        match introduced(common, &mut stream, peer, activity).await {
            Ok(Some(client)) => origin.peer = client,
            Ok(None) => origin.named = false,
            Err(error) => return tracing::debug!(%peer, %error, "connection refused"),
        }
    }
    let peer = origin.peer;
    let Some(tls) = &shared.tls else { return C::converse(shared, stream, origin, activity, stopping).await };
    let stream = Handshaking::new(stream, Inflow::new(common.budget.clone(), activity.clone()));
    let handshake = tokio::time::timeout(common.limits.handshake_timeout, tls.acceptor().accept(stream));
    let stream = tokio::select! {
        stream = handshake => stream,
        () = activity.closed() => return,
    };
    match stream {
        Ok(Ok(mut stream)) => {
            stream.get_mut().0.is_over();
            // A proxy's certificate says nothing of the proxy's clients.
            if !common.proxies.trust(peer.ip()) {
                origin.shown = Shown::in_handshake(tls, stream.get_ref().1).map(Arc::new);
            }
            C::converse(shared, stream, origin, activity, stopping).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

/// Where a connection comes from.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: bool,
    /// Unless a proxy passes it on without knowing whose it is. Nobody then vouches for what its requests say of their client.
    named: bool,
    pub(crate) shown: Option<Arc<Shown>>,
}

impl Origin {
    /// The client of a request.
    fn client(&self, proxies: &Proxies, headers: &HeaderMap) -> Result<Client, Unintelligible> {
        match self.named {
            true => proxies.client(headers, self.peer.ip(), self.tls),
            false => Ok(Client { address: self.peer.ip().to_canonical(), tls: self.tls, host: None }),
        }
    }
}

/// Whose connection a trusted proxy says that this is, if it knows.
async fn introduced(
    common: &Common,
    stream: &mut TcpStream,
    peer: SocketAddr,
    activity: &Activity,
) -> io::Result<Option<SocketAddr>> {
    if !common.proxies.trust(peer.ip()) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "the connection does not come from a trusted proxy"));
    }
    let header = tokio::time::timeout(common.limits.handshake_timeout, proxy_header::read(stream));
    tokio::select! {
        read = header => read.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
        () = activity.closed() => Err(ErrorKind::ConnectionAborted.into()),
    }
}

impl<H: Handler> Conversation for Http<H> {
    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        shared: Arc<Shared<Self>>,
        stream: S,
        origin: Origin,
        activity: &Arc<Activity>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let peer = origin.peer;
        let heads = Arc::<Heads>::default();
        let service =
            service_fn(|request| answer(shared.clone(), activity.clone(), request, origin.clone(), heads.clone()));
        let common = &*shared.common;
        let inflow = Inflow::new(common.budget.clone(), activity.clone());
        let stream = TokioIo::new(Watched::new(stream, activity.clone(), inflow, common.limits.head_bytes));
        let mut connection = pin!(common.protocol.serve_connection(stream, service));
        let mut told = false;
        loop {
            tokio::select! {
                end = connection.as_mut() => {
                    if let Err(error) = end {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    return;
                }
                () = activity.closed() => return tracing::debug!(%peer, "connection closed to make room, or because it took too long"),
                _ = stopping.wait_for(|stopping| *stopping), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// The connection was told to close before this request was complete.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed")]
struct Closed;

async fn answer<H: Handler>(
    shared: Arc<Shared<Http<H>>>,
    activity: Arc<Activity>,
    request: Request<IncomingBody>,
    origin: Origin,
    heads: Arc<Heads>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let peer = origin.peer;
    let (mut parts, mut body) = request.into_parts();
    let common = &*shared.common;
    let mut claim = common.budget.claim(heads);
    activity.head_complete();
    let whole = take_in(&common.limits, &parts, &mut body, &mut claim).await;
    let _under_way = activity.begin().ok_or(Closed)?;
    let whole = whole.and_then(|body| match origin.client(&common.proxies, &parts.headers) {
        Ok(client) => Ok((body, client)),
        Err(Unintelligible) => Err(Refusal::Unattributed),
    });
    let (body, client) = match whole {
        Ok(whole) => whole,
        Err(refusal) => {
            let client = origin.client(&common.proxies, &parts.headers).ok();
            let source = client.map_or(peer.ip(), |client| client.address);
            return Ok(refuse(&shared, Refused { parts: &parts, peer, source, refusal }).await);
        }
    };
    if let Some(host) = client.host {
        parts.headers.insert(HOST, host);
    }
    let port = if client.address == peer.ip().to_canonical() { peer.port() } else { 0 };
    let (peer_of_client, abandoned) = (SocketAddr::new(client.address, port), Arc::new(AtomicBool::new(false)));
    let noticed = abandoned.clone();
    let client_certificate = origin.shown.and_then(|shown| shown.certificate());
    let request = Incoming { parts, body, peer: peer_of_client, tls: client.tls, client_certificate, abandoned };
    let call = async move {
        // What the request takes of the common budget is given back when it is done with.
        let _claim = claim;
        let answer = catch_panic(pin!(shared.conversation.0.call(&request))).await;
        let Incoming { parts, peer: client, .. } = &request;
        let answer = answer.ok_or(Refusal::Panicked);
        match answer.and_then(|answer| counted(&shared.common, &activity, parts.version, answer)) {
            Ok(answer) => answer,
            Err(refusal) => refuse(&shared, Refused { parts, peer, source: client.ip(), refusal }).await,
        }
    };
    Ok(Finished::new(call, noticed).await)
}

/// The answer, whose bytes take memory until the client has taken them. In HTTP/1 a connection has one at a time, so that small ones
/// need not be counted.
fn counted(
    common: &Common,
    activity: &Arc<Activity>,
    version: Version,
    answer: Response<Full<Bytes>>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let length = answer.body().size_hint().lower();
    if length == 0 || (version < Version::HTTP_2 && length <= FREE as u64) {
        return Ok(answer);
    }
    let untaken = Untaken::new(&common.budget, activity, usize::try_from(length).unwrap_or(usize::MAX))?;
    let (parts, mut body) = answer.into_parts();
    // It is there at once, and whole.
    let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    let bytes = match frame {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    };
    Ok(Response::from_parts(parts, Full::new(Bytes::from_owner(Held { bytes, _untaken: untaken }))))
}

/// The bytes of an answer.
struct Held {
    bytes: Bytes,
    _untaken: Untaken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The handler's answer to a request that is refused.
async fn refuse<H: Handler>(shared: &Shared<Http<H>>, request: Refused<'_>) -> Response<Full<Bytes>> {
    shared.common.metrics.refused(request.refusal.reason());
    let answer = catch_panic(pin!(shared.conversation.0.refuse(request))).await;
    answer.unwrap_or_else(|| Refusal::Panicked.plain())
}

/// The body of a request, if the request is within its bounds.
async fn take_in(limits: &Limits, parts: &Parts, body: &mut IncomingBody, claim: &mut Claim) -> Result<Bytes, Refusal> {
    claim.grow(head_bytes(parts))?;
    // Most requests have no body, and need no timer.
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let in_time =
        tokio::time::timeout(limits.body_timeout, async { body::collect(body, limits.body_bytes, claim).await });
    let whole = in_time.await.unwrap_or(Err(Refusal::TooSlow));
    let sends_anyway = parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT);
    if whole == Err(Refusal::TooLarge) && sends_anyway {
        let _ = tokio::time::timeout(limits.body_timeout, body::discard(body, limits.body_bytes)).await;
    }
    whole
}

/// Bytes of memory that a request takes before it has a body.
fn head_bytes(parts: &Parts) -> usize {
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER).sum();
    let query = parts.uri.query().map_or(0, str::len);
    REQUEST + headers + query + parts.uri.path().len()
}

/// What the server takes for a request, beside what the request is.
const REQUEST: usize = 2 << 10;
/// What it takes for a header, beside its name and value.
const HEADER: usize = 96;

/// Runs a future; none if it panics. It is pinned by the caller, in whose own future it then has one place: given by value it
/// would have two, here and where it came from, and all of that is allocated for each request.
pub fn catch_panic<T>(mut call: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Option<T>> {
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => {
            tracing::error!("the handler of a request panicked");
            Poll::Ready(None)
        }
    })
}
