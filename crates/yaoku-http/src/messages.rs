//! Messages of a protocol that is not HTTP: one after another on a connection, each with its length in its first bytes.
//!
//! They have the limits of requests: the first bytes those of a head, the rest those of a body.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::activity::Activity;
use crate::budget::{Claim, FREE, Heads, Inflow, Untaken};
use crate::connection::{Common, Conversation, Origin, Shared, catch_panic};
use crate::finished::Finished;
use crate::watched::Watched;
use crate::{ClientCertificate, Refusal};

/// Answers messages. One handler serves all connections at once.
pub trait MessageHandler: Send + Sync + 'static {
    /// Bytes of a message from which its length is told.
    const HEADER: usize;

    /// How many bytes follow the first [`Self::HEADER`]; none if no message begins so. What begins so is given to [`Self::call`] as it is,
    /// and the connection ends.
    fn follow(&self, header: &[u8]) -> Option<usize>;

    /// Answers a message. A panic ends the connection. A client that goes away does not end it: what was begun is done.
    fn call(&self, message: &IncomingMessage) -> impl Future<Output = Zeroizing<Vec<u8>>> + Send;

    /// Answers a message that is refused; the connection then ends.
    fn refuse(&self, message: RefusedMessage) -> impl Future<Output = Zeroizing<Vec<u8>>> + Send;
}

/// A message that has arrived whole, within the [`Limits`](crate::Limits).
pub struct IncomingMessage {
    /// All of its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Where it comes from: the connection's peer or, behind a proxy that says so in the PROXY protocol, the client.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub tls: bool,
    /// As [`Incoming::client_certificate`](crate::Incoming::client_certificate).
    pub client_certificate: Option<ClientCertificate>,
    /// Set when the connection is gone: what has not begun by then need not.
    pub abandoned: Arc<AtomicBool>,
}

/// A message that did not arrive whole.
#[derive(Debug, Clone, Copy)]
pub struct RefusedMessage {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Why.
    pub refusal: Refusal,
}

/// Messages, answered by a handler.
pub(crate) struct Messages<H>(pub(crate) Arc<H>);

/// Bytes that are read at once of a message that is longer.
const PART: usize = 8 << 10;

impl<H: MessageHandler> Conversation for Messages<H> {
    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        shared: Arc<Shared<Self>>,
        stream: S,
        origin: Origin,
        activity: &Arc<Activity>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let (common, peer) = (&*shared.common, origin.peer);
        if common.proxies.trust(peer.ip()) {
            return tracing::debug!(%peer, "connection refused: the proxy does not say whose it is, as the PROXY protocol would");
        }
        let inflow = Inflow::new(common.budget.clone(), activity.clone());
        let mut stream = Watched::new(stream, activity.clone(), inflow, common.limits.head_bytes);
        let heads = Arc::<Heads>::default();
        loop {
            let mut header = Zeroizing::new(vec![0; H::HEADER]);
            let (first, rest) = header.split_at_mut(1);
            let came = tokio::select! {
                came = stream.read_exact(first) => came,
                () = activity.closed() => return,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            if came.is_err() {
                return;
            }
            tokio::select! {
                came = stream.read_exact(rest) => if came.is_err() { return },
                () = activity.closed() => return tracing::debug!(%peer, "connection closed to make room, or because it took too long"),
            }
            let mut claim = common.budget.claim(heads.clone());
            activity.head_complete();
            let follow = shared.conversation.0.follow(&header);
            let whole = tokio::select! {
                whole = take_in(common, &mut stream, header, follow.unwrap_or(0), &mut claim) => whole,
                () = activity.closed() => return,
            };
            let Some(under_way) = activity.begin() else { return };
            let (last, answer) = match whole {
                Err(refusal) => {
                    common.metrics.refused(refusal.reason());
                    let refused = shared.conversation.0.refuse(RefusedMessage { peer, refusal });
                    (true, catch_panic(pin!(refused)).await)
                }
                Ok(bytes) => {
                    let client_certificate = origin.shown.as_ref().and_then(|shown| shown.certificate());
                    let abandoned = Arc::new(AtomicBool::new(false));
                    let noticed = abandoned.clone();
                    let message = IncomingMessage { bytes, peer, tls: origin.tls, client_certificate, abandoned };
                    let shared = shared.clone();
                    let call = async move {
                        let _claim = claim;
                        catch_panic(pin!(shared.conversation.0.call(&message))).await
                    };
                    (follow.is_none(), Finished::new(call, noticed).await)
                }
            };
            drop(under_way);
            let Some(mut answer) = answer else {
                common.metrics.refused(Refusal::Panicked.reason());
                return;
            };
            let (mut last, mut untaken) = (last, None);
            if answer.len() > FREE {
                match Untaken::new(&common.budget, activity, answer.len()) {
                    Ok(counted) => untaken = Some(counted),
                    Err(refusal) => {
                        common.metrics.refused(refusal.reason());
                        last = true;
                        answer = shared.conversation.0.refuse(RefusedMessage { peer, refusal }).await;
                    }
                }
            }
            let sent = async {
                stream.write_all(&answer).await?;
                stream.flush().await
            };
            let sent = tokio::select! {
                sent = sent => sent,
                () = activity.closed() => return tracing::debug!(%peer, "connection closed: the client takes nothing"),
            };
            drop(untaken);
            if sent.is_err() || last {
                // Whoever is still sending would not see the answer before a reset.
                let _ = tokio::time::timeout(common.limits.write_timeout, stream.shutdown()).await;
                return;
            }
        }
    }
}

/// The whole of a message, if it is within its bounds.
async fn take_in(
    common: &Common,
    stream: &mut (impl AsyncRead + Unpin),
    header: Zeroizing<Vec<u8>>,
    follow: usize,
    claim: &mut Claim,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if follow > common.limits.body_bytes {
        return Err(Refusal::TooLarge);
    }
    let limit = common.limits.body_timeout;
    let whole = async {
        let mut bytes = header;
        let total = bytes.len() + follow;
        while bytes.len() < total {
            let at = bytes.len();
            let part = (total - at).min(at.max(PART));
            claim.grow(part)?;
            // A vector that grows by itself would leave what it held behind.
            let mut more = Zeroizing::new(Vec::with_capacity(at + part));
            more.extend_from_slice(&bytes);
            more.resize(at + part, 0);
            stream.read_exact(&mut more[at..]).await.map_err(|_| Refusal::BrokenOff)?;
            bytes = more;
        }
        Ok(bytes)
    };
    tokio::time::timeout(limit, whole).await.unwrap_or(Err(Refusal::TooSlow))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::{ConnectionMetrics, Limits, Listener, Server};

    /// Two bytes of length before each message; answers with the bytes turned round.
    struct Turning;

    impl MessageHandler for Turning {
        const HEADER: usize = 2;

        fn follow(&self, header: &[u8]) -> Option<usize> {
            let length = u16::from_be_bytes([header[0], header[1]]);
            (length < 0xff00).then_some(length.into())
        }

        async fn call(&self, message: &IncomingMessage) -> Zeroizing<Vec<u8>> {
            assert!(message.bytes.get(2) != Some(&b'!'), "as the test asks");
            Zeroizing::new(message.bytes.iter().rev().copied().collect())
        }

        async fn refuse(&self, message: RefusedMessage) -> Zeroizing<Vec<u8>> {
            Zeroizing::new(message.refusal.reason().into())
        }
    }

    struct Running(std::net::SocketAddr, JoinHandle<()>);

    impl Drop for Running {
        fn drop(&mut self) {
            self.1.abort();
        }
    }

    async fn start(limits: Limits) -> Running {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Server::new(limits, ConnectionMetrics::default());
        let server = server.listen_for_messages(Listener { socket, tls: None }, Arc::new(Turning));
        Running(address, tokio::spawn(server.run(std::future::pending())))
    }

    /// What comes until the connection ends, of a connection that sent this.
    async fn sent(running: &Running, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(running.0).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        read.expect("the connection ends").ok();
        answer
    }

    #[tokio::test]
    async fn messages_are_answered_one_after_another() {
        let running = start(Limits::default()).await;
        let mut stream = TcpStream::connect(running.0).await.unwrap();
        // Two at once, and one in parts.
        stream.write_all(b"\0\x03abc\0\0\0").await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"\x02x").await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"y").await.unwrap();
        let mut answers = [0; 11];
        stream.read_exact(&mut answers).await.unwrap();
        assert_eq!(&answers, b"cba\x03\0\0\0yx\x02\0");
        let long = [&0xc000u16.to_be_bytes()[..], &[7; 0xc000]].concat();
        stream.write_all(&long).await.unwrap();
        let mut answer = vec![0; long.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.iter().eq(long.iter().rev()));
    }

    #[tokio::test]
    async fn what_is_no_message_or_too_large_or_too_slow_is_answered_and_ends_the_connection() {
        let limits = Limits {
            body_bytes: 100,
            header_timeout: Duration::from_millis(300),
            body_timeout: Duration::from_millis(300),
            idle_timeout: Duration::from_millis(900),
            ..Limits::default()
        };
        let running = start(limits).await;
        assert_eq!(sent(&running, b"\xff\xffmore").await, b"\xff\xff", "no message begins so");
        assert_eq!(sent(&running, b"\0\x65").await, b"large");
        assert_eq!(sent(&running, b"\0\x64abc").await, b"slow");
        assert_eq!(sent(&running, b"\0").await, b"", "a beginning that does not go on");
        assert_eq!(sent(&running, b"").await, b"", "a connection without a message");
        assert_eq!(sent(&running, b"\0\x01!\0\x01a").await, b"", "a panic ends the connection");
        assert_eq!(sent(&running, b"\0\x01a").await, b"a\x01\0", "and no other");
    }
}
