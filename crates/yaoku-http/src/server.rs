//! Accepts connections, and ends them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection::{Shared, serve};
use crate::{ConnectionMetrics, Handler, Limits, Proxies, TlsReloader};

/// A bound socket, served by [`Server::run`].
pub struct Server<H> {
    listener: TcpListener,
    tls: Option<Arc<TlsReloader>>,
    shared: Arc<Shared<H>>,
}

impl<H: Handler> Server<H> {
    /// A server of connections to a bound socket. With `tls` every connection must be TLS, without none may be.
    pub fn new(
        listener: TcpListener,
        tls: Option<Arc<TlsReloader>>,
        limits: Limits,
        handler: Arc<H>,
        metrics: ConnectionMetrics,
    ) -> Self {
        let shared = Shared::new(handler, limits, Proxies::default(), metrics);
        Self { listener, tls, shared: Arc::new(shared) }
    }

    /// The same server behind proxies.
    pub fn behind(self, proxies: Proxies) -> Self {
        let Self { listener, tls, shared } = self;
        let Shared { handler, limits, metrics, .. } = &*shared;
        let shared = Shared::new(handler.clone(), *limits, proxies, metrics.clone());
        Self { listener, tls, shared: Arc::new(shared) }
    }

    /// Serves until `shutdown` resolves. Then no connection is accepted, those without a request are closed, and requests
    /// under way have [`Limits::drain_timeout`] to finish.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, tls, shared } = self;
        let slots = Arc::new(Semaphore::new(shared.limits.connections));
        let stopping = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let mut sweeps = tokio::time::interval(sweep_interval(&shared.limits));
        let mut shutdown = std::pin::pin!(shutdown);
        // At the bound one more is accepted, so that it is known when room must be made.
        let mut waiting: Option<Waiting> = None;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = sweeps.tick() => {
                    shared.metrics.closed_for_time(shared.registry.sweep(&shared.limits));
                    if let Some(waiting) = &mut waiting {
                        waiting.make_room(&shared);
                    }
                }
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if waiting.is_none() => match accepted {
                    Ok((stream, peer)) => {
                        let mut next = Waiting { stream, peer, room_made: slots.available_permits() > 0 };
                        next.make_room(&shared);
                        waiting = Some(next);
                    }
                    Err(error) => accept_failed(&error, &shared).await,
                },
                slot = slots.clone().acquire_owned(), if waiting.is_some() => {
                    let Some(Waiting { stream, peer, .. }) = waiting.take() else { continue };
                    let (entry, open) = (shared.registry.enter(), shared.metrics.open());
                    let served = serve(shared.clone(), tls.clone(), stream, peer, entry, stopping.subscribe());
                    connections.spawn(async move {
                        served.await;
                        drop((open, slot));
                    });
                }
            }
        }
        drop(listener);
        stopping.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(shared.limits.drain_timeout, drained).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "requests took too long to finish; closing their connections"
            );
        }
        connections.shutdown().await;
    }
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
    fn make_room<H>(&mut self, shared: &Shared<H>) {
        if !self.room_made && shared.registry.close_quietest() {
            self.room_made = true;
            shared.metrics.closed_for_room();
        }
    }
}

/// A failure of one connection concerns nobody else; otherwise something has run out, such as file descriptors, and
/// trying again at once would not help.
async fn accept_failed<H>(error: &io::Error, shared: &Shared<H>) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(%error, "can't accept connections; trying again");
        shared.registry.close_quietest();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
