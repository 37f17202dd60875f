//! What clients that never finish a head cost in memory. In a process of its own, whose memory nothing else changes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use yaoku_http::{ConnectionMetrics, Handler, Incoming, Limits, Listener, Server};

struct Ok;

impl Handler for Ok {
    async fn call(&self, _: &Incoming) -> Response<Full<Bytes>> {
        Response::new(Full::new("good".into()))
    }
}

/// Connections, of which each needs two of the process's file descriptors, often 1024.
const CLIENTS: usize = 400;
const HEAD: usize = 120_000;
const MIB: usize = 1 << 20;

#[tokio::test]
async fn unfinished_heads_do_not_take_more_than_their_part() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    // A quarter of it, 4 MiB, is for heads. Time closes none of them here.
    let limits = Limits { all_requests_bytes: 16 * MIB, header_timeout: Duration::from_secs(600), ..Limits::default() };
    let server = Server::new(limits, ConnectionMetrics::default());
    tokio::spawn(server.listen(Listener { socket, tls: None }, Arc::new(Ok)).run(std::future::pending()));

    // All are open and have begun, so that what connections cost by themselves is not counted below.
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
        streams.push(stream);
    }
    assert!(get(address).await.ends_with("good"));
    let before = resident();
    let head = Bytes::from(vec![b'x'; HEAD]);
    let mut clients = JoinSet::new();
    for mut stream in streams {
        let head = head.clone();
        clients.spawn(async move {
            // Ends, breaks off, or stops because the server reads no more.
            let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&head)).await;
            stream
        });
    }
    let mut held = Vec::new();
    while let Some(stream) = clients.join_next().await {
        held.push(stream.unwrap());
        if held.len() % 50 == 0 {
            assert!(get(address).await.ends_with("good"), "others are served");
        }
    }
    let grown = resident().saturating_sub(before);
    let sent = CLIENTS * HEAD;
    assert!(grown < 20 * MIB, "{} MiB more for {} MiB of heads", grown / MIB, sent / MIB);
    println!("{} KiB more for {} MiB of heads", grown / 1024, sent / MIB);
}

async fn get(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
