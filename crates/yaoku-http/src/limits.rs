//! What a client may occupy.

use std::time::Duration;

/// Bounds of connections and requests. The defaults suit a machine with some GiB of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. At the bound, the one that has been without a request for the longest time is closed for a
    /// new one; if a request is under way on each, new ones wait in the system's queue. 4096.
    pub connections: usize,
    /// For the TLS handshake. 10 s.
    pub handshake_timeout: Duration,
    /// From the first byte of an HTTP/1.1 request to the end of its head. 10 s.
    pub header_timeout: Duration,
    /// From the end of a request's head to the end of its body. 30 s.
    pub body_timeout: Duration,
    /// For a connection without a request. 75 s, more than the pools of clients keep theirs.
    pub idle_timeout: Duration,
    /// For a client that takes none of the response; in HTTP/2, and where a response has more than 8 KiB, that does not take all of it. 30 s.
    pub write_timeout: Duration,
    /// Bytes of a request's head: method, URI and headers. A URI is at most 65,534 bytes in any case. 128 KiB.
    pub head_bytes: u32,
    /// Headers of a request. 100; for more, hyper takes memory at each request.
    pub headers: usize,
    /// Bytes of a request's body. 1 MiB.
    pub body_bytes: usize,
    /// Bytes of all requests under way together. Of a connection, and of its only request, the first 8 KiB do not count. A quarter
    /// of it is the most that heads which are not complete may take, and the buffers that they leave; half of it, responses that were not
    /// taken. 256 MiB.
    pub all_requests_bytes: usize,
    /// Requests under way on one HTTP/2 connection. 32.
    pub streams: u32,
    /// For requests under way when the server is told to stop. 30 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            head_bytes: 128 << 10,
            headers: 100,
            body_bytes: 1 << 20,
            all_requests_bytes: 256 << 20,
            streams: 32,
            drain_timeout: Duration::from_secs(30),
        }
    }
}
