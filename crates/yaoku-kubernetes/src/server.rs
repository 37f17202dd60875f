//! Serves the plugin over HTTP/2 on the socket, within bounds.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::grpc::KeyManagementService;
use crate::{KeyService, Metrics, Plugin, PluginSocket};

/// Connections at once: the API server has one.
const CONNECTIONS: usize = 8;
/// Requests at once on a connection.
const STREAMS: u32 = 64;
/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 16 << 10;
/// Bytes that may wait unread, of a connection.
const WINDOW: u32 = 256 << 10;
/// How long requests may take to finish when the plugin stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Serves a plugin.
pub struct Server<S> {
    service: KeyManagementService<S>,
}

impl<S: KeyService> Server<S> {
    /// A server of that plugin.
    pub fn new(plugin: Arc<Plugin<S>>, metrics: Metrics) -> Self {
        Self { service: KeyManagementService { plugin, metrics } }
    }

    /// Serves on a socket until `shutdown` resolves; requests in progress then finish.
    pub async fn run(self, socket: PluginSocket, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut connections = JoinSet::new();
        let stopping = watch::Sender::new(false);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = socket.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, self.service.clone(), stopping.subscribe()));
                    }
                    Err(error) => {
                        tracing::error!(%error, "can't accept connections");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(socket);
        stopping.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(LAST_REQUESTS, ended).await.is_err() {
            tracing::warn!("requests took too long to finish; closing their connections");
        }
        connections.shutdown().await;
    }
}

async fn serve<S: KeyService>(
    stream: UnixStream,
    service: KeyManagementService<S>,
    mut stopping: watch::Receiver<bool>,
) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| service.clone().answer(request)));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// Resolves when it is time to stop.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
