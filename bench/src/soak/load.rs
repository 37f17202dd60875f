//! The load: Encrypt and Decrypt of keys that nothing changes, so that each must succeed.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use hdrhistogram::Histogram;
use tokio::io::AsyncWriteExt;

use super::{Shared, Target};
use crate::Error;
use crate::call::{Caller, Scheme};
use crate::load::answer;
use crate::server::{ACCESS_KEY, Server};
use crate::transport::{Connection, Transport};

const KEYS: usize = 100;
const PLAINTEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Keys, and a ciphertext of each.
#[derive(Clone)]
pub(super) struct Warm {
    keys: Vec<String>,
    blobs: Vec<String>,
}

pub(super) async fn warm_keys(server: &Server) -> Result<Warm, Error> {
    let mut warm = Warm { keys: Vec::new(), blobs: Vec::new() };
    for _ in 0..KEYS {
        let key = server.create_key(&[]).await?;
        let encrypted = server.call("Encrypt", &[("KeyId", &key), ("Plaintext", PLAINTEXT)]).await?;
        warm.blobs.push(encrypted["CiphertextBlob"].as_str().ok_or("no ciphertext")?.to_owned());
        warm.keys.push(key);
    }
    Ok(warm)
}

/// What the highest rate is found with.
pub(super) fn target(server: &Server, warm: &Warm) -> Result<Target, Error> {
    let [encrypt, _] = callers(&server.address, warm);
    server.target(encrypt)
}

fn callers(address: &str, warm: &Warm) -> [Caller; 2] {
    let caller = |action| Caller::new(Scheme::Acs3, address, ACCESS_KEY, action, &[]);
    let encrypt = caller("Encrypt").among("KeyId", &warm.keys, &[("Plaintext", PLAINTEXT)]);
    [encrypt, caller("Decrypt").among("CiphertextBlob", &warm.blobs, &[])]
}

/// Sends a request each `pause`, counted from when it was to be sent, until the run is over.
pub(super) async fn send(shared: &Shared, warm: &Warm, pause: Duration) {
    let mut due = Instant::now() + pause.mul_f64(fastrand::f64());
    let mut talk: Option<Talk> = None;
    let Ok(mut latency) = Histogram::<u64>::new(3) else { return };
    while !shared.is_over() {
        let Some((address, number)) = shared.server() else {
            talk = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
            due = Instant::now();
            continue;
        };
        tokio::time::sleep_until(due.into()).await;
        let asked = async {
            if talk.as_ref().is_none_or(|talk| talk.server != number) {
                talk = Some(Talk::begin(&address, number, warm).await?);
            }
            let talk = talk.as_mut().ok_or("no connection")?;
            talk.ask().await
        };
        match asked.await {
            Ok((200, _)) => {
                let _ = latency.record(due.elapsed().as_nanos() as u64);
            }
            Ok((status, body)) => {
                // A server that is told to end may still say so.
                if shared.serves(number) {
                    shared.unexpected(format!("load: status {status}: {body}"));
                }
            }
            Err(error) => {
                talk = None;
                shared.lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if shared.serves(number) {
                    shared.unexpected(format!("load: {error}"));
                }
            }
        }
        if latency.len() >= 64 {
            let _ = shared.latency.lock().add(&latency);
            latency.reset();
        }
        due += pause;
    }
}

/// A connection to one server.
struct Talk {
    server: u64,
    callers: [Caller; 2],
    stream: Connection,
    request: String,
    buffer: BytesMut,
}

impl Talk {
    async fn begin(address: &str, server: u64, warm: &Warm) -> Result<Self, Error> {
        let stream = Transport::Plain.connect(address).await?;
        let callers = callers(address, warm);
        Ok(Self { server, callers, stream, request: String::new(), buffer: BytesMut::new() })
    }

    async fn ask(&mut self) -> Result<(u16, String), Error> {
        self.callers[fastrand::usize(..2)].write(&mut self.request);
        self.stream.write_all(self.request.as_bytes()).await?;
        let (status, body) = answer(&mut self.stream, &mut self.buffer).await?;
        Ok((status, if status == 200 { String::new() } else { String::from_utf8_lossy(&body).into_owned() }))
    }
}
