//! A server under clients that are good, slow, huge and hostile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus_client::registry::Registry;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{ConnectionMetrics, Handler, Incoming, Limits, Listener, Proxies, Refused, Server, TlsReloader};

/// Answers with what came; `/wait` waits until it is let go, `/panic` panics.
#[derive(Default)]
struct Echo {
    waiting: AtomicUsize,
    arrived: Notify,
    go: Notify,
    finished: Notify,
}

impl Handler for Echo {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        let Incoming { parts, body, tls, .. } = request;
        match parts.uri.path() {
            "/who" => {
                let shown = request.client_certificate.as_ref();
                return Response::new(Full::new(
                    shown.map_or_else(|| "nobody".into(), |shown| named(shown.der(), shown.public_key())).into(),
                ));
            }
            "/large" => return Response::new(Full::new(vec![b'x'; 100_000].into())),
            "/panic" => panic!("as the test asks"),
            "/wait" => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.arrived.notify_one();
                self.go.notified().await;
                self.finished.notify_one();
            }
            _ => {}
        }
        let query = parts.uri.query().map_or(0, str::len);
        Response::new(Full::new(format!("{:?} tls={tls} query={query} body={}", parts.version, body.len()).into()))
    }

    async fn refuse(&self, request: Refused<'_>) -> Response<Full<Bytes>> {
        let Refused { parts, refusal, .. } = request;
        let words = format!("{} {}: {refusal}", parts.method, parts.uri.path());
        let answer = Response::builder().status(refusal.status()).header("x-refused", refusal.reason());
        answer.body(Full::new(words.into())).unwrap()
    }
}

struct Running {
    address: std::net::SocketAddr,
    handler: Arc<Echo>,
    registry: Registry,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn start(limits: Limits, tls: Option<Arc<TlsReloader>>) -> Running {
    let (handler, metrics) = (Arc::new(Echo::default()), ConnectionMetrics::default());
    let mut registry = Registry::with_prefix("yaoku");
    metrics.register(&mut registry);
    let (address, listener) = bound(tls).await;
    let server = Server::new(limits, metrics).listen(listener, handler.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { address, handler, registry, stop, served }
}

async fn bound(tls: Option<Arc<TlsReloader>>) -> (std::net::SocketAddr, Listener) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (socket.local_addr().unwrap(), Listener { socket, tls })
}

/// What a test compares of a certificate.
fn named(der: &[u8], public_key: &[u8]) -> String {
    format!("{} {}", hex(der), hex(public_key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Running {
    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own; all that comes until it is closed.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    /// A whole good request on a connection of its own.
    async fn get(&self) -> String {
        self.raw(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await
    }
}

/// All that comes until the connection is closed, or reset.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), async {
        while stream.read_buf(&mut all).await.is_ok_and(|count| count > 0) {}
    });
    read.await.expect("the connection stays open");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `wanted` has come.
async fn read_until(stream: &mut TcpStream, wanted: &str) {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(wanted) {
        let count = stream.read_buf(&mut all).await.unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&all));
    }
}

fn short() -> Limits {
    let brief = Duration::from_millis(200);
    Limits {
        header_timeout: brief,
        body_timeout: brief,
        idle_timeout: brief * 4,
        handshake_timeout: brief,
        ..Limits::default()
    }
}

#[tokio::test]
async fn keep_alive_serves_one_request_after_another() {
    let running = start(Limits::default(), None).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        stream.write_all(b"POST /?a=b HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        read_until(&mut stream, "HTTP/1.1 tls=false query=3 body=5").await;
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let running = start(Limits::default(), None).await;
    let stream = TokioIo::new(running.connect().await);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let body = Bytes::from(vec![0; 200_000]);
    let request = Request::post("http://a/").body(Full::new(body)).unwrap();
    assert_eq!(text(client.send_request(request).await.unwrap()).await, "HTTP/2.0 tls=false query=0 body=200000");
    let huge = Request::post("http://a/").body(Full::new(Bytes::from(vec![0; 2 << 20]))).unwrap();
    assert_eq!(client.send_request(huge).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let panicking = Request::get("http://a/panic").body(Full::default()).unwrap();
    let panicked = client.send_request(panicking).await.unwrap();
    assert_eq!(panicked.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(panicked).await, "GET /panic: internal error", "in the handler's words as well");
    let after = Request::get("http://a/").body(Full::default()).unwrap();
    assert_eq!(client.send_request(after).await.unwrap().status(), StatusCode::OK, "a panic ends one request only");
}

#[tokio::test]
async fn streams_opened_and_reset_at_once_harm_nobody_else() {
    let running = start(Limits::default(), None).await;
    let stream = TokioIo::new(running.connect().await);
    let (client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let ended = tokio::spawn(connection);
    for _ in 0..5000 {
        let mut client = client.clone();
        if client.ready().await.is_err() {
            break;
        }
        let request = Request::get("http://a/wait").body(Full::<Bytes>::default()).unwrap();
        let mut sent = std::pin::pin!(client.send_request(request));
        std::future::poll_fn(|cx| {
            let _ = sent.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        // Dropped here, which resets the stream.
    }
    drop(client);
    let _ = tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the connection ends");
    assert!(running.get().await.starts_with("HTTP/1.1 200"));
    running.handler.go.notify_waiters();
}

#[tokio::test]
async fn the_longest_requests_of_sdks_pass() {
    let running = start(Limits::default(), None).await;
    let query = "x".repeat(65_000);
    let head = format!(
        "GET /?{query} HTTP/1.1\r\nhost: a\r\nx-acs-security-token: {query:.8192}\r\nconnection: close\r\n\r\n"
    );
    assert!(running.raw(head.as_bytes()).await.contains("query=65000"));
    let body = format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    let answer = running.raw(&[body.as_bytes(), &vec![b'x'; 1 << 20]].concat()).await;
    assert!(answer.contains("body=1048576"), "{answer}");
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    let running = start(Limits::default(), None).await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(200 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let uri = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(70_000));
    for (head, status) in [(long, "431"), (many, "431"), (uri, "414"), ("nonsense\r\n\r\n".into(), "400")] {
        let answer = running.raw(head.as_bytes()).await;
        // A client that is still sending may see a reset instead of the answer.
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert!(running.get().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn bodies_beyond_the_bound_are_refused_in_the_handlers_words() {
    let running = start(Limits { body_bytes: 1000, ..Limits::default() }, None).await;
    let told =
        format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5000\r\n\r\n{}", "x".repeat(5000));
    let chunks = "3e8\r\n".to_owned() + &"x".repeat(1000) + "\r\n";
    let untold = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{chunks}0\r\n\r\n"
    );
    let expecting = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n".to_owned();
    for request in [told, untold, expecting] {
        let answer = running.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.ends_with("POST /: the body is larger than this server takes"), "{answer}");
        assert!(answer.contains("x-refused: large"), "{answer}");
    }
}

#[tokio::test]
async fn slow_clients_are_cut_while_others_are_served() {
    let running = start(short(), None).await;
    let mut head = running.connect().await;
    head.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx:").await.unwrap();
    let mut idle = running.connect().await;
    let mut body = running.connect().await;
    body.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nx").await.unwrap();
    assert!(running.get().await.starts_with("HTTP/1.1 200"));
    let drip = async {
        // One byte at a time, so that something always comes.
        while head.write_all(b"y").await.is_ok() {
            // Not waiting for anything: this is how slow the client is.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), drip).await.expect("the slow head is cut");
    let answer = read_to_end(&mut body).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "what a retry may cure is no 4xx: {answer}");
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"time\"}"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let running = start(Limits { write_timeout: Duration::from_millis(200), ..Limits::default() }, None).await;
    let mut stream = running.connect().await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    // Answers pile up until the buffers between are full; then the server stops reading as well.
    let flood = async { while stream.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(30), flood).await.expect("the connection is cut");
}

#[tokio::test]
async fn connections_that_are_merely_held_keep_nobody_out() {
    let running = start(Limits { connections: 3, ..Limits::default() }, None).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(running.connect().await);
    }
    for _ in 0..5 {
        assert!(running.get().await.starts_with("HTTP/1.1 200"));
    }
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"room\"}"));
    // All busy: the next one waits, and no request is lost.
    drop(held);
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = running.connect().await;
        stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        running.handler.arrived.notified().await;
        busy.push(stream);
    }
    let mut next = running.connect().await;
    next.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.handler.go.notify_waiters();
    for stream in &mut busy {
        read_until(stream, "HTTP/1.1 tls").await;
    }
    read_until(&mut next, "HTTP/1.1 tls").await;
}

#[tokio::test]
async fn all_requests_together_have_a_bound() {
    let running = start(Limits { all_requests_bytes: 100_000, ..Limits::default() }, None).await;
    let large = format!("POST /wait HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n{}", "x".repeat(90_000));
    let mut first = running.connect().await;
    first.write_all(large.as_bytes()).await.unwrap();
    running.handler.arrived.notified().await;
    let mut second = running.connect().await;
    second.write_all(large.as_bytes()).await.unwrap();
    read_until(&mut second, "x-refused: overload").await;
    assert!(running.get().await.starts_with("HTTP/1.1 200"), "small requests pass");
    running.handler.go.notify_waiters();
    read_until(&mut first, "body=90000").await;
}

/// Limits under which heads may take 1 MiB in all, and as much time as they like.
fn little_memory() -> Limits {
    Limits { all_requests_bytes: 4 << 20, header_timeout: Duration::from_secs(600), ..Limits::default() }
}

/// Many connections that send the same and then wait; most of them must be closed. Others are served meanwhile.
async fn hold_unfinished(running: &Running, bytes: Vec<u8>) {
    let bytes = Bytes::from(bytes);
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (mut stream, bytes) = (running.connect().await, bytes.clone());
        held.spawn(async move {
            let _ = stream.write_all(&bytes).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        });
    }
    let closed = async {
        for _ in 0..20 {
            held.join_next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("heads that take too much memory are closed");
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"memory\"}"));
    assert!(!running.metrics().contains("reason=\"time\""));
    assert!(held.try_join_next().is_none_or(|ended| ended.is_ok()) && !held.is_empty(), "some have memory");
}

#[tokio::test]
async fn unfinished_heads_take_a_part_of_the_memory() {
    let running = start(little_memory(), None).await;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(100_000));
    hold_unfinished(&running, head.into_bytes()).await;
    assert!(running.get().await.starts_with("HTTP/1.1 200"));
    let query = "x".repeat(60_000);
    let large = format!("GET /?{query} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(running.raw(large.as_bytes()).await.contains("query=60000"), "others' large heads pass");
}

#[tokio::test]
async fn so_do_those_of_http2_whose_fields_are_more_than_their_bytes() {
    let running = start(little_memory(), None).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0].to_vec();
    // HEADERS without END_HEADERS: 4,000 fields of one byte each, which are entries of the static table.
    let headers = [&[0, 0x0f, 0xa0, 1, 0, 0, 0, 0, 1][..], &[0x90; 4000]].concat();
    hold_unfinished(&running, [preface, settings, headers].concat()).await;
    assert!(running.get().await.starts_with("HTTP/1.1 200"));
}

/// A client of HTTP/2 that takes no byte of its answers, and has asked for so many of 100 KB.
async fn takes_nothing(running: &Running, answers: usize) -> http2::SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(running.connect().await);
    let builder = http2::Builder::new(TokioExecutor::new()).initial_stream_window_size(0).clone();
    let (mut client, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..answers {
        client.ready().await.unwrap();
        let answer = client.send_request(Request::get("http://a/large").body(Full::default()).unwrap());
        // The head comes; its body stays, and so does the stream.
        if let Ok(answer) = answer.await {
            std::mem::forget(answer);
        }
    }
    client
}

#[tokio::test]
async fn answers_that_are_not_taken_take_a_part_of_the_memory() {
    let running = start(little_memory(), None).await;
    let mut clients = Vec::new();
    // 60 of 100 KB, where 2 MiB have room for 20.
    for _ in 0..15 {
        clients.push(takes_nothing(&running, 4).await);
    }
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"memory\"}"));
    let closed = clients.iter().filter(|client| client.is_closed()).count();
    assert!((8..15).contains(&closed), "{closed}");
    assert!(clients[0].is_closed() && !clients[14].is_closed(), "those that waited longest");
    assert!(running.raw(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.contains("xxxx"));
}

#[tokio::test]
async fn answers_that_are_not_taken_have_their_time_whatever_else_is_asked() {
    let running = start(Limits { write_timeout: Duration::from_millis(500), ..Limits::default() }, None).await;
    let mut client = takes_nothing(&running, 1).await;
    let ended = async {
        while client.ready().await.is_ok() {
            let head = Request::head("http://a/").body(Full::default()).unwrap();
            drop(client.send_request(head).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the connection ends");
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"time\"}"));
}

#[tokio::test]
async fn and_what_comes_in_handshakes() {
    let dir = tempfile::tempdir().unwrap();
    let (reloader, certificate) = certified(dir.path());
    let limits = Limits { handshake_timeout: Duration::from_secs(600), ..little_memory() };
    let running = start(limits, Some(reloader)).await;
    // A message that says that it is 61,440 bytes long, of which 48,000 come.
    let mut message = vec![1, 0, 0xf0, 0];
    message.resize(48_000, 0);
    let record = |part: &[u8]| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    hold_unfinished(&running, message.chunks(16_000).flat_map(record).collect()).await;
    let mut stream = connect(running.address, client_config(&TLS13, &certificate, None)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn and_the_buffers_of_connections_that_sent_large_heads() {
    let running = start(little_memory(), None).await;
    let large = format!("GET /?{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(60_000));
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = running.connect().await;
        stream.write_all(large.as_bytes()).await.unwrap();
        read_until(&mut stream, "query=60000").await;
        idle.push(stream);
    }
    assert!(running.metrics().contains("yaoku_connections_closed_total{reason=\"memory\"}"));
    assert_eq!(read_to_end(&mut idle[0]).await, "", "the one that is idle for the longest time");
    let last = idle.last_mut().unwrap();
    last.write_all(large.as_bytes()).await.unwrap();
    read_until(last, "query=60000").await;
}

#[tokio::test]
async fn what_was_begun_is_done_though_its_client_is_gone() {
    let running = start(Limits::default(), None).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.handler.arrived.notified().await;
    drop(stream);
    // The server notices before the request goes on.
    tokio::time::timeout(Duration::from_secs(10), async {
        while running.metrics().contains("yaoku_connections 1") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the connection ends");
    running.handler.go.notify_one();
    let finished = running.handler.finished.notified();
    tokio::time::timeout(Duration::from_secs(10), finished).await.expect("the handler runs to its end");
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let running = start(Limits::default(), None).await;
    let mut idle = running.connect().await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.handler.arrived.notified().await;
    running.stop.send(()).unwrap();
    assert_eq!(read_to_end(&mut idle).await, "", "a connection without a request is closed");
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody new is let in");
    running.handler.go.notify_waiters();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    running.served.await.unwrap();
}

#[tokio::test]
async fn stopping_waits_no_longer_than_its_time() {
    let running = start(Limits { drain_timeout: Duration::from_millis(100), ..Limits::default() }, None).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.handler.arrived.notified().await;
    running.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), running.served).await.expect("it stops").unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn tls_of_both_versions_and_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let (reloader, certificate) = certified(dir.path());
    let running = start(Limits::default(), Some(reloader)).await;
    for version in [&TLS12, &TLS13] {
        let stream = secure(&running, version, &certificate, b"h2").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("https://localhost/").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(text(client.send_request(request).await.unwrap()).await, "HTTP/2.0 tls=true query=0 body=0");

        let stream = secure(&running, version, &certificate, b"http/1.1").await.unwrap();
        let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/").header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(text(client.send_request(request).await.unwrap()).await, "HTTP/1.1 tls=true query=0 body=0");
    }
    assert!(!running.get().await.contains("200"), "nothing is served in the clear");
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(short(), Some(certified(dir.path()).0)).await;
    let mut silent = running.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
}

#[tokio::test]
async fn a_certificate_is_replaced_while_serving() {
    let dir = tempfile::tempdir().unwrap();
    let (reloader, old) = certified(dir.path());
    let running = start(Limits::default(), Some(reloader.clone())).await;
    secure(&running, &TLS13, &old, b"h2").await.unwrap();
    let new = write_certificate(dir.path());
    secure(&running, &TLS13, &old, b"h2").await.expect("nothing changes until it is asked for");
    reloader.reload().unwrap();
    secure(&running, &TLS13, &new, b"h2").await.unwrap();
    assert!(secure(&running, &TLS13, &old, b"h2").await.is_err());

    // Whatever can't be used leaves what is in use.
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let (good_cert, good_key) = (std::fs::read(&cert).unwrap(), std::fs::read(&key).unwrap());
    write_certificate(dir.path());
    let other_key = std::fs::read(&key).unwrap();
    let put = |cert_bytes: &[u8], key_bytes: &[u8]| {
        std::fs::write(&cert, cert_bytes).unwrap();
        std::fs::write(&key, key_bytes).unwrap();
        reloader.reload()
    };
    assert!(put(&good_cert, &other_key).unwrap_err().to_string().contains("can't be used together"));
    assert!(put(b"", &good_key).unwrap_err().to_string().contains("does not contain a certificate"));
    assert!(put(&good_cert, &good_cert).unwrap_err().to_string().contains("does not contain a private key"));
    std::fs::remove_file(&key).unwrap();
    assert!(reloader.reload().unwrap_err().to_string().contains("key.pem"));
    secure(&running, &TLS13, &new, b"h2").await.unwrap();
}

/// Says which listener it is, and may wait like [`Echo`].
struct Other {
    arrived: Notify,
    go: Notify,
}

impl Handler for Other {
    async fn call(&self, request: &Incoming) -> Response<Full<Bytes>> {
        if request.parts.uri.path() == "/wait" {
            self.arrived.notify_one();
            self.go.notified().await;
        }
        Response::new(Full::new("the other".into()))
    }
}

#[tokio::test]
async fn listeners_have_handlers_and_identities_of_their_own_and_share_limits_and_end() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, one_certificate) = certified(dirs[0].path());
    let (other, other_certificate) = certified(dirs[1].path());
    let (address, first) = bound(Some(one)).await;
    let (other_address, second) = bound(Some(other)).await;
    let (plain_address, third) = bound(None).await;
    let echo = Arc::new(Echo::default());
    let handler = Arc::new(Other { arrived: Notify::new(), go: Notify::new() });
    let limits = Limits { connections: 3, all_requests_bytes: 100_000, ..Limits::default() };
    let server = Server::new(limits, ConnectionMetrics::default());
    let server = server.listen(first, echo.clone()).listen(second, handler.clone()).listen(third, handler.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    let to = |address, certificate: &CertificateDer<'static>| {
        let config = client_config(&TLS13, certificate, None);
        async move { ask(connect(address, config).await?, "/").await }
    };
    assert!(to(address, &one_certificate).await.unwrap().contains("tls=true"));
    assert_eq!(to(other_address, &other_certificate).await.unwrap(), "the other");
    assert!(to(other_address, &one_certificate).await.is_err(), "an identity of its own");

    // The memory that a request takes on one listener is taken of the other's as well.
    let large = format!("POST /wait HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n{}", "x".repeat(90_000));
    let mut busy = TcpStream::connect(plain_address).await.unwrap();
    busy.write_all(large.as_bytes()).await.unwrap();
    handler.arrived.notified().await;
    let tls = connect(address, client_config(&TLS13, &one_certificate, None)).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(vec![0; 90_000]));
    let request = Request::post("/").header("host", "a").body(body).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);

    // So are connections: those held on one give way to new ones of the other.
    let _held = [TcpStream::connect(plain_address).await.unwrap(), TcpStream::connect(plain_address).await.unwrap()];
    assert_eq!(to(other_address, &other_certificate).await.unwrap(), "the other");

    stop.send(()).unwrap();
    for address in [address, other_address, plain_address] {
        let closed = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), closed).await.expect("nobody new is let in");
    }
    assert!(!served.is_finished(), "a request is under way");
    handler.go.notify_waiters();
    read_until(&mut busy, "the other").await;
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("all end together").unwrap();
}

#[tokio::test]
async fn a_client_certificate_reaches_the_handler_if_it_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (_, server) = certified(dir.path());
    let (ours, theirs) = (Issuer::new("ours"), Issuer::new("theirs"));
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, ours.pem()).unwrap();
    let reloader = TlsReloader::open(dir.path().join("cert.pem"), dir.path().join("key.pem")).unwrap();
    let reloader = Arc::new(reloader.with_client_ca(&ca).unwrap());
    let running = start(Limits::default(), Some(reloader.clone())).await;
    let client = ours.issue(Lifetime::Current);
    let who = |version, client: Option<&Issued>| {
        let config = client_config(version, &server, client);
        let address = running.address;
        async move { ask(connect(address, config).await?, "/who").await }
    };
    for version in [&TLS12, &TLS13] {
        assert_eq!(who(version, None).await.unwrap(), "nobody", "a client need not have one");
        assert_eq!(who(version, Some(&client)).await.unwrap(), client.name());
        for (bad, what) in [
            (theirs.issue(Lifetime::Current), "another issuer's"),
            (ours.issue(Lifetime::Over), "expired"),
            (ours.issue_for_servers(), "not a client's"),
        ] {
            assert!(who(version, Some(&bad)).await.is_err(), "{what}");
        }
    }

    // Issuers are read again, and what is trusted no more counts on open connections no more either.
    let open = connect(running.address, client_config(&TLS13, &server, Some(&client))).await.unwrap();
    let (mut open, connection) = http1::handshake(TokioIo::new(open)).await.unwrap();
    tokio::spawn(connection);
    let request = || Request::get("/who").header("host", "a").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(text(open.send_request(request()).await.unwrap()).await, client.name());
    std::fs::write(&ca, theirs.pem()).unwrap();
    reloader.reload().unwrap();
    assert_eq!(text(open.send_request(request()).await.unwrap()).await, "nobody");
    assert!(who(&TLS13, Some(&client)).await.is_err());
    let other = theirs.issue(Lifetime::Current);
    assert_eq!(who(&TLS12, Some(&other)).await.unwrap(), other.name());

    // What can't be used leaves what is in use.
    std::fs::write(&ca, "").unwrap();
    assert!(reloader.reload().unwrap_err().to_string().contains("ca.pem does not contain a certificate"));
    assert_eq!(who(&TLS12, Some(&other)).await.unwrap(), other.name());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&ca, broken).unwrap();
    assert!(reloader.reload().unwrap_err().to_string().contains("ca.pem can't be used to verify client certificates"));
}

#[tokio::test]
async fn a_session_with_client_certificates_is_not_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, server) = certified(dir.path());
    let issuer = Issuer::new("ours");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let reloader = TlsReloader::open(dir.path().join("cert.pem"), dir.path().join("key.pem")).unwrap();
    let asking = start(Limits::default(), Some(Arc::new(reloader.with_client_ca(&ca).unwrap()))).await;
    let plain = start(Limits::default(), Some(plain)).await;
    let client = issuer.issue(Lifetime::Current);
    for version in [&TLS12, &TLS13] {
        for (running, resumed) in [(&asking, false), (&plain, true)] {
            // One configuration for all connections: it remembers sessions.
            let config = client_config(version, &server, Some(&client));
            let mut kinds = Vec::new();
            for _ in 0..3 {
                let stream = connect(running.address, config.clone()).await.unwrap();
                kinds.push(stream.get_ref().1.handshake_kind().unwrap());
                let expected = if resumed { "nobody".to_owned() } else { client.name() };
                assert_eq!(ask(stream, "/who").await.unwrap(), expected);
            }
            assert_eq!(kinds.contains(&HandshakeKind::Resumed), resumed, "{version:?}: {kinds:?}");
        }
    }
}

#[tokio::test]
async fn the_certificate_of_a_proxy_is_not_its_clients() {
    let dir = tempfile::tempdir().unwrap();
    let (_, server) = certified(dir.path());
    let issuer = Issuer::new("ours");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let reloader = TlsReloader::open(dir.path().join("cert.pem"), dir.path().join("key.pem")).unwrap();
    let (address, listener) = bound(Some(Arc::new(reloader.with_client_ca(&ca).unwrap()))).await;
    let proxies = Proxies { trusted: vec!["127.0.0.1/32".parse().unwrap()], ..Proxies::default() };
    let running = Server::new(Limits::default(), ConnectionMetrics::default()).behind(proxies);
    let running = tokio::spawn(running.listen(listener, Arc::new(Echo::default())).run(std::future::pending()));
    let client = issuer.issue(Lifetime::Current);
    let stream = connect(address, client_config(&TLS13, &server, Some(&client))).await.unwrap();
    assert_eq!(ask(stream, "/who").await.unwrap(), "nobody");
    running.abort();
}

/// An issuer of clients' certificates.
struct Issuer(rcgen::CertifiedIssuer<'static, KeyPair>);

/// When a certificate is good.
#[derive(Clone, Copy)]
enum Lifetime {
    Current,
    Over,
}

struct Issued {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Issuer {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(rcgen::CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, lifetime: Lifetime) -> Issued {
        let mut params = CertificateParams::default();
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        if matches!(lifetime, Lifetime::Over) {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        self.sign(&params)
    }

    fn issue_for_servers(&self) -> Issued {
        let mut params = CertificateParams::default();
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.0).unwrap().der().clone(), key }
    }
}

impl Issued {
    /// What the handler says of it.
    fn name(&self) -> String {
        named(&self.certificate, &self.key.subject_public_key_info())
    }
}

/// A client that trusts one certificate, and may have one.
fn client_config(
    version: &'static SupportedProtocolVersion,
    trusted: &CertificateDer<'static>,
    client: Option<&Issued>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match client {
        Some(Issued { certificate, key }) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            config.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
        }
        None => config.with_no_client_auth(),
    })
}

async fn connect(address: std::net::SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, TcpStream::connect(address).await?).await
}

/// Asks for a path, and closes the connection; the answer's body.
async fn ask(mut stream: TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A certificate for `localhost` in `dir`, and what reads it.
fn certified(dir: &Path) -> (Arc<TlsReloader>, CertificateDer<'static>) {
    let certificate = write_certificate(dir);
    (Arc::new(TlsReloader::open(dir.join("cert.pem"), dir.join("key.pem")).unwrap()), certificate)
}

fn write_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A TLS connection by a client that trusts one certificate.
async fn secure(
    running: &Running,
    version: &'static SupportedProtocolVersion,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
