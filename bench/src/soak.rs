//! A long run: load below the highest rate, keys made, rotated, switched and deleted meanwhile, restarts by SIGTERM and
//! SIGKILL. Every change that was acknowledged must be there; memory and file descriptors must not grow.

mod ledger;
mod load;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use self::ledger::Ledger;
use crate::call::{Caller, Params, Scheme};
use crate::load::{Target, answer, closed_loop};
use crate::process::{open_files, resident};
use crate::report::progress;
use crate::server::{ACCESS_KEY, Server, Setup, scratch};
use crate::transport::Transport;
use crate::{Error, machine};

/// Seconds between two lines of the report.
const EVERY: u64 = 10;
/// Tasks that change keys.
const CHANGERS: usize = 4;
/// Changes that are looked at after each restart; at the end all are.
const SAMPLE: usize = 500;

/// What all tasks share.
struct Shared {
    /// Address of the server, and how many servers there were before it.
    server: Mutex<(String, u64)>,
    /// Whether the server is meant to serve. False from before it is told to end until it is ready again.
    up: AtomicBool,
    over: AtomicBool,
    /// Requests without an answer, since the server went away.
    lost: AtomicU64,
    latency: Mutex<Histogram<u64>>,
    /// What must not be.
    unexpected: Mutex<Vec<String>>,
}

/// What became of a call.
enum Answer {
    Done(Value),
    /// Refused, with a code.
    Refused(u16, Value),
    /// The server went away before it answered: the call was carried out or not.
    Unknown,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn server(&self) -> Option<(String, u64)> {
        self.up.load(Ordering::Acquire).then(|| self.server.lock().clone())
    }

    /// Whether that server is still meant to serve.
    fn serves(&self, number: u64) -> bool {
        self.up.load(Ordering::Acquire) && self.server.lock().1 == number
    }

    fn unexpected(&self, what: String) {
        let mut unexpected = self.unexpected.lock();
        if unexpected.len() < 100 {
            progress(&format!("UNEXPECTED: {what}"));
            unexpected.push(what);
        }
    }

    /// A call over a connection of its own; waits for a server.
    async fn call(&self, action: &'static str, params: Params<'_>) -> Answer {
        let (address, number) = loop {
            match self.server() {
                Some(server) => break server,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let asked = async {
            let mut request = String::new();
            Caller::new(Scheme::Acs3, &address, ACCESS_KEY, action, params).write(&mut request);
            let mut stream = Transport::Plain.connect(&address).await?;
            stream.write_all(request.as_bytes()).await?;
            let (status, body) = answer(&mut stream, &mut BytesMut::new()).await?;
            Ok::<_, Error>((status, serde_json::from_slice(&body)?))
        };
        match asked.await {
            Ok((200, body)) => Answer::Done(body),
            Ok((status, body)) => Answer::Refused(status, body),
            Err(error) => {
                if self.serves(number) {
                    self.unexpected(format!("{action}: {error}"));
                }
                self.lost.fetch_add(1, Ordering::Relaxed);
                Answer::Unknown
            }
        }
    }
}

/// One line of the report.
struct Sample {
    at: u64,
    rate: f64,
    p99_micros: f64,
    resident: u64,
    files: usize,
    keys: usize,
    changes: u64,
}

/// Runs, and writes a report.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) async fn run(options: &crate::Soak) -> Result<(), Error> {
    let data = scratch(&options.disk)?;
    let start = async || {
        let directory = data.path().join("data");
        Server::yaoku(&Setup { binary: &options.server, data: directory, audit: true, certificate: None }).await
    };
    let mut server = start().await?;
    let warm = load::warm_keys(&server).await?;
    let target = load::target(&server, &warm)?;
    progress("finding the highest rate");
    let highest = closed_loop(&target, options.connections, Duration::from_secs(5)).await?.rate();
    let rate = highest * options.load as f64 / 100.0;
    progress(&format!("{highest:.0} requests/s at most; {rate:.0} from now on, for {} s", options.seconds));

    let shared = Arc::new(Shared {
        server: Mutex::new((server.address.clone(), 0)),
        up: AtomicBool::new(true),
        over: AtomicBool::new(false),
        lost: AtomicU64::new(0),
        latency: Mutex::new(Histogram::new(3)?),
        unexpected: Mutex::default(),
    });
    let ledger = Arc::new(Ledger::default());
    let mut tasks = JoinSet::new();
    for _ in 0..options.connections {
        let (shared, warm) = (shared.clone(), warm.clone());
        let pause = Duration::from_secs_f64(options.connections as f64 / rate);
        tasks.spawn(async move { load::send(&shared, &warm, pause).await });
    }
    for _ in 0..CHANGERS {
        let (shared, ledger) = (shared.clone(), ledger.clone());
        tasks.spawn(async move { ledger.change(&shared).await });
    }

    let (began, mut samples, mut eras) = (Instant::now(), Vec::new(), Vec::new());
    let (mut answered, mut restarts, mut restarted) = (0, 0, Instant::now());
    let mut longest_gap = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(options.seconds) {
        tokio::time::sleep(Duration::from_secs(EVERY)).await;
        let sample = sample(&shared, &ledger, server.pid()?, began)?;
        answered += (sample.rate * EVERY as f64) as u64;
        progress(&format!(
            "{} of {} s: {:.0} requests/s, p99 {:.0} µs, {} MiB, {} files, {} keys, {} changes, {restarts} restarts, {} lost, {} unexpected",
            sample.at,
            options.seconds,
            sample.rate,
            sample.p99_micros,
            sample.resident >> 20,
            sample.files,
            sample.keys,
            sample.changes,
            shared.lost.load(Ordering::Relaxed),
            shared.unexpected.lock().len(),
        ));
        let due = restarted.elapsed() >= Duration::from_secs(options.restart_every);
        if due {
            eras.push((sample.resident, sample.files, sample.keys));
            shared.up.store(false, Ordering::Release);
            let gone = Instant::now();
            if restarts % 2 == 0 {
                server.terminate().await?;
            } else {
                server.kill().await?;
            }
            server = start().await?;
            *shared.server.lock() = (server.address.clone(), restarts + 1);
            shared.up.store(true, Ordering::Release);
            longest_gap = longest_gap.max(gone.elapsed());
            restarts += 1;
            ledger.check(&shared, SAMPLE).await;
            restarted = Instant::now();
        }
        samples.push(sample);
    }
    shared.over.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    progress("checking every change that was acknowledged");
    let checked = ledger.check(&shared, usize::MAX).await;
    server.terminate().await?;

    let unexpected = shared.unexpected.lock().clone();
    let mut out = String::from("# Soak\n\n");
    writeln!(out, "{}\n", machine::describe(&options.server)?)?;
    writeln!(
        out,
        "To repeat: `make soak SOAK_SECONDS={}`, here with `--restart-every {} --connections {} --load {}`.\n",
        options.seconds, options.restart_every, options.connections, options.load
    )?;
    writeln!(
        out,
        "{} s at {} % of {highest:.0} requests/s, the audit log on: {answered} Encrypts and Decrypts answered; {} changes of \
         {} keys acknowledged, of which {checked} keys were checked at the end; {restarts} restarts, by SIGTERM and SIGKILL in \
         turn, {:.2} s without a server at the longest; {} requests without an answer while a server went away; {} things that \
         must not be.\n",
        began.elapsed().as_secs(),
        options.load,
        ledger.changes(),
        ledger.len(),
        longest_gap.as_secs_f64(),
        shared.lost.load(Ordering::Relaxed),
        unexpected.len(),
    )?;
    for what in &unexpected {
        writeln!(out, "- {what}")?;
    }
    out += "| before a restart | resident MiB | files | keys |\n|---|---|---|---|\n";
    for (number, (resident, files, keys)) in eras.iter().enumerate() {
        writeln!(out, "| {} | {} | {files} | {keys} |", number + 1, resident >> 20)?;
    }
    out += "\n| s | requests/s | p99 µs | resident MiB | files | keys | changes |\n|---|---|---|---|---|---|---|\n";
    let step = samples.len().div_ceil(24).max(1);
    for Sample { at, rate, p99_micros, resident, files, keys, changes } in samples.iter().step_by(step) {
        writeln!(out, "| {at} | {rate:.0} | {p99_micros:.0} | {} | {files} | {keys} | {changes} |", resident >> 20)?;
    }
    println!("{out}");
    std::fs::create_dir_all(&options.results)?;
    std::fs::write(options.results.join("soak.md"), out)?;
    let grown = grown(&eras);
    match (unexpected.is_empty(), grown) {
        (true, None) => Ok(()),
        (false, _) => Err("something happened that must not; see the report".into()),
        (_, Some(what)) => Err(what.into()),
    }
}

/// What has grown from the second restart to the last, beyond what new keys need.
fn grown(eras: &[(u64, usize, usize)]) -> Option<String> {
    const A_KEY: u64 = 1024;
    let (&(resident, files, keys), &(resident_now, files_now, keys_now)) = (eras.get(1)?, eras.last()?);
    let allowed = resident + resident / 5 + A_KEY * keys_now.saturating_sub(keys) as u64;
    if resident_now > allowed {
        return Some(format!("memory has grown from {} to {} MiB", resident >> 20, resident_now >> 20));
    }
    (files_now > files + 8).then(|| format!("open files have grown from {files} to {files_now}"))
}

fn sample(shared: &Shared, ledger: &Ledger, pid: u32, began: Instant) -> Result<Sample, Error> {
    let latency = std::mem::replace(&mut *shared.latency.lock(), Histogram::new(3)?);
    Ok(Sample {
        at: began.elapsed().as_secs(),
        rate: latency.len() as f64 / EVERY as f64,
        p99_micros: latency.value_at_quantile(0.99) as f64 / 1000.0,
        resident: resident(pid)?,
        files: open_files(pid)?,
        keys: ledger.len(),
        changes: ledger.changes(),
    })
}
