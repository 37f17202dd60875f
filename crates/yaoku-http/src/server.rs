//! Accepts connections, and ends them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection::{Common, Conversation, Http, Shared, serve};
use crate::messages::Messages;
use crate::{ConnectionMetrics, Handler, Limits, MessageHandler, Proxies, TlsReloader};

/// A bound socket.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// The identity that it shows. With one, every connection must be TLS; without one, none may be.
    pub tls: Option<Arc<TlsReloader>>,
}

/// Serves listeners, each with a handler of its own. They share the limits: connections, memory, and the time that a stop takes.
///
/// ```
/// # use std::sync::Arc;
/// # use yaoku_http::{ConnectionMetrics, Handler, Limits, Listener, Server};
/// # async fn example<A: Handler, B: Handler>(a: Listener, b: Listener, one: A, another: B) {
/// let server = Server::new(Limits::default(), ConnectionMetrics::default());
/// let server = server.listen(a, Arc::new(one)).listen(b, Arc::new(another));
/// server.run(std::future::pending()).await;
/// # }
/// ```
pub struct Server {
    limits: Limits,
    proxies: Proxies,
    metrics: ConnectionMetrics,
    listeners: Vec<Accepting>,
}

/// Accepts on one listener, from what all share and a sign to stop, until the last of its connections has ended.
type Accepting = Box<dyn FnOnce(Arc<Common>, watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

impl Server {
    /// A server without listeners.
    pub fn new(limits: Limits, metrics: ConnectionMetrics) -> Self {
        Self { limits, proxies: Proxies::default(), metrics, listeners: Vec::new() }
    }

    /// The same server behind proxies, on every listener.
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// The same server with one more listener.
    pub fn listen<H: Handler>(self, listener: Listener, handler: Arc<H>) -> Self {
        self.converse(listener, Http(handler))
    }

    /// The same server with one more listener, on which messages of another protocol than HTTP come.
    pub fn listen_for_messages<H: MessageHandler>(self, listener: Listener, handler: Arc<H>) -> Self {
        self.converse(listener, Messages(handler))
    }

    fn converse<C: Conversation>(mut self, listener: Listener, conversation: C) -> Self {
        let Listener { socket, tls } = listener;
        self.listeners.push(Box::new(move |common, stopping| {
            Box::pin(accept(socket, Arc::new(Shared { common, conversation, tls }), stopping))
        }));
        self
    }

    /// Serves until `shutdown` resolves. Then no connection is accepted, those without a request are closed, and requests
    /// under way have [`Limits::drain_timeout`] to finish.
    ///
    /// Returns before that only if a listener ended by an error of this program.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { limits, proxies, metrics, listeners } = self;
        let common = Arc::new(Common::new(limits, proxies, metrics));
        let stopping = watch::Sender::new(false);
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(listener(common.clone(), stopping.subscribe()));
        }
        let mut sweeps = tokio::time::interval(sweep_interval(&limits));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = sweeps.tick() => common.metrics.closed_for_time(common.registry.sweep(&limits)),
                Some(_) = accepting.join_next() => return tracing::error!("a listener has ended"),
            }
        }
        stopping.send_replace(true);
        while accepting.join_next().await.is_some() {}
    }
}

/// Serves one listener until it is told to stop, and then until its connections have ended or the time for that is over.
async fn accept<C: Conversation>(socket: TcpListener, shared: Arc<Shared<C>>, mut stopping: watch::Receiver<bool>) {
    let common = shared.common.clone();
    let mut connections = JoinSet::new();
    let mut looks = tokio::time::interval(sweep_interval(&common.limits));
    let told = stopping.clone();
    // At the bound one more is accepted, so that it is known when room must be made.
    let mut waiting: Option<Waiting> = None;
    loop {
        tokio::select! {
            () = stop(&mut stopping) => break,
            _ = looks.tick(), if waiting.is_some() => {
                if let Some(waiting) = &mut waiting {
                    waiting.make_room(&common);
                }
            }
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if waiting.is_none() => match accepted {
                Ok((stream, peer)) => {
                    let mut next = Waiting { stream, peer, room_made: common.slots.available_permits() > 0 };
                    next.make_room(&common);
                    waiting = Some(next);
                }
                Err(error) => accept_failed(&error, &common).await,
            },
            slot = common.slots.clone().acquire_owned(), if waiting.is_some() => {
                let Some(Waiting { stream, peer, .. }) = waiting.take() else { continue };
                let (entry, open) = (common.registry.enter(), common.metrics.open());
                let served = serve(shared.clone(), stream, peer, entry, told.clone());
                connections.spawn(async move {
                    served.await;
                    drop((open, slot));
                });
            }
        }
    }
    drop((socket, waiting));
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(common.limits.drain_timeout, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests took too long to finish; closing their connections");
    }
    connections.shutdown().await;
}

/// Resolves when it is time to stop.
async fn stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// How often connections are looked at: a small part of the shortest limit.
fn sweep_interval(limits: &Limits) -> Duration {
    let shortest = limits.header_timeout.min(limits.idle_timeout).min(limits.write_timeout);
    (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// A connection that waits for a slot.
struct Waiting {
    stream: TcpStream,
    peer: SocketAddr,
    room_made: bool,
}

impl Waiting {
    /// Closes another connection for this one, unless that was done, or a request is under way on each.
    fn make_room(&mut self, common: &Common) {
        if !self.room_made && common.registry.close_quietest() {
            self.room_made = true;
            common.metrics.closed_for_room();
        }
    }
}

/// A failure of one connection concerns nobody else; otherwise something has run out, such as file descriptors, and
/// trying again at once would not help.
async fn accept_failed(error: &io::Error, common: &Common) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "can't accept connections; trying again");
        common.registry.close_quietest();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The slots of all listeners' connections.
pub(crate) fn slots(limits: &Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits.connections))
}
