//! Load over keep-alive connections of HTTP/1.1.
//!
//! The closed loop sends a request when the one before is answered: it finds the highest rate. The open loop sends at given
//! moments and counts from these, whether the server is late or not: its latencies leave out no one who had to wait
//! (coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::Error;
use crate::call::Caller;
use crate::process::cpu_of;
use crate::transport::{Connection, Transport};

/// A server, and what is asked of it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) pid: u32,
    pub(crate) transport: Transport,
    pub(crate) caller: Arc<Caller>,
}

/// What a measurement found.
pub(crate) struct Measured {
    /// Nanoseconds of each request.
    pub(crate) latency: Histogram<u64>,
    pub(crate) elapsed: Duration,
    /// Processor time, of the server and of this process.
    pub(crate) server_cpu: Duration,
    pub(crate) own_cpu: Duration,
}

impl Measured {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of the server's processor time for each request.
    pub(crate) fn server_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.latency.len() as f64
    }
}

pub(crate) async fn closed_loop(target: &Target, connections: usize, length: Duration) -> Result<Measured, Error> {
    let until = Instant::now() + length;
    measure(target, connections, move || {
        let now = Instant::now();
        (now < until).then_some(now)
    })
    .await
}

pub(crate) async fn open_loop(
    target: &Target,
    connections: usize,
    rate: f64,
    length: Duration,
) -> Result<Measured, Error> {
    let (start, sent) = (Instant::now(), AtomicU64::new(0));
    let total = (rate * length.as_secs_f64()) as u64;
    measure(target, connections, move || {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        (number < total).then(|| start + Duration::from_secs_f64(number as f64 / rate))
    })
    .await
}

/// Sends requests at the moments that `next` gives, over as many connections.
async fn measure(
    target: &Target,
    connections: usize,
    next: impl Fn() -> Option<Instant> + Send + Sync + 'static,
) -> Result<Measured, Error> {
    let next = Arc::new(next);
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        streams.push(target.transport.connect(&target.address).await?);
    }
    let own = std::process::id();
    let (server_before, own_before) = (cpu_of(target.pid)?, cpu_of(own)?);
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        let (next, caller) = (next.clone(), target.caller.clone());
        tasks.spawn(async move { converse(stream, &caller, next.as_ref()).await });
    }
    let mut latency = Histogram::new(3)?;
    while let Some(done) = tasks.join_next().await {
        latency.add(done??)?;
    }
    Ok(Measured {
        latency,
        elapsed: started.elapsed(),
        server_cpu: cpu_of(target.pid)?.saturating_sub(server_before),
        own_cpu: cpu_of(own)?.saturating_sub(own_before),
    })
}

async fn converse(
    mut stream: Connection,
    caller: &Caller,
    next: &(impl Fn() -> Option<Instant> + Sync),
) -> Result<Histogram<u64>, Error> {
    let mut latency = Histogram::new(3)?;
    let (mut request, mut buffer) = (String::with_capacity(2048), BytesMut::with_capacity(16 << 10));
    while let Some(at) = next() {
        wait_until(at).await;
        caller.write(&mut request);
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let (status, body) = answer(&mut stream, &mut buffer).await?;
        if status != 200 {
            return Err(format!("status {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        latency.record(u64::try_from(at.elapsed().as_nanos())?)?;
    }
    Ok(latency)
}

/// Timers are no finer than a millisecond: the last of it is spent giving way to others.
async fn wait_until(at: Instant) {
    let timer = at.checked_sub(Duration::from_millis(2)).filter(|timer| *timer > Instant::now());
    if let Some(timer) = timer {
        tokio::time::sleep_until(timer.into()).await;
    }
    while Instant::now() < at {
        tokio::task::yield_now().await;
    }
}

/// Reads one answer; its status and body.
pub(crate) async fn answer(stream: &mut Connection, buffer: &mut BytesMut) -> Result<(u16, BytesMut), Error> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Response::new(&mut headers);
        if let httparse::Status::Complete(head_length) = head.parse(buffer)? {
            let status = head.code.unwrap_or_default();
            let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length: usize = std::str::from_utf8(length.ok_or("an answer without a length")?.value)?.parse()?;
            if buffer.len() >= head_length + length {
                let mut whole = buffer.split_to(head_length + length);
                return Ok((status, whole.split_off(head_length)));
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
}
